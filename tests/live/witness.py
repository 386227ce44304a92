"""An independent witness: every fork, exec and exit, with cgroup, mount namespace and arguments read at each.

Run as a program: `python witness.py FILE`, until SIGTERM. It knows nothing of the program under test and imports none
of it; what it writes, and what a scenario says of its own containers, is the truth that answers are held against.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import IO

FORK, EXEC, EXIT = 1, 2, 0x80000000
MESSAGE = struct.Struct("=IHHII IIIIHH IIQ IIII")
REQUEST = struct.pack("=IHHII IIIIHH I", 40, 3, 0, 0, os.getpid(), 1, 1, 0, 0, 4, 0, 1)
QUEUE_BYTES = 128 << 20


def seen(pid: int, *, arguments: bool) -> dict[str, object]:
    """What /proc shows of a process now; empty when it is gone or dead."""
    base = f"/proc/{pid}"
    found: dict[str, object] = {}
    try:
        with open(f"{base}/stat", "rb") as file:
            stat = file.read().rpartition(b")")[2].split()
        if stat[0] in (b"Z", b"X"):
            return {}
        with open(f"{base}/cgroup", "rb") as file:
            found["cgroup"] = file.read().decode("utf-8", "backslashreplace")
        found["mnt"] = mount_namespace(f"{base}/ns/mnt")
        found["net"] = int(os.readlink(f"{base}/ns/net")[5:-1])  # noqa: PTH115  (the text of a magic link)
        if arguments:
            with open(f"{base}/cmdline", "rb") as file:
                found["args"] = file.read(4096).decode("utf-8", "backslashreplace").split("\0")[:-1]
    except (OSError, ValueError):
        return {}
    found["read"] = time.time_ns()
    return found


def mount_namespace(path: str) -> int:
    """The number of a mount namespace that is never used again (NS_GET_MNTNS_ID, Linux 6.10), else its inode."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = bytearray(8)
        fcntl.ioctl(fd, 0x8008B705, found)
        return int.from_bytes(found, "little")
    except OSError:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def all_there(out: IO[str]) -> None:
    """Who was there before."""
    now = time.time_ns()
    for name in os.listdir("/proc"):  # noqa: PTH208  (names, not paths)
        if name.isdecimal():
            state = seen(int(name), arguments=True)
            if state:
                with open(f"/proc/{name}/stat", "rb") as file:
                    ppid = int(file.read().rpartition(b")")[2].split()[1])
                out.write(json.dumps({"t": now, "ev": "there", "pid": int(name), "ppid": ppid, **state}) + "\n")


def main(path: str) -> None:
    """Write until SIGTERM; the last line says what was lost."""
    offset = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
    sock.bind((0, 1))
    sock.setsockopt(socket.SOL_SOCKET, 33, QUEUE_BYTES)
    sock.send(REQUEST)
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    lost = 0
    buffer = bytearray(4096)
    with open(path, "w", buffering=1 << 16) as out:
        with contextlib.suppress(OSError):
            all_there(out)
        out.write(json.dumps({"t": time.time_ns(), "ev": "ready", "host": mount_namespace("/proc/self/ns/mnt")}) + "\n")
        out.flush()
        while True:
            ready = select.select([sock], [], [], 0 if over else 0.2)[0]
            if not ready:
                if over:
                    break
                out.flush()
                continue
            try:
                size, _ = sock.recvfrom_into(buffer)
            except OSError as err:
                if err.errno != errno.ENOBUFS:
                    raise
                lost += 1
                continue
            if size >= MESSAGE.size:
                told = event(MESSAGE.unpack_from(buffer), offset)
                if told is not None:
                    out.write(json.dumps(told) + "\n")
        out.write(json.dumps({"t": time.time_ns(), "ev": "end", "lost": lost}) + "\n")


def event(fields: tuple[int, ...], offset: int) -> dict[str, object] | None:
    """One event of a process; those of threads are none."""
    what, at, first, second, third, fourth = fields[11], fields[13] + offset, *fields[14:18]
    if what == FORK and third == fourth:
        return {"t": at, "ev": "fork", "pid": third, "ppid": second, **seen(third, arguments=False)}
    if what == EXEC:
        return {"t": at, "ev": "exec", "pid": second, **seen(second, arguments=True)}
    if what == EXIT and first == second:
        return {"t": at, "ev": "exit", "pid": first}
    return None


if __name__ == "__main__":
    main(sys.argv[1])
