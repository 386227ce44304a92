"""The view of the Linux collectors: one machine, live or recorded below a root, and its engines' files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError
from annotator.core.model import Container, NetnsId, Reason
from annotator.core.registry import derive_contid
from annotator.engine.host_context import live_host
from annotator.linux.engines import Engines
from annotator.linux.host.recorded import HEADER, recorded
from annotator.linux.host.view import LinuxHost
from annotator.lookup.answer import Code, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from annotator.core.contracts import HostProcess
    from annotator.linux.engines import EngineState

MAX_STAT = 2**20


class LinuxView:
    """One machine at one moment: every answer is kept. `live`: `root` is this machine's own."""

    system = "linux"

    def __init__(self, root: Path, host: LinuxHost, engines: Engines, *, live: bool) -> None:
        self.root = root
        self.host = host
        self.engines = engines
        self.live = live

    @property
    def privileged(self) -> bool:
        """Whether nothing is hidden from us: a recorded tree holds what it holds."""
        return not self.live or os.geteuid() == 0

    @cached_property
    def processes(self) -> list[HostProcess]:
        """All processes, parents first."""
        return self.host.processes()

    @cached_property
    def states(self) -> list[EngineState]:
        """All containers the engines' files know, running or not."""
        return self.engines.scan()

    @cached_property
    def known(self) -> dict[tuple[str, str], Container]:
        """The containers that processes are in, and those around them, by (id, engine)."""
        containers: dict[tuple[str, str], Container] = {}
        for one in self.processes:
            for inner in (one.container, one.place):
                for each in inner.chain() if inner is not None else ():
                    containers.setdefault((each.id, each.engine), each)
        return containers

    def of_state(self, state: EngineState) -> Container:
        """The container of an engine's file: the one processes are in, or (not running) one made of the file."""
        container = self.known.get((state.id, state.engine))
        if container is None:
            container = Container(
                derive_contid(state.id),
                state.id,
                name=state.name,
                image=state.image,
                engine=state.engine,
                owner=state.owner,
                uuid=state.uuid,
                pod=state.pod,
                pod_name=state.pod_name,
                namespace=state.namespace,
                labels=dict(state.labels),
            )
            self.known[state.id, state.engine] = container
        return container

    def process(self, pid: int) -> HostProcess | Reason:
        """One process now."""
        return self.host.process(pid)

    def close(self) -> None:
        """Give back what is open."""
        self.host.close()
        self.engines.close()


def netns_name(netns: NetnsId) -> dict[str, str]:
    """A network namespace as the document has it: its inode, and the id that is never recycled."""
    return {"inode": str(netns.ino)} | ({"id": str(netns.unique)} if netns.unique else {})


@contextmanager
def opened(root: Path, now: Callable[[], int]) -> Iterator[LinuxView]:
    """The view of this machine (`/`), or of a tree recorded or mounted elsewhere. Raises Refused, UsageError."""
    live = str(root) == "/"
    try:
        view = _live(root) if live else _recorded(root, now)
    except OSError as err:
        raise UsageError(f"{root}: {err.strerror}", "Give a directory that holds proc.") from err
    try:
        yield view
    finally:
        view.close()


def _live(root: Path) -> LinuxView:
    try:
        host = live_host()
    except UsageError as err:
        raise Refused(Code.UNSUPPORTED, "this machine has no /proc that can be read", err.advice) from err
    return LinuxView(root, host, Engines(root), live=True)


def _recorded(root: Path, now: Callable[[], int]) -> LinuxView:
    """A tree with a header as `host.recorded` writes it; without one the clock is ours, and the boot /proc/stat's."""
    engines = Engines(root, owners=False)
    if (root / HEADER).exists():
        host, _ = recorded(root, derive_contid, engines=engines)
    else:
        offset = _boot_ms(root)
        host = LinuxHost(root, live=False, derive=derive_contid, now=now, offset_ms=offset, engines=engines)
    return LinuxView(root, host, engines, live=False)


def _boot_ms(root: Path) -> int:
    """`btime` of /proc/stat (proc(5)) in milliseconds; 0 where it is not known: no start is shown then."""
    try:
        with (root / "proc/stat").open("rb") as file:
            data = file.read(MAX_STAT)
    except OSError:
        return 0
    line = next((line for line in data.split(b"\n") if line.startswith(b"btime ")), b"")
    number = line[6:].strip()
    return int(number) * 1000 if number.isdigit() and len(number) <= 12 else 0
