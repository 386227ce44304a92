"""The values of the public API: frozen copies of what is known at one moment. Nothing here changes after it was given.

Times are milliseconds of the Unix epoch (UTC). Ids of users and sessions are 0 to 2**32-2, contids 0 to 2**64-2; what
is not set or not known is None, an empty text, or an empty tuple. Text that is not UTF-8 has backslash escapes.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from annotator.core.model import Event, Evidence, Flag, Netns, NetnsId, Reason, Status
from annotator.engine.factory import write_alone

if TYPE_CHECKING:
    from annotator.core import model

__all__ = [
    "AnnotatedEvent",
    "Attribution",
    "Container",
    "Evidence",
    "Flag",
    "Netns",
    "NetnsId",
    "Reason",
    "Session",
    "Status",
    "Target",
]


@dataclass(frozen=True, slots=True)
class Container:
    """One container, as it was known when the event was decided.

    `contid` is None where only a name is known (an AIX trail in text). `id` is the engine's own id in full, `engine`
    its name (`docker`, `podman`, `containerd`, `wpar`, …; `namespaces` for a sandbox that no engine made). `pod`,
    `pod_name` and `namespace` are the orchestrator's. `start_ms` and `end_ms` are None until known. `wpar` has what AIX
    says of a workload partition: `cid`, `ckey`, `uuid`, `type`.
    """

    contid: int | None
    id: str = ""
    name: str = ""
    engine: str = ""
    image: str = ""
    node: str = ""
    uuid: str = ""
    pod: str = ""
    pod_name: str = ""
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    start_ms: int | None = None
    end_ms: int | None = None
    wpar: tuple[tuple[str, str], ...] = ()


Chain = tuple[Container, ...]
"""A container and those around it, nearest first (at most 16)."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who entered a container from outside (`docker exec`, `nsenter`, `clogin`), or "0": its own init's descendants.

    `id` is the stamp of the entering event, or `pid@ticks` where a live run saw it. `how` are the words of the entry,
    `runc exec`. `auid`, `ses`, `uid`, `tty`, `exe` and `pid` are of the process that entered.
    `inferred` says by which likeness that was found ("command line": of a client whose daemon entered for it), "" where
    records prove it. `unattended`: for nobody's login and without a terminal, by a cluster's engine, as probes do.
    """

    id: str
    how: str = ""
    auid: int | None = None
    ses: int | None = None
    uid: int | None = None
    tty: str = ""
    exe: str = ""
    pid: int | None = None
    inferred: str = ""
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One process that a signal or ptrace(2) was aimed at, with its own answer."""

    pid: int
    status: Status
    chains: tuple[Chain, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """In which container an event happened, what that rests on, or why it is not known.

    `chains` has one chain where `status` is CONTAINER, and several only for packets of a network namespace that
    containers share; it is empty otherwise. `evidence` is strongest first. `reason` is set where `status` is UNKNOWN or
    NONE. `session` None means that it is not known who entered. `src` and `dst` are whose the addresses of a packet
    are. `entity_id` names the process uniquely over nodes and boots ("" where there is none), `vpid` is its pid inside
    its own pid namespace.
    """

    status: Status
    chains: tuple[Chain, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reason: Reason | None = None
    flags: tuple[Flag, ...] = ()
    session: Session | None = None
    targets: tuple[Target, ...] = ()
    src: tuple[Chain, ...] = ()
    dst: tuple[Chain, ...] = ()
    netns: Netns | None = None
    vpid: int | None = None
    entity_id: str = ""

    @property
    def chain(self) -> Chain:
        """The container and those around it, nearest first; () where there is none, or more than one chain."""
        return self.chains[0] if len(self.chains) == 1 else ()

    @property
    def container(self) -> Container | None:
        """The nearest container; None where there is none, or more than one chain."""
        return self.chain[0] if self.chain else None


@dataclass(frozen=True, slots=True)
class AnnotatedEvent:
    """All records of one event, and where it happened.

    `time_ms` and `serial` are the event's stamp: the entry of the system call, which may go back by seconds from one
    event to the next. `serial` is 0 to 2**64-1 and counts within one boot of a node; AIX trails have none, there it
    counts the records of the run. `node` is from the records, else what the caller gave, else "". `records` are the
    lines as they came, without newline, in the order they were written; a binary AIX record is one of them.
    """

    time_ms: int
    serial: int
    node: str
    records: tuple[bytes, ...]
    attribution: Attribution
    _event: Event = field(repr=False, compare=False)
    _answer: model.Attribution = field(repr=False, compare=False)

    @property
    def time(self) -> datetime | None:
        """`time_ms` in UTC; None beyond the year 9999, which a forged record may claim."""
        seconds, rest = divmod(self.time_ms, 1000)
        try:
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def raw(self) -> bytes:
        """The event in the raw form: its lines, the fields of a container appended to one of them, newlines at ends.

        Raises FormError for a record of a binary AIX trail, which takes no text.
        """
        event = copy.copy(self._event)
        event.lines = list(event.lines)
        write_alone(event, self._answer, "raw")
        return b"".join(line + b"\n" for line in event.in_order())

    def to_dict(self) -> dict[str, Any]:
        """The event in the JSON form (data/event.schema.json), new at each call."""
        document: dict[str, Any] = json.loads(write_alone(self._event, self._answer, "json", self.node) or b"{}")
        return document
