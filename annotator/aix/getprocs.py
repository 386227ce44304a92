"""`getprocs64()`: a process's entry, and finding out where its CID lies on this release.

The structure is public up to AIX 5.3 (`layouts.PROCENTRY64`, 4944 bytes). AIX 6.1 added `pi_cid` at an offset that is
not public, so it is never assumed: it is found by comparing the bytes behind offset 4936 (and the padding at 4916) with
the CIDs that psinfo shows for the same processes, and the strategy is not used while no single place agrees.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from typing import Any

from annotator.aix import layouts
from annotator.core.errors import SourceError
from annotator.core.model import Reason

Call = Callable[[Any, int, Any, int, Any, int], int]
"""`int getprocs64(struct procentry64 *, int, struct fdsinfo64 *, int, pid_t *, int)`."""

LIBRARY = "libc.a(shr_64.o)"
SMALLEST, LARGEST, STEP = layouts.PROCENTRY64.size, 5456, 8
BATCH = 64
MAX_ARGUMENTS = 64 * 1024
"""Bytes of arguments that are read."""

MAX_PROCESSES = 1 << 20


def load(platform: str = sys.platform) -> Call:
    """The function of this machine; SourceError on any system but AIX."""
    if platform != "aix":
        raise SourceError("getprocs64 is a function of AIX")
    try:
        call: Call = ctypes.CDLL(LIBRARY, mode=0x40000).getprocs64
    except (OSError, AttributeError) as error:
        raise SourceError(f"getprocs64 cannot be used: {error}") from None
    return call


def load_arguments(platform: str = sys.platform) -> Callable[[int], list[bytes]]:
    """What gives a process's arguments on this machine; SourceError on any system but AIX."""
    if platform != "aix":
        raise SourceError("getargs is a function of AIX")
    try:
        call = ctypes.CDLL(LIBRARY, mode=0x40000).getargs
    except (OSError, AttributeError) as error:
        raise SourceError(f"getargs cannot be used: {error}") from None
    return lambda pid: arguments(call, pid)


def arguments(call: Callable[[Any, int, Any, int], int], pid: int) -> list[bytes]:
    """`int getargs(void *, int, char *, int)`: the words, each ended by NUL, an empty one last.

    The first argument is a `struct procentry64` of which the pid is read, as public programs call it (psutil, BDE); its
    size is that of 5.3. The buffer is longer than what is asked for, since psutil says that the call may write beyond.
    """
    entry = ctypes.create_string_buffer(pid.to_bytes(4, "big"), LARGEST)
    buffer = ctypes.create_string_buffer(MAX_ARGUMENTS + 4096)
    if call(entry, SMALLEST, buffer, MAX_ARGUMENTS) != 0:
        return []
    words = buffer.raw[:MAX_ARGUMENTS].partition(b"\0\0")[0]
    return words.split(b"\0") if words else []


def probe_size(call: Call, pid: int) -> int:
    """The size of the structure: the largest that is accepted for our own process. SourceError when none is.

    That other sizes are refused is inferred; an entry that does not show our pid does not count as accepted.
    """
    for size in range(LARGEST, SMALLEST - 1, -STEP):
        entry = one(call, pid, size)
        if isinstance(entry, bytes):
            return size
    raise SourceError("getprocs64 accepts no size between 4944 and 5456", "Please report it with oslevel -s.")


def one(call: Call, pid: int, size: int) -> bytes | Reason:
    """The entry of one process. GONE where the call gives another: it moves on to the next when that pid is free."""
    buffer = ctypes.create_string_buffer(size)
    index = ctypes.create_string_buffer(pid.to_bytes(4, "big"), 4)
    if call(buffer, size, None, 0, index, 1) != 1:
        return Reason.GONE
    return buffer.raw if int.from_bytes(buffer.raw[:4], "big") == pid else Reason.GONE


def every(call: Call, size: int) -> dict[int, bytes]:
    """All entries by pid. Stops where the system stops, or does not move on."""
    found: dict[int, bytes] = {}
    buffer = ctypes.create_string_buffer(size * BATCH)
    index = ctypes.create_string_buffer(4)
    while len(found) < MAX_PROCESSES:
        before = index.raw
        got = call(buffer, size, None, 0, index, BATCH)
        if not 0 < got <= BATCH:
            break
        for at in range(0, got * size, size):
            entry = buffer.raw[at : at + size]
            found[int.from_bytes(entry[:4], "big")] = entry
        if got < BATCH or index.raw == before:
            break
    return found


def calibrate(entries: Mapping[int, bytes], cids: Mapping[int, int]) -> int | None:
    """The offset of `pi_cid`: the one place whose two bytes are psinfo's CID for every process.

    None when no process has a CID above 0 (nothing to tell by), when no place agrees, or when several do.
    """
    known = [(entry, cids[pid]) for pid, entry in entries.items() if pid in cids]
    if not any(cid for _, cid in known):
        return None
    size = min(len(entry) for entry, _ in known)
    places = [4916, 4918, *range(4936, size - 1, 2)]
    agree = [at for at in places if all(int.from_bytes(entry[at : at + 2], "big") == cid for entry, cid in known)]
    return agree[0] if len(agree) == 1 else None


def cid(entry: bytes, offset: int) -> int:
    """The CID at a calibrated offset."""
    return int.from_bytes(entry[offset : offset + 2], "big")


def identity(entry: bytes) -> tuple[int, int, int, int]:
    """Parent, uid, start in seconds of the epoch, and number of threads."""
    values = layouts.unpack(layouts.PROCENTRY64, entry)
    return values["pi_ppid"], values["pi_uid"], values["pi_start"], values["pi_thcount"]
