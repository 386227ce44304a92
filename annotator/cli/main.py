"""The command line: arguments in, exit code out. The only place that prints; standard output is data."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator import __version__
from annotator.cli.options import FILE, HELP, TIME, aix_options, context_options, inputs, output_option, quiet_option
from annotator.core.errors import AnnotatorError, ExitCode, UsageError
from annotator.core.stats import Stats
from annotator.engine.factory import FORMATS, Options
from annotator.engine.input_check import blocks_of, check_files
from annotator.engine.replay import Replay
from annotator.formats.raw import NAMES
from annotator.io.sinks import FdSink, SinkClosed
from annotator.io.sources import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.api import Log
    from annotator.io.sources import Block


class Commands(click.Group):
    """The commands; those of a live machine are imported when they are asked for, since a replay needs none of them."""

    live = ("doctor", "install", "lookup", "register", "status", "top", "uninstall")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in order."""
        return sorted({*super().list_commands(ctx), *self.live})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them; None for a word that is none."""
        if cmd_name not in self.live:
            return super().get_command(ctx, cmd_name)
        if cmd_name == "lookup":
            from annotator.cli.lookup import command

            return command(lambda: time.time_ns() // 1_000_000)
        if cmd_name == "register":
            from annotator.cli.registration import register

            return register
        from annotator.cli.admin import COMMANDS

        return next((one for one in COMMANDS if one.name == cmd_name), None)


@click.group(cls=Commands, context_settings=HELP)
@click.version_option(__version__, prog_name="annotator")
def cli() -> None:
    """Say in which container each audit event happened."""


@cli.command()
@inputs
@click.option("--format", type=click.Choice(FORMATS), default="raw", show_default=True, help="Output form.")
@context_options
@click.option("--state", type=FILE, help="Go on from this file, and save the state there (one input file).")
@click.option("--node", default="", help="The one machine of all records without node=.")
@aix_options
@click.option("--contid", type=click.IntRange(0, 2**64 - 2), help="Only events of this contid, or nested in it.")
@click.option("--container", default="", metavar="NAME|ID-PREFIX", help="Only events of this container.")
@click.option("--since", "since_ms", type=TIME, help="Only events from this time on: RFC 3339 with a zone, or epoch.")
@click.option("--until", "until_ms", type=TIME, help="Only events up to this time.")
@click.option("--only-containers", is_flag=True, help="Only events in a container, or aimed at one.")
@click.option("--expr", default="", metavar="EXPRESSION", help="Only events that match (ausearch-expression(5)).")
@click.option("--fields", default="", metavar="LIST", help="Only these, comma separated: our fields, or JSON paths.")
@click.option("--original", is_flag=True, help="JSON: keep the records, as event.original.")
@click.option("--mark-unknown", is_flag=True, help='Raw: mark unknown events, cont_how="unknown:REASON".')
@click.option("--reannotate", is_flag=True, help="Raw: replace fields that are there already.")
@click.option("--resolve-users", is_flag=True, help="JSON: name users by this machine's passwd.")
@click.option("--follow", "following", is_flag=True, help="Wait for more, through rotation (one file).")
@click.option("--summary", type=click.Choice(("text", "json")), help="Counts, on standard error, at the end.")
@click.option("--strict", is_flag=True, help="Exit 3 when anything was lost or rejected.")
@quiet_option
def replay(inputs: tuple[str, ...], fields: str, **given: Any) -> None:
    """Annotate recorded logs: FILE... or - for standard input.

    Example: annotator replay --format json /var/log/audit/audit.log
    """
    following, strict, quiet, summary = (given.pop(name) for name in ("following", "strict", "quiet", "summary"))
    state: Path | None = given.pop("state")
    chosen = frozenset(name.strip() for name in fields.split(",") if name.strip()) or None
    if chosen and given["format"] == "raw" and not chosen <= set(NAMES):
        known = "Known: " + " ".join(NAMES)
        raise UsageError(f"--fields: no such field: {', '.join(sorted(chosen - set(NAMES)))}", known)
    if (following or state) and (len(inputs) != 1 or inputs[0] == "-"):
        raise UsageError("--follow and --state take one file")
    stats = Stats()
    run = Replay(Options(fields=chosen, **given), stats=stats)
    sink = FdSink(1)
    with contextlib.suppress(SinkClosed), contextlib.ExitStack() as stack:  # the reader has seen enough
        stack.callback(sink.flush)  # what was read before an error leaves too
        if following or state:
            _run_growing(run, Path(inputs[0]), state, sink, following=following)
        else:
            for block in _blocks(inputs, quiet=quiet, system=given["system"]):
                sink.write(run.feed(block))
        if state is None:
            sink.write(run.finish())
    for warning in run.warnings:
        click.echo(f"annotator: {warning}", err=True)
    if stats.lost:
        click.echo(
            f"annotator: auditd lost {stats.lost} records (type=UNKNOWN[1020] msg=lost): registrations of containers "
            "are missing from this log.\n  Containers are then known by CONTAINER_ID records alone. "
            "An audit user space with contid support writes them.",
            err=True,
        )
    if summary:
        click.echo(json.dumps(stats.as_dict()) if summary == "json" else stats.summary(), err=True)
    if strict and stats.has_loss:
        raise SystemExit(ExitCode.LOSS)


def _blocks(inputs: tuple[str, ...], *, quiet: bool, system: str) -> Iterable[Block]:
    """The inputs' blocks, with a progress bar when a person watches and the output goes elsewhere."""
    blocks = blocks_of(inputs, system=system)
    if quiet or not sys.stderr.isatty() or sys.stdout.isatty() or inputs == ("-",):
        return blocks
    from rich.console import Console

    from annotator.io.console import watched

    return watched(blocks, inputs, Console(stderr=True))


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


@cli.command()
@inputs
@context_options
@aix_options
@output_option
@quiet_option
def containers(inputs: tuple[str, ...], output: str, *, quiet: bool, **given: Any) -> None:
    """List the containers that logs show: contid, names, first and last seen, processes, events, sessions."""
    from annotator.report.logs import container_rows

    rows = container_rows(_open(inputs, quiet=quiet, **given))
    columns = "contid id name engine image inside node first last ended processes events sessions shares_netns_with"
    _show(rows, columns.split(), output, "no container was seen")


@cli.command()
@inputs
@context_options
@aix_options
@output_option
@quiet_option
def sessions(inputs: tuple[str, ...], output: str, *, quiet: bool, **given: Any) -> None:
    """List who entered which container from outside: when, how, and what they ran."""
    from annotator.report.logs import session_rows

    rows = session_rows(_open(inputs, quiet=quiet, **given))
    columns = "session container name how by first last events ran"
    _show(rows, columns.split(), output, "nobody entered a container, as far as the log shows")


@cli.command(name="who")
@click.argument("pid", type=click.IntRange(1, 2**31 - 1))
@inputs
@click.option("--at", "at_ms", type=TIME, required=True, help="When: RFC 3339 with a zone, or epoch.")
@click.option("--node", default="", help="On which host, for logs of several.")
@context_options
@aix_options
@output_option
@quiet_option
def who_command(
    pid: int, inputs: tuple[str, ...], at_ms: int, node: str, output: str, *, quiet: bool, **given: Any
) -> None:
    """Show the chain of processes from PID up to init, each with its container and the evidence for it.

    Example: annotator who 4242 --at 2026-01-31T12:00:00Z audit.log
    """
    from annotator.report.logs import process_rows

    rows = process_rows(_open(inputs, quiet=quiet, **given), pid, at_ms, node)
    columns = "pid ppid exe status reason container name session how evidence flags parent_proven born ended"
    _show(rows, columns.split(), output, f"pid {pid} was not seen at that time")
    if not rows:
        raise SystemExit(ExitCode.FAILED)


@cli.command()
@click.option("--config", type=click.Path(), default="", help="TOML file; default /etc/annotator/annotator.toml.")
@click.option("--check-config", is_flag=True, help="Say whether the configuration can be used, and end.")
@click.option(
    "--source",
    type=click.Choice(("auditd", "auditstream", "auditpr")),
    default="auditd",
    show_default=True,
    help="AIX: auditstream runs the pipe auditstream | auditpr; auditpr reads what such a pipe prints.",
)
def plugin(config: str, source: str, *, check_config: bool) -> int:
    """Run as auditd's plugin: records on standard input (in plugins.d, name the lighter `audisp-contid`)."""
    from annotator.plugin import main as run_plugin

    if source != "auditd" and not check_config:
        from annotator.plugin.aix import auditstream  # auditd's reader forks its worker before it imports much

        return auditstream.run(source, Path(config) if config else None)
    return run_plugin([*(["--check-config"] if check_config else []), *([config] if config else [])])


def _open(inputs: tuple[str, ...], *, quiet: bool, **given: Any) -> Log:
    """The logs as one, read with a progress bar."""
    from annotator.api import Log

    log = Log(_blocks(inputs, quiet=quiet, system=given["system"]), Options(format="none", **given))
    for warning in log.warnings:
        click.echo(f"annotator: {warning}", err=True)
    return log


def _show(rows: list[dict[str, Any]], columns: list[str], output: str, nothing: str) -> None:
    from annotator.io.console import machine, table

    sink = FdSink(1)
    with contextlib.suppress(SinkClosed):
        if output == "json":
            for row in rows:
                sink.write(json.dumps(machine(row)).encode() + b"\n")
        elif rows:
            sink.write(table(rows, columns, width=None if sys.stdout.isatty() else 200).encode())
        else:
            click.echo(nothing, err=True)
        sink.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code. An error is one line of what, and one of what to do."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # events are made and dropped by the million, and hold no cycles
    run: Callable[..., Any] = cli.main
    try:
        result = run(args=arguments, prog_name="annotator", standalone_mode=False)
    except AnnotatorError as err:
        click.echo(f"annotator: {err.what}", err=True)
        if err.advice:
            click.echo(f"  {err.advice}", err=True)
        return err.exit_code
    except click.ClickException as err:
        err.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return ExitCode.DONE
    except SystemExit as err:
        return err.code if isinstance(err.code, int) else ExitCode.FAILED
    return result if isinstance(result, int) else ExitCode.DONE
