"""The quick road: usual events are answered and written while their lines are still one text.

The backend's reader finds the signature of the process in it, and the signature leads to its life, its answer and the
text to append, as long as none of them has changed; forms with objects write them straight out of the text. It leads to
the same end as `Pipeline`'s own way, which takes whatever says more than this reads; a test holds the two equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from annotator.core.model import Executed, Status, Translation
from annotator.formats.raw import MAX_LINE

if TYPE_CHECKING:
    import re
    from collections import Counter
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Attribution, Event, Fact, Reason, Signature, Stamp
    from annotator.core.recording import Recorder
    from annotator.core.stats import Stats
    from annotator.events import Stretch
    from annotator.events.stretch import Usual


class Reader(Protocol):
    """Reads usual events out of their text; `shape` tells the grouper which those are (see `events.EventAssembler`)."""

    shape: re.Pattern[bytes]

    def read(self, run: re.Match[bytes], /) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """Whose event it is, its facts, and the pid it is aimed at (0: none); no signature where it says more."""
        ...

    def place(self, run: re.Match[bytes], /) -> int:
        """Where the annotated record takes fields."""
        ...


@runtime_checkable
class Quick(Protocol):
    """A backend that has a quick road for its usual events."""

    def usual(self, *, detailed: bool = False, networks: bool = False) -> Reader:
        """What reads them, for one run.

        `detailed`: a form writes them by their fields. `networks`: an event of a socket says more than it can read.
        """
        ...


class Direct(Protocol):
    """How a form writes a usual event out of its text; None when it would rather have the event."""

    def __call__(
        self, run: re.Match[bytes], stamp: Stamp, signature: Signature, answer: Attribution, /
    ) -> bytes | None:
        """Its bytes."""
        ...


class Slow(Protocol):
    """The other road: decides an event (without an answer), and writes it."""

    def __call__(self, event: Event, answer: Attribution | None, /) -> None:
        """One event, with its lines."""
        ...


class QuickRoad:
    """One per run. `answered` counts the outcomes.

    A form appends a `suffix` to the text, or writes `pieces` by `direct`; one that does neither has its events from
    `slow`, as has all that is not usual enough.
    """

    def __init__(
        self,
        reader: Reader,
        recorder: Recorder,
        stats: Stats,
        answered: Counter[Status | Reason],
        slow: Slow,
        *,
        pieces: list[bytes],
        ordered: bool,
        suffix: Callable[[Attribution], bytes] | None = None,
        direct: Direct | None = None,
    ) -> None:
        self.reader = reader
        self._recorder = recorder
        self._stats = stats
        self._answered = answered
        self._slow = slow
        self._pieces = pieces
        self._ordered = ordered
        self._suffix = suffix
        self._direct = direct

    def decide(self, stretch: Stretch) -> None:
        """Answer, write, and apply what the events say has changed, one behind the other.

        Budget: the hot loop. What it asks of lives and answers itself is what `ProcessTable.see` and `Attributor.of`
        ask first; as soon as the answer is no, they are asked.
        """
        text, parts, at = stretch.text, stretch.parts, stretch.start
        recorder, read, direct = self._recorder, self.reader.read, self._direct
        attributor = recorder.attributor
        membership = attributor.membership
        see, settle, begun, apply = membership.processes.see, recorder.settle, recorder.begun, membership.apply
        node = membership.processes.node(b"")
        container, looks = Status.CONTAINER, attributor.observations is not None
        suffix_of = self._suffix
        if suffix_of is not None and text.find(b" cont", at, stretch.stop) >= 0:
            suffix_of = None
        pieces = self._pieces
        tally: list[Status | Reason] = []
        annotated = 0
        for usual in stretch.events:
            stamp, run = usual
            signature, facts, target = read(run)
            if signature is None:
                at = self._take_out(stretch, usual, at)
                continue
            life = signature.life
            if life.token is not signature.token or life.epoch != node.epoch or stamp < life.born:
                life = signature.life = see(b"", signature.actor, stamp)
                signature.token = life.token or signature
            elif stamp > life.seen:
                life.seen = stamp
            if facts and type(facts[0]) is Executed and (looks or facts[0].marks or life.membership.support):
                begun(life, facts[0].marks, stamp)
            answer = life.cache.get(stamp) or settle(life, stamp)
            if target:
                answer = self._aimed(signature, life, stamp, answer, target)
            suffix = b""
            if suffix_of is not None and (target or answer.status is container):
                if answer is not signature.answer:
                    signature.answer, signature.suffix = answer, suffix_of(answer)
                suffix = signature.suffix
            if direct is not None and (piece := direct(run, stamp, signature, answer)) is not None:
                pieces.append(piece)
            elif suffix_of is None or (suffix and run.end() - run.start() + len(suffix) > MAX_LINE):
                at = self._take_out(stretch, usual, at, answer)
            elif suffix:
                end = self.reader.place(run)
                parts += (text[at:end], suffix)
                at = end
                annotated += 1
            tally.append(answer.reason or answer.status)
            if answer.flags:
                for flag in answer.flags:
                    self._stats.flags[flag] += 1
            for fact in facts:
                apply(fact, life, signature.actor, b"", stamp)
        if parts:
            parts.append(text[at : stretch.stop])
        self._answered.update(tally)
        self._stats.annotated += annotated
        body = text[stretch.start : stretch.stop]
        self._stats.passed += len(body) - len(body.replace(b"\n", b"")) - annotated

    def _aimed(
        self, signature: Signature, life: ProcessLifetime, stamp: Stamp, sender: Attribution, target: int
    ) -> Attribution:
        """The answer for a signal or a trace, by that of its sender."""
        attributor = self._recorder.attributor
        if target != life.pid:
            reading = Translation(signature.actor, (), (target,))
            self._recorder.record(reading, life, b"", stamp)
            return attributor.attribute(reading, life, b"", stamp)
        known = life.cache.at_itself
        return known[1] if known is not None and known[0] is sender else attributor.itself(life, stamp)

    def _take_out(self, stretch: Stretch, usual: Usual, at: int, answer: Attribution | None = None) -> int:
        """Write one event that needs its lines; without an answer, decide it too. Returns where the rest goes on."""
        event = stretch.event(usual)
        start, stop = usual[1].span()
        self._stats.passed -= len(event.lines)
        self._slow(event, answer)
        if not self._ordered:
            return at
        stretch.parts += (stretch.text[at:start], b"\n", b"\n".join(event.lines))
        return stop
