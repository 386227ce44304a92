"""`annotator watch`: events as they happen, one line each, from a log that grows or from the plugin's socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from annotator.cli.options import since_option
from annotator.cli.output import has_colour, is_terminal, width_of
from annotator.core.errors import AnnotatorError, SourceError, UsageError
from annotator.core.times import parse_time
from annotator.engine.factory import Options
from annotator.formats import text
from annotator.io.sinks import FdSink, SinkClosed
from annotator.io.sources import Cutter, follow
from annotator.report.logs import is_container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from annotator.core.model import Attribution, Event
    from annotator.io.sources import Block

AUDIT_LOG = Path("/var/log/audit/audit.log")
IDLE_MS = 1000
"""How long nothing has to come for open events to be decided."""


class Wanted(NamedTuple):
    """Which events are shown. `since_ms` None: those from now on."""

    container: str
    only_containers: bool
    since_ms: int | None
    action: str

    def fits(self, found: dict[str, Any], ms: int) -> bool:
        """Whether an event of the JSON form is one of them."""
        if self.since_ms is not None and ms < self.since_ms:
            return False
        provenance = found.get("provenance", {})
        if self.only_containers and provenance.get("status") != "container":
            return False
        if self.action and found.get("event", {}).get("action") != self.action:
            return False
        if not self.container:
            return True
        inside = found.get("container", {})
        chains = [contid for chain in provenance.get("chains", ()) for contid in chain]
        return is_container(self.container, id=inside.get("id", ""), name=inside.get("name", "")) or (
            self.container in chains
        )


@click.command()
@click.argument("source", required=False, metavar="[LOG|SOCKET]")
@click.option("--container", default="", metavar="NAME|ID-PREFIX", help="Only events of this container.")
@click.option("--only-containers", is_flag=True, help="Only events in a container.")
@click.option("--action", default="", metavar="ACTION", help="Only this action, as the JSON form names it: executed.")
@since_option
@click.option("--wide", is_flag=True, help="Lines in full, however long.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The plugin's configuration.")
def watch(source: str | None, config: Path | None, since_ms: int | None, *, wide: bool, **given: Any) -> None:
    """Show events as they happen, one line each. End with Ctrl-C.

    A log is read from its beginning, so that what is known of its processes counts, and followed through rotation;
    events from now on are shown, or from --since on. A socket is an output of the plugin (type = "socket"), in JSON or
    raw. Without an argument: the first socket or file that the plugin writes, else auditd's own log.

    Example: annotator watch --only-containers /var/log/audit/audit.log
    """
    path = Path(source) if source else _default(config)
    wanted = Wanted(given["container"], given["only_containers"], since_ms, given["action"])
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda which, _: stopped.append(which))
    sink = FdSink(1)
    colour, terminal = has_colour(None), is_terminal(None)

    def show(found: dict[str, Any], ms: int) -> None:
        if wanted.fits(found, ms):
            width = width_of(None, wide=wide) if terminal else None
            sink.write((text.line(found, ms, colour=colour, width=width) + "\n").encode("utf-8", "backslashreplace"))

    try:
        if _is_socket(path):
            _watch_socket(path, show, lambda: bool(stopped), sink)
        else:
            _watch_log(path, show, lambda: bool(stopped), sink, from_now=since_ms is None)
        sink.flush()
    except SinkClosed:
        return


COMMANDS = (watch,)


def _default(config: Path | None) -> Path:
    """What the plugin writes, by its configuration; else auditd's log. Raises UsageError where there is neither."""
    from annotator.admin import install_plan
    from annotator.plugin import config_load

    place = config or Path(install_plan.CONFIG)
    try:
        if config is not None or place.exists():
            outputs = config_load.load(place).output
            for kind in ("socket", "file"):
                for output in outputs:
                    if output.type == kind and Path(output.path).exists():
                        return Path(output.path)
    except PermissionError as error:
        raise AnnotatorError(f"{place}: {error.strerror}", "Run it as root, or name a log.") from error
    if AUDIT_LOG.exists():
        return AUDIT_LOG
    raise UsageError(
        f"there is nothing to watch: no output of the plugin exists, nor {AUDIT_LOG}", "Name a log, or a socket."
    )


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file or socket", "Check the name.") from error
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", "Audit logs are readable by root only.") from error


class _Observer:
    """Hands each decided event on, as the JSON form has it. `silent`: only what it teaches counts."""

    def __init__(self, show: Callable[[dict[str, Any], int], None]) -> None:
        from annotator.engine.factory import interpret

        self.show = show
        self.silent = False
        self._interpret = interpret

    def __call__(self, event: Event, _reading: object, _life: object, answer: Attribution) -> None:
        """One event."""
        if not self.silent:
            from annotator.formats.json import document

            self.show(document(event, answer, self._interpret(event), node=event.node, message=False), event.stamp.ms)


def _watch_log(
    path: Path, show: Callable[[dict[str, Any], int], None], stop: Callable[[], bool], sink: FdSink, *, from_now: bool
) -> None:
    from annotator.engine.replay import Replay

    observer = _Observer(show)
    run = Replay(Options(format="none"), observer=observer)
    size = path.stat().st_size
    observer.silent = from_now and size > 0
    growing = follow(path, sleep=time.sleep, stop=stop)
    for block in growing:
        if observer.silent and (block is None or _is_beyond(block, size)):
            run.idle(IDLE_MS)
            observer.silent = False
        if block is not None:
            run.feed(block)
        else:
            run.idle(IDLE_MS)
        sink.flush()


def _is_beyond(block: Block, size: int) -> bool:
    return block.offset > size


def _watch_socket(
    path: Path, show: Callable[[dict[str, Any], int], None], stop: Callable[[], bool], sink: FdSink
) -> None:
    """Lines of a socket: objects of the JSON form, or records."""
    from annotator.engine.replay import Replay

    run = Replay(Options(format="none"), observer=_Observer(show))
    for block in _blocks(path, stop):
        if block is None:
            run.idle(IDLE_MS)
        elif block.text[:1] == b"{":
            for line in block.lines:
                _show_object(line, show)
        else:
            run.feed(block)
        sink.flush()
    run.finish()


def _blocks(path: Path, stop: Callable[[], bool]) -> Iterator[Block | None]:
    """What a socket sends; None where nothing came for a while."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(IDLE_MS / 1000)
        try:
            stream.connect(str(path))
        except OSError as error:
            raise SourceError(
                f"{path}: cannot connect: {error.strerror or error}", "Is the plugin running, and are you root?"
            ) from error
        cutter = Cutter(str(path))
        while not stop():
            try:
                data = stream.recv(1 << 16)
            except TimeoutError:
                yield None
                continue
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror or os.strerror(error.errno or 0)}") from error
            if not data:
                break
            if (block := cutter.feed(data)) is not None:
                yield block
        if (last := cutter.end()) is not None:
            yield last


def _show_object(line: bytes, show: Callable[[dict[str, Any], int], None]) -> None:
    """One object of the JSON form. A heartbeat, and what is no object of ours, is passed over."""
    try:
        found = json.loads(line)
        ms = parse_time(str(found["@timestamp"]))
    except (ValueError, KeyError, TypeError, AnnotatorError, RecursionError):
        return
    if isinstance(found, dict) and found.get("event", {}).get("kind") == "event":
        show(found, ms)
