"""The kernel's proc connector: forks, execs and exits as they happen, with the pids of the first pid namespace.

Facts (include/uapi/linux/cn_proc.h, drivers/connector/cn_proc.c):

- A listener outside the first pid and user namespace is ignored without an error: only the missing acknowledgement
  (PROC_EVENT_NONE, ack = the one we sent + 1) tells. In another network namespace the request is refused.
- A fork says the real parent, with CLONE_PARENT too. It comes for threads as well, with a pid that is not their tgid.
- Times are CLOCK_MONOTONIC in nanoseconds. `seq` counts per CPU, so a hole is a lost event.
- When a thread that is not the first one execs, the first one's exit is reported although its process goes on under
  the same pid: the exec follows it (0.6 ms later in a measurement). The first thread may also end before the others.

pyroute2 has a socket for this too (`sockets.connector` opens it), but taking an event from it costs 36 µs where this
costs 3 to 7 (measured at 26,000 events/s), and a queue that runs over is what costs events.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from enum import StrEnum
from typing import Final, NamedTuple

from annotator.core.errors import SourceError

RECEIVE_BYTES: Final = 16 * 2**20
"""The queue asked for: some 20,000 events. The default of 208 kB loses 1.4 % of a storm."""

ACK_SECONDS: Final = 2.0
"""How long to wait for the kernel's acknowledgement; it comes at once or never."""

_NETLINK_CONNECTOR: Final = 11  # linux/netlink.h
_CN_IDX_PROC: Final = 1  # linux/connector.h
_CN_VAL_PROC: Final = 1
_LISTEN, _IGNORE = 1, 2  # PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_IGNORE
_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; needs CAP_NET_ADMIN
_NLMSG_DONE: Final = 3

_NONE, _FORK, _EXEC, _EXIT = 0, 1, 2, 0x80000000

_REQUEST: Final = struct.Struct("=IHHII" + "IIIIHH" + "I")  # nlmsghdr, cn_msg, enum proc_cn_mcast_op
_EVENT: Final = struct.Struct("=IHHII" + "IIIIHH" + "IIQ" + "IIII")  # nlmsghdr, cn_msg, proc_event, four of its union
_ACK: Final = struct.Struct("=IHHII" + "IIIIHH" + "IIQ" + "I")
_PARENT: Final = struct.Struct("=II")  # parent_pid, parent_tgid of an exit (since Linux 4.18)
_MAX: Final = 256
"""Bytes of one message: an event has 76."""


class Kind(StrEnum):
    """The kind of change of a process."""

    FORK = "fork"
    EXEC = "exec"
    EXIT = "exit"


class ProcEvent(NamedTuple):
    """One change of one process. `ns` is Unix time in nanoseconds, `ppid` the parent's pid (0: not in the event)."""

    ns: int
    kind: Kind
    pid: int
    ppid: int = 0


class ProcEvents:
    """A subscription. `offset_ns` is CLOCK_REALTIME - CLOCK_MONOTONIC; set it again when the clock was set.

    Raises SourceError when the kernel does not let us listen. `lost` counts events that holes in the numbering show,
    `overruns` how often the queue ran over; either sets `overrun`, and whoever reads it scans the processes again and
    clears it. `drained` says after `drain` that nothing more was there.
    """

    def __init__(
        self, offset_ns: int, *, receive_bytes: int = RECEIVE_BYTES, sock: socket.socket | None = None
    ) -> None:
        self.offset_ns = offset_ns
        self.lost = 0
        self.overruns = 0
        self.overrun = False
        self.drained = False
        self._buffer = bytearray(_MAX)
        self._numbers: dict[int, int] = {}
        self._early: list[ProcEvent] = []
        self._seq = os.getpid() & 0xFFFFFFFF
        self._socket = sock if sock is not None else _open()
        try:
            self._enlarge(receive_bytes)
            self._subscribe()
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For select(2): readable when there are events."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the subscription. May be called twice."""
        if self._socket.fileno() < 0:
            return
        try:
            self._socket.send(self._request(_IGNORE))
        except OSError:
            pass  # the kernel forgets a closed socket, though its count of listeners may stay too high
        self._socket.close()

    def drain(self, max_events: int = 4096) -> list[ProcEvent]:
        """The events that are there now, at most `max_events`, threads' not among them; never waits.

        An exit that an exec of the same process follows was only its first thread's, and is left out. Where the exec
        comes with the next call, it is for the caller to see that who execs without having been forked again lives.
        """
        events, self._early = self._early, []
        receive, buffer, decode = self._socket.recvfrom_into, self._buffer, self._decode
        self.drained = False
        for _ in range(max_events):
            try:
                size, sender = receive(buffer)
            except BlockingIOError:
                self.drained = True
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise SourceError(f"proc connector: {error.strerror}") from error
                self.overruns += 1
                self.overrun = True
                continue
            if sender[0] == 0:  # else another process wrote to us: only port 0 is the kernel
                event = decode(size)
                if event is not None:
                    events.append(event)
        return _without_first_threads(events)

    # --- decoding -----------------------------------------------------------------------------------------------

    def _decode(self, size: int) -> ProcEvent | None:
        """The message in the buffer; None for what is of no use, or no event."""
        if size < _EVENT.size:
            return None
        fields = _EVENT.unpack_from(self._buffer)
        idx, val, seq, what, cpu, at, first, second, third, fourth = (*fields[5:8], *fields[11:])
        if idx != _CN_IDX_PROC or val != _CN_VAL_PROC:
            return None
        last = self._numbers.get(cpu)
        if last is not None and seq != (last + 1) & 0xFFFFFFFF:
            self.lost += (seq - last - 1) & 0xFFFFFFFF
            self.overrun = True
        self._numbers[cpu] = seq
        at += self.offset_ns
        if what == _FORK:
            return ProcEvent(at, Kind.FORK, third, second) if third == fourth else None
        if what == _EXEC:
            return ProcEvent(at, Kind.EXEC, second)  # by whichever thread: the process is the same
        if what == _EXIT and first == second:
            known = size >= _EVENT.size + _PARENT.size
            return ProcEvent(at, Kind.EXIT, first, _PARENT.unpack_from(self._buffer, _EVENT.size)[1] if known else 0)
        return None

    # --- subscribing --------------------------------------------------------------------------------------------

    def _enlarge(self, size: int) -> None:
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, size)
            except OSError:
                continue  # not allowed to go beyond net.core.rmem_max: as much as that gives
            return

    def _request(self, operation: int) -> bytes:
        header = (_REQUEST.size, _NLMSG_DONE, 0, self._seq, 0)
        return _REQUEST.pack(*header, _CN_IDX_PROC, _CN_VAL_PROC, self._seq, self._seq, 4, 0, operation)

    def _subscribe(self) -> None:
        try:
            self._socket.send(self._request(_LISTEN))
        except ConnectionRefusedError as error:
            raise SourceError(
                "proc connector: nobody answers in this network namespace", "run in the host's network namespace"
            ) from error
        except OSError as error:
            raise SourceError(
                f"proc connector: {error.strerror}", "CAP_NET_ADMIN is needed before Linux 6.6"
            ) from error
        for _ in range(100_000):  # other listeners' events may be before our acknowledgement
            if not select.select([self._socket], [], [], ACK_SECONDS)[0]:
                break
            try:
                size, sender = self._socket.recvfrom_into(self._buffer)
            except OSError:
                continue
            if sender[0] != 0:
                continue
            if (event := self._decode(size)) is not None and len(self._early) < 4096:
                self._early.append(event)
            if self._acknowledged(size):
                return
        raise SourceError(
            "proc connector: the kernel did not acknowledge: it ignores who is not in the first pid and user namespace",
            "run outside of any container, or leave the proc connector off",
        )

    def _acknowledged(self, size: int) -> bool:
        if size < _ACK.size:
            return False
        fields = _ACK.unpack_from(self._buffer)
        if fields[11] != _NONE or fields[8] != (self._seq + 1) & 0xFFFFFFFF:
            return False
        if fields[14]:
            raise SourceError(f"proc connector: {os.strerror(fields[14])}")
        return True


def _without_first_threads(events: list[ProcEvent]) -> list[ProcEvent]:
    """Leave out each exit that an exec of the same pid follows with no fork of that pid between them."""
    exits: dict[int, int] = {}
    wrong: list[int] = []
    for at, event in enumerate(events):
        if event.kind is Kind.EXIT:
            exits[event.pid] = at
        elif event.pid in exits:
            last = exits.pop(event.pid)
            if event.kind is Kind.EXEC:
                wrong.append(last)
    for at in sorted(wrong, reverse=True):
        del events[at]
    return events


def _open() -> socket.socket:
    """A socket in the connector's group for process events. Raises SourceError."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, _NETLINK_CONNECTOR)
    try:
        opened.bind((0, _CN_IDX_PROC))
    except OSError as error:
        opened.close()
        raise SourceError(f"proc connector: {error.strerror}", "CAP_NET_ADMIN is needed before Linux 6.6") from error
    return opened
