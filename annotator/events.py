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

new_stamp = tuple.__new__
"""Makes a Stamp without the detour through its own constructor."""

STAMP = re.compile(rb"(\d{1,11})\.(\d{3}):(\d{1,20})")

JUMP_MS = 10_000
"""A stamp further ahead of the stream than this is believed only when a second event confirms it."""

_nowhere: list[bytes] = []

NO_KEY = b")"
"""What no line has as its key, since a key ends before a parenthesis: no event takes the next line."""

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
        self._key = NO_KEY
        self._closed: list[Event] = []
        self._checked_ms = 0
        self._held = 0
        self._second = b"-"
        self._ms = 0
        self._next = -1
        self._append: Callable[[bytes], object] = _nowhere.append

    # --- in -----------------------------------------------------------------------------------------------------

    def feed(self, lines: list[bytes]) -> list[Event]:
        """Take lines (without newline) in input order; returns the events that closed, in closing order.

        Budget: the hot loop, inlined for the usual case: the lines before are one whole event that stands alone.
        """
        stats = self.stats
        stats.lines += len(lines)
        key, append = self._key, self._append
        for line in lines:
            if line[:5] != b"type=":
                self._foreign(line)
                key, append = self._key, self._append
                continue
            start = line.find(b"msg=audit(", 5) + 10
            text = line[start : line.find(b")", start)]
            if text == key:
                append(line)
                continue
            current = self._current
            if current is not None:
                self._finish(current)
            if text[:14] != self._second:
                self._tick(text)
            if text[:14] == self._second and text not in self.open and text not in self.recent:
                serial = text[15:]
                end = start + len(text)
                if (
                    line[end : end + 2] == b"):"
                    and text[14:15] == b":"
                    and serial.isdigit()
                    and end - start <= 35  # 20 digits: a longer number is none, and int() refuses it at some length
                    and line[5:12] != b"DAEMON_"
                ):
                    number = int(serial)
                    if number == self._next:
                        self._next = number + 1
                    else:
                        self._count_serial(b"", number)
                    current = Event(text, b"", new_stamp(Stamp, (self._ms, number)), line)
                    self._current, self._key, self._append = current, text, current.lines.append
                    key, append = text, self._append
                    if self.ordered:
                        self.runs.append(current)
                    continue
            self._switch(text, line, start)
            key, append = self._key, self._append
        current = self._current
        if current is not None:
            if len(current.lines) > self.max_records:
                self._force(current)
            elif current.lines[-1].find(b"type=EOE ", 0, 256) >= 0:
                self._finish(current)  # an event that ends in EOE needs no successor to be known whole
        return self._take()

    def _tick(self, text: bytes) -> None:
        """Another millisecond than the event's before: read it, once for all events that share it."""
        digits = text[:10] + text[11:14]
        if digits.isdigit() and len(digits) == 13 and text[10:11] == b".":
            self._second, self._ms = text[:14], int(digits)
            self.clock.observe(self._ms)

    def _foreign(self, line: bytes) -> None:
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
                return
            self._finish(current)
        if head is None:
            self._pass(line)
        elif key in self.open:
            self._resume(self.open[key], line)
        else:
            self._begin(key, text, line, node or b"", kind[:7])

    def _switch(self, key: bytes, line: bytes, start: int) -> None:
        """A line of another event than the one before; not the usual case."""
        event = self.open.get(key)
        if event is not None:
            self._resume(event, line)
            return
        end = start + len(key)
        if line[end : end + 2] != b"):" or b" " in line[5 : start - 11]:
            self._pass(line)
        else:
            self._begin(key, key, line, b"", line[5:12])

    def _begin(self, key: bytes, text: bytes, line: bytes, node: bytes, kind: bytes) -> None:
        """The first line of an event, or a straggler of one that is closed. `text` is SECONDS.MILLIS:SERIAL."""
        stamp = STAMP.fullmatch(text)
        if stamp is None:
            self._pass(line)
            return
        known = self.recent.get(key)
        if known is not None:
            self._straggle(known, line)
            return
        ms = int(stamp[1] + stamp[2])
        self.clock.observe(ms)
        serial = int(stamp[3])
        if kind != b"DAEMON_":  # auditd numbers those itself
            self._count_serial(node, serial)
        event = Event(key, node, Stamp(ms, serial), line)
        self._current, self._key, self._append = event, key, event.lines.append
        if self.ordered:
            self.runs.append(event)

    def _resume(self, event: Event, line: bytes) -> None:
        """The lines go on with an event that is open already."""
        self._current, self._key, self._append = event, event.key, event.lines.append
        if self.ordered:
            event.splits = (*event.splits, len(event.lines))
            self.runs.append((event, len(event.splits) - 1))
        event.lines.append(line)

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
        left: bytes | None = line
        if self.on_late is not None:
            left = self.on_late(event, line)
        else:
            self.stats.passed += 1
        if left is not None:
            self._leave(left)

    def _count_serial(self, node: bytes, serial: int) -> None:
        """Note a serial. `_next` is the one that needs no note: of records without a node, when none is awaited."""
        serials = self.serials.get(node)
        if serials is None:
            if len(self.serials) >= 4096:
                return
            serials = self.serials[node] = Serials()
        if not node and self._next > serials.highest + 1:
            serials.highest = self._next - 1
        self._lost(node, serials.observe(serial))
        if not node:
            self._next = -1 if serials.waiting else serials.highest + 1

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
        self._key = NO_KEY
        lines = event.lines
        last = lines[-1]
        if not whole and not self.reversed_records:
            if last[:15] == b"type=PROCTITLE ":
                whole = True
            else:
                start = 5 if last[:5] == b"type=" else last.find(b"type=") + 5
                whole = self.completes.get(last[start : last.find(b" ", start)], False)
        if whole:
            if event.held:
                del self.open[event.key]
                self._held -= event.held
            self.recent[event.key] = event
            self._closed.append(event)
            self.stats.closed += 1
            if len(self.recent) > 2 * REMEMBERED:
                self.recent = dict(islice(self.recent.items(), REMEMBERED, None))
            return
        self._held += len(lines) - event.held
        event.held = len(lines)
        self.open[event.key] = event
        event.seen = now = self.clock.now
        if now - self._checked_ms >= 250 or now < self._checked_ms:
            self._age()
        if len(self.open) > self.max_open or self._held > self.max_lines:
            self._force(next(iter(self.open.values())))

    def _close(self, event: Event) -> None:
        """An event that waited is closed by time, by force, or by the end."""
        if event.held:
            del self.open[event.key]
            self._held -= event.held
        self.recent[event.key] = event
        self._closed.append(event)

    def _age(self) -> None:
        self._checked_ms = self.clock.now
        if len(self.recent) > 2 * REMEMBERED:
            self.recent = dict(islice(self.recent.items(), REMEMBERED, None))
        limit = self.clock.now - self.timeout_ms
        for event in [e for e in self.open.values() if e.seen <= limit and e is not self._current]:
            self._close(event)
            self.stats.aged += 1

    def _force(self, event: Event) -> None:
        """More is open than may be: `event` goes, and is counted."""
        if event is self._current:
            self._current, self._key = None, NO_KEY
        self._close(event)
        self.stats.forced += 1

    def _take(self) -> list[Event]:
        closed, self._closed = self._closed, []
        if self.reversed_records:
            for event in closed:
                event.reversed = True
        return closed

    def idle(self, *, quiet_ms: int = 0) -> list[Event]:
        """Nothing came for `quiet_ms` (wall clock): close what is probably whole, and all after the timeout."""
        if self._current is not None:
            self._finish(self._current)
        if quiet_ms >= self.timeout_ms:
            for event in list(self.open.values()):
                self._close(event)
                self.stats.aged += 1
        return self._take()

    def flush(self) -> list[Event]:
        """The end of input: close everything."""
        for node, serials in self.serials.items():
            self._lost(node, serials.finish())
        if self._current is not None:
            self._finish(self._current)
        for event in list(self.open.values()):
            self._close(event)
            self.stats.flushed += 1
        return self._take()

    # --- out ----------------------------------------------------------------------------------------------------

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order: all before the first line of an undecided event."""
        runs = self.runs
        out: list[bytes] = []
        while runs:
            run = runs[0]
            if isinstance(run, Event):
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
