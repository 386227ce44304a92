"""`annotator replay`: recorded logs in, annotated logs out."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from annotator.cli import inputs as reading
from annotator.cli.options import (
    FILE,
    aix_options,
    context_options,
    inputs,
    output_file,
    quiet_option,
    since_option,
    until_option,
)
from annotator.cli.output import has_colour, is_terminal, opened
from annotator.core.errors import ExitCode, SourceError, UsageError
from annotator.core.stats import Stats
from annotator.engine.factory import FORMATS, Options
from annotator.engine.input_check import check_files
from annotator.engine.pipeline import Tables
from annotator.engine.replay import Replay
from annotator.formats.raw import NAMES
from annotator.io.sources import follow
from annotator.io.sources.decompression import MAGIC_LENGTH, packing

if TYPE_CHECKING:
    from annotator.io.sinks import FdSink

FIELD_SETS = ("lean", "full")
_ONLY_FOR = {
    "original": ("--original", ("json", "msgpack")),
    "resolve_users": ("--resolve-users", ("json", "msgpack", "text")),
    "mark_unknown": ("--mark-unknown", ("raw",)),
    "reannotate": ("--reannotate", ("raw",)),
}
"""Options that have an effect in some forms alone."""


class Ending(NamedTuple):
    """What is said at the end."""

    summary: str | None
    strict: bool


@click.command()
@inputs
@click.option("--format", type=click.Choice(FORMATS), default="raw", show_default=True, help="Output form.")
@output_file
@context_options
@click.option("--state", type=FILE, help="Go on from this file, and save the state there (one input file).")
@click.option("--node", default="", help="The one machine of all records without node=.")
@aix_options
@click.option("--contid", type=click.IntRange(0, 2**64 - 2), help="Only events of this contid, or nested in it.")
@click.option("--container", default="", metavar="NAME|ID-PREFIX", help="Only events of this container.")
@since_option
@until_option
@click.option("--only-containers", is_flag=True, help="Only events in a container, or aimed at one.")
@click.option("--expr", default="", metavar="EXPRESSION", help="Only events that match (ausearch-expression(5)).")
@click.option(
    "--fields", default="", metavar="lean|full|LIST",
    help="Only these, comma separated: our fields, or JSON paths. JSON: lean leaves out the decoded records.",
)  # fmt: skip
@click.option("--original", is_flag=True, help="JSON: keep the records, as event.original.")
@click.option("--mark-unknown", is_flag=True, help='Raw: mark unknown events, cont_how="unknown:REASON".')
@click.option("--reannotate", is_flag=True, help="Raw: replace fields that are there already.")
@click.option("--resolve-users", is_flag=True, help="JSON, text: name users by this machine's passwd.")
@click.option("--follow", "following", is_flag=True, help="Wait for more, through rotation (one file).")
@click.option("--summary", type=click.Choice(("text", "json")), help="Counts, on standard error, at the end.")
@click.option("--strict", is_flag=True, help="Exit 3 when anything was lost or rejected.")
@quiet_option
def replay(inputs: tuple[str, ...], out: Path | None, fields: str, **given: Any) -> None:
    """Annotate recorded logs: FILE..., or standard input.

    Example: annotator replay --format text /var/log/audit/audit.log
    """
    following, quiet = given.pop("following"), given.pop("quiet")
    ending = Ending(given.pop("summary"), given.pop("strict"))
    state: Path | None = given.pop("state")
    chosen = _fields(fields, given["format"])
    _check(given, out)
    names = reading.names_of(inputs)
    if following or state:
        _check_growing(names, following=following)
    options = Options(
        fields=chosen, lean=fields == "lean", colour=given["format"] == "text" and has_colour(out), **given
    )
    stats, tables = Stats(), Tables()
    run = Replay(options, stats=stats, tables=tables)
    with opened(out) as sink:
        if following or state:
            _run_growing(run, Path(names[0]), state, sink, following=following)
        else:
            for block in reading.blocks(names, quiet=quiet, own_terminal=is_terminal(out), system=options.system):
                sink.write(run.feed(block))
        if state is None:
            sink.write(run.finish())
    for warning in run.warnings:
        click.echo(f"annotator: {warning}", err=True)
    _check_effect(run, tables, options, is_empty=not stats.annotated + stats.already + stats.passed)
    _finish(stats, ending)


COMMANDS = (replay,)


def _fields(fields: str, form: str) -> frozenset[str] | None:
    """The fields that were asked for; None for all. Raises UsageError for names that are none."""
    chosen = frozenset(name.strip() for name in fields.split(",") if name.strip())
    if not chosen:
        return None
    if fields in FIELD_SETS:
        if form not in ("json", "msgpack"):
            raise UsageError(f"--fields {fields} has no effect on --format {form}", "It is for json and msgpack.")
        return None
    if form not in ("raw", "json", "msgpack"):
        raise UsageError(f"--fields has no effect on --format {form}", "It is for raw, json and msgpack.")
    if form == "raw":
        wrong, known = sorted(chosen - set(NAMES)), " ".join(NAMES)
    else:
        from annotator.formats.schema import paths, unknown

        wrong, known = unknown(chosen), " ".join(path for path in sorted(paths()) if path.count(".") < 2)
    if wrong:
        raise UsageError(f"--fields: no such field: {', '.join(wrong)}", f"Known: {known}")
    return chosen


def _check(given: dict[str, Any], out: Path | None) -> None:
    """Options that would have no effect are refused, before anything is read."""
    form = given["format"]
    for name, (option, forms) in _ONLY_FOR.items():
        if given[name] and form not in forms:
            raise UsageError(f"{option} has no effect on --format {form}", f"It is for {', '.join(forms)}.")
    since, until = given["since_ms"], given["until_ms"]
    if since is not None and until is not None and since > until:
        raise UsageError("--since is later than --until: no event can be between them", "Turn them round.")
    if form == "msgpack" and is_terminal(out):
        raise UsageError("msgpack is binary, and this is a terminal", "Give -o FILE, or use --format json.")


def _check_growing(names: tuple[str, ...], *, following: bool) -> None:
    if len(names) != 1 or names[0] == reading.STDIN:
        raise UsageError("--follow and --state take one file")
    if not following:
        return
    with Path(names[0]).open("rb") as file:
        packed = packing(file.read(MAGIC_LENGTH))
    if packed:
        raise SourceError(
            f"{names[0]}: {packed} data cannot be followed: nothing is added to it", "Follow the log that is written."
        )


def _check_effect(run: Replay, tables: Tables, options: Options, *, is_empty: bool) -> None:
    """What was asked for and is not in this log is an error, with what there is instead."""
    is_linux = run.trail is None
    aix = {
        "--tz": options.tz,
        "--origin": options.origin,
        "--wpars": options.wpars,
        "--columns": options.columns,
        "--aix-events": options.aix_events,
    }
    useless = [name for name, value in aix.items() if value]
    if is_linux and run.has_input and useless:
        raise UsageError(f"{', '.join(useless)}: for AIX trails, and these are logs of Linux", "Leave it out.")
    if is_empty and (options.container or options.contid is not None):
        from annotator.report.logs import require_container

        require_container(tables, options.container, options.contid)


def _finish(stats: Stats, ending: Ending) -> None:
    if stats.lost:
        click.echo(
            f"annotator: auditd lost {stats.lost} records (type=UNKNOWN[1020] msg=lost): registrations of containers "
            "are missing from this log.\n  Containers are then known by CONTAINER_ID records alone. "
            "An audit user space with contid support writes them.",
            err=True,
        )
    if ending.summary:
        click.echo(json.dumps(stats.as_dict()) if ending.summary == "json" else stats.summary(), err=True)
    if ending.strict and stats.has_loss:
        raise SystemExit(ExitCode.LOSS)


def _run_growing(run: Replay, path: Path, state: Path | None, sink: FdSink, *, following: bool) -> None:
    """A growing file: to its present end, or until SIGINT or SIGTERM; from a saved state on, and into one."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda which, _: signals.append(which))
    if path.exists():
        check_files([path], system=run.options.system, packed=False)
    start = run.resume(state, lambda text: click.echo(f"annotator: {text}", err=True)) if state is not None else None
    sleep = time.sleep if following else lambda _: None
    growing = follow(path, sleep=sleep, stop=lambda: bool(signals), start=start or 0)
    for block in growing:
        if block is not None:
            sink.write(run.feed(block))
        elif following:
            sink.write(run.idle(1000))
        else:
            break
        sink.flush()
    if state is not None:
        sink.write(run.end_of_input())
        run.save(state, growing.position)
    if signals and not following:
        sys.stderr.write("annotator: stopped: the state is saved up to here\n")
