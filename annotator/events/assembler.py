"""Text in, events out: records are joined by (node, stamp), whatever order they come in.

A line is known here by its head alone, `[node=NAME ]type=TYPE msg=audit(SECONDS.MILLIS:SERIAL):`. What a record type
means is the backend's; it tells through `completes` after which types an event is probably whole. `RUN` finds all
neighbouring lines of one event at once; what it does not match goes line by line through `_odd_line`. An event gets its
lines as text: nobody cuts them here.

Decisions (2026-11): no type closes an event at once, since SERVICE_START and LOGIN records open events that go on.
A probably whole event closes at the next record of another event, at an idle moment, or at the end. Any other closes
when the stream's clock has gone on by `timeout_ms` since its last record came: never by its own stamp, which is the
entry of a system call that may have blocked for long.

Budget: one class of more than 300 lines, since feeding, closing and the order share the open and the closed events.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import Event, Stamp
from annotator.events.clock import ClockState, Serials, StreamClock
from annotator.events.relay import relay_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from annotator.core.stats import Stats

RUN = re.compile(
    rb"((?:node=(\S{1,255}) )?)type=(?:(EOE)|[^\s(]{1,64}) msg=audit\((\d{10}\.\d{3}:\d{1,20})\):[^\n]*"
    rb"(?(3)|(?:\n\1type=(?!EOE )[^\s(]{1,64} msg=audit\(\4\):[^\n]*)*(\n\1type=EOE msg=audit\(\4\):[^\n]*)?)"
)
"""Neighbouring lines of one event, up to its EOE record. Groups: prefix, node, EOE alone, stamp, EOE at the end."""

HEAD = re.compile(rb"(?:(.{0,256}?) )??(?:node=(.{1,255}?) )?type=(\S+) msg=audit\((\d{1,11}\.\d{3}:\d{1,20})\):")
"""A record's head. Groups: text before it (a syslog relay's), node (never empty; may hold blanks), type, stamp."""

STAMP = re.compile(rb"(\d{1,11})\.(\d{3}):(\d{1,20})")

FOLLOW_MS = 20
"""After so long a silence nothing is expected that belongs before an event."""

REMEMBERED = 512
"""How many closed events can still be joined by a late record."""

_new_stamp = tuple.__new__
"""Makes a Stamp without the detour through its own constructor."""


class Missing(NamedTuple):
    """What serials say of a node, before whatever closes after it: how many are given up as missing.

    `awaited`: others are missing, and may still come. `booted`: the kernel counts anew, with an event of `ms`.
    """

    node: bytes
    serials: int
    awaited: bool = False
    booted: bool = False
    ms: int = 0


Closed = Event | Missing
"""What an assembler gives, in the order to decide it."""

Run = Event | tuple[Event, int]
"""Lines that stand together in the input: an event's first, or with n those from its n-th resumption on."""


class Departure(NamedTuple):
    """Lines that leave together, next to each other in the input.

    They are the lines from `start` to `stop` (exclusive) of `event`; `pieces` are the same lines as they came, each one
    or more without the last newline. `event` is None where no event has them.
    """

    event: Event | None
    start: int
    stop: int
    pieces: list[bytes]


class AssemblerState(NamedTuple):
    """What a checkpoint keeps of the assembler, beside its events and serials."""

    clock: ClockState
    checked_ms: int
    second: bytes
    ms: int
    next: int
    before: int
    ordered: bool
    reversed_records: bool


class EventAssembler:
    """Joins lines into events, and remembers the order the lines came in.

    `feed` and `idle` return what closed, and where serials are missing: decide it in its order, set `event.closed`, and
    then take the text that may leave from `drain`. With `ordered` False no order is kept (forms that leave by event).
    A record that names no node is its relay's (unless `relays` is False), else `file_node`'s: the file's, or b"".
    `is_lost` tells of a line that is no record whether it says that one was lost. `on_late` is asked what leaves in
    the place of a late record (None: nothing) when its turn has come; its event is decided by then.
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
        relays: bool = True,
        is_lost: Callable[[bytes], bool] | None = None,
        on_late: Callable[[Event, bytes], bytes | None] | None = None,
    ) -> None:
        """Budget: one line a setting, one a thing that is remembered."""
        self.completes = completes
        self.stats = stats
        self.clock = StreamClock()
        self.timeout_ms = timeout_ms
        self.max_open = max_open
        self.max_records = max_records
        self.max_lines = max_lines
        self.ordered = ordered
        self.reversed_records = reversed_records
        self.relays = relays
        self.file_node = b""
        self.is_lost = is_lost
        self.on_late = on_late
        self.open: dict[bytes, Event] = {}
        self.runs: deque[Run] = deque()
        self.recent: dict[bytes, Event] = {}
        self.serials: dict[bytes, Serials] = {}
        self._current: Event | None = None
        self.queue: deque[Closed] = deque()
        self.is_ready: Callable[[Event, Iterable[Event]], bool] | None = None
        self._checked_ms = self._held = self._ms = self._before = 0
        self._second = b"-"
        self._next = -1

    # --- in -----------------------------------------------------------------------------------------------------

    def feed(self, lines: list[bytes]) -> Iterator[Closed]:
        """Take lines without their newline; returns what is to be decided, in the order of the log."""
        return self.feed_text(b"\n".join(lines)) if lines else self._take()

    def feed_text(self, text: bytes) -> Iterator[Closed]:
        """Take consecutive lines as one text: newlines between them, none at the end."""
        self.stats.lines += text.count(b"\n") + 1
        match, at, size = RUN.match, 0, len(text)
        while at <= size:
            run = match(text, at)
            if run is None:
                end = text.find(b"\n", at)
                end = end if end >= 0 else size
                self._odd_line(text[at:end])
            else:
                end = run.end()
                _, node, alone, stamp, ended = run.groups()
                self._lines(text[at:end], node, stamp, ended is not None or alone is not None)
            at = end + 1
        return self._take()

    def _lines(self, text: bytes, node: bytes | None, stamp: bytes, ended: bool) -> None:
        """Neighbouring lines of one event, with well-formed heads."""
        kind = 0 if node is None else len(node) + 6
        if node is None and self.file_node:
            node = self.file_node
        key = stamp if node is None else node + b" " + stamp
        current = self._current
        if current is not None and key == current.key:
            current.add(text)
        else:
            if current is not None:
                self._finish(current)
            if node is None and stamp[:14] != self._second:
                self._tick(stamp)
            event = self.open.get(key)
            if event is not None:
                self._resume(event, text)
            elif key in self.recent:
                for line in text.split(b"\n"):
                    self._join_late(self.recent[key], line)
            elif node is not None:
                self._begin(key, stamp, text, node, daemon=text.startswith(b"type=DAEMON_", kind))
            elif text.startswith(b"type=DAEMON_"):
                self._begin(key, stamp, text, b"", daemon=True)
            else:
                serial = int(stamp[15:])
                if serial == self._next:
                    self._next = serial + 1
                else:
                    self._count_serial(b"", serial, self._ms)
                self._current = event = Event(key, b"", _new_stamp(Stamp, (self._ms, serial)), text)
                self.queue.append(event)
                if self.ordered:
                    self.runs.append(event)
        current = self._current
        if current is not None and current.size > self.max_records:
            self._cut_off(current)
        elif current is not None and ended:  # it needs no successor to be known whole
            self._finish(current)

    def _odd_line(self, line: bytes) -> None:
        """A line whose head is not of the usual form: a relay's prefix, ausearch's `----`, a short stamp, or noise."""
        current = self._current
        node, kind, stamp = self.file_node, b"", b""
        is_typed = line[:5] == b"type="
        if is_typed:
            start = line.find(b"msg=audit(", 5) + 10
            end = line.find(b")", start)
            stamp, kind, ended = line[start:end], line[5 : start - 11], line[5:9] == b"EOE "
            key = node + b" " + stamp if node else stamp
            is_record = line[end : end + 2] == b"):" and (b" " not in kind or key not in self.recent)
        else:
            if current is not None and line.startswith(b"----"):
                self._finish(current, whole=True)
                current = None
            head = HEAD.match(line, 0, 1024)
            is_record, ended = head is not None, head is not None and head[3] == b"EOE"
            if head is not None:
                node, kind, stamp = head[2] or self._relayed(head[1]) or node, head[3], head[4]
        key = node + b" " + stamp if node else stamp
        if current is not None and key == current.key:
            current.add(line)
        else:
            if current is not None:
                self._finish(current)
            if is_typed and stamp[:14] != self._second:
                self._tick(stamp)
            if key in self.open:
                self._resume(self.open[key], line)
            elif is_record:
                self._begin(key, stamp, line, node, daemon=kind[:7] == b"DAEMON_")
            else:
                self._pass(line)
        current = self._current
        if current is not None and current.size > self.max_records:
            self._cut_off(current)
        elif current is not None and ended:
            self._finish(current)

    def _relayed(self, prefix: bytes | None) -> bytes:
        """The machine that a relay names in front of a record; b"" where it names none, or nobody is to be asked."""
        return relay_host(prefix) if prefix and self.relays else b""

    def _tick(self, stamp: bytes) -> None:
        """Another millisecond than the event's before: read it, once for all events that share it."""
        digits = stamp[:10] + stamp[11:14]
        if digits.isdigit() and len(digits) == 13 and stamp[10:11] == b".":
            self._second, self._ms = stamp[:14], int(digits)
            self._before = self.clock.now
            self.clock.observe(self._ms)

    def _begin(self, key: bytes, stamp: bytes, text: bytes, node: bytes, *, daemon: bool) -> None:
        """The first lines of an event, or a late record of one that is closed."""
        match = STAMP.fullmatch(stamp)
        if match is None:
            self._pass(text)
            return
        if key in self.recent:
            self._join_late(self.recent[key], text)
            return
        ms, serial = int(match[1] + match[2]), int(match[3])
        self.clock.observe(ms)
        if not daemon:  # auditd numbers those itself
            self._count_serial(node, serial, ms)
        self._current = event = Event(key, node, Stamp(ms, serial), text)
        self.queue.append(event)
        if self.ordered:
            self.runs.append(event)

    def _resume(self, event: Event, text: bytes) -> None:
        """The lines go on with an event that is open already."""
        self._current = event
        if self.ordered:
            event.splits = (*event.splits, event.size)
            self.runs.append((event, len(event.splits) - 1))
        event.add(text)

    def _pass(self, line: bytes) -> None:
        """A line that is no record leaves where it stood. What ausearch prints between events is no reject."""
        if self.is_lost is not None and self.is_lost(line):
            self.stats.lost += 1
            self.stats.passed += 1
        elif line.strip() and not line.startswith((b"----", b"time->")):
            self.stats.rejected += 1
        else:
            self.stats.passed += 1
        self._leave(line)

    def _join_late(self, event: Event, line: bytes) -> None:
        """A record of an event that was decided already: it shares that decision."""
        self.stats.late += 1
        self.stats.passed += 1
        self._leave(line, event)

    def _leave(self, line: bytes, late_for: Event | None = None) -> None:
        """Give a line that belongs to no open event its place in the order."""
        if self.ordered:
            alone = Event(b"", b"", Stamp(0, 0), line)
            alone.closed = True
            alone.late_for = late_for
            self.runs.append(alone)

    def _count_serial(self, node: bytes, serial: int, ms: int) -> None:
        """Note a serial. `_next` is the one that needs no note: of records without a node, when none is awaited."""
        serials = self.serials.get(node)
        if serials is None:
            if len(self.serials) >= 4096:
                return
            serials = self.serials[node] = Serials()
        if not node and self._next > serials.highest + 1:
            serials.highest = self._next - 1
            serials.latest = max(serials.latest, self._before)
        waiting = serials.waiting
        restarts = serials.restarts(serial, ms)
        if restarts:
            self._boot(node, serials, serial, ms)
        else:
            self._miss(node, serials, serials.observe(serial, ms) + (restarts is None), waiting=waiting)
            serials.latest = max(serials.latest, ms)
        if not node:
            self._next = -1 if serials.waiting else serials.highest + 1

    def _boot(self, node: bytes, serials: Serials, serial: int, ms: int) -> None:
        """The node has booted: what is open of it is decided as of before."""
        self._miss(node, serials, serials.finish(), waiting=serials.waiting)
        for event in [event for event in self.open.values() if event.node == node]:
            self._close(event, "forced")
        serials.begin(serial, ms)
        self.queue.append(Missing(node, 0, booted=True, ms=ms))

    def _miss(self, node: bytes, serials: Serials, lost: int, *, waiting: bool) -> None:
        """Tell of serials that are given up, and of the first and the last that is awaited."""
        if lost:
            self.stats.possible_loss += lost
            self.stats.missed(node, lost)
        if lost or serials.waiting is not waiting:
            self.queue.append(Missing(node, lost, awaited=serials.waiting))

    # --- closing ------------------------------------------------------------------------------------------------

    def _finish(self, event: Event, *, whole: bool = False) -> None:
        """The lines now go on elsewhere: note what the last event has, and close it if it is probably whole."""
        self._current = None
        if whole or (not self.reversed_records and self._is_whole(event)):
            if event.held:
                del self.open[event.key]
                self._held -= event.held
            self.recent[event.key] = event
            event.complete = "closed"
            if len(self.recent) > 2 * REMEMBERED:
                self.recent = dict(islice(self.recent.items(), REMEMBERED, None))
            if self.open and self._is_time():
                self._age()
            return
        size = event.size
        self._held += size - event.held
        event.held = size
        self.open[event.key] = event
        event.seen = self.clock.now
        if self._is_time():
            self._age()
        if len(self.open) > self.max_open or self._held > self.max_lines:
            self._force(next(iter(self.open.values())))

    def _is_whole(self, event: Event) -> bool:
        """Whether the last record is of a type after which an event is probably whole.

        Kernels with contid patches (V5 to V9) write a CONTAINER_ID behind it: that event is as whole as others, which
        must not be decided before it.
        """
        text = event.pieces[-1]
        last = text.rfind(b"\n") + 1
        if text.startswith(b"type=PROCTITLE ", last):
            return True
        if text.startswith(b"): contid=", text.find(b"): ", last)):
            text = event.text  # the line before may have come apart from it
            last = text.rfind(b"\n") + 1
            before = text.rfind(b"\n", 0, last - 1) + 1
            if text.startswith(b"type=PROCTITLE ", before + len(event.node) + 6 if event.node else before):
                return True
        start = last + 5 if text.startswith(b"type=", last) else text.find(b"type=", last) + 5
        return self.completes.get(text[start : text.find(b" ", start)], False)

    def _close(self, event: Event, why: str) -> None:
        """An event that waited is closed by time, by force, or by the end."""
        if event.held:
            del self.open[event.key]
            self._held -= event.held
        self.recent[event.key] = event
        event.complete = why

    def _is_time(self) -> bool:
        """Whether to look for what has waited too long."""
        return self.clock.now - self._checked_ms >= 250 or self.clock.now < self._checked_ms

    def _age(self) -> None:
        self._checked_ms = self.clock.now
        if len(self.recent) > 2 * REMEMBERED:
            self.recent = dict(islice(self.recent.items(), REMEMBERED, None))
        limit = self.clock.now - self.timeout_ms
        ahead = self.clock.now + self.timeout_ms  # the clock was set back
        waited = [event for event in self.open.values() if not limit < event.seen <= ahead]
        for event in [event for event in waited if event is not self._current]:
            self._close(event, "aged")

    def _force(self, event: Event) -> None:
        """More is open than may be: `event` goes, and is counted."""
        if event is self._current:
            self._current = None
        self._close(event, "forced")

    def _cut_off(self, event: Event) -> None:
        """The current event has more records than it may: it goes with the first ones, the others are late."""
        lines = event.lines
        event.lines, rest = lines[: self.max_records + 1], lines[self.max_records + 1 :]
        self._force(event)
        for line in rest:
            self._join_late(event, line)

    def _take(self, *, final: bool = False) -> Iterator[Closed]:
        """What is to be decided now, in the order of the log: nothing behind an event that is not complete.

        Each is to be decided before the next is taken.

        `is_ready` may want to see first what follows an event; not where this is `final`.
        """
        queue = self.queue
        while queue:
            head = queue[0]
            if isinstance(head, Event):
                if not head.complete:
                    break
                head.reversed = self.reversed_records
                if self.is_ready is not None and not self.is_ready(head, self._behind()) and not final:
                    break
                setattr(self.stats, head.complete, getattr(self.stats, head.complete) + 1)
            yield queue.popleft()

    def _behind(self) -> Iterator[Event]:
        """The events behind the first of the queue, up to one that is not complete."""
        for item in islice(self.queue, 1, None):
            if isinstance(item, Event):
                if not item.complete:
                    return
                item.reversed = self.reversed_records
                yield item
            elif item.booted:
                return

    def idle(self, *, quiet_ms: int = 0) -> Iterator[Closed]:
        """Nothing came for `quiet_ms` (wall clock): close what is probably whole, and all after the timeout."""
        if self._current is not None:
            self._finish(self._current)
        if quiet_ms >= self.timeout_ms:
            for event in list(self.open.values()):
                self._close(event, "aged")
        return self._take(final=quiet_ms >= FOLLOW_MS)

    def flush(self) -> Iterator[Closed]:
        """The end of input: close everything."""
        for node, serials in self.serials.items():
            self._miss(node, serials, serials.finish(), waiting=serials.waiting)
        if self._current is not None:
            self._finish(self._current)
        for event in list(self.open.values()):
            self._close(event, "flushed")
        return self._take(final=True)

    # --- out ----------------------------------------------------------------------------------------------------

    def drain(self) -> list[bytes]:
        """What may leave now, in input order: all before the first line of an undecided event.

        Each element is one or more lines, without the last newline.
        """
        runs = self.runs
        out: list[bytes] = []
        while runs:
            run = runs[0]
            event, part = run if isinstance(run, tuple) else (run, -1)
            if not event.closed:
                break
            runs.popleft()
            if event.splits:
                stops = (*event.splits, event.size)
                out += event.lines[stops[part] if part >= 0 else 0 : stops[part + 1]]
            elif event.late_for is not None and self.on_late is not None:
                left = self.on_late(event.late_for, event.text)
                out += () if left is None else (left,)
            else:
                out += event.pieces
        return out

    def departures(self) -> Iterator[Departure]:
        """The same as `drain`, with the event of the lines: for a caller that has rendered it in several ways.

        A late record is an event of its own, with `late_for`; `on_late` is not asked.
        """
        runs = self.runs
        while runs:
            run = runs[0]
            event, part = run if isinstance(run, tuple) else (run, -1)
            if not event.closed:
                return
            runs.popleft()
            if event.splits:
                stops = (0, *event.splits, event.size)
                start, stop = stops[part + 1], stops[part + 2]
                yield Departure(event, start, stop, event.lines[start:stop])
            else:
                yield Departure(event, 0, event.size, event.pieces)

    def highest_serial(self, node: bytes) -> int:
        """The highest serial of a node so far; -1 for none."""
        serials = self.serials.get(node)
        highest = serials.highest if serials is not None else -1
        return highest if node else max(highest, self._next - 1)

    # --- checkpoints ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Event | None:
        """The event that took the last line, while it is open."""
        return self._current

    @property
    def held_lines(self) -> int:
        """Lines that have come and are not decided: what `Stats.check` calls held."""
        return sum(item.size for item in self.queue if isinstance(item, Event))

    def state(self) -> AssemblerState:
        """For a checkpoint: all but the events and the serials."""
        return AssemblerState(
            self.clock.state(),
            self._checked_ms,
            self._second,
            self._ms,
            self._next,
            self._before,
            self.ordered,
            self.reversed_records,
        )

    def load(
        self,
        state: AssemblerState,
        current: Event | None,
        open_events: dict[bytes, Event],
        recent: dict[bytes, Event],
        runs: deque[Run],
        serials: dict[bytes, Serials],
        queue: deque[Closed],
    ) -> None:
        """Become what was saved; the lines that are held count as read."""
        self.clock.load(state.clock)
        self._checked_ms, self._second, self._ms, self._next, self._before = state[1:6]
        self.reversed_records = state.reversed_records
        self.open, self.recent, self.runs, self.serials = open_events, recent, runs, serials
        self._held = sum(event.held for event in open_events.values())
        self._current = current
        self.queue = queue
        self.stats.lines += self.held_lines
