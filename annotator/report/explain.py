"""An explanation in words: each step of the evidence, or why there is none and which audit rule would have given it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.model import NO_PID, Reason, Stamp, Status
from annotator.engine.explanation import StepKind
from annotator.io.console import plain, short
from annotator.report.glossary import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from annotator.core.model import Attribution
    from annotator.engine.explanation import Explanation, Known, Step

LEVEL_FILES = {
    "lineage": "76-annotator-lineage.rules (births and ends of processes: clone, fork, vfork, exit_group)",
    "namespaces": "77-annotator-namespaces.rules (changes of namespaces: unshare, setns, pivot_root, mount)",
    "minimal": "75-annotator-minimal.rules (programs and command lines: execve, execveat)",
    "network": "79-annotator-network.rules (connections: connect, accept, bind)",
}
"""The rule files that `annotator install --rules` puts on a machine, by level."""


def answer_words(answer: Attribution) -> str:
    """The answer in a sentence."""
    if answer.status is Status.CONTAINER and answer.container is not None:
        chain = [short(one.name or one.id or str(one.contid)) for one in answer.chains[0]]
        inside = "".join(f", inside {plain(name)}" for name in chain[1:])
        kind = f" ({answer.container.engine})" if answer.container.engine else ""
        return f"in container {plain(chain[0])}{plain(kind)}{inside}{_session(answer)}"
    if answer.status is Status.CONTAINER:
        names = ", ".join(plain(short(chain[0].name or chain[0].id)) for chain in answer.chains if chain)
        return f"in one of the containers that share a network namespace: {names}"
    if answer.status is Status.HOST:
        return "on the host"
    if answer.status is Status.NONE:
        return "about no process and no network namespace, so in no container"
    return f"unknown, because of {answer.reason}"


def _session(answer: Attribution) -> str:
    session = answer.session
    if session is None:
        return "; it is not known who entered"
    if session.id == "0":
        return ", started by the container's own init"
    return f", in session {session.id} ({plain(session.how) or 'entered from outside'})"


def step_words(step: Step) -> str:
    """One step in a sentence."""
    process = f"process {step.pid}" + (f" ({plain(step.exe)})" if step.exe else "")
    where = f"container {plain(short(step.container))}" if step.container else "the host"
    match step.kind:
        case StepKind.STATED:
            return f"A record of this event itself states the place: {where}."
        case StepKind.BORN:
            return f"{process} was started by process {step.parent}: it is where that was, in {where}."
        case StepKind.PARENT:
            return f"Its records name process {step.parent} as parent of {process}; that is in {where}."
        case StepKind.MOVED:
            return f"{process} came into the namespaces of {where}, as an engine had announced."
        case StepKind.ANNOUNCED:
            return f"{process} announced it with the command line of `{plain(step.words)}`, which names {where}."
        case StepKind.REGISTERED:
            return f"Process {step.parent} ({plain(step.words)}) registered {process} as {where}."
        case StepKind.SEEN:
            return f"{process} was seen in {where} outside the log: {_evidence(step)}."
        case StepKind.CHILD:
            return f"{process} was started by process {step.parent}; where that was is not known either."
        case StepKind.ROOT:
            return f"{process} is the machine's init or one of its kernel threads: on the host."
    return f"Of {process} nothing is known above this."


def _evidence(step: Step) -> str:
    return WORDS[step.evidence.value].meaning.rstrip(".").lower() if step.evidence is not None else "a look"


def advice(explanation: Explanation) -> list[str]:
    """What is missing, and which audit rule would have given it; [] where the answer is known."""
    answer, known = explanation.answer, explanation.known
    if answer.status is not Status.UNKNOWN:
        return []
    words = WORDS[answer.reason.value] if answer.reason is not None else None
    lines = [f"{answer.reason}: {words.meaning}"] if words is not None else []
    if known is None:
        return [*lines, *([words.advice] if words else [])]
    return lines + _missing(explanation, known) + ([f"What to do: {words.advice}"] if words else [])


def _missing(explanation: Explanation, known: Known) -> list[str]:
    pid = known.pid
    lines: list[str] = []
    if known.losses:
        since = known.losses_since_birth
        when = f", {since} of them since the birth of process {pid}" if since > 0 else ""
        lines.append(f"Records of this machine were lost {known.losses} time(s) before this event{when}.")
    if not known.forks:
        lines.append(f"No birth of any process is in this log. It would be with {LEVEL_FILES['lineage']}.")
    elif not known.bound:
        lines.append(
            f"The birth of process {pid} is not in this log, though others are: it is older than the log, or the "
            "record was lost. A journal of the live plugin (--journal) has processes that are older than the log."
        )
    if not known.moves:
        lines.append(f"No change of namespaces is in this log. It would be with {LEVEL_FILES['namespaces']}.")
    if not known.parent_seen and explanation.answer.reason is not Reason.AMBIGUOUS:
        lines.append(
            f"The parent of process {pid} was never seen in this log. Programs are recorded with "
            f"{LEVEL_FILES['minimal']}."
        )
    return lines


def as_row(explanation: Explanation, records: Mapping[Stamp, list[str]], sentence: str) -> dict[str, Any]:
    """For programs: everything that the text says."""
    answer = explanation.answer
    return {
        "event": str(explanation.event.stamp),
        "message": sentence,
        "status": answer.status.value,
        "answer": answer_words(answer),
        "reason": answer.reason.value if answer.reason is not None else None,
        "evidence": [{"is": one.value, "means": WORDS[one.value].meaning} for one in answer.evidence],
        "flags": [{"is": one.value, "means": WORDS[one.value].meaning} for one in answer.flags],
        "steps": [
            {
                "step": step.kind.value,
                "words": step_words(step),
                "pid": step.pid if step.pid != NO_PID else None,
                "stamp": str(step.stamp) if step.stamp is not None else None,
                "records": records.get(step.stamp, []) if step.stamp is not None else [],
            }
            for step in explanation.steps
        ],
        "advice": advice(explanation),
    }


def as_text(explanation: Explanation, records: Mapping[Stamp, list[str]], sentence: str, width: int | None) -> str:
    """For people: the event, the answer, the steps with the records they rest on, or what is missing."""
    answer = explanation.answer
    lines = [
        f"Event {explanation.event.stamp}",
        f"  {sentence}",
        *_records(records, explanation.event.stamp, width),
        "",
    ]
    lines += [f"Answer: {answer_words(answer)}"]
    for one in (*answer.evidence, *answer.flags):
        lines.append(f"  {one.value}: {WORDS[one.value].meaning}")
    if explanation.steps:
        lines += ["", "Because:" if answer.status is not Status.UNKNOWN else "As far as the log goes:"]
    for number, step in enumerate(explanation.steps, 1):
        lines.append(f"  {number}. {step_words(step)}")
        if step.stamp is not None and step.stamp != explanation.event.stamp:
            lines += _records(records, step.stamp, width)
    if missing := advice(explanation):
        lines += ["", "Why not more:", *(f"  {line}" for line in missing)]
    return "\n".join(line if width is None else _wrapped(line, width) for line in lines) + "\n"


def _records(records: Mapping[Stamp, list[str]], stamp: Stamp, width: int | None) -> list[str]:
    """Records as they stand in the log, cut to the width."""
    room = None if width is None else max(20, width - 5)
    lines = records.get(stamp, [])
    return [f"     {line if room is None or len(line) <= room else line[: room - 1] + '…'}" for line in lines]


def _wrapped(line: str, width: int) -> str:
    """A sentence over several lines, the further ones indented; records are cut already."""
    if len(line) <= width or line.startswith("     "):
        return line
    from textwrap import wrap

    lead = " " * (len(line) - len(line.lstrip()))
    return "\n".join(wrap(line, width, initial_indent="", subsequent_indent=lead + "   ", break_long_words=False))
