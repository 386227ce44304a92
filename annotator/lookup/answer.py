"""The types of a look-up: the collector of a question, its answer, and the errors that programs can tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.errors import AnnotatorError
from annotator.core.model import Container, Evidence, Flag, Ns, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.contracts import HostProcess


class Code(StrEnum):
    """Why a question, or a part of it, has no answer."""

    GONE = "gone"  # there is no such process, file, socket or container now
    DENIED = "denied"  # it may not be read by this user, or from here
    UNSUPPORTED = "unsupported"  # this system, or this recorded tree, cannot say
    AMBIGUOUS = "ambiguous"  # several fit: never a pick


class Problem(NamedTuple):
    """One error: what happened, and what to do about it."""

    code: Code
    what: str
    advice: str = ""


class Refused(AnnotatorError):
    """The question has no answer, for this reason."""

    def __init__(self, code: Code, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.problem = Problem(code, what, advice)


class How(StrEnum):
    """The evidence that binds a file or a socket to a container (for processes see `model.Evidence`)."""

    ROOTFS = "rootfs"  # below the root directory that its engine wrote down
    UPPER = "upper-layer"  # in its own, writable layer of an overlay
    IMAGE = "image-layer"  # in a layer of its image: shared with all that have the image
    VOLUME = "volume"  # in a directory that the engine keeps for the container's data
    BIND = "bind"  # mounted into it, but the host's own: never decides
    FILES = "engine-files"  # what the engine itself keeps of it
    MOUNTINFO = "mountinfo"  # the root as the container's own mounts show it (the workload can shape these)
    PROCESS_ROOT = "process-root"  # asked through /proc/PID/root
    OWNER = "socket-owner"  # a process holds the socket
    NETNS = "netns"  # the network namespace is of this container alone
    ADDRESS = "address"  # the address is of this container alone
    NETSTAT = "netstat"  # AIX: netstat of that WPAR shows the socket
    DIRECTORY = "base-directory"  # AIX: below the WPAR's base directory


class Where(NamedTuple):
    """In which container. HOST and CONTAINER carry evidence, UNKNOWN a reason."""

    status: Status
    container: Container | None = None
    reason: Reason | None = None
    evidence: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(slots=True)
class Answer:
    """The answer of a collector. `section` names the document's part of that kind, `body` is its content.

    `also` is more of the container than its names. `notes` are sentences for a person. `verified` false: the answer
    rests on layouts or outputs that were not checked on a real system. `problems` did not keep it from being answered.
    """

    section: str
    body: Any
    where: Where
    also: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verified: bool = True


class Collector(NamedTuple):
    """One kind of question on one system. `collect(value, view)` answers, or raises Refused or UsageError."""

    kind: str
    system: str
    collect: Callable[[str, Any], Answer]


def unknown(reason: Reason) -> Where:
    """No answer, and why."""
    return Where(Status.UNKNOWN, reason=reason)


def where_of(process: HostProcess) -> Where:
    """The container of a process in the host view: membership, else the place (then it `entered`)."""
    evidence = (process.evidence.value,) if process.evidence is not None else ()
    if process.container is not None:
        return Where(Status.CONTAINER, process.container, None, evidence, _flags(process))
    if process.evidence is None:
        return unknown(process.reason or Reason.NOT_SEEN)
    if process.place is not None:
        return Where(Status.CONTAINER, process.place, None, (Evidence.MNTNS.value,), (Flag.ENTERED,))
    return Where(Status.HOST, None, None, evidence)


def _flags(process: HostProcess) -> tuple[Flag, ...]:
    assert process.container is not None  # noqa: S101  (the caller asked)
    if process.own is not None and not process.own & Ns.MNT:
        return (Flag.CGROUP_ONLY,)
    elsewhere = process.place is not None and process.place not in process.container.chain()
    return (Flag.ESCAPED,) if elsewhere else ()


def agreed(answers: list[Where]) -> Where:
    """The answer on which all agree, else ambiguous; unknown ones decide nothing."""
    known = [answer for answer in answers if answer.status is not Status.UNKNOWN]
    if not known:
        return answers[0] if answers else unknown(Reason.NOT_SEEN)
    if len({(answer.status, id(answer.container)) for answer in known}) > 1:
        return unknown(Reason.AMBIGUOUS)
    evidence = tuple(dict.fromkeys(word for answer in known for word in answer.evidence))
    return known[0]._replace(evidence=evidence)


def together(answers: list[Where]) -> Where:
    """The answer on which several sockets agree; with an unknown among them they do not, for it may be another's."""
    where = agreed(answers)
    if where.status is not Status.UNKNOWN and any(answer.status is Status.UNKNOWN for answer in answers):
        return unknown(Reason.AMBIGUOUS)
    return where


REASONS = {Reason.GONE: Code.GONE, Reason.REUSED: Code.GONE, Reason.NOT_SEEN: Code.GONE, Reason.DENIED: Code.DENIED}


def refused_process(pid: int, reason: Reason) -> Refused:
    """The error for a process that cannot be read."""
    code = REASONS.get(reason, Code.UNSUPPORTED)
    if code is Code.GONE:
        return Refused(code, f"process {pid} is gone", "Pids are given again: ask a log with `annotator who`.")
    if code is Code.DENIED:
        return Refused(code, f"process {pid} may not be read", "Ask as root.")
    advice = "Ask in the first pid namespace (Linux) or in Global (AIX)."
    return Refused(code, f"process {pid} cannot be told: {reason.value}", advice)
