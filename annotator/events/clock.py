"""What a stream of records says of itself: its own present, and which serials are missing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

JUMP_MS = 10_000
"""A stamp further ahead of the stream than this is believed only when a second event confirms it."""


LATER_MS = 1_000
"""A boot takes longer than this."""

LATE_MS = 5_000
"""Lines that come later than this after their stamp come from elsewhere in time."""

FEW = 16
"""So many events may stand before the first one of a log that begins in the middle."""

WRAP = 1 << 31
"""Serials have 32 bits: one that is so far behind is ahead."""


class ClockState(NamedTuple):
    """What a checkpoint keeps of the clock."""

    now: int
    doubt: int
    doubts: int


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

    def state(self) -> ClockState:
        """For a checkpoint."""
        return ClockState(self.now, self._doubt, self._doubts)

    def load(self, state: ClockState) -> None:
        """Become what was saved."""
        self.now, self._doubt, self._doubts = state

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

    Serials come a little out of order; one is missed when the stream is `PATIENCE` past it, and the serials right
    behind it with it: records that were lost together are one loss, told once.
    """

    PATIENCE = 256
    __slots__ = ("_before", "_gaps", "_mixed_at", "_ms", "first", "highest", "latest", "low", "returns")

    def __init__(
        self, highest: int = -1, gaps: Iterable[int] = (), *, first: int = -1, latest: int = 0, low: int = -1
    ) -> None:
        self.highest = highest
        self.first = first
        self.latest = latest
        self.low = low
        self.returns = 0
        self._ms = 0
        self._mixed_at = -1
        self._before = -1
        self._gaps: OrderedDict[int, None] = OrderedDict.fromkeys(gaps)

    @property
    def is_mixed(self) -> bool:
        """Whether two counts of serials were seen by turns: two machines have this name."""
        return self.returns >= 3

    def _compare(self, serial: int, ms: int) -> None:
        """Count how often the stream returns to one of two counts of serials.

        A kernel gives serials in the order of time, so an older one has an older stamp. A boot begins a new count too,
        but the old one never goes on.
        """
        if self._before >= 0 and 0 < serial - self._before <= self.PATIENCE:
            self.returns += 1
            self._before = -1
        elif serial < self.highest - self.PATIENCE and ms >= self._ms:
            if self.highest > self._mixed_at >= 0:
                self.returns += 1
            self._mixed_at = self.highest
            if serial < self.highest - 100_000:
                self._before = self.highest
        self._ms = max(self._ms, ms)

    def restarts(self, serial: int, ms: int) -> bool | None:
        """Whether the kernel counts anew with this serial, which it does at a boot only (not where 32 bits wrap).

        A serial that was there already, or should have been long ago, and a stamp later than all before it: it does.
        With an earlier stamp the clock was set, or lines came late: a second such serial confirms it (None until then).
        """
        behind = self.highest - serial
        if self.highest < 0 or behind < 0 or serial in self._gaps or behind > WRAP:
            self.low = -1 if behind < 0 else self.low
            return False
        if behind < FEW and serial < self.first:
            return False
        if ms >= self.latest + LATER_MS:
            return True
        if ms > self.latest - LATE_MS or behind < self.PATIENCE:
            return False
        if 0 <= self.low < serial < self.low + 1000:
            return True
        self.low = serial
        return None

    def begin(self, serial: int, ms: int) -> None:
        """The first serial of a boot."""
        self._compare(serial, ms)
        self._gaps.clear()
        self.highest = self.first = serial
        self.latest, self.low = ms, -1

    def observe(self, serial: int, ms: int) -> int:
        """Take note of one serial, at this stamp; returns how many are now given up as missing."""
        self._compare(serial, ms)
        ahead = serial - self.highest
        lost = 0
        if self.highest < 0 or ahead < -WRAP:
            self.first = serial
        if self.highest < 0 or not -100_000 < ahead < 1_000_000:
            lost = self.finish()  # the first, or a new boot's count
            self.highest = serial
        elif ahead > 0:
            if ahead > self.PATIENCE:
                lost = ahead - 1
            else:
                self._gaps.update(dict.fromkeys(range(self.highest + 1, serial)))
            self.highest = serial
        else:
            self._gaps.pop(serial, None)
        while self._gaps:
            oldest = next(iter(self._gaps))
            if oldest > self.highest - self.PATIENCE:
                break
            while oldest in self._gaps:
                del self._gaps[oldest]
                oldest += 1
                lost += 1
        return lost

    @property
    def gaps(self) -> Iterable[int]:
        """The serials that may still come, oldest first."""
        return self._gaps

    @property
    def waiting(self) -> bool:
        """Whether any serial is awaited."""
        return bool(self._gaps)

    def finish(self) -> int:
        """No more come: how many are still missing."""
        lost = len(self._gaps)
        self._gaps.clear()
        return lost
