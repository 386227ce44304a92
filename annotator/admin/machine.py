"""A machine as doctor and status see it: files below its root, a few commands, its processes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.errors import SourceError
from annotator.linux.netlink.proc_events import ProcEvents

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES: Final = 1 << 20
"""The most that is read of one file."""

PATHS: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
WAIT_S: Final = 10.0

NAME: Final = "audisp-contid"


class Running(NamedTuple):
    """A process of the plugin: `age_s` seconds old, with so much resident memory."""

    pid: int
    ppid: int
    age_s: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """`run` gives what a command prints, None when it fails. `connector` gives "", or why it does not answer."""

    root: Path
    run: Callable[[list[str]], str | None]
    connector: Callable[[], str]
    name: str = ""
    """The machine's kind, as uname(1) -m prints it."""
    release: str = ""
    """Its kernel's, as uname(1) -r prints it."""

    @property
    def is_this(self) -> bool:
        """This machine, and not a tree of files."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """An absolute path of the machine, as it is reached from here."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """A file's text; None when it cannot be read."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(MAX_BYTES).decode("utf-8", "backslashreplace")
        except OSError:
            return None


def this_machine() -> Machine:
    """The machine that this program runs on."""
    system = os.uname()
    return Machine(Path("/"), _run, _connector, system.machine, system.release)


def files_below(root: Path) -> Machine:
    """The files of a machine that does not run: nothing else can be asked."""
    return Machine(root, lambda _: None, lambda: "not asked: this is not the running machine", os.uname().machine)


def _run(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WAIT_S,
            check=False,
            env={"PATH": PATHS, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "backslashreplace") if done.returncode == 0 else None


def _connector() -> str:
    try:
        ProcEvents(0).close()
    except SourceError as err:
        return err.what
    return ""


def settings(text: str) -> dict[str, str]:
    """`key = value` lines, as auditd.conf(5) and a plugin's file have them; keys in lower case."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            values[key.strip().lower()] = value.strip()
    return values


def running(machine: Machine) -> list[Running]:
    """The plugin's processes, oldest first: the program is among their first three arguments. proc(5)."""
    processes: list[Running] = []
    uptime = float((machine.text("/proc/uptime") or "0").split()[0])
    try:
        names = [one for one in os.listdir(machine.path("/proc")) if one.isdecimal()]  # noqa: PTH208
    except OSError:
        return []
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for name in names:
        arguments = (machine.text(f"/proc/{name}/cmdline") or "").split("\0")
        if not any(one.rpartition("/")[2] == NAME for one in arguments[:3]):
            continue
        values = (machine.text(f"/proc/{name}/stat") or "").rpartition(")")[2].split()
        if len(values) > 21 and all(values[at].isdecimal() for at in (1, 19, 21)):
            age = max(0.0, uptime - int(values[19]) / ticks)
            processes.append(Running(int(name), int(values[1]), age, int(values[21]) * page))
    return sorted(processes, key=lambda process: -process.age_s)
