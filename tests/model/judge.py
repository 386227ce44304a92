"""Ask the program about a log, and compare each answer with the truth."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from tests.model.display import SANDBOX, Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.model.machine import Event
    from tests.model.render import Key, Written

RUN = (
    "from importlib.metadata import entry_points as e\n"
    "import sys\n"
    "[m] = [x for x in e(group='console_scripts') if x.name == 'annotator']\n"
    "sys.argv[0] = 'annotator'\n"
    "sys.exit(m.load()())\n"
)
"""The command as it is installed, without a word on the modules behind it."""
FIELDS = "@timestamp,event.sequence,host.name,container.id,provenance"

BAD = ("wrong", "false", "host-claimed")
"""Verdicts that must not be: another container; a container for the host's; host for a container's."""


@dataclass(slots=True)
class Answer:
    """What the program says of one event."""

    status: str
    id: str = ""
    reason: str = ""
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(slots=True)
class Fault:
    """One answer that must not be."""

    verdict: str
    key: Key
    event: Event
    answer: Answer


@dataclass(eq=False, slots=True)
class Verdicts:
    """Counts of one or more histories, and what was bad."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Verdicts) -> None:
        """Those of another history too."""
        self.counts += other.counts
        self.unknown += other.unknown
        self.faults += other.faults


def replay(text: str, *words: str) -> dict[Key, Answer]:
    """Each event's answer, by node, stamp and serial."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "replay", "-q", "--format", "json", "--fields", FIELDS, *words, "-"],
        input=text.encode(), capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"annotator replay: status {done.returncode}\n{done.stderr.decode()[-2000:]}")
    found: dict[Key, Answer] = {}
    for line in done.stdout.splitlines():
        one: dict[str, Any] = orjson.loads(line)
        said = one.get("provenance", {})
        when = datetime.fromisoformat(one["@timestamp"])
        ms = round(when.timestamp() * 1000)
        key = (one.get("host", {}).get("name", ""), ms, one["event"]["sequence"])
        found[key] = Answer(
            said.get("status", "none"), one.get("container", {}).get("id", ""), said.get("reason", ""),
            tuple(said.get("flags", ())), tuple(said.get("evidence", ())),
        )  # fmt: skip
    return found


def verdict(truth: Truth, answer: Answer, sandboxes: dict[str, str]) -> str:
    """One word on one answer. `sandboxes` remembers whom an id that no engine gave was said of."""
    if answer.status in ("unknown", "none", "ambiguous"):
        return "unknown"
    if answer.status == "host":
        return "host-claimed" if truth.chain and not truth.chain[0].startswith(SANDBOX) else "host"
    if answer.status != "container":
        return "unknown"
    if answer.id and answer.id in (*truth.chain[:1], truth.either):
        return "named"
    if truth.chain and truth.chain[0].startswith(SANDBOX):
        return _sandbox(truth.chain[0], answer.id, sandboxes)
    if answer.id in truth.chain:
        return "at-least" if "at-least" in answer.flags else "wrong"
    return "wrong" if truth.chain else "false"


def _sandbox(real: str, id: str, sandboxes: dict[str, str]) -> str:
    """A sandbox may have any name that is nobody else's."""
    if not id:
        return "named"
    return "named" if sandboxes.setdefault(id, real) == real else "wrong"


def judge(written: Written, answers: dict[Key, Answer]) -> Verdicts:
    """All events of a log that have a truth."""
    found = Verdicts()
    engines = {id for event in written.events if event.truth for id in (*event.truth.chain, event.truth.either)}
    sandboxes = {id: id for id in engines if id}
    for key, event in written.truths().items():
        answer = answers.get(key)
        truth = event.truth
        if truth is None:
            continue
        place = "host" if not truth.chain else "sandbox" if truth.chain[0].startswith(SANDBOX) else "in"
        if answer is None:
            found.counts["no answer"] += 1
            continue
        word = verdict(truth, answer, sandboxes)
        found.counts[word] += 1
        found.counts[f"{place} {word}"] += 1
        for flag in answer.flags:
            found.counts[f"flag {flag}"] += 1
        if word == "unknown":
            found.unknown[answer.reason or "no reason"] += 1
        if word in BAD:
            found.faults.append(Fault(word, key, event, answer))
    return found


def judge_all(logs: Sequence[Written]) -> list[Verdicts]:
    """Several histories in one run, told apart by node, since a start of the program costs more than a small log."""
    answers = replay("".join(log.text() for log in logs))
    return [judge(log, answers) for log in logs]
