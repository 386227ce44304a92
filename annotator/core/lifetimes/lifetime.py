"""What is known of one process, of a fork record whose child is not seen yet, and of the processes of one node.

Budget: more than 300 lines, since the three are records of each other, with a sentence for each of their fields.
"""

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

RECENT_MS = 300
"""How long, in stream time, a pid certainly is not given again: 32,768 forks take seconds."""

BACK_MS = 1000
"""A stamp that is so far behind the last one is not of an event that was only late."""

TITLED = 32
"""So many calls in a row without a title say that the node writes none."""

UNTITLED = TITLED + 3
"""So it is from the beginning, until three have had one."""

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
    Alive: `alive` (ms) is when it, or a child that a fork record ties to it, last showed that it lives; `turn` and
    `silences` are how far its node's numbers had gone by then. `doubted`: its pid was seen with marks that are not its
    own, and nothing says that it ended; `in_doubt` is what was seen with them. `replaced`: it ended, as its number was
    given again. `orphaned`: its parent before it was
    adopted, and when that was seen.
    Pid namespaces: `level` is 0 in the first one, 1 in another, -1 where that is not known; `pidns` the init of that
    other one. `hidden`: its birth, or that of an ancestor, does not show into which one. `bears_inside`: children born
    from now on are in another one than itself, one that it joined (`joined_pid`), or made: then the first child,
    `bears`, is its init. `adopts_others`: processes of other containers may be in the pid namespace
    whose init it is. `forked_ms`: its last fork record. `adopts`: it is a subreaper (None: not known). `rerooted`:
    when it last changed its root or mounts, so that its path reads otherwise.
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
    rerooted: Stamp | None = None
    alive: int = 0
    turn: int = 0
    silences: int = 0
    doubted: bool = False
    in_doubt: bool = False
    replaced: bool = False
    orphaned: tuple[int, Stamp] | None = None
    level: int = -1
    pidns: ProcessLifetime | None = None
    hidden: bool = False
    bears_inside: bool = False
    bears: ProcessLifetime | None = None
    joined_pid: bool = False
    adopts_others: bool = False
    forked_ms: int = 0
    adopts: bool | None = None
    membership: MembershipState = field(default_factory=MembershipState)
    cache: AnswerCache = field(default_factory=AnswerCache)

    def __post_init__(self) -> None:
        self.seen = self.born
        self.alive = self.born.ms

    @property
    def is_pid_init(self) -> bool:
        """Whether it is the first process of a pid namespace of its own, as its birth shows."""
        return self.pidns is self

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
    `ns` are the namespaces the child is born into, None where the record hides them. `epoch` and `turn` are the node's.
    A child has the caller's `auid` and `ses` at its birth; `ppid` is the caller's parent then.
    """

    stamp: Stamp
    parent: ProcessLifetime
    child: int
    ns: Ns | None
    epoch: int
    sibling: bool = field(kw_only=True)
    ppid: int = NO_PID
    auid: int = UNSET_ID
    ses: int = UNSET_ID
    turn: int = 0
    silences: int = 0

    def fits(self, ppid: int) -> bool:
        """Whether a process that shows `ppid` can be this hint's child."""
        return ppid == (self.ppid if self.sibling else self.parent.pid)


@dataclass(slots=True, eq=False)
class Node:
    """The processes of one node: those that have a pid `now`, by pid; those that had it in the `past`, oldest first.

    `hints` are the fork records that wait for their child, by its number. `boot` is the node's boot id, `epoch` counts
    the gaps in its records. `forks`, `exits`, `moves`, `execs`: its rules record forks, exits, changes of namespaces,
    programs that begin. `open_hole`: serials are missing that
    may still come. `untitled` counts calls in a row without a title. `cursor` is the number that was given
    last, at `given_ms`, `highest` the highest seen, `turn` how far the numbers
    have gone in all, `silences` how often a round could have passed unseen. `latest` to `behind_ms` belong to `steady`.
    """

    boot: str = ""
    epoch: int = 0
    forks: bool = False
    exits: bool = False
    moves: bool = False
    execs: bool = False
    open_hole: bool = False
    untitled: int = UNTITLED
    cursor: int = 0
    given_ms: int = 0
    highest: int = 0
    turn: int = 0
    silences: int = 0
    latest: int = 0
    shift: int = 0
    behind: int = 0
    behind_ms: int = 0
    now: dict[int, ProcessLifetime] = field(default_factory=dict, metadata=NOT_SAVED)
    past: dict[int, list[ProcessLifetime]] = field(default_factory=dict, metadata=NOT_SAVED)
    hints: dict[int, list[ForkHint]] = field(default_factory=dict, metadata=NOT_SAVED)

    def steady(self, stamp: Stamp, pid: int) -> Stamp:
        """The stamp on a clock that is never set back, as the serials tell the order.

        One that is far behind is of a call that waited for long, if its process lived then; several that go on from
        each other show that the clock was set.
        """
        ms = stamp.ms + self.shift
        if ms >= self.latest - BACK_MS:
            self.latest = max(self.latest, ms)
            self.behind = 0
            return stamp if not self.shift else Stamp(ms, stamp.serial)
        goes_on = self.behind and -BACK_MS <= stamp.ms - self.behind_ms <= 10 * BACK_MS
        self.behind, self.behind_ms = self.behind + 1 if goes_on else 1, stamp.ms
        if self.behind >= 3:
            self.shift = self.latest - stamp.ms
            self.behind = 0
        life = self.now.get(pid)
        if self.behind and (life is None or stamp.ms + self.shift >= life.born.ms - SLACK_MS):
            return stamp if not self.shift else Stamp(ms, stamp.serial)
        return Stamp(self.latest, stamp.serial)

    def lacks_title(self, *, titled: bool) -> bool:
        """Whether a call's record lacks a title that the node's others have: a sign of a full kernel queue.

        The kernel writes one for each, if no rule excludes it: a node that goes on without them has such a rule.
        """
        if titled:
            if self.untitled:
                self.untitled = self.untitled - 1 if self.untitled > TITLED else 0
            return False
        if self.untitled >= TITLED:
            return False
        self.untitled += 1
        if self.untitled == TITLED:
            self.untitled = UNTITLED
        return True

    def given(self, number: int, ms: int, *, born: bool = False) -> None:
        """A process was seen for the first time with this number, at `ms`; `born`: its birth was.

        Numbers are cyclic. A much lower one begins another round; a process whose birth was not seen may be old. After
        a silence in which a round could have passed unseen, one counts as passed.
        """
        self.highest = max(self.highest, number)
        if ms - self.given_ms > self.unseen_ms:
            self.silences += 1
        self.given_ms = max(self.given_ms, ms)
        ahead = number - self.cursor
        if ahead < 0:
            old = self.cursor * 4 < self.highest * 3 or number * 4 > self.highest
            if -ahead * 2 <= self.highest if born else old:
                return
            ahead += self.highest
        self.turn += ahead
        self.cursor = number

    @property
    def unseen_ms(self) -> int:
        """In what time the numbers cannot come round without a birth that is seen: 16 forks a millisecond are many."""
        return max(RECENT_MS, self.highest // 16)

    def is_recent(self, ms: int, turn: int, silences: int, now: int) -> bool:
        """Whether a number seen at `ms` cannot have been given to another process by `now`.

        Threads and kernel threads take numbers too, and pid_max is not in a log. But each birth that is seen tells how
        far the numbers are: less than half a round (the highest number seen) may have gone by, with no long silence.
        """
        if now <= ms:
            return True
        if (self.turn - turn) * 2 >= self.highest:
            return False
        return now - ms <= RECENT_MS or (silences == self.silences and now - self.given_ms <= self.unseen_ms)

    def is_certain(self, life: ProcessLifetime, stamp: Stamp) -> bool:
        """Whether a life has its pid still at that stamp, and lives: no end is known, and it was seen just then."""
        if life.end is not None and stamp.ms > life.end.ms + SLACK_MS:
            return False
        newest = self.hints.get(life.pid)
        if newest is not None:
            for hint in newest:
                if hint.stamp.ms > life.alive and hint.parent.level < 1 and hint.stamp <= stamp:
                    return False  # the number was given to somebody else
        return self.is_recent(life.alive, life.turn, life.silences, stamp.ms)

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
    if actor.ppid not in (NO_PID, life.ppid) and not _is_late(life, actor.ppid, stamp):
        if life.ppid != NO_PID:
            life.orphaned = (life.ppid, stamp)
        life.ppid = actor.ppid
        life.reconsider()
    if not life.bound and life.parent is None and actor.ppid > 0:
        # not proof of birth, but of who the parent is now
        life.cache.withdraw()
    if actor.ppid != NO_PID or life.ppid == NO_PID:
        life.ses, life.auid, life.uid = actor.ses, actor.auid, actor.uid
    life.epoch = node.epoch
    if actor.exe:
        life.exe = life.runs = actor.exe
    show_alive(node, life, stamp)


def _is_late(life: ProcessLifetime, ppid: int, stamp: Stamp) -> bool:
    """Whether a record shows the parent from before an adoption that is known already."""
    return life.orphaned is not None and life.orphaned[0] == ppid and stamp.ms <= life.orphaned[1].ms + SLACK_MS


def show_alive(node: Node, life: ProcessLifetime, stamp: Stamp) -> None:
    """A record shows that a life goes on, and so does its parent, where a fork record proves who that is."""
    if stamp.ms >= life.alive:
        life.alive, life.turn, life.silences = stamp.ms, node.turn, node.silences
    parent = life.parent
    if parent is not None and life.bound and parent.pid == life.ppid and parent.end is None and stamp.ms > parent.alive:
        parent.alive, parent.turn, parent.silences = stamp.ms, node.turn, node.silences
