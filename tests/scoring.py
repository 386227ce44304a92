"""Answers against the truth: right, wrong, missed, false, host, host-claimed; per event, and for targets.

The truth of a capture comes from a recorder beside the audit system. Where the recorder saw a process in the cgroup of
one container and the mount namespace of another (or of none), either counts as right, and no answer is no miss.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.model import Attribution, Event, Status, Translation
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Target

SAMPLES = Path(__file__).parent.parent / "samples" / "linux"

BAD = ("wrong", "false", "host-claimed", "target-wrong")
"""What must never happen."""


STATE_CHANGE_MS = 30
"""The recorder is not sure of a state that changes within this time of an event."""


class Fact(NamedTuple):
    """One event of the truth: the names its container may be given; none on the host. `mixed`: two truths."""

    names: frozenset[str]
    mixed: bool
    targets: tuple[tuple[int, frozenset[str], bool], ...] = ()


class Capture(NamedTuple):
    """One recorded or constructed log, with its truth by stamp. `by_contid`: a kernel with contid records."""

    name: str
    lines: list[bytes]
    truth: dict[tuple[int, int], Fact]
    skipped: int
    by_contid: bool


def text_of(folder: Path, name: str) -> bytes:
    """A file of a sample, packed or not."""
    packed = folder / f"{name}.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def _names(said: dict[str, Any], containers: dict[str, dict[str, Any]]) -> tuple[frozenset[str], bool]:
    """What the container of an event, or of a target, may be called; and whether there are two truths."""
    if "contid" in said:
        return frozenset({said["contid"]} - {None}), False
    both = {one for one in (said.get("by_cgroup"), said.get("by_mntns")) if one is not None}
    names = frozenset(both | {containers.get(one, {}).get("name", one) for one in both})
    return names, said.get("by_cgroup") != said.get("by_mntns")


def load(case: str) -> Capture:
    """One folder of `samples/linux`."""
    folder = SAMPLES / case
    lines = text_of(folder, "input.log").splitlines()
    containers = {
        each.get("id") or each["name"]: each for each in json.loads(text_of(folder, "truth.json"))["containers"]
    }
    sets = text_of(folder, "sets.jsonl").splitlines() if any(folder.glob("sets.jsonl*")) else []
    moves = [(each["pid"], each["t"] // 1_000_000) for each in map(json.loads, sets) if "pid" in each and "t" in each]
    truth: dict[tuple[int, int], Fact] = {}
    skipped = 0
    by_contid = False
    for line in text_of(folder, "truth-events.jsonl").splitlines():
        event = json.loads(line)
        by_contid = by_contid or "contid" in event
        if event.get("proc") is None or event.get("ambiguous"):
            skipped += 1
            continue
        ms = round(event["t"] * 1000)
        targets = tuple(
            (each["opid"], *_names(each, containers))
            for each in event.get("targets", ())
            if not any(pid == each["opid"] and abs(ms - at) < STATE_CHANGE_MS for pid, at in moves)
        )
        truth[ms, event["serial"]] = Fact(*_names(event, containers), targets)
    return Capture(case, lines, truth, skipped, by_contid)


class Answers:
    """Feeds lines through the whole pipeline and keeps the last answer of each stamp."""

    def __init__(self) -> None:
        self.given: dict[tuple[int, int], Attribution] = {}
        self.stats = Stats()
        backend = Linux()
        self.pipeline = Pipeline(backend, Raw(backend, self.stats), self.stats, watch=self._watch)

    def _watch(self, event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:
        key = (event.stamp.ms, event.stamp.serial)
        if answer.status is not Status.NONE or key not in self.given:
            self.given[key] = answer

    def run(self, lines: Iterable[bytes]) -> dict[tuple[int, int], Attribution]:
        """All answers, by stamp."""
        block = list(lines)
        for at in range(0, len(block), 97):
            self.pipeline.feed(block[at : at + 97])
        self.pipeline.finish()
        return self.given


def names_of(answer: Attribution | Target, *, by_contid: bool) -> set[str]:
    """What an answer calls the container: its number, or its id and its name."""
    if answer.status is not Status.CONTAINER:
        return set()
    container = answer.chains[0][0]
    return {str(container.contid)} if by_contid else {container.id, container.name} - {""}


def verdict(fact: Fact, answer: Attribution | None, *, by_contid: bool) -> str:
    """One event. No answer at all (its record is not in the log) is `absent` for an event in a container."""
    have = names_of(answer, by_contid=by_contid) if answer is not None else set()
    if fact.names and have:
        return "right" if fact.names & have else "wrong"
    if not fact.names:
        return "false" if have else "host"
    if answer is not None and answer.status is Status.HOST and not fact.mixed:
        return "host-claimed"
    if fact.mixed:
        return "mixed"
    return "missed" if answer is not None else "absent"


def _targets(fact: Fact, answer: Attribution | None, count: Counter[str], *, by_contid: bool) -> None:
    said: dict[int, Target] = {one.pid: one for one in answer.targets} if answer is not None else {}
    for pid, names, mixed in fact.targets:
        one = said.get(pid)
        if one is None or one.status is Status.UNKNOWN:
            count["target-unknown"] += 1
        elif one.status is Status.HOST:
            count["target-wrong" if names and not mixed else "target-right"] += 1
        else:
            count["target-right" if names & names_of(one, by_contid=by_contid) else "target-wrong"] += 1


def score(
    capture: Capture,
    lines: Iterable[bytes] | None = None,
    back: dict[tuple[int, int], tuple[int, int]] | None = None,
) -> Counter[str]:
    """Verdicts over one capture, or over what is left of it. `back`: the stamps of the truth, where they changed."""
    given = Answers().run(capture.lines if lines is None else lines)
    if back is not None:
        given = {back.get(stamp, stamp): answer for stamp, answer in given.items()}
    count: Counter[str] = Counter()
    for key, fact in capture.truth.items():
        answer = given.get(key)
        count[verdict(fact, answer, by_contid=capture.by_contid)] += 1
        if answer is not None and not fact.names and answer.status is Status.HOST:
            count["host-proven"] += 1
        if fact.targets:
            _targets(fact, answer, count, by_contid=capture.by_contid)
    return count


def share(count: Counter[str]) -> float:
    """Named rightly, of the events that are in a container and in the log; 1.0 where there are none."""
    inside = count["right"] + count["wrong"] + count["missed"] + count["host-claimed"]
    return count["right"] / inside if inside else 1.0


def bad(count: Counter[str]) -> int:
    """How many answers are untrue."""
    return sum(count[each] for each in BAD)


def stamp_of(line: bytes) -> bytes:
    """The text between the brackets of `msg=audit(...)`, b"" where there is none."""
    start = line.find(b"msg=audit(")
    return line[start + 10 : line.find(b")", start)] if start >= 0 else b""


__all__ = ["Answers", "Capture", "Fact", "bad", "load", "score", "share", "stamp_of", "verdict"]
