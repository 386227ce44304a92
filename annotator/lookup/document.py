"""One answer as one JSON object, of the same form on both systems. What is not known is absent.

Users, groups, contids, CIDs and keys are strings, pids and ports are numbers, times are RFC 3339 in UTC. Text of the
machine is hostile: bytes that are no UTF-8 are escaped with backslashes.
"""

from __future__ import annotations

from typing import Any

from annotator.core.errors import ExitCode, UsageError
from annotator.core.model import Reason, Status
from annotator.lookup.answer import Answer, Code, Problem, Refused
from annotator.lookup.collectors import COLLECTORS
from annotator.lookup.render import known, text, where

SCHEMA = 1
"""The version of the document; it grows when a reader of the old form would misread the new one."""

ADVICE = {
    Reason.DENIED: "Ask as root.",
    Reason.AMBIGUOUS: "Several containers fit; the parts of this answer name them.",
    Reason.HIDDEN: "Ask from the host itself (Linux: its first pid namespace; AIX: Global).",
}


def error(problem: Problem) -> dict[str, str]:
    """One error object."""
    return {"code": problem.code.value, "what": text(problem.what), "advice": problem.advice}


def answered(system: str, kind: str, value: str, answer: Answer) -> dict[str, Any]:
    """The document of an answer."""
    base = where(answer.where)
    if base["container"] is not None:
        base["container"] |= known(answer.also)
    problems = list(answer.problems)
    reason = answer.where.reason
    if answer.where.status is Status.UNKNOWN and reason in ADVICE and not problems:
        code = Code.AMBIGUOUS if reason is Reason.AMBIGUOUS else Code.DENIED
        problems.append(Problem(code, f"the container of this {kind} cannot be told: {reason.value}", ADVICE[reason]))
    document = {**_head(system, kind, value), **base, "verified": answer.verified}
    if answer.body is not None:
        document[answer.section] = answer.body
    if answer.notes:
        document["notes"] = answer.notes
    if problems:
        document["errors"] = [error(problem) for problem in problems]
    return document


def refused(system: str, kind: str, value: str, problem: Problem) -> dict[str, Any]:
    """The document of a question that has no answer. Its reason is `gone`, `denied`, `ambiguous` or `not-seen`."""
    reason = Reason.NOT_SEEN if problem.code is Code.UNSUPPORTED else Reason(problem.code.value)
    base: dict[str, Any] = {"status": Status.UNKNOWN.value, "container": None, "evidence": [], "reason": reason.value}
    return {**_head(system, kind, value), **base, "verified": system != "aix", "errors": [error(problem)]}


def _head(system: str, kind: str, value: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "system": system, "question": {"kind": kind, "value": text(value)}}


def ask(system: str, kind: str, value: str, view: Any) -> tuple[dict[str, Any], ExitCode]:
    """The document and the exit code: 0 answered (also when the container is not known), 1 gone, denied, unsupported.

    Raises UsageError for an invalid question.
    """
    collector = COLLECTORS.get((system, kind))
    if collector is None:
        raise UsageError(f"{kind} cannot be looked up on {system}")
    try:
        answer = collector.collect(value, view)
    except Refused as refusal:
        return refused(system, kind, value, refusal.problem), ExitCode.FAILED
    return answered(system, kind, value, answer), ExitCode.DONE
