"""The process that follows this machine's processes for the worker, and reads each of them while it lives.

It is one of its own because the worker cannot be interrupted: measured, a worker that was busy with records read the
programs that a shell had started some 10 ms later, when they were gone. It sends its operations over a socket pair, as
frames: the length (u32), then `marshal` of the encoded operations, the reason why there will be no more ("": there
will), and the number of fences that it has passed.
"""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import select
import signal
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

from annotator.engine.host_context import live_host
from annotator.plugin.worker.operations import Decoder, encode
from annotator.plugin.worker.process_follower import ProcessFollower, subscribe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.linux.netlink.proc_events import ProcEvents
    from annotator.plugin.worker.operations import Operation

_SIZE = struct.Struct("=I")

FENCE_S = 0.1
"""How long the worker waits for the follower before it goes on without."""

PRIORITY = -15
"""Niceness of this process, where that is allowed (setpriority(2)): a process may live for a millisecond only.

Measured beside three busy loops on two processors: without it a tenth of bubblewrap's events were not named.
"""

CONFIRM_S = 0.0005
"""How soon the next events are taken while a reading waits for them to confirm it."""

MAX_WAITING = 256 << 20
"""Bytes that may wait for the worker; more are dropped."""


def start(node: bytes, close: int) -> socket.socket:
    """Start the follower; the socket from which the worker hears. It ends with the worker. `close` is closed in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    if os.fork() == 0:
        code = 1
        try:
            ours.close()
            os.close(close)
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            _run(theirs, node)
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    ours.setblocking(False)
    return ours


def _run(link: socket.socket, node: bytes) -> None:
    """Follow the machine's processes until the worker is gone."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    host = live_host(node)
    events, refusal = subscribe(time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    sender = FrameSender(link)
    if events is None:
        sender.queue([], end_reason=refusal)
        sender.send()
        return
    follower = ProcessFollower(host, events, now=lambda: time.time_ns() // 1_000_000, networks=host)
    sender.queue(follower.start())
    link.setblocking(False)
    fences = 0
    while sender.send():
        wanted: list[socket.socket | ProcEvents] = [link, events]
        timeout_s = CONFIRM_S if follower.is_waiting else 1.0
        ready, _, _ = select.select(wanted, [link] if sender.frames else [], [], timeout_s)
        if link in ready:
            data = link.recv(4096)
            if not data:
                return
            fences += len(data)
        operations = follower.poll()
        if link in ready and follower.is_waiting:
            operations += follower.poll()  # the worker waits for the readings that are not confirmed yet
        sender.queue(operations, fences=fences)


class FrameSender:
    """The follower's end of the socket: frames that have not been sent yet."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.frames: deque[memoryview] = deque()
        self._size = 0
        self._fences = 0

    def queue(self, operations: Sequence[Operation], *, end_reason: str = "", fences: int = 0) -> None:
        """Queue one frame, if it says anything new. `end_reason`: why there will be nothing more."""
        if (operations or end_reason or fences != self._fences) and self._size < MAX_WAITING:
            self._fences = fences
            data = marshal.dumps(([encode(operation) for operation in operations], end_reason, fences))
            self.frames.append(memoryview(_SIZE.pack(len(data)) + data))
            self._size += len(data)

    def send(self) -> bool:
        """Send what the socket takes now; False when the worker is gone."""
        try:
            while self.frames:
                sent = self._link.send(self.frames[0])
                self._size -= sent
                self.frames[0] = self.frames[0][sent:]
                if not self.frames[0]:
                    self.frames.popleft()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class FollowerLink:
    """The worker's end: bytes to operations.

    `end_reason` is set when no more operations will come, `is_closed` when the follower is gone; `late` counts fences
    that were not waited for.
    """

    def __init__(self, link: socket.socket) -> None:
        self.socket = link
        self.end_reason = ""
        self.is_closed = False
        self.late = 0
        self._asked = self._passed = 0
        self._buffer = bytearray()
        self._decoder = Decoder()

    def receive(self, limit: int = 4 << 20) -> list[Operation]:
        """The operations that have come, without waiting; `limit` is in bytes."""
        while limit > 0 and not self.is_closed:
            try:
                data = self.socket.recv(1 << 18)
            except BlockingIOError:
                break
            self.is_closed = not data
            limit -= len(data)
            self._buffer += data
        operations: list[Operation] = []
        at = 0
        while len(self._buffer) - at >= _SIZE.size:
            start = at + _SIZE.size
            stop = start + _SIZE.unpack_from(self._buffer, at)[0]
            if len(self._buffer) < stop:
                break
            encoded, end_reason, self._passed = marshal.loads(memoryview(self._buffer)[start:stop])  # noqa: S302
            self.end_reason = end_reason or self.end_reason
            operations += [self._decoder.decode(data) for data in encoded]
            at = stop
        del self._buffer[:at]
        return operations

    def fence(self) -> list[Operation]:
        """Ask the follower to go on to now, and wait: all that happened before is known then, or `late` counts.

        Without it a record may be read before the process it names is known; a loaded machine needs milliseconds.
        """
        try:
            self.socket.send(b"?")
        except OSError:
            return self.receive()
        self._asked += 1
        until = time.monotonic() + FENCE_S
        operations = self.receive()
        while self._passed < self._asked and not self.is_closed and not self.end_reason:
            rest = until - time.monotonic()
            if rest <= 0 or not select.select([self.socket], [], [], rest)[0]:
                self.late += 1
                break
            operations += self.receive()
        return operations
