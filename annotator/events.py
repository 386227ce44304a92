"""Lines in, events out: records are joined by (node, stamp), whatever order they come in.

A line is known here by its head alone, `[node=NAME ]type=TYPE msg=audit(SECONDS.MILLIS:SERIAL):`. What a record type
means is the backend's; it tells through `completes` after which types an event is probably whole.

Decisions (2026-11): no type closes an event at once, since SERVICE_START and LOGIN records open events that go on.
A probably whole event closes at the next record of another event, at an idle moment, or at the end. Any other closes
when the stream's clock has gone on by `timeout_ms` since its last record came: never by its own stamp, which is the
entry of a system call that may have blocked for long.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from itertools import islice

from annotator.model import Event, Stamp
from annotator.stats import Stats

HEAD = re.compile(rb"(?:.{0,256}? )??(?:node=(\S+) )?type=(\S+) msg=audit\((\d{1,11}\.\d{3}:\d{1,20})\):")
"""A record's head. Text before it (a syslog relay's) is tolerated; `node` is absent, never empty."""

STAMP = re.compile(rb"(\d{1,11})\.(\d{3}):(\d{1,20})")

JUMP_MS = 10_000
"""A stamp further ahead of the stream than this is believed only when a second event confirms it."""

REMEMBERED = 512
"""How many closed events can still be joined by a straggler."""

Run = Event | tuple[Event, int]
"""Lines that stand together in the input: an event's first, or with n those from its n-th resumption on."""


class StreamClock:
    """The stream's own present, in stamp milliseconds: the newest believable stamp.

    One wild stamp, ahead or behind, moves nothing; two that agree do. So a future stamp stops no ageing, and a clock
    that was set back is followed.
    """

    __slots__ = ("_doubt", "_doubts", "now")

    def __init__(self) -> None:
        self.now = 0
        self._doubt = 0
        self._doubts = 0

    def observe(self, ms: int) -> None:
        """Take note of one event's stamp."""
        ahead = ms - self.now
        if 0 <= ahead <= JUMP_MS:
            self.now = ms
            self._doubts = 0
        elif -60_000 <= ahead < 0:
            self._doubts = 0
        elif abs(ms - self._doubt) <= JUMP_MS and (ahead > 0 or self._doubts >= 16):
            self.now = ms
            self._doubts = 0
        else:
            self._doubts = self._doubts + 1 if abs(ms - self._doubt) <= JUMP_MS else 0
            self._doubt = ms
            if self.now == 0:
                self.now = ms


class Serials:
    """Which serials of one node are missing: a sign of loss, not a proof (filters make gaps too).

    Serials come a little out of order; one is missed when the stream is `PATIENCE` past it.
    """

    PATIENCE = 256
    __slots__ = ("_gaps", "highest")

    def __init__(self) -> None:
        self.highest = -1
        self._gaps: OrderedDict[int, None] = OrderedDict()

    def observe(self, serial: int) -> int:
        """Take note of one serial; returns how many are now given up as missing."""
        ahead = serial - self.highest
        lost = 0
        if self.highest < 0 or not -100_000 < ahead < 1_000_000:
            lost = self.finish()  # the first, or a new boot's count
            self.highest = serial
        elif ahead > 0:
            skipped = ahead - 1
            kept = min(skipped, self.PATIENCE)
            for at in range(serial - kept, serial):
                self._gaps[at] = None
            self.highest = serial
            lost = skipped - kept
        else:
            self._gaps.pop(serial, None)
        while self._gaps:
            oldest = next(iter(self._gaps))
            if oldest > self.highest - self.PATIENCE:
                break
            del self._gaps[oldest]
            lost += 1
        return lost

    @property
    def waiting(self) -> bool:
        """Whether any serial is awaited."""
        return bool(self._gaps)

    def finish(self) -> int:
        """No more come: how many are still missing."""
        lost = len(self._gaps)
        self._gaps.clear()
        return lost


class Grouper:
    """Joins lines into events, and remembers the order the lines came in.

    `feed` and `idle` return the events that closed; set `event.decided` by calling `release` after deciding them, and
    take the lines that may leave from `drain`. With `ordered` False no order is kept (forms that leave by event).
    """

    def __init__(
        self,
        completes: Mapping[bytes, bool],
        stats: Stats,
        *,
        timeout_ms: int = 2000,
        max_open: int = 16_384,
        max_records: int = 16_384,
        max_lines: int = 65_536,
        ordered: bool = True,
        reversed_records: bool = False,
        on_gap: Callable[[bytes, int], None] | None = None,
        on_late: Callable[[Event, bytes], bytes | None] | None = None,
    ) -> None:
        self.completes = completes
        self.stats = stats
        self.clock = StreamClock()
        self.timeout_ms = timeout_ms
        self.max_open = max_open
        self.max_records = max_records
        self.max_lines = max_lines
        self.ordered = ordered
        self.reversed_records = reversed_records
        self.on_gap = on_gap
        self.on_late = on_late
        self.open: dict[bytes, Event] = {}
        self.runs: deque[Run] = deque()
        self.recent: dict[bytes, Event] = {}
        self.serials: dict[bytes, Serials] = {}
        self._current: Event | None = None
        self._key = b""
        self._closed: list[Event] = []
        self._checked_ms = 0
        self._held = 0
        self._second = b""
        self._ms = 0

    # --- in -----------------------------------------------------------------------------------------------------

    def feed(self, lines: list[bytes]) -> list[Event]:
        """Take lines (without newline) in input order; returns the events that closed, in closing order."""
        self.stats.lines += len(lines)
        key = self._key
        current = self._current
        append = current.lines.append if current is not None else None
        for line in lines:
            if line[:5] == b"type=":
                start = line.find(b"msg=audit(", 5) + 10
                stamp = line[start : line.find(b")", start)]
                if stamp == key and append is not None:
                    append(line)
                    continue
                current = self._switch(stamp, line, start)
            else:
                current = self._foreign(line)
            key = self._key
            append = current.lines.append if current is not None else None
        if current is not None and len(current.lines) > self.max_records:
            self._force(current)
        self._settle()
        closed, self._closed = self._closed, []
        return closed

    def _foreign(self, line: bytes) -> Event | None:
        """A line that does not begin with its type: a `node=` prefix, a relay's prefix, ausearch's `----`, or noise."""
        current = self._current
        if current is not None and line.startswith(b"----"):
            self._finish(current, whole=True)
            current = None
        head = HEAD.match(line, 0, 1024)
        node, kind, text = head.groups() if head is not None else (None, b"", b"")
        key = text if node is None else node + b" " + text
        if current is not None:
            if key == self._key:
                current.lines.append(line)
                return current
            self._finish(current)
        if head is None:
            return self._pass(line)
        event = self.open.get(key)
        if event is not None:
            return self._resume(event, line)
        return self._begin(key, text, line, node or b"", kind[:7])

    def _switch(self, key: bytes, line: bytes, start: int) -> Event | None:
        """A line of another event than the one before. Inlined throughout: it runs once per event."""
        last = self._current
        if last is not None:
            self._finish(last)
        event = self.open.get(key)
        if event is not None:
            return self._resume(event, line)
        end = start + len(key)
        if line[end : end + 2] != b"):" or b" " in line[5 : start - 11]:
            return self._pass(line)
        return self._begin(key, key, line, b"", line[5:12])

    def _begin(self, key: bytes, text: bytes, line: bytes, node: bytes, kind: bytes) -> Event | None:
        """The first line of an event, or a straggler of one that is closed. `text` is SECONDS.MILLIS:SERIAL."""
        if text[:15] == self._second:
            ms = self._ms
        else:
            digits = text[:10] + text[11:14]
            if not digits.isdigit() or text[10:11] != b"." or text[14:15] != b":":
                return self._odd(key, text, line, node, kind)
            ms = int(digits)
            self._second, self._ms = text[:15], ms
            clock = self.clock
            if 0 <= ms - clock.now <= JUMP_MS:
                clock.now = ms
            else:
                clock.observe(ms)
        digits = text[15:]
        if not digits.isdigit() or len(digits) > 20:
            return self._pass(line)
        return self._open(key, Stamp(ms, int(digits)), line, node, kind)

    def _odd(self, key: bytes, text: bytes, line: bytes, node: bytes, kind: bytes) -> Event | None:
        """A stamp whose seconds have not ten digits: before 2001, or a test's."""
        stamp = STAMP.fullmatch(text)
        if stamp is None:
            return self._pass(line)
        ms = int(stamp[1] + stamp[2])
        self.clock.observe(ms)
        return self._open(key, Stamp(ms, int(stamp[3])), line, node, kind)

    def _open(self, key: bytes, stamp: Stamp, line: bytes, node: bytes, kind: bytes) -> Event | None:
        known = self.recent.get(key)
        if known is not None:
            return self._straggle(known, line)
        serials = self.serials.get(node)
        if serials is not None and stamp.serial == serials.highest + 1:
            serials.highest = stamp.serial
            if serials.waiting:
                self._count_serial(node, stamp)
        elif kind != b"DAEMON_":  # auditd numbers those itself
            self._count_serial(node, stamp)
        event = self.open[key] = self._current = Event(key, node, stamp, line)
        self._key = key
        if self.ordered:
            self.runs.append(event)
        if len(self.open) > self.max_open or self._held > self.max_lines:
            self._force(next(iter(self.open.values())))
        return event

    def _resume(self, event: Event, line: bytes) -> Event:
        """The lines go on with an event that is open already."""
        self._current = event
        self._key = event.key
        if self.ordered:
            at = len(event.lines)
            event.splits = (*event.splits, at)
            self.runs.append((event, len(event.splits) - 1))
        event.lines.append(line)
        return event

    def _pass(self, line: bytes) -> None:
        """A line that is no record leaves where it stood."""
        if line.strip():
            self.stats.rejected += 1
        else:
            self.stats.passed += 1
        self._leave(line)

    def _leave(self, line: bytes) -> None:
        """Give a line that belongs to no open event its place in the order."""
        if self.ordered:
            alone = Event(b"", b"", Stamp(0, 0), line)
            alone.closed = True
            self.runs.append(alone)

    def _straggle(self, event: Event, line: bytes) -> None:
        """A record of an event that was decided already: it shares that decision."""
        self.stats.late += 1
        left = line
        if self.on_late is not None:
            left = self.on_late(event, line)
        else:
            self.stats.passed += 1
        if left is not None:
            self._leave(left)

    def _count_serial(self, node: bytes, stamp: Stamp) -> None:
        serials = self.serials.get(node)
        if serials is None:
            if len(self.serials) >= 4096:
                return
            serials = self.serials[node] = Serials()
        self._lost(node, serials.observe(stamp.serial))

    def _lost(self, node: bytes, lost: int) -> None:
        if lost:
            self.stats.possible_loss += lost
            self.stats.missed(node, lost)
            if self.on_gap is not None:
                self.on_gap(node, lost)

    # --- closing ------------------------------------------------------------------------------------------------

    def _finish(self, event: Event, *, whole: bool = False) -> None:
        """The lines now go on elsewhere: note what the last event has, and close it if it is probably whole."""
        self._current = None
        self._key = b""
        lines = event.lines
        last = lines[-1]
        if last[:15] == b"type=PROCTITLE ":
            whole = whole or not self.reversed_records
        elif not whole:
            start = 5 if last[:5] == b"type=" else last.find(b"type=") + 5
            whole = not self.reversed_records and self.completes.get(last[start : last.find(b" ", start)], False)
        if whole:
            self._close(event)
            self.stats.closed += 1
            return
        self._held += len(lines) - event.held
        event.held = len(lines)
        event.seen = now = self.clock.now
        if now - self._checked_ms >= 250 or now < self._checked_ms:
            self._age()

    def _close(self, event: Event) -> None:
        del self.open[event.key]
        self._held -= event.held
        event.reversed = self.reversed_records
        recent = self.recent
        recent[event.key] = event
        if len(recent) > 2 * REMEMBERED:
            self.recent = dict(islice(recent.items(), REMEMBERED, None))
        self._closed.append(event)

    def _age(self) -> None:
        self._checked_ms = self.clock.now
        limit = self.clock.now - self.timeout_ms
        for event in [e for e in self.open.values() if e.seen <= limit and e is not self._current]:
            self._close(event)
            self.stats.aged += 1

    def _force(self, event: Event) -> None:
        """More is open than may be: `event` goes, and is counted."""
        if event is self._current:
            self._current, self._key = None, b""
        self._close(event)
        self.stats.forced += 1

    def _settle(self) -> None:
        """At the end of a block: an event that ends in EOE needs no successor to be known whole."""
        event = self._current
        if event is not None and event.lines[-1].find(b"type=EOE ", 0, 256) >= 0:
            self._finish(event)

    def idle(self, *, quiet_ms: int = 0) -> list[Event]:
        """Nothing came for `quiet_ms` (wall clock): close what is probably whole, and all after the timeout."""
        if self._current is not None:
            self._finish(self._current)
        if quiet_ms >= self.timeout_ms:
            for event in list(self.open.values()):
                self._close(event)
                self.stats.aged += 1
        closed, self._closed = self._closed, []
        return closed

    def flush(self) -> list[Event]:
        """The end of input: close everything."""
        for node, serials in self.serials.items():
            self._lost(node, serials.finish())
        if self._current is not None:
            self._finish(self._current)
        for event in list(self.open.values()):
            self._close(event)
            self.stats.flushed += 1
        closed, self._closed = self._closed, []
        return closed

    # --- out ----------------------------------------------------------------------------------------------------

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order: all before the first line of an undecided event."""
        runs = self.runs
        out: list[bytes] = []
        while runs:
            run = runs[0]
            if type(run) is Event:
                if not run.closed:
                    break
                out += run.lines[: run.splits[0]] if run.splits else run.lines
            else:
                event, part = run
                if not event.closed:
                    break
                stops = (*event.splits[1:], len(event.lines))
                out += event.lines[event.splits[part] : stops[part]]
            runs.popleft()
        return out
