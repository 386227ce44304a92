"""What the collectors of AIX may ask: this machine, or a recorded one below a root.

A recorded machine holds `proc` and `etc`, and below `commands` a file for each command that was run, named by the
command and its flags: `commands/lswpar -L`, `commands/netstat -Aan`. What is not recorded cannot be asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from annotator.aix import getprocs, perfstat, sockets
from annotator.aix.host import AixHost
from annotator.aix.inventory_scan import read_file, run_command
from annotator.core.errors import AnnotatorError, SourceError, UsageError
from annotator.lookup.answer import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from annotator.aix.wpar_resolvers import Run
    from annotator.core.model import Container

Arguments = Callable[[int], list[bytes]]
"""The arguments of the process with this pid; none when it is gone."""

T = TypeVar("T")

COMMANDS = "commands"


class AixView:
    """One machine at one moment. `rmsock`: the user asked for it, knowing that it removes sockets nobody holds."""

    system = "aix"

    def __init__(
        self,
        root: Path,
        host: AixHost,
        now: Callable[[], int],
        run: Run | None,
        *,
        live: bool,
        rmsock: bool = False,
        arguments: Arguments | None = None,
    ) -> None:
        self.root = root
        self.host = host
        self.now = now
        self.live = live
        self.rmsock = rmsock
        self._run = run
        self._arguments = arguments

    def arguments(self, pid: int) -> list[bytes]:
        """The arguments of a process; none where they cannot be asked for (a recorded machine), or it has none."""
        return [] if self._arguments is None else self._arguments(pid)

    def run(self, *argv: str) -> bytes:
        """A command's output. Raises SourceError, also when no commands are run here."""
        if self._run is None:
            raise SourceError(f"{argv[0]}: no commands were recorded", f"Record its output below {COMMANDS}/.")
        return self._run(argv)

    @property
    def in_global(self) -> bool:
        """Whether it is certain that we look from Global: only there do names, paths and CID 0 mean what they say."""
        return self.host.inventory.inside is None

    def container(self, name: str) -> Container | None:
        """The WPAR of a name, running or stopped, as the look that was made for this question showed it."""
        return self.host.inventory.current(name)

    @cached_property
    def names(self) -> list[str]:
        """All WPARs that are known and not removed."""
        return sorted(name.decode("utf-8", "surrogateescape") for name in self.host.inventory.names())

    @cached_property
    def addresses(self) -> dict[str, frozenset[str]] | Problem:
        """The WPARs of each address, or why that is not known."""
        try:
            return sockets.addresses(self.run("/usr/sbin/lswpar", "-N", "-c", "-q"))
        except AnnotatorError as err:
            return Problem(Code.UNSUPPORTED, err.what, err.advice)

    def addresses_of(self, name: str) -> list[str]:
        """The addresses of one WPAR."""
        known = self.addresses
        return [] if isinstance(known, Problem) else sorted(one for one, names in known.items() if name in names)


def recorded_run(root: Path) -> Run | None:
    """Commands as they were recorded: the file named by the command and its flags. None when there are none."""
    folder = root / COMMANDS
    if not folder.is_dir():
        return None

    def run(argv: Sequence[str]) -> bytes:
        name = " ".join([argv[0].rpartition("/")[2], *argv[1:]]).replace("/", "_")
        return read_file(folder / name)

    return run


def opened(root: Path, now: Callable[[], int], *, rmsock: bool) -> AixView:
    """The view of this machine (`/`), or of a recorded one. Raises UsageError when nothing of AIX is there."""
    live = str(root) == "/"
    if not (root / "proc").is_dir() and not (root / COMMANDS).is_dir():
        raise UsageError(f"{root}: there is no proc", "Give a directory that holds proc, etc and commands.")
    run: Run | None = run_command if live else recorded_run(root)
    if not live:  # that init's parent is 0 proves the layout as our own process does
        return AixView(root, AixHost(root, now, (1, 0), run), now, run, live=False, rmsock=rmsock)
    host = AixHost(
        root, now, (os.getpid(), os.getppid()), run, total=_or_none(perfstat.load), call=_or_none(getprocs.load)
    )
    return AixView(root, host, now, run, live=True, rmsock=rmsock, arguments=_or_none(getprocs.load_arguments))


def _or_none(load: Callable[[], T]) -> T | None:
    try:
        return load()
    except SourceError:
        return None
