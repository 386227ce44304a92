"""The process that follows this machine's processes for the worker, and looks at each while it lives.

It is one of its own because the worker cannot be interrupted: measured, a worker that was busy with records looked at
what a shell had started some 10 ms later, when it was gone. What it learns goes over a socket pair, as frames of
`marshal` (both ends are one program, and one is the child of the other).
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import marshal
import os
import select
import signal
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Container, ContId, Evidence, NetnsId, Ns, Reason
from annotator.engine.host_context import live_host
from annotator.plugin.worker.process_follower import NETWORK, SEEN, Follower, Op, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.linux.netlink.proc_events import ProcEvents

_SIZE = struct.Struct("=I")
_FIELDS = tuple(one.name for one in dataclasses.fields(HostProcess))
_READ = tuple(one.name for one in dataclasses.fields(HostNetwork) if one.name != "netns")
_CONTAINER = ("id", "name", "image", "engine", "owner", "uuid", "pod", "pod_name", "namespace", "start_ms")
FENCE_S = 0.1
"""How long the worker waits for the follower before it goes on without."""

PRIORITY = -15
"""Niceness of this process, where that is allowed (setpriority(2)): who lives for a millisecond waits for nobody.

Measured beside three busy loops on two processors: without it a tenth of bubblewrap's events were not named.
"""

MAX_WAITING = 256 << 20
"""Bytes that may wait for the worker; more are dropped, and said."""


def begin(node: bytes, close: int) -> socket.socket:
    """Start it; the socket from which the worker hears. It ends with the worker, and does not hold `close` open."""
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
    """Until the worker is gone."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    host = live_host(node)
    events, why = subscribe(time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    out = Outbox(link)
    if events is None:
        out.put([], why)
        out.drain()
        return
    follower = Follower(host, events, now=lambda: time.time_ns() // 1_000_000, networks=host)
    out.put(follower.start(), "")
    link.setblocking(False)
    asked = 0
    while out.drain():
        wanted: list[socket.socket | ProcEvents] = [link, events]
        ready, _, _ = select.select(wanted, [link] if out.waiting else [], [], 0.0005 if follower.waits else 1.0)
        if link in ready:
            data = link.recv(4096)
            if not data:
                return
            asked += len(data)
        ops = follower.poll()
        if link in ready and follower.waits:
            ops += follower.poll()  # the worker waits for what is held back
        out.put(ops, "", asked)


class Outbox:
    """What has not been sent yet."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.waiting: deque[memoryview] = deque()
        self.size = 0
        self._answered = 0

    def put(self, ops: list[Op], why: str, asked: int = 0) -> None:
        """Queue one frame: what was learnt, why there will be nothing more ("": there will), questions answered."""
        if (ops or why or asked != self._answered) and self.size < MAX_WAITING:
            self._answered = asked
            data = marshal.dumps(([_plain(op) for op in ops], why, asked))
            self.waiting.append(memoryview(_SIZE.pack(len(data)) + data))
            self.size += len(data)

    def drain(self) -> bool:
        """Send what can be sent now; False when nobody is there."""
        try:
            while self.waiting:
                sent = self.link.send(self.waiting[0])
                self.size -= sent
                self.waiting[0] = self.waiting[0][sent:]
                if not self.waiting[0]:
                    self.waiting.popleft()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Inbox:
    """The worker's end: bytes to what was learnt. `why` is said when nothing more will come."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.why = ""
        self.over = False
        self.late = 0
        self._asked = self._answered = 0
        self._held = bytearray()
        self._known: dict[tuple[Any, ...], Container] = {}

    def take(self, limit: int = 4 << 20) -> list[Op]:
        """What has come, without waiting."""
        found: list[Op] = []
        while limit > 0 and not self.over:
            try:
                data = self.link.recv(1 << 18)
            except BlockingIOError:
                break
            self.over = not data
            limit -= len(data)
            self._held += data
        at = 0
        while len(self._held) - at >= _SIZE.size:
            size = _SIZE.unpack_from(self._held, at)[0]
            if len(self._held) - at - _SIZE.size < size:
                break
            ops, why, self._answered = marshal.loads(memoryview(self._held)[at + _SIZE.size : at + _SIZE.size + size])  # noqa: S302
            self.why = why or self.why
            found += [self._op(op) for op in ops]
            at += _SIZE.size + size
        del self._held[:at]
        return found

    def fence(self) -> list[Op]:
        """Ask how far the follower is, and wait for it: all that happened before now is known then, or `late` counts.

        Without it a record may be read before the process it names is known; a loaded machine needs milliseconds.
        """
        try:
            self.link.send(b"?")
        except OSError:
            return self.take()
        self._asked += 1
        until = time.monotonic() + FENCE_S
        found = self.take()
        while self._answered < self._asked and not self.over and not self.why:
            rest = until - time.monotonic()
            if rest <= 0 or not select.select([self.link], [], [], rest)[0]:
                self.late += 1
                break
            found += self.take()
        return found

    def _op(self, op: Op) -> Op:
        if op[0] == NETWORK:
            netns, *rest = op[1]
            return (NETWORK, HostNetwork(NetnsId(*netns), *rest))
        if op[0] != SEEN:
            return op
        values = dict(zip(_FIELDS, op[1], strict=True))
        for name in ("container", "place"):
            values[name] = self._container(values[name])
        for name, kind in (("evidence", Evidence), ("reason", Reason)):
            values[name] = kind(values[name]) if values[name] is not None else None
        values["own"] = Ns(values["own"]) if values["own"] is not None else None
        values["netns"] = NetnsId(*values["netns"]) if values["netns"] is not None else None
        return (SEEN, HostProcess(**values))

    def _container(self, said: tuple[Any, ...] | None) -> Container | None:
        """The same object for the same words: most looks are at containers that were seen before."""
        if said is None:
            return None
        found = self._known.get(said)
        if found is None:
            if len(self._known) > 4096:
                self._known.clear()
            contid, labels, parent, *rest = said
            found = Container(None if contid is None else ContId(contid), labels=dict(labels))
            found.parent = self._container(parent)
            for name, value in zip(_CONTAINER, rest, strict=True):
                setattr(found, name, value)
            self._known[said] = found
        return found


def _plain(op: Op) -> Op:
    if op[0] == NETWORK:
        found: HostNetwork = op[1]
        return (NETWORK, (tuple(found.netns), *(getattr(found, name) for name in _READ)))
    if op[0] != SEEN:
        return op
    seen: HostProcess = op[1]
    values: list[Any] = []
    for name in _FIELDS:
        value = getattr(seen, name)
        if name in ("container", "place"):
            value = _words(value)
        elif name in ("evidence", "reason"):
            value = str(value) if value is not None else None
        elif name == "own":
            value = int(value) if value is not None else None
        elif name == "netns":
            value = tuple(value) if value is not None else None
        values.append(value)
    return (SEEN, tuple(values))


def _words(one: Container | None) -> tuple[Any, ...] | None:
    if one is None:
        return None
    labels: Iterable[tuple[str, str]] = tuple(sorted(one.labels.items()))
    contid = int(one.contid) if one.contid is not None else None
    return (contid, labels, _words(one.parent), *(getattr(one, name) for name in _CONTAINER))
