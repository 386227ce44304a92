"""A machine made of files: processes below `proc`, as the kernel shows them, for tests of the host view."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("mnt", "pid", "net", "user", "cgroup", "uts", "ipc", "time")
HOST = {
    "mnt": 4026531841,
    "pid": 0xEFFFFFFC,
    "net": 4026531840,
    "user": 0xEFFFFFFD,
    "cgroup": 0xEFFFFFFB,
    "uts": 0xEFFFFFFE,
    "ipc": 0xEFFFFFFF,
    "time": 4026531834,
}
HOST_ROOT = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


class Machine:
    """Writes processes. Numbers not given are those of a plain process of the host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc").mkdir(parents=True)
        self.add(1, comm="systemd", ppid=0, ticks=1)
        self.add(2, comm="kthreadd", ppid=0, ticks=1, flags=0x208040, exe=None)

    def add(
        self,
        pid: int,
        *,
        ppid: int = 1,
        comm: str = "sh",
        state: str = "S",
        ticks: int = 1000,
        flags: int = 0x400000,
        threads: int = 1,
        cgroup: str = "0::/system.slice/cron.service\n",
        ns: dict[str, int] | None = None,
        uid: int = 0,
        pids: tuple[int, ...] = (),
        exe: str | None = "/bin/sh",
        mounts: str = HOST_ROOT,
        files: dict[str, str] | None = None,
    ) -> Path:
        """One process, or the same one changed. `ns` are inodes unlike the host's; 0 leaves a link out."""
        home = self.root / "proc" / str(pid)
        shutil.rmtree(home, ignore_errors=True)
        (home / "ns").mkdir(parents=True)
        (home / "stat").write_text(self.stat(pid, ppid, comm, state, ticks, flags, threads))
        (home / "cgroup").write_text(cgroup)
        (home / "mountinfo").write_text(mounts)
        numbers = "\t".join(map(str, pids or (pid,)))
        (home / "status").write_text(f"Name:\t{comm}\nTgid:\t{pid}\nUid:\t{uid}\t0\t0\t0\nNSpid:\t{numbers}\n")
        (home / "loginuid").write_text("1000")
        (home / "sessionid").write_text("7")
        if exe is not None:
            (home / "exe").symlink_to(exe)
        for kind, ino in {**HOST, **(ns or {})}.items():
            if ino:
                (home / "ns" / kind).symlink_to(f"{kind}:[{ino}]")
        for name, text in (files or {}).items():
            (home / name).parent.mkdir(exist_ok=True, parents=True)
            (home / name).write_text(text)
        return home

    @staticmethod
    def stat(pid: int, ppid: int, comm: str, state: str, ticks: int, flags: int, threads: int) -> str:
        """The text of /proc/PID/stat (proc(5)), with zeros for what nobody reads."""
        return (
            f"{pid} ({comm}) {state} {ppid} {pid} {pid} 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 {threads} 0 {ticks} "
            + "0 " * 29
            + "0\n"
        )

    def kill(self, pid: int) -> None:
        """The process is gone."""
        shutil.rmtree(self.root / "proc" / str(pid))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host with pid 1 and the kernel's first thread."""
    return Machine(tmp_path / "host")


@pytest.fixture(scope="session")
def make_machine() -> type[Machine]:
    """For tests that need a fresh one for every example."""
    return Machine
