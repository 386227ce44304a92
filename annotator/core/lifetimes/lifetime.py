"""What is known of one process, of a fork record whose child is not seen yet, and of the processes of one node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from annotator.core.answers import AnswerCache
from annotator.core.contracts import SLACK_MS
from annotator.core.model import NO_PID, NOT_SAVED, UNSET_ID, Ns, ProcKey, Stamp
from annotator.core.residence import MembershipState

if TYPE_CHECKING:
    from annotator.core.model import Actor

KEPT_MS = 60_000
"""How long, in stream time, an ended life still answers for late records."""

DEPTH = 64
"""How many ancestors of a life are kept."""


@dataclass(slots=True, eq=False)
class ProcessLifetime:
    """One process from birth to exit.

    Identity: `node`, `pid`, `key_boot` (the node's boot), `born` (the stamp of its fork record, else of the first
    record that shows it), `seen` (the last one with a parent), `end` (None: it lives). Unset: NO_PID or UNSET_ID.
    Records: `ppid`, `ses`, `auid`, `uid`, `exe` as its last record shows them, `epoch` the gaps of its node by then.
    `comm` and `command` (cut) are what it is called, kept only where an output shows a process's parent.
    Binding: `bound` says that `parent` is proven, by a fork record whose stamp is `hinted`; `sibling`: that record
    had CLONE_PARENT; `ns` are the namespaces it was born into (None: the record hides them); `birth_epoch` is the
    epoch of that record (-1: none). `init_ns`: its pid is one of the first pid namespace, as far as its birth shows.
    `matched` and `strange` count its children whose own record its fork records named, and the others.
    Programs: `runs` is its program, `programs` how many were begun, `ran` when the last was, `moved` and `net_moved`
    when it last changed any namespace, or that of its network.
    `membership` belongs to `core.membership`, `cache` to `core.recording`.
    """

    node: bytes
    pid: int
    born: Stamp
    seen: Stamp = field(init=False)
    end: Stamp | None = None
    ppid: int = NO_PID
    auid: int = UNSET_ID
    ses: int = UNSET_ID
    uid: int = UNSET_ID
    exe: bytes = b""
    comm: bytes = b""
    command: bytes = b""
    epoch: int = 0
    key_boot: str = ""
    parent: ProcessLifetime | None = None
    bound: bool = False
    sibling: bool = False
    hinted: Stamp | None = None
    ns: Ns | None = None
    birth_epoch: int = -1
    init_ns: bool = False
    matched: int = 0
    strange: int = 0
    runs: bytes = b""
    programs: int = 0
    ran: Stamp | None = None
    moved: Stamp | None = None
    net_moved: Stamp | None = None
    membership: MembershipState = field(default_factory=MembershipState)
    cache: AnswerCache = field(default_factory=AnswerCache)

    def __post_init__(self) -> None:
        self.seen = self.born

    @property
    def tells_pids(self) -> bool:
        """Whether the numbers of its children are the first pid namespace's.

        One that fits is no proof: in a busy container the number of one child is, sooner or later, that which another
        one has on the host. There most children show numbers that no fork record named.
        """
        return self.init_ns and self.matched >= self.strange

    @property
    def key(self) -> ProcKey:
        """Its identity in an answer; the birth is the milliseconds of its first stamp."""
        return ProcKey(self.node, self.key_boot, self.pid, self.born.ms)

    def is_keyed(self, key: ProcKey) -> bool:
        """Whether that is its identity still."""
        return key[3] == self.born[0] and key[1] == self.key_boot

    @property
    def birth(self) -> Stamp:
        """When it was born: the stamp of its fork record, else of the first record that shows it."""
        return self.hinted or self.born

    def ancestors(self) -> list[ProcessLifetime]:
        """Parents, nearest first, as far as they are known (at most DEPTH)."""
        older: list[ProcessLifetime] = []
        parent = self.parent
        while parent is not None and len(older) < DEPTH:
            older.append(parent)
            parent = parent.parent
        return older

    def reconsider(self) -> None:
        """Its parent is another now, or better known: what could not be proven of it may be provable."""
        self.membership.unknown_version = -1


@dataclass(slots=True, eq=False)
class ForkHint:
    """A fork record whose child has not shown itself yet.

    `child` is a pid of the *parent's* pid namespace. `sibling`: CLONE_PARENT, the child's parent is the caller's.
    `ns` are the namespaces the child is born into, None where the record hides them. `epoch` is the node's.
    """

    stamp: Stamp
    parent: ProcessLifetime
    child: int
    ns: Ns | None
    epoch: int
    sibling: bool = field(kw_only=True)

    def fits(self, ppid: int) -> bool:
        """Whether a process that shows `ppid` can be this hint's child."""
        return ppid == (self.parent.ppid if self.sibling else self.parent.pid)


@dataclass(slots=True, eq=False)
class Node:
    """The processes of one node: those that have a pid `now`, by pid; those that had it in the `past`, oldest first.

    `hints` are the fork records that wait for their child, by its number. `boot` is the node's boot id, `epoch` counts
    the gaps in its records. `forks`, `exits`, `moves`: its rules record forks, exits, changes of namespaces.
    """

    boot: str = ""
    epoch: int = 0
    forks: bool = False
    exits: bool = False
    moves: bool = False
    now: dict[int, ProcessLifetime] = field(default_factory=dict, metadata=NOT_SAVED)
    past: dict[int, list[ProcessLifetime]] = field(default_factory=dict, metadata=NOT_SAVED)
    hints: dict[int, list[ForkHint]] = field(default_factory=dict, metadata=NOT_SAVED)

    def earlier(self, pid: int, stamp: Stamp) -> ProcessLifetime | None:
        """The life that had this pid before the present one, at that time."""
        for life in reversed(self.past.get(pid, ())):
            if life.born.ms <= stamp.ms + SLACK_MS and (life.end is None or stamp.ms <= life.end.ms + SLACK_MS):
                return life
        return None

    def newest_hint(self, child: int, stamp: Stamp) -> ForkHint | None:
        """The newest fork record up to that stamp that names this number; it is not used up."""
        hints = self.hints.get(child, ())
        return next((hint for hint in reversed(hints) if hint.stamp <= stamp), None)


def update(node: Node, life: ProcessLifetime, actor: Actor, stamp: Stamp) -> None:
    """Take what a record of this life shows; a stamp before its birth moves the birth of one that is not bound."""
    if stamp > life.seen:
        if actor.ppid != NO_PID or life.ppid == NO_PID:  # a record without a parent ties itself to no life
            life.seen = stamp
    elif stamp < life.born and not life.bound:
        life.born = stamp
    if actor.ppid not in (NO_PID, life.ppid):
        life.ppid = actor.ppid
        life.reconsider()
    if not life.bound and life.parent is None and actor.ppid > 0:
        # not proof of birth, but of who the parent is now
        life.cache.withdraw()
    life.ses, life.auid, life.uid = actor.ses, actor.auid, actor.uid
    life.epoch = node.epoch
    if actor.exe:
        life.exe = life.runs = actor.exe
