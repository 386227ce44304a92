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
    host, or unknown), `node` the node of the record. `host`: the claimant was proven to be on the host; `hidden`: where
    it was not, the log hides what could speak against it.
    """

    since: Stamp
    command: EngineCommand
    who: Actor
    how: str
    inside: Container | None
    node: bytes
    host: bool = False
    hidden: bool = False


@dataclass(slots=True, eq=False)
class MembershipState:
    """What is known of one process's place.

    `residences` are in the order of their stamps. `pending` is what was announced for it (by its own command line, or
    inherited from its parent at its birth); `spent` says that the announcement came to nothing and none is inherited.
    `support` is the evidence of its program's marks. `unknown_version` is the version of the tables at which nothing
    could be proven (-1: not asked yet), so that it is not tried again before they change. `vouched` is when the
    kernel proved its capability to register; it counts for one record. `engine_line` is the digest of the words with
    which it ran an engine's file last (b"": it runs something else). `user_ns` is when it first made or joined a user
    namespace, `hid_ns` when it first joined one of a kind that the record hides. `disbelieved`: an engine's command
    line of it was read and is worth nothing. `of_engine`: it showed as its parent an engine at work in a container.
    `opened` is the session that its command to enter has begun, `entered` where the first process of it that joined
    namespaces went, and `entered_exe` which program that ran. `served`: when a session was put down to this client.
    """

    residences: list[Residence] = field(default_factory=list)
    pending: PendingOperation | None = None
    spent: bool = False
    support: tuple[Evidence, ...] = ()
    unknown_version: int = -1
    vouched: Stamp | None = None
    engine_line: bytes = b""
    user_ns: Stamp | None = None
    hid_ns: Stamp | None = None
    disbelieved: bool = False
    of_engine: bool = False
    opened: Session | None = None
    entered: Residence | None = None
    entered_exe: bytes = b""
    served: Stamp | None = None
