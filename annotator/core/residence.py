"""Where a process is, as intervals: the types that the rules of `core.membership` read and write.

Each lifetime has one `MembershipState`. Only the rules of `core.membership` change it; all others read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from annotator.core.model import Actor, Container, EngineCommand, Evidence, Flag, Session, Stamp


class Residence(NamedTuple):
    """Where a process is from `since` on, until its next residence.

    `container` None is the host; with `lost`, the process was there and it is no longer certain. `epoch` counts the
    gaps of the node's records when this was proven: host by an unbroken chain holds only within one.
    """

    since: Stamp
    container: Container | None
    evidence: Evidence
    session: Session | None = None
    flags: tuple[Flag, ...] = ()
    lost: bool = False
    epoch: int = 0


class PendingOperation(NamedTuple):
    """What an engine's command line announced; a change of namespaces turns it into a residence.

    `who` gave the command, `how` is the command for people, `inside` is where its process was then (None: on the
    host, or unknown), `node` the node of the record.
    """

    since: Stamp
    command: EngineCommand
    who: Actor
    how: str
    inside: Container | None
    node: bytes


@dataclass(slots=True, eq=False)
class MembershipState:
    """What is known of one process's place.

    `residences` are in the order of their stamps. `pending` is what was announced for it (by its own command line, or
    inherited from its parent at its birth); `spent` says that the announcement came to nothing and none is inherited.
    `support` is the evidence of its program's marks. `unknown_version` is the version of the tables at which nothing
    could be proven (-1: not asked yet), so that it is not tried again before they change. `vouched` is when the
    kernel proved its capability to register; it counts for one record.
    """

    residences: list[Residence] = field(default_factory=list)
    pending: PendingOperation | None = None
    spent: bool = False
    support: tuple[Evidence, ...] = ()
    unknown_version: int = -1
    vouched: Stamp | None = None
