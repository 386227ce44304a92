"""The object of a usual event, put together out of what the backend and this package have written of its parts.

Says the same as `json.document`, in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.formats.answer import Answers
from annotator.formats.json import ECS, entity, timestamp

if TYPE_CHECKING:
    from annotator.backend import Encoder, Written
    from annotator.formats.answer import Answer
    from annotator.model import Attribution, Stamp

MAX_KNOWN = 16_384
"""Answers that are kept; when there are more, all are forgotten."""


class Told(NamedTuple):
    """What an answer adds: items for `process`, and those at the end. It holds while the versions' sum is this one."""

    answer: Attribution
    versions: int
    processes: int
    process: bytes
    ends: int
    end: bytes


class Frame:
    """One per run and form. `node` names the host, "" none."""

    def __init__(self, encoder: Encoder, *, node: str = "", after: bytes = b"") -> None:
        self.encoder = encoder
        self.after = after
        self._answers = Answers()
        self._told: dict[int, Told] = {}
        self._ends: dict[int, tuple[Answer, int, bytes]] = {}
        self._object = encoder.opening("")
        self._event = encoder.opening("event")
        self._process = encoder.opening("process")
        self._head = encoder.item("ecs", ECS) + encoder.comma
        if node:
            self._head += encoder.item("host", {"name": node}) + encoder.comma
        self._heads = 2 + (node != "")  # with the time
        self._ms = -1
        self._time = b""
        self._sequence = encoder.comma + encoder.item("sequence", 0)[: -len(encoder.value(0))]

    def write(self, stamp: Stamp, answer: Attribution, written: Written) -> bytes | None:
        """The object; None for a stamp that has no time of day."""
        if stamp[0] != self._ms and not self._tick(stamp[0]):
            return None
        told = self._told.get(id(answer))
        if told is None or told.answer is not answer or told.versions != _versions(answer):
            told = self._tell(answer)
        encoder = self.encoder
        comma, end = encoder.comma, encoder.end
        events, event, processes, process, rests, rest = written
        return b"".join(
            (
                self._object[self._heads + 2 + rests + told.ends], self._time, self._head,
                self._event[events + 1], event, self._sequence, encoder.value(stamp[1]), end, comma,
                self._process[processes + told.processes], process, told.process, end, comma,
                rest, told.end, end, self.after,
            )
        )  # fmt: skip

    def _tick(self, ms: int) -> bool:
        """Another millisecond."""
        when = timestamp(ms)
        if when is None:
            return False
        self._ms = ms
        self._time = self.encoder.item("@timestamp", when) + self.encoder.comma
        return True

    def _tell(self, given: Attribution) -> Told:
        """Write what an answer adds, and remember it."""
        process: dict[str, Any] = {}
        if given.vpid is not None:
            process["vpid"] = given.vpid
        if given.key is not None:
            process["entity_id"] = entity(given.key)
        text = self.encoder.comma + self.encoder.items(process) if process else b""
        answer = self._answers.of(given)
        known = self._ends.get(id(answer))
        if known is None or known[0] is not answer:
            known = self._end(answer)
            if not (given.targets or given.src or given.dst):  # else it is of this attribution alone
                if len(self._ends) >= MAX_KNOWN:
                    self._ends.clear()
                self._ends[id(answer)] = known
        told = Told(given, _versions(given), len(process), text, known[1], known[2])
        if len(self._told) >= MAX_KNOWN:
            self._told.clear()
        self._told[id(given)] = told
        return told

    def _end(self, answer: Answer) -> tuple[Answer, int, bytes]:
        """Write where it happened; most processes of one container, and of none, have this in common."""
        parts = (("container", answer.container), ("orchestrator", answer.orchestrator))
        said = {name: value for name, value in (*parts, ("provenance", answer.provenance)) if value is not None}
        return answer, len(said), self.encoder.comma + self.encoder.items(said)


def _versions(answer: Attribution) -> int:
    """Grows with each change of a container that the answer names."""
    if not (answer.chains or answer.targets or answer.src or answer.dst):
        return 0
    chains = [*answer.chains, *answer.src, *answer.dst]
    for target in answer.targets:
        chains += target.chains
    return sum([container.version for chain in chains for container in chain])
