"""Lines in, events out: records are joined by (node, stamp), whatever order they come in.

A line is known here by its head alone, `[node=NAME ]type=TYPE msg=audit(SECONDS.MILLIS:SERIAL):`. What a record type
means is the backend's; it tells through `completes` after which types an event is probably whole.

Decisions (2026-11): no type closes an event at once, since SERVICE_START and LOGIN records open events that go on.
A probably whole event closes at the next record of another event, at an idle moment, or at the end. Any other closes
when the stream's clock has gone on by `timeout_ms` since its last record came: never by its own stamp, which is the
entry of a system call that may have blocked for long.

The hot path is `cut`: it takes text as it was read, and of a usual event (what that is the backend says by a pattern,
see `stretch`) makes nothing but a stamp. All else goes line by line, through `_lines`; also an event whose lines others
interrupt. Both join the same lines into the same events, in the same order.

Budget: one class of more than 300 lines, since both ways share the open events, the closed ones and the order.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import Event, Stamp
from annotator.events.clock import ClockState, Serials, StreamClock
from annotator.events.stretch import Stretch, Usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from annotator.core.stats import Stats

HEAD = re.compile(rb"(?:.{0,256}? )??(?:node=(\S+) )?type=(\S+) msg=audit\((\d{1,11}\.\d{3}:\d{1,20})\):")
"""A record's head. Text before it (a syslog relay's) is tolerated; `node` is absent, never empty."""

new_stamp = tuple.__new__
"""Makes a Stamp without the detour through its own constructor."""

STAMP = re.compile(rb"(\d{1,11})\.(\d{3}):(\d{1,20})")

_nowhere: list[bytes] = []

NO_KEY = b")"
"""What no line has as its key, since a key ends before a parenthesis: no event takes the next line."""

REMEMBERED = 512
"""How many closed events can still be joined by a straggler."""


class Missing(NamedTuple):
    """Serials of a node are given up as missing, before whatever closes after it."""

    node: bytes
    serials: int


_HEADED = re.compile(rb"type=[^ \n]{1,64} msg=audit\((\d{10}\.\d{3}:\d{1,20})\):")


def _is_another(text: bytes, at: int, key: bytes) -> bool:
    """Whether the line at `at` is a record of another event than `key`. Of what is no record it cannot be told."""
    found = _HEADED.match(text, at)
    return found is not None and found[1] != key


Closed = Event | Stretch | Missing
"""What a grouper gives, in the order to decide it."""

Run = Event | Stretch | tuple[Event, int]
"""Lines that stand together in the input: an event's first, or with n those from its n-th resumption on."""


class AssemblerState(NamedTuple):
    """What a checkpoint keeps of the assembler, beside its events and serials."""

    clock: ClockState
    checked_ms: int
    second: bytes
    ms: int
    next: int
    ordered: bool
    reversed_records: bool


class EventAssembler:
    """Joins lines into events, and remembers the order the lines came in.

    `feed`, `cut` and `idle` return what closed, and where serials are missing (or tell `on_gap`): decide it in its
    order, set `event.closed`, and then take the lines that may leave from `drain`. With `ordered` False no order is
    kept (forms that leave by event). `usual` is the pattern of the events that `cut` need not take apart (see
    `stretch`).
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
        usual: re.Pattern[bytes] | None = None,
        is_lost: Callable[[bytes], bool] | None = None,
        on_gap: Callable[[bytes, int], None] | None = None,
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
        self.usual = usual
        self.is_lost = is_lost
        self.on_gap = on_gap
        self.on_late = on_late
        self.open: dict[bytes, Event] = {}
        self.runs: deque[Run] = deque()
        self.recent: dict[bytes, Event | None] = {}
        self.serials: dict[bytes, Serials] = {}
        self._current: Event | None = None
        self._key = NO_KEY
        self._closed: list[Closed] = []
        self._checked_ms = self._held = self._ms = 0
        self._second = b"-"
        self._next = -1
        self._append: Callable[[bytes], object] = _nowhere.append

    # --- in -----------------------------------------------------------------------------------------------------

    def feed(self, lines: list[bytes]) -> list[Event | Missing]:
        """Take lines (without newline) in input order; returns the events that closed, in closing order.

        Budget: the hot loop, inlined for the usual case: the lines before are one whole event that stands alone.
        """
        self.stats.lines += len(lines)
        self._lines(lines)
        self._pause()
        return self._events()

    def cut(self, text: bytes) -> list[Closed]:
        """The same of consecutive lines that are still one text (newlines between them, none at the end).

        Budget: the hot loop. Of an event of the usual shape, which is whole and stands alone, nothing is made but its
        stamp. Whatever is otherwise goes line by line.
        """
        text = b"\n" + text  # the pattern begins with it: it is found fast, and never in the middle of a line
        limit = len(text)
        self.stats.lines += limit - len(text.replace(b"\n", b""))
        usual = self.usual if not self.reversed_records else None
        runs = usual.finditer(text, 0, text.rfind(b"\n")) if usual is not None else iter(())
        run = next(runs, None)
        begun = start = run.start() if run is not None else limit
        if begun:
            self._lines(text[1:begun].split(b"\n"))
        whole: list[Usual] = []
        while run is not None:
            after = next(runs, None)
            stop = after.start() if after is not None else limit
            key = run[1]
            end = run.end()
            if (
                (end != stop and not _is_another(text, end + 1, key))
                or (end == stop and after is not None and after[1] == key)
                or key in self.recent
                or key in self.open
                or key == self._key
            ):
                end = start
            else:
                if self._current is not None:
                    self._finish(self._current)
                if key[:14] != self._second:
                    self._second, self._ms = key[:14], int(key[:10] + key[11:14])
                    self.clock.observe(self._ms)
                number = int(key[15:])
                if number == self._next:
                    self._next = number + 1
                else:
                    told = len(self._closed)
                    self._count_serial(b"", number)
                    if len(self._closed) > told:  # a gap: what came before it is answered before it
                        missing = self._closed.pop()
                        self._stretch(text, begun, start, whole)
                        whole, begun = [], start
                        self._closed.append(missing)
                whole.append((new_stamp(Stamp, (self._ms, number)), run))
                self.recent[key] = None
                if len(self.recent) > 2 * REMEMBERED:
                    self.recent = dict(islice(self.recent.items(), REMEMBERED, None))
                if self.open and self._is_time():
                    self._stretch(text, begun, end, whole)
                    whole, begun = [], end
                    self._age()
            if end != stop:
                self._stretch(text, begun, end, whole)
                self._lines(text[end + 1 : stop].split(b"\n"))
                whole, begun = [], stop
            run, start = after, stop
        self._pause()
        return self._take()

    def _stretch(self, text: bytes, start: int, stop: int, usual: list[Usual]) -> None:
        """Whole events are closed at once."""
        if usual:
            stretch = Stretch(text, start, stop, usual)
            self._closed.append(stretch)
            self.stats.closed += len(usual)
            if self.ordered:
                self.runs.append(stretch)

    def _lines(self, lines: list[bytes]) -> None:
        """Line by line.

        Budget: a hot loop, inlined for the usual case: the lines before are one whole event that stands alone.
        """
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
                if line[5:9] == b"EOE ":
                    self._ended()
                    key, append = self._key, self._append
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
            if line[5:9] == b"EOE ":
                self._ended()
            key, append = self._key, self._append

    def _ended(self) -> None:
        """An event that ends in EOE needs no successor to be known whole."""
        if self._current is not None:
            self._finish(self._current)

    def _pause(self) -> None:
        """Nothing more for now."""
        current = self._current
        if current is not None and len(current.lines) > self.max_records:
            self._force(current)

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
        if current is not None and key == self._key:
            current.lines.append(line)
        else:
            if current is not None:
                self._finish(current)
            if head is None:
                self._pass(line)
            elif key in self.open:
                self._resume(self.open[key], line)
            else:
                self._begin(key, text, line, node or b"", kind[:7])
        if kind == b"EOE":
            self._ended()

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
        if key in self.recent:
            self._straggle(self.recent[key], line)
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
        """A line that is no record leaves where it stood. What ausearch prints between events is no reject."""
        if self.is_lost is not None and self.is_lost(line):
            self.stats.lost += 1
            self.stats.passed += 1
        elif line.strip() and not line.startswith((b"----", b"time->")):
            self.stats.rejected += 1
        else:
            self.stats.passed += 1
        self._leave(line)

    def _leave(self, line: bytes) -> None:
        """Give a line that belongs to no open event its place in the order."""
        if self.ordered:
            self.runs.append(self._alone(line))

    @staticmethod
    def _alone(text: bytes) -> Event:
        """Text that waits for nothing but its place."""
        alone = Event(b"", b"", Stamp(0, 0), text)
        alone.closed = True
        return alone

    def _straggle(self, event: Event | None, line: bytes) -> None:
        """A record of an event that was decided already: it shares that decision."""
        self.stats.late += 1
        left: bytes | None = line
        if self.on_late is not None and event is not None:
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
            else:
                self._closed.append(Missing(node, lost))

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
            if self.open and self._is_time():
                self._age()
            return
        self._held += len(lines) - event.held
        event.held = len(lines)
        self.open[event.key] = event
        event.seen = self.clock.now
        if self._is_time():
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

    def _is_time(self) -> bool:
        """Whether to look for what has waited too long."""
        return self.clock.now - self._checked_ms >= 250 or self.clock.now < self._checked_ms

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

    def _take(self) -> list[Closed]:
        closed, self._closed = self._closed, []
        if self.reversed_records:
            for event in closed:
                if isinstance(event, Event):
                    event.reversed = True
        return closed

    def _events(self) -> list[Event | Missing]:
        """The same, where no stretch can be among them."""
        return [event for event in self._take() if not isinstance(event, Stretch)]

    def idle(self, *, quiet_ms: int = 0) -> list[Event | Missing]:
        """Nothing came for `quiet_ms` (wall clock): close what is probably whole, and all after the timeout."""
        if self._current is not None:
            self._finish(self._current)
        if quiet_ms >= self.timeout_ms:
            for event in list(self.open.values()):
                self._close(event)
                self.stats.aged += 1
        return self._events()

    def flush(self) -> list[Event | Missing]:
        """The end of input: close everything."""
        for node, serials in self.serials.items():
            self._lost(node, serials.finish())
        if self._current is not None:
            self._finish(self._current)
        for event in list(self.open.values()):
            self._close(event)
            self.stats.flushed += 1
        return self._events()

    # --- out ----------------------------------------------------------------------------------------------------

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order: all before the first line of an undecided event."""
        runs = self.runs
        out: list[bytes] = []
        while runs:
            run = runs[0]
            if isinstance(run, Stretch):
                out.append(run.lines())
            elif isinstance(run, Event):
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

    # --- checkpoints ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Event | None:
        """The event that took the last line, while it is open."""
        return self._current

    @property
    def held_lines(self) -> int:
        """Lines that have come and are not decided: what `Stats.check` calls held."""
        waiting = {id(event): event for event in self.open.values()}
        if self._current is not None:
            waiting[id(self._current)] = self._current
        return sum(len(event.lines) for event in waiting.values())

    def state(self) -> AssemblerState:
        """For a checkpoint: all but the events and the serials."""
        return AssemblerState(
            self.clock.state(),
            self._checked_ms,
            self._second,
            self._ms,
            self._next,
            self.ordered,
            self.reversed_records,
        )

    def load(
        self,
        state: AssemblerState,
        current: Event | None,
        open_events: dict[bytes, Event],
        recent: dict[bytes, Event | None],
        runs: deque[Run],
        serials: dict[bytes, Serials],
    ) -> None:
        """Become what was saved; the lines that are held count as read."""
        self.clock.load(state.clock)
        self._checked_ms, self._second, self._ms, self._next = state[1:5]
        self.reversed_records = state.reversed_records
        self.open, self.recent, self.runs, self.serials = open_events, recent, runs, serials
        self._held = sum(event.held for event in open_events.values())
        self._current = current
        self._key = NO_KEY if current is None else current.key
        if current is not None:
            self._append = current.lines.append
        self.stats.lines += self.held_lines
