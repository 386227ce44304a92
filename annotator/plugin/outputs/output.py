"""One output: a queue and a thread of its own, so that a slow or dead one holds up no other.

Units (lines, objects) that an output cannot take are dropped and counted where they were dropped: `queue` (it was
full), `sink` (full disk, no reader connected). A sink that fails is opened again, after 0.5 s at first, at most 30 s
later. Where `when_full` is `wait` nothing is dropped: what the sink does not take is kept and tried again, the queue
takes what it is given, and whoever fills it asks `is_held` before it takes more input.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from annotator.core.errors import AnnotatorError
from annotator.io.sinks import DiskFull, FdSink, FileSink, Sink, SinkClosed, SocketSink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from annotator.io.log import Log
    from annotator.plugin import config
    from annotator.plugin.outputs.repeats import Repeats

WRITE_BYTES = 256 * 1024
"""Bytes that are given to a sink at once."""


class Output:
    """The queue and the thread of an output. `dropped_*` count what its full queue did not take.

    `open_sink` opens the sink, again and again. `repeats` finds what the file has already of the first bytes that come;
    None: they are new.
    """

    def __init__(
        self,
        settings: config.Output,
        log: Log,
        open_sink: Callable[[], Sink],
        repeats: Callable[[], Repeats] | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.log = log
        self.dropped_lines = self.dropped_bytes = self.failures = self.taken_bytes = 0
        self.size = 0
        self.keeps_all = settings.when_full == "wait"
        self._find_repeats = repeats
        self._repeats: Repeats | None = None
        self.accepted = self.done = 0  # bytes queued so far, and of them written or dropped
        self._open_sink = open_sink
        self._limit = settings.queue_mib << 20
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Condition()
        self._closing = self._has_failed = False
        self._sinks: list[Sink] = []  # the last one is in use; of those before only the counts are
        self._before = {"written": 0, "dropped_bytes": 0, "dropped_lines": 0}
        self._thread = threading.Thread(target=self._run, name=f"output-{self.name}", daemon=True)
        self._thread.start()

    @property
    def is_held(self) -> bool:
        """Whether this output is behind and nothing of it may be dropped: nothing more should be put."""
        return self.keeps_all and self.size >= self._limit

    def put(self, data: bytes, units: int) -> None:
        """Queue whole units; never waits. Beyond the limit they are dropped, unless the output keeps all."""
        with self._lock:
            if not self.keeps_all and self.size and self.size + len(data) > self._limit:
                self.dropped_lines += units
                self.dropped_bytes += len(data)
                return
            self._waiting.append(data)
            self.size += len(data)
            self.accepted += len(data)
            self._lock.notify_all()

    def close(self, until: float) -> None:
        """Write the queue until `until` (monotonic seconds); the rest is counted as dropped."""
        self.end()
        self._thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            rest = list(self._waiting)
            self._waiting.clear()
            self.size = 0
        self.dropped_bytes += sum(map(len, rest))
        self.dropped_lines += sum(piece.count(b"\n") for piece in rest)

    def end(self) -> None:
        """Nothing more will be put: the thread writes what it can, and ends."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()

    def counts(self) -> dict[str, int]:
        """The counts so far; they only grow."""
        now = self._sink_counts()
        return {
            "written_bytes": now["written"],
            "queue_dropped_lines": self.dropped_lines,
            "queue_dropped_bytes": self.dropped_bytes,
            "sink_dropped_lines": now["dropped_lines"],
            "sink_dropped_bytes": now["dropped_bytes"],
            "failures": self.failures,
        }

    def _sink_counts(self) -> dict[str, int]:
        sink = self._sinks[-1] if self._sinks else None
        return {name: count + int(getattr(sink, name, 0)) for name, count in self._before.items()}

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Write until the output is closed; after a failure pause, at first for 0.5 s."""
        data, pause_s, over = b"", 0.5, False
        while not over:
            sink = self._sinks[-1] if self._sinks else self._open()
            if sink is not None:
                data = data or self._new_of(self._take())
                came = bool(data)
                try:
                    data, over = self._write(sink, data)
                except SinkClosed as err:
                    self._count_failure(err, data)  # standard output has no reader any more, and never will have
                    self._drop_all()
                    return
                if not data and not self._has_failed:
                    pause_s = 0.5 if came else pause_s
                    continue
            if self._pause(pause_s):
                self._give_back(data)
                return
            pause_s = min(30.0, pause_s * 2)

    def _write(self, sink: Sink, data: bytes) -> tuple[bytes, bool]:
        """Give the sink these bytes; returns what is still to be written, and whether the output is done."""
        self._has_failed = False
        try:
            if data:
                sink.write(data)
                self.taken_bytes += len(data)
            sink.flush()
            self.done += len(data)
            if isinstance(sink, FileSink):
                sink.tick(time.monotonic())
            if not data and self._closing and not self._waiting:
                sink.close()
                return b"", True
        except SinkClosed:
            raise
        except DiskFull as err:
            self._has_failed = True
            self._count_failure(err, b"")
            self.done += len(data) - len(err.rest)
            return err.rest, False
        except AnnotatorError as err:
            self._has_failed = True
            data = self._failed(err, sink, data)
            self._close_sink(sink)
            return data, False
        return b"", False

    def _failed(self, err: AnnotatorError, sink: Sink, data: bytes) -> bytes:
        """A sink failed; returns what is still to be written: nothing where the output may drop."""
        if self.keeps_all:
            self._count_failure(err, b"")
            return data
        self.done += len(data)
        self._count_failure(err, data if not isinstance(getattr(sink, "dropped_lines", None), int) else b"")
        return b""

    def _give_back(self, data: bytes) -> None:
        """The thread ends with bytes that no sink took: they count as what still waits."""
        if data:
            with self._lock:
                self._waiting.appendleft(data)
                self.size += len(data)

    def _new_of(self, data: bytes) -> bytes:
        """The bytes without what the file has already."""
        if self._repeats is None:
            return data
        rest = self._repeats.without(data)
        self.done += len(data) - len(rest)
        if self._repeats.over:
            self._repeats = None
        return rest

    def _open(self) -> Sink | None:
        try:
            sink = self._open_sink()
        except AnnotatorError as err:
            self._count_failure(err, b"")
            return None
        self._before = self._sink_counts()
        self._sinks = [sink]
        if self._find_repeats is not None:  # the sink has taken back half a line, where there was one
            self._repeats, self._find_repeats = self._find_repeats(), None
        return sink

    def _close_sink(self, sink: Sink) -> None:
        try:
            sink.close()
        except AnnotatorError as err:
            self._count_failure(err, b"")
        self._before = self._sink_counts()
        self._sinks = []

    def _count_failure(self, err: AnnotatorError, lost: bytes) -> None:
        self.failures += 1
        self.dropped_bytes += len(lost)
        self.dropped_lines += lost.count(b"\n")
        if self.failures <= 3 or self.failures % 100 == 0:
            self.log.error("output-failed", output=self.name, what=err.what, advice=err.advice, times=self.failures)

    def _take(self) -> bytes:
        with self._lock:
            if not self._waiting:
                self._lock.wait_for(lambda: self._waiting or self._closing, 0.1)
            if not self._waiting:
                return b""
            lines = self.settings.format != "msgpack"
            pieces = [self._waiting.popleft()]
            length = len(pieces[0])
            while lines and self._waiting and length + len(self._waiting[0]) <= WRITE_BYTES:
                pieces.append(self._waiting.popleft())
                length += len(pieces[-1])
            self.size -= length
            self._lock.notify_all()
        return b"".join(pieces)

    def _pause(self, seconds: float) -> bool:
        """Sleep, at most until closing; whether the output is closing."""
        with self._lock:
            self._lock.wait_for(lambda: self._closing, seconds)
            return self._closing

    def _drop_all(self) -> None:
        """The reader is gone for good: from now on everything is dropped and counted."""
        with self._lock:
            self.dropped_bytes += sum(map(len, self._waiting))
            self.dropped_lines += sum(piece.count(b"\n") for piece in self._waiting)
            self._waiting.clear()
            self.done = self.accepted
            self.size = self._limit = 1


def sink_opener(settings: config.Output, path: Path, hostname: str) -> Callable[[], Sink]:
    """A function that opens the sink of an output. Raises UsageError for unknown users and groups."""
    lines = settings.format != "msgpack"
    mode = int(settings.mode, 8)
    match settings.type:
        case "stdout":
            return lambda: FdSink(1)
        case "socket":
            return lambda: SocketSink(path, mode=mode, max_buffer=settings.queue_mib << 20, lines=lines)
        case "syslog":
            from annotator.io.sinks.syslog import SyslogSink

            return lambda: SyslogSink(settings.address, now=time.time, facility=settings.facility, hostname=hostname)
        case "kafka":
            from annotator.io.sinks.kafka import KafkaSink

            return lambda: KafkaSink(settings.brokers, settings.topic, lines=lines)
        case "file":
            return _file_opener(settings, path, mode, lines=lines)


def repeats_finder(settings: config.Output, path: Path) -> Callable[[], Repeats] | None:
    """What finds the lines that an output has already; None for an output that cannot be asked."""
    if settings.type != "file" or settings.format == "msgpack":
        return None
    from annotator.plugin.outputs.repeats import Repeats

    return lambda: Repeats(path, settings.format)


def _file_opener(settings: config.Output, path: Path, mode: int, *, lines: bool) -> Callable[[], Sink]:
    from annotator.io.sinks.access import set_access
    from annotator.plugin.accounts import gid_of, uid_of

    gid = gid_of(settings.group) if settings.group else None
    readers = [uid_of(name) for name in settings.read_users]
    return lambda: FileSink(
        path,
        mode=mode,
        max_bytes=settings.max_mib << 20,
        keep=settings.keep,
        compress=settings.compress or None,
        max_age=settings.max_age_s,
        lines=lines,
        set_access=(lambda fd: set_access(fd, mode, gid, readers)) if gid is not None or readers else None,
        keep_all=settings.when_full == "wait",
    )
