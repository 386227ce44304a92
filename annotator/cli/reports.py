"""`annotator containers`, `sessions`, `who`, `tree`: questions about whole logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotator.cli import inputs as reading
from annotator.cli.options import (
    TIME,
    aix_options,
    context_options,
    filter_options,
    inputs,
    quiet_option,
    report_options,
)
from annotator.cli.output import Shown, columns, opened, show, width_of
from annotator.core.errors import ExitCode, UsageError
from annotator.core.times import show_time
from annotator.engine.factory import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from annotator.api import Log
    from annotator.engine.process_tree import ProcessNode

CONTAINERS = columns(
    "name id engine image inside node first last ended processes events sessions shares_netns_with contid",
    flexible="image name shares_netns_with inside",
    droppable="contid shares_netns_with ended inside last processes image node engine",
)
SESSIONS = columns(
    "session name container how by first last events ran",
    flexible="ran by name how",
    droppable="last container events",
)
WHO = columns(
    "pid ppid exe status reason name container session how evidence flags parent_proven born ended",
    flexible="exe name how container",
    droppable="parent_proven ended born ppid how container session",
)
TREE = columns("pid ppid born ended exit uid name session how events ran")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (quiet_option, report_options, aix_options, context_options, filter_options, inputs):
        command = option(command)
    return command


def _shown(given: dict[str, Any]) -> Shown:
    """Take the options of the output out of those given."""
    return Shown(given.pop("form"), given.pop("out"), given.pop("wide"))


@click.command()
@_options
def containers(inputs: tuple[str, ...], container: str, **given: Any) -> None:
    """List the containers that logs show: names, first and last seen, processes, events, sessions.

    Example: annotator containers --since today /var/log/audit/audit.log
    """
    from annotator.report.logs import container_rows

    how = _shown(given)
    log = opened_log(inputs, **given)
    show(container_rows(log, container), CONTAINERS, how, "no container was seen")


@click.command()
@_options
def sessions(inputs: tuple[str, ...], container: str, **given: Any) -> None:
    """List who entered which container from outside: when, how, and what they ran."""
    from annotator.report.logs import session_rows

    how = _shown(given)
    log = opened_log(inputs, **given)
    show(session_rows(log, container), SESSIONS, how, "nobody entered a container, as far as the log shows")


@click.command(name="who")
@click.argument("pid", type=click.IntRange(1, 2**31 - 1))
@inputs
@click.option("--at", "at_ms", type=TIME, required=True, metavar="TIME", help="When; as for --since elsewhere.")
@click.option("--node", default="", help="On which host, for logs of several.")
@context_options
@aix_options
@report_options
@quiet_option
def who(pid: int, inputs: tuple[str, ...], at_ms: int, node: str, **given: Any) -> None:
    """Show the chain of processes from PID up to init, each with its container and the evidence for it.

    Where no process had that pid at that time, the nearest in time is shown, and it is said.

    Example: annotator who 4242 --at 14:05 audit.log
    """
    from annotator.report.logs import nearest_life, process_rows

    how = _shown(given)
    log = opened_log(inputs, **given)
    _check_node(log, node)
    rows = process_rows(log, pid, at_ms, node)
    nearest = nearest_life(log, pid, at_ms, node) if not rows else None
    if nearest is not None:
        rows = process_rows(log, pid, nearest, node)
        away = abs(nearest - at_ms) / 1000
        side = "later" if nearest > at_ms else "earlier"
        what = f"pid {pid} was not seen at {show_time(at_ms)}; shown is the nearest, {away:.3f} s {side}"
        click.echo(f"annotator: {what}", err=True)
    show(rows, WHO, how, f"no process of the log has pid {pid}" + (f" on {node}" if node else ""))
    if not rows or nearest is not None:
        raise SystemExit(ExitCode.FAILED)


@click.command()
@_options
@click.option("--session", "session", default="", metavar="ID", help="Only processes of this session, by `sessions`.")
@click.option("--pid", type=click.IntRange(1, 2**31 - 1), help="Only the processes of this pid, and those below them.")
def tree(inputs: tuple[str, ...], container: str, session: str, pid: int | None, **given: Any) -> None:
    """Show processes as trees: when they lived, what they ran, how they ended.

    Example: annotator tree --container web audit.log
    """
    from annotator.report.logs import is_container, no_container, tree_rows
    from annotator.report.tree import drawn

    how = _shown(given)
    log = opened_log(inputs, with_processes=True, **given)

    def wanted(node: ProcessNode) -> bool:
        return (
            (not container or is_container(container, id=node.container, name=node.name))
            and (not session or node.session == session)
            and (pid is None or node.pid == pid)
        )

    trees = log.processes(wanted, below=pid is not None)
    if not trees and container:
        raise no_container(container, [one.name or one.id[:12] for one in log.containers()])
    if not trees and session:
        known = ", ".join(one.session.id for one in log.sessions()[:10])
        raise UsageError(f"no session of this log has the id {session!r}", f"It shows: {known or 'none'}.")
    rows = tree_rows(trees)
    if how.form != "table":
        show(rows, TREE, how, "no process was seen")
        return
    _draw(drawn(trees, width_of(how.out, wide=how.wide)), how.out, "no process was seen")


COMMANDS = (containers, sessions, who, tree)


def _draw(text: str, out: Path | None, nothing: str) -> None:
    with opened(out) as sink:
        sink.write(text.encode())
    if not text:
        click.echo(f"annotator: {nothing}", err=True)


def opened_log(inputs: tuple[str, ...], *, with_processes: bool = False, **given: Any) -> Log:
    """The logs as one, read with a progress bar."""
    from annotator.api import Log
    from annotator.report.logs import wanted_events

    quiet, node = given.pop("quiet"), given.pop("only_node", "")
    names = reading.names_of(inputs)
    since, until = given.get("since_ms"), given.get("until_ms")
    if since is not None and until is not None and since > until:
        raise UsageError("--since is later than --until: no event can be between them", "Turn them round.")
    options = Options(format="none", **given)
    log = Log(
        reading.blocks(names, quiet=quiet, system=options.system),
        options,
        wanted=wanted_events(options, node),
        with_processes=with_processes,
    )
    for warning in log.warnings:
        click.echo(f"annotator: {warning}", err=True)
    _check_node(log, node)
    return log


def _check_node(log: Log, node: str) -> None:
    """A host that is not in the log is an error; so is none, of several, where one is needed."""
    if node and node not in log.nodes:
        known = ", ".join(name or "(without a name)" for name in log.nodes[:20])
        raise UsageError(f"no record of this log is of host {node!r}", f"It has: {known}.")
