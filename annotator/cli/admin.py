"""`annotator install`, `uninstall`, `doctor`, `status`, `top`: arguments in, text out."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.admin import doctor as checks
from annotator.admin import install as installation
from annotator.admin import install_aix, install_plan, manifest, rules, status
from annotator.admin.check_result import Level
from annotator.admin.install import Action
from annotator.admin.machine import Machine, files_below, this_machine
from annotator.cli.output import width_of
from annotator.core.errors import AnnotatorError, ExitCode, UsageError
from annotator.engine.host_context import boot_id
from annotator.io.console import machine as for_machines
from annotator.io.console import plain, table
from annotator.plugin import config_load
from annotator.plugin.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from annotator.admin.activity import Activity
    from annotator.admin.install import Step
    from annotator.admin.status import Status

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="The machine's files are below this directory.",
)
dry_option = click.option(
    "-n", "--dry-run", is_flag=True, help="Show what would change, as a unified diff; do nothing."
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The plugin's configuration; default {install_plan.CONFIG}.",
)
as_json = click.option(
    "--format", "--output", "output", type=click.Choice(("table", "json")), default="table", show_default=True,
    help="Form.",
)  # fmt: skip


@click.command()
@root_option
@dry_option
@click.option(
    "--rules",
    "levels",
    metavar="LIST",
    help="Levels of audit rules, comma separated, of: "
    + ", ".join(rules.LEVELS)
    + f"; or none. Default: those installed before, else {','.join(rules.DEFAULT)}.",
)
@click.option("--program", default="", metavar="PATH", help="A plugin program that is there already; none is written.")
@click.option(
    "--hook", default="", metavar="PATH", help="Also write the OCI hook's file (oci-hooks(5)), for this program."
)
@click.option("--inactive", is_flag=True, help="auditd shall not start the plugin yet (active = no).")
@click.option("--no-documents", is_flag=True, help="No man pages, completions and notes.")
def install(root: Path, levels: str | None, **given: Any) -> None:
    """Put the plugin's stanza, configuration, audit rules, log directory and documents on this machine.

    Nothing that others wrote is overwritten, and neither auditd nor its rules are touched: the next steps are printed.
    """
    dry: bool = given.pop("dry_run")
    _must_be_root(root, dry=dry)
    installed = manifest.load(root)
    options = install_plan.Options(
        levels=_levels(levels, installed),
        python=sys.executable,
        machine=os.uname().machine,
        program=given["program"],
        hook=given["hook"],
        active=not given["inactive"],
        documents=not given["no_documents"],
    )
    on_aix = install_aix.is_aix(root)
    if on_aix and levels is not None:
        raise UsageError("--rules is for Linux: what AIX audits is in its own configuration", "See install-aix.md.")
    plan = install_aix.plan(options) if on_aix else install_plan.plan(root, options)
    for name in ("program", "hook"):  # after the plans, which refuse what this system has not
        _check_program(root, f"--{name}", given[name])
    steps = installation.steps(root, plan, installed)
    if dry:
        click.echo(plain_lines(installation.diff(steps)), nl=False)
        _print_steps(steps, (Action.KEPT, Action.OWN, Action.FOREIGN), err=True)
        if any(step.action is Action.FOREIGN for step in steps):
            raise SystemExit(ExitCode.FAILED)
        return
    installation.apply(root, steps, installed)
    _print_steps(steps, (Action.CREATE, Action.UPDATE, Action.REMOVE, Action.KEPT, Action.OWN))
    if not any(step.action in (Action.CREATE, Action.UPDATE, Action.REMOVE) for step in steps):
        click.echo("nothing to do")
    elif root == Path("/"):
        click.echo(
            f"next: {install_aix.NEXT if on_aix else 'augenrules --load; service auditd restart; annotator doctor'}"
        )


@click.command()
@root_option
@dry_option
@click.option("--purge", is_flag=True, help="Remove also what was changed by hand, the logs and the state.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def uninstall(root: Path, *, dry_run: bool, purge: bool, yes: bool) -> None:
    """Remove what install wrote, as it wrote it. What was changed by hand since stays, unless --purge is given."""
    _must_be_root(root, dry=dry_run)
    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to say yes", "Give --yes; --dry-run shows what would be removed.")
        click.confirm("Remove what `annotator install` wrote?", abort=True)
    installed = manifest.load(root)
    steps = installation.removals(root, installed, purge=purge)
    if dry_run:
        click.echo(plain_lines(installation.diff(steps)), nl=False)
        _print_steps(steps, (Action.KEPT,), err=True)
        return
    if not installed.files and not installed.directories and not purge:
        click.echo("nothing is installed")
        return
    stay = installation.remove(root, steps, installed, purge=purge)
    _print_steps(steps, (Action.REMOVE,))
    for path in stay:
        click.echo(f"{'stays':8} {plain(path)}")
    if root == Path("/"):
        on_aix = install_aix.is_aix(root)
        click.echo(f"next: {install_aix.TAKE_BACK if on_aix else 'augenrules --load; service auditd restart'}")


@click.command()
@root_option
@config_option
@as_json
def doctor(root: Path, config: Path | None, output: str) -> None:
    """Check whether the plugin can work here, and say what to do. Exits 1 when something is bad."""
    machine = _machine(root)
    if machine.is_this and os.geteuid() != 0:
        click.echo("annotator: not root: much cannot be asked", err=True)
    results = checks.check(machine, config)
    if output == "json":
        for result in results:
            row = {"level": result.level.value, "topic": result.topic, "found": result.outcome, "do": result.advice}
            click.echo(json.dumps(row))
    else:
        colours = {Level.BAD: "red", Level.WARNING: "yellow", Level.OK: "green"}
        for result in results:
            level = click.style(f"{result.level.value:8}", colours.get(result.level))
            click.echo(f"{level} {result.topic}: {plain(result.outcome)}")
            if result.advice:
                click.echo(f"{'':8} -> {plain(result.advice)}")
    if checks.worst(results) is Level.BAD:
        raise SystemExit(ExitCode.FAILED)


@click.command(name="status")
@root_option
@config_option
@as_json
def status_command(root: Path, config: Path | None, output: str) -> None:
    """Show the running plugin's counters, outputs and containers, once. Exits 1 when it does not run."""
    shown = _read_status(root, config)
    if output == "json":
        row = status.as_row(shown)
        row["containers"] = [for_machines(container) for container in shown.containers]
        click.echo(json.dumps(row))
    else:
        for name, text in status.lines(shown):
            click.echo(f"{name + ':':16} {plain(text)}")
        if shown.containers:
            columns = ["name", "id", "engine", "image", "inside", "started", "contid"]
            drawn = table(
                shown.containers, columns, width=width_of(None, wide=False), flexible=("image", "name", "inside"),
                droppable=("contid", "inside", "image", "started"),
            )  # fmt: skip
            click.echo("\n" + drawn, nl=False)
    if not shown.processes:
        raise SystemExit(ExitCode.FAILED)


@click.command()
@root_option
@config_option
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option("--times", type=click.IntRange(1), help="End after so many looks.")
@click.option(
    "--sort", type=click.Choice(("rate", "name", "started")), default="rate", show_default=True, help="Of containers."
)
def top(root: Path, config: Path | None, interval: float, times: int | None, sort: str) -> None:
    """Watch the running plugin: events a second, drops, lag, containers, live sessions, why events are unknown.

    Keys: s sorts containers otherwise, q ends it. Rates by container and sessions are read from the plugin's first file
    in the form raw or json.
    """
    from rich.console import Console

    from annotator.admin.top import show
    from annotator.cli.keys import keys

    def statuses() -> Iterator[tuple[float, Status]]:
        left = times
        while left is None or left > 0:
            yield time.time(), _read_status(root, config)
            left = None if left is None else left - 1

    activity = _activity(root, config)
    with keys() as wait:
        show(Console(), statuses(), lambda: wait(interval), activity=activity, sort=sort)


def _activity(root: Path, path: Path | None) -> Activity | None:
    """What is written of containers' events, where the plugin writes a file that says it."""
    from annotator.admin.activity import Activity

    machine = _machine(root)
    for output in _configured(machine, path).output:
        if output.type == "file" and output.format in ("raw", "json"):
            return Activity(machine.path(output.path))
    return None


COMMANDS: tuple[click.Command, ...] = (install, uninstall, doctor, status_command, top)


def plain_lines(text: str) -> str:
    """Lines that cannot drive a terminal; a file in the way is anybody's text."""
    return "".join(plain(line) + "\n" for line in text.split("\n")[:-1]) if text else ""


def _levels(given: str | None, installed: manifest.Manifest) -> tuple[str, ...]:
    if given is None:
        before = tuple(
            level for level, name in rules.LEVELS.items() if f"{install_plan.RULES}/{name}" in installed.files
        )
        return before if before or installed.files else rules.DEFAULT
    if given.strip() == "none":
        return ()
    chosen = tuple(one.strip() for one in given.split(",") if one.strip())
    if wrong := [one for one in chosen if one not in rules.LEVELS]:
        raise UsageError(f"--rules: no such level: {', '.join(wrong)}", "Known: " + " ".join(rules.LEVELS) + ", none")
    return chosen


def _must_be_root(root: Path, *, dry: bool) -> None:
    if root != Path("/") or dry:
        return
    if not sys.platform.startswith("linux"):
        raise UsageError("this installs a plugin of auditd, and here is none", "On AIX only `replay` is of use.")
    if os.geteuid() != 0:
        raise AnnotatorError("only root can install", "Use sudo; or see first what would be done: --dry-run.")


def _check_program(root: Path, option: str, path: str) -> None:
    """A program that something shall start is there, and can be started. Its form is judged elsewhere."""
    if not path.startswith("/"):
        return
    place = root / path[1:]
    if not place.is_file():
        raise UsageError(f"{option}: there is no file {path}" + (f" below {root}" if str(root) != "/" else ""))
    if not os.access(place, os.X_OK):
        raise UsageError(f"{option}: {path} cannot be executed", f"chmod 0750 {path}")


def _machine(root: Path) -> Machine:
    return this_machine() if root == Path("/") else files_below(root)


def _read_status(root: Path, path: Path | None) -> Status:
    machine = _machine(root)
    loaded = _configured(machine, path)
    return status.read(machine, loaded, time.time(), boot=boot_id() if machine.is_this else "")


def _configured(machine: Machine, path: Path | None) -> Config:
    place = path or machine.path(install_plan.CONFIG)
    return config_load.load(place) if path or place.exists() else Config()


def _print_steps(steps: Sequence[Step], acts: tuple[Action, ...], *, err: bool = False) -> None:
    labels = {Action.KEPT: "changed by hand, kept:", Action.OWN: "yours, kept:", Action.FOREIGN: "in the way:"}
    for step in steps:
        if step.action in acts:
            click.echo(f"{labels.get(step.action, f'{step.action.value:8}')} {step.path}", err=err)
