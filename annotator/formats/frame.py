"""The object of a usual event, put together out of what the backend and this package have written of its parts.

Says the same as `json.document`, in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from annotator.formats.answer import Answers
from annotator.formats.json import ECS, entity, timestamp

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from annotator.core.contracts import Encoder, Written
    from annotator.core.model import Attribution, Container, Event, Signature, Stamp
    from annotator.formats.answer import Answer

    Write = Callable[[re.Match[bytes], Signature], Written | None]

MAX_KNOWN = 4096
"""Answers that are kept; when there are more, all are forgotten."""


_THOUSAND = tuple(b"%03d" % number for number in range(1000))


class Actors(Protocol):
    """Finds who acted in the text of a usual event."""

    shape: re.Pattern[bytes]

    def signature(self, run: re.Match[bytes], /) -> Signature | None:
        """Whose event it is; None for a text of another form."""
        ...


class Told(NamedTuple):
    """What an answer adds: items for `process`, and those at the end. `by` is what has to have that version still."""

    answer: Attribution
    by: Container | Several | None
    version: int
    processes: int
    process: bytes
    ends: int
    end: bytes


class Several:
    """All containers an answer names."""

    __slots__ = ("containers",)

    def __init__(self, containers: list[Container]) -> None:
        self.containers = containers

    @property
    def version(self) -> int:
        """Grows with each change of one of them."""
        return sum([container.version for container in self.containers])


def _named(answer: Attribution) -> Container | Several | None:
    """What an answer names."""
    chains = [*answer.chains, *answer.src, *answer.dst]
    for target in answer.targets:
        chains += target.chains
    containers = [container for chain in chains for container in chain]
    return Several(containers) if len(containers) > 1 else containers[0] if containers else None


class Frame:
    """One per run and form, with the backend's reader and writer. `node` names the host, "" none; `after` ends it."""

    def __init__(self, encoder: Encoder, reader: Actors, write: Write, *, node: str = "", after: bytes = b"") -> None:
        self.encoder = encoder
        self.reader = reader
        self.after = after
        self._write = write
        self._answers = Answers()
        self._told: dict[int, Told] = {}
        self._ends: dict[int, tuple[Answer, int, bytes]] = {}
        head = encoder.item("ecs", ECS) + encoder.comma
        if node:
            head += encoder.item("host", {"name": node}) + encoder.comma
        heads = 2 + (node != "")  # with the time
        self._objects = encoder.opening("")[heads + 2 :]
        self._events = tuple(head + event for event in encoder.opening("event")[1:])
        self._processes = tuple(encoder.end + encoder.comma + process for process in encoder.opening("process"))
        self._ms = self._second = -1
        self._time = self._before = self._behind = b""
        self._sequence = encoder.comma + encoder.item("sequence", 0)[: -len(encoder.value(0))]
        self._number = encoder.number

    def write(self, run: re.Match[bytes], stamp: Stamp, signature: Signature, answer: Attribution) -> bytes | None:
        """The object; None for what the backend would rather have as an event, or a stamp that has no time of day."""
        written = self._write(run, signature)
        if written is None or (stamp[0] != self._ms and not self._tick(stamp[0])):
            return None
        told = self._told.get(id(answer))
        if told is None or told.answer is not answer or (told.by is not None and told.by.version != told.version):
            told = self._tell(answer)
        events, processes, rests, event, process, rest = written
        return b"".join(
            [
                self._objects[rests + told.ends], self._time,
                self._events[events], event, self._sequence, self._number(stamp[1]),
                self._processes[processes + told.processes], *process, told.process,
                *rest, told.end,
            ]
        )  # fmt: skip

    def whole(self, event: Event, answer: Attribution) -> bytes | None:
        """The object of an event that has its lines; None where it is not a usual one."""
        if event.reversed or not event.lines or event.lines[0][:13] != b"type=SYSCALL ":
            return None
        run = self.reader.shape.fullmatch(b"\n" + b"\n".join(event.lines))
        signature = self.reader.signature(run) if run is not None else None
        return self.write(run, event.stamp, signature, answer) if run is not None and signature is not None else None

    def _tick(self, ms: int) -> bool:
        """Another millisecond."""
        second, rest = divmod(ms, 1000)
        if second != self._second:
            when = timestamp(second * 1000)
            if when is None:
                return False
            self._second = second
            time = self.encoder.item("@timestamp", when) + self.encoder.comma
            self._before, _, self._behind = time.rpartition(b"000")
        self._ms = ms
        self._time = self._before + _THOUSAND[rest] + self._behind
        return True

    def _tell(self, given: Attribution) -> Told:
        """Write what an answer adds, and remember it."""
        process: dict[str, Any] = {}
        if given.vpid is not None:
            process["vpid"] = given.vpid
        if given.key is not None:
            process["entity_id"] = entity(given.key)
        text = self.encoder.comma + self.encoder.items(process) if process else b""
        after = self.encoder.end + self.encoder.comma
        answer = self._answers.of(given)
        known = self._ends.get(id(answer))
        if known is None or known[0] is not answer:
            known = self._end(answer)
            if not (given.targets or given.src or given.dst):  # else it is of this attribution alone
                if len(self._ends) >= MAX_KNOWN:
                    self._ends.clear()
                self._ends[id(answer)] = known
        by = _named(given)
        told = Told(given, by, by.version if by is not None else 0, len(process), text + after, known[1], known[2])
        if len(self._told) >= MAX_KNOWN:
            self._told.clear()
        self._told[id(given)] = told
        return told

    def _end(self, answer: Answer) -> tuple[Answer, int, bytes]:
        """Write where it happened; most processes of one container, and of none, have this in common."""
        parts = (("container", answer.container), ("orchestrator", answer.orchestrator))
        said = {name: value for name, value in (*parts, ("provenance", answer.attributor)) if value is not None}
        return answer, len(said), self.encoder.comma + self.encoder.items(said) + self.encoder.end + self.after
