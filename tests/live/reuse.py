"""A process under a chosen pid, on the host or inside a container: clone3(2) with set_tid; and ptrace(2)."""

from __future__ import annotations

import ctypes
import os
import random
import struct
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE3 = 435
SIGCHLD = 17
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207

CAPS = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_ADMIN",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
]


def free_pid() -> int:
    """A number that nobody has, above those in use."""
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    for _ in range(1000):
        pid = random.randrange(limit // 2, limit - 10)
        if not Path(f"/proc/{pid}").exists():
            return pid
    raise RuntimeError("no free pid")


def run_at(pid: int, command: list[str], *, inside: int = 0) -> None:
    """Run a program as `pid` of the first namespace, and wait for it; `inside` where that process is."""
    helper = os.fork()
    if helper == 0:
        try:
            _become(pid, command, inside)
        finally:
            os._exit(1)
    os.waitpid(helper, 0)


def _become(pid: int, command: list[str], inside: int) -> None:
    """In a process of its own: go there, make the process, wait for it."""
    tids = [pid]
    Path("/proc/self/comm").write_text("reuse")
    if inside:
        for line in Path(f"/proc/{inside}/cgroup").read_text().splitlines():
            number, names, path = line.split(":", 2)
            if path == "/":
                continue
            mount = "unified" if number == "0" else names.removeprefix("name=")
            folder = Path("/sys/fs/cgroup") / mount
            if not folder.is_dir():
                folder = Path("/sys/fs/cgroup")
            (folder / path.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        fds = [os.open(f"/proc/{inside}/ns/{kind}", os.O_RDONLY) for kind in ("uts", "ipc", "net", "pid", "mnt")]
        for fd in fds:
            if LIBC.setns(fd, 0):
                raise OSError(ctypes.get_errno(), "setns")
            os.close(fd)
        tids = [0, pid]
    for attempt in range(200):
        array = (ctypes.c_int32 * len(tids))(*[one or _inner(attempt) for one in tids])
        arguments = struct.pack("=11Q", 0, 0, 0, 0, SIGCHLD, 0, 0, 0, ctypes.addressof(array), len(tids), 0)
        child = LIBC.syscall(CLONE3, arguments, len(arguments))
        if child == 0:
            os.execv(command[0], command)
            os._exit(127)
        if child > 0:
            os.waitpid(child, 0)
            os._exit(0)
        time.sleep(0.002)
    os.write(2, f"clone3: {os.strerror(ctypes.get_errno())}\n".encode())


def _inner(attempt: int) -> int:
    """A pid for the inner namespace."""
    return random.randrange(1000, 30000) + attempt


def trace(pid: int) -> None:
    """Seize a process and let it go, in a process of its own."""
    helper = os.fork()
    if helper == 0:
        LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
        LIBC.ptrace(PTRACE_SEIZE, pid, None, None)
        os._exit(0)
    os.waitpid(helper, 0)
