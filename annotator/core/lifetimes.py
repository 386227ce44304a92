"""Process lifetimes as intervals, out of records that may be missing, late, or before their cause.

A pid is not a process: a `ProcessLifetime` is one process from birth to exit. Its records tell (pid, ppid, ses, auid);
a fork record is only a hint, because `exit=` of clone is a pid of the caller's pid namespace, and binds when the
child's own record shows the caller as its parent (with CLONE_PARENT: the caller's parent). A late fork sets the parent
of a life that is known; it never starts one, nor revives one that has ended.

Budget: the rules of what is one life are read together, and end its token together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.model import NO_PID, UNSET_ID, Actor, Ns, ProcKey, Stamp

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Evidence

SLACK_MS = 20
"""By how much a stamp's coarse clock may be off."""

KEPT_MS = 60_000
"""How long, in stream time, an ended life still answers for late records."""

DEPTH = 64
"""How many ancestors of a life are kept."""


class ProcessLifetime:
    """One process. `born` is a stamp; `bound` says that its parent is proven, by a fork record or by the host.

    The last group of fields belongs to `membership`, which keeps its answer with the life it is about.
    """

    __slots__ = (
        "answer", "answer_by", "answer_since", "answer_version", "auid", "birth_epoch", "born", "bound", "changed",
        "end", "epoch", "exe", "hinted", "init_ns", "intent", "key_boot", "matched", "moved", "net_answer", "net_moved",
        "node", "ns", "parent", "pid", "ppid", "programs", "ran", "runs", "seen", "self_answer", "ses", "sibling",
        "stays", "strange", "support", "ticks", "token", "uid", "unknown_version", "vouched",
    )  # fmt: skip

    def __init__(self, node: bytes, pid: int, born: Stamp) -> None:
        self.node = node
        self.pid = pid
        self.born = born
        self.seen = born
        self.end: Stamp | None = None
        self.changed: Stamp | None = None
        self.moved: Stamp | None = None
        self.net_moved: Stamp | None = None
        self.ran: Stamp | None = None
        self.programs = 0
        self.ppid = NO_PID
        self.auid = UNSET_ID
        self.ses = UNSET_ID
        self.uid = UNSET_ID
        self.exe = self.runs = b""
        self.parent: ProcessLifetime | None = None
        self.bound = self.sibling = False
        self.hinted: Stamp | None = None
        self.ns: Ns | None = None
        self.epoch = 0
        self.birth_epoch = -1
        self.ticks: int | None = None
        self.key_boot = ""
        self.init_ns = False
        self.matched = self.strange = 0  # children whose own record its fork records named, and others
        self.token: object = None
        self.vouched: Stamp | None = None
        # membership's: its answers with their intervals, what supports them, what an engine's command line announced,
        # and the last answer
        self.stays: list[Any] = []
        self.support: tuple[Evidence, ...] = ()
        self.intent: Any = None
        self.answer: Attribution | None = None
        self.answer_by: Any = None  # whose version has to be `answer_version` still
        self.answer_since = born
        self.answer_version = 0
        self.self_answer: tuple[Attribution, Attribution] | None = None
        self.net_answer: tuple[Attribution, Attribution] | None = None
        self.unknown_version = -1

    @property
    def tells_pids(self) -> bool:
        """Whether the numbers of its children are the first pid namespace's.

        One that fits is no proof: in a busy container the number of one child is, sooner or later, that which another
        one has on the host. There most children show numbers that no fork record named.
        """
        return self.init_ns and self.matched >= self.strange

    @property
    def key(self) -> ProcKey:
        """Its identity: start ticks where the host told them, else the milliseconds of its first stamp."""
        if self.ticks is not None:
            return ProcKey(self.node, self.key_boot, self.pid, self.ticks, ticks=True)
        return ProcKey(self.node, self.key_boot, self.pid, self.born.ms)

    def is_keyed(self, key: ProcKey) -> bool:
        """Whether that is its identity still."""
        return (
            key[3] == (self.born[0] if self.ticks is None else self.ticks)
            and key[1] == self.key_boot
            and key[4] is (self.ticks is not None)
        )

    def ancestors(self) -> list[ProcessLifetime]:
        """Parents, nearest first, as far as they are known (at most DEPTH)."""
        found: list[ProcessLifetime] = []
        at = self.parent
        while at is not None and len(found) < DEPTH:
            found.append(at)
            at = at.parent
        return found


class ForkHint:
    """A fork record whose child has not shown itself yet."""

    __slots__ = ("child", "epoch", "ns", "parent", "sibling", "stamp")

    def __init__(
        self, stamp: Stamp, parent: ProcessLifetime, child: int, ns: Ns | None, epoch: int, *, sibling: bool
    ) -> None:
        self.stamp = stamp
        self.parent = parent
        self.child = child
        self.ns = ns
        self.epoch = epoch
        self.sibling = sibling

    def fits(self, ppid: int) -> bool:
        """Whether a process that shows `ppid` can be this hint's child."""
        return ppid == (self.parent.ppid if self.sibling else self.parent.pid)


class Node:
    """The processes of one node, and what is known of the facts its rules give."""

    __slots__ = ("boot", "epoch", "exits", "forks", "hints", "moves", "now", "past")

    def __init__(self) -> None:
        self.now: dict[int, ProcessLifetime] = {}
        self.past: dict[int, list[ProcessLifetime]] = {}
        self.hints: dict[int, list[ForkHint]] = {}
        self.boot = ""
        self.epoch = 0
        self.forks = False
        self.exits = False
        self.moves = False


class ProcessTable:
    """All lives of all nodes. `max_lives` bounds what is kept per node: the longest unseen go first and are counted."""

    def __init__(self, *, max_lives: int = 131_072, keep_all: bool = False) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.max_lives = max_lives
        self.keep_all = keep_all
        self.evicted = 0
        self._work = 0

    def node(self, name: bytes) -> Node:
        """The node's tables; at most 4096 nodes, then the oldest is forgotten."""
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= 4096:
                self.nodes.pop(next(iter(self.nodes)))
            node = self.nodes[name] = Node()
        return node

    # --- sightings ----------------------------------------------------------------------------------------------

    def see(self, name: bytes, actor: Actor, stamp: Stamp) -> ProcessLifetime:
        """The life that this record of a process belongs to; a new one when it can be none of those known."""
        node = self.nodes.get(name) or self.node(name)
        life = node.now.get(actor.pid)
        if life is not None and life.end is None and stamp >= life.born and life.epoch == node.epoch:  # noqa: SIM102
            if actor.ppid == life.ppid and actor.ses == life.ses and not (node.hints and actor.pid in node.hints):
                if stamp > life.seen:
                    life.seen = stamp
                if life.token is None:
                    life.token = object()
                life.runs = actor.exe or life.runs
                return life
        return self._place(name, node, life, actor, stamp)

    def _place(
        self, name: bytes, node: Node, life: ProcessLifetime | None, actor: Actor, stamp: Stamp
    ) -> ProcessLifetime:
        """The slow path of `see`."""
        self._work += 1
        if self._work >= 4096:
            self._sweep(stamp)
        hint = self._hint(node, actor, stamp, life)
        if life is not None and stamp.ms + SLACK_MS < life.born.ms:
            earlier = self._earlier(node, actor.pid, stamp)
            if earlier is not None:
                return earlier
            if life.bound:  # the record is of a life before this one, of which nothing else is known
                return self._past_life(name, node, actor, stamp)
        if life is not None and self._is_same(node, life, actor, stamp, hint):
            self._update(node, life, actor, stamp, hint)
            if life.end is None and actor.pid not in node.hints:
                life.token = object()
            return life
        if life is not None:
            self._bury(node, life)
        life = ProcessLifetime(name, actor.pid, stamp)
        life.key_boot = node.boot
        node.now[actor.pid] = life
        if hint is None and node.forks and (parent := node.now.get(actor.ppid)) is not None:
            parent.strange += 1
        self._update(node, life, actor, stamp, hint)
        if actor.pid not in node.hints:
            life.token = object()
        return life

    def _is_same(self, node: Node, life: ProcessLifetime, actor: Actor, stamp: Stamp, hint: ForkHint | None) -> bool:
        """Whether a record can be of this life: a re-used pid never is."""
        if life.end is not None and (stamp.ms > life.end.ms + SLACK_MS or (hint and hint.stamp > life.born)):
            return False
        if life.end is not None and stamp > life.end and actor.ppid not in (life.ppid, NO_PID):
            return False
        if hint is not None and hint.stamp > life.seen:
            return False
        if actor.ppid == NO_PID or life.ppid == NO_PID:
            return actor.ses == life.ses or actor.ses == UNSET_ID or life.ses == UNSET_ID
        if life.epoch != node.epoch and (actor.ppid, actor.ses, actor.auid) != (life.ppid, life.ses, life.auid):
            return False
        if actor.ppid == life.ppid:
            return actor.ses == life.ses or UNSET_ID in (actor.ses, life.ses) or actor.auid != life.auid
        if actor.ses != life.ses:
            return False
        return self._reparented(node, life, actor.ppid, stamp)

    def _reparented(self, node: Node, life: ProcessLifetime, ppid: int, stamp: Stamp) -> bool:
        """Whether `ppid` can have become the parent of an orphan: init, or an ancestor that reaps."""
        parent = life.parent or node.now.get(life.ppid)
        alive = parent is not None and parent.end is None and node.now.get(parent.pid) is parent
        if alive and parent is not None and parent.pid == life.ppid and parent.born <= life.born:
            return False  # its parent lives: this is another process
        if ppid == 1 or any(ppid == older.pid for older in life.ancestors()):
            return True
        return node.exits and parent is not None and parent.end is not None and parent.end.ms <= stamp.ms + SLACK_MS

    def _update(self, node: Node, life: ProcessLifetime, actor: Actor, stamp: Stamp, hint: ForkHint | None) -> None:
        if hint is not None and not life.bound:
            self._bind(life, hint)
        if stamp > life.seen:
            life.seen = stamp
        elif stamp < life.born and not life.bound:
            life.born = stamp
        life.token = None
        if actor.ppid not in (NO_PID, life.ppid):
            life.ppid = actor.ppid
            life.unknown_version = -1
        if not life.bound and life.parent is None and actor.ppid > 0:
            # not proof of birth, but of who the parent is now
            life.answer = None
        life.ses, life.auid, life.uid = actor.ses, actor.auid, actor.uid
        life.epoch = node.epoch
        if actor.exe:
            life.exe = life.runs = actor.exe

    def _hint(self, node: Node, actor: Actor, stamp: Stamp, life: ProcessLifetime | None) -> ForkHint | None:
        """The newest fork record that can have made this process; it is used up."""
        hints = node.hints.get(actor.pid)
        if not hints:
            return None
        for at in range(len(hints) - 1, -1, -1):
            hint = hints[at]
            if hint.stamp.ms > stamp.ms + SLACK_MS:
                continue
            if hint.fits(actor.ppid) or self._orphaned(hint.parent, actor, life):
                if life is not None and life.bound and hint.stamp <= life.born:
                    break
                del hints[: at + 1]
                if not hints:
                    del node.hints[actor.pid]
                return hint
        if len(hints) == 1 and life is not None and life.bound and hints[0].stamp < life.seen:
            del node.hints[actor.pid]  # a local number of some pid namespace that nobody claimed
        return None

    @staticmethod
    def _orphaned(parent: ProcessLifetime, actor: Actor, life: ProcessLifetime | None) -> bool:
        """Whether this can be a child of one that has ended: not who was born of whom it shows, and lives on."""
        if parent.end is None or not parent.tells_pids:
            return False
        if life is not None and life.end is None and (life.ppid, life.ses, life.auid) == (
            actor.ppid, actor.ses, actor.auid
        ):  # fmt: skip
            return False
        return actor.ppid == 1 or any(actor.ppid == older.pid for older in parent.ancestors())

    def _bind(self, life: ProcessLifetime, hint: ForkHint) -> bool:
        """A fork record is now proven to be this life's birth; or not (False), where nothing true can say so."""
        parent = hint.parent
        if parent is life or life in parent.ancestors():
            return False  # made up, or two lives taken for one: nobody is his own ancestor
        if hint.sibling:
            life.sibling = True
        life.parent = parent
        life.bound = True
        life.ns = hint.ns
        parent.init_ns = True  # its numbers may be the first namespace's, as the child's own record shows
        parent.matched += 1
        life.init_ns = parent.tells_pids and (hint.ns is None or not hint.ns & Ns.PID)
        life.hinted = hint.stamp
        life.birth_epoch = hint.epoch  # what was lost since then may have moved it
        life.unknown_version = -1
        if hint.stamp < life.born:
            life.born = hint.stamp
        life.answer = None
        return True

    # --- facts --------------------------------------------------------------------------------------------------

    def forked(
        self, name: bytes, parent: ProcessLifetime, child: int, stamp: Stamp, ns: Ns | None, *, sibling: bool
    ) -> ProcessLifetime | None:
        """A fork record: binds a life that has shown itself already, else waits as a hint. Returns the bound life."""
        node = self.node(name)
        node.forks = True
        hint = ForkHint(stamp, parent, child, ns, node.epoch, sibling=sibling)
        last, past = node.now.get(child), node.past.get(child)
        for life in (last, *reversed(past or ())) if last is not None or past else ():
            if life is None or life.bound or life.born.ms + SLACK_MS < stamp.ms:
                continue
            if life.end is not None and life.end < stamp:
                continue
            if hint.fits(life.ppid) and self._bind(life, hint):
                parent.strange = max(0, parent.strange - 1)  # it was only late
                return life
        hints = node.hints.setdefault(child, [])
        hints.append(hint)
        if last is not None:
            last.token = None
        if len(hints) > 16:
            del hints[0]
        if len(node.hints) > self.max_lives:
            node.hints.pop(next(iter(node.hints)))
        return None

    def begin(self, name: bytes, pid: int, stamp: Stamp) -> ProcessLifetime:
        """A process that is known to be another than the one that had this pid, but of which nothing else is known."""
        node = self.node(name)
        last = node.now.get(pid)
        if last is not None:
            self._bury(node, last)
        life = node.now[pid] = ProcessLifetime(name, pid, stamp)
        life.key_boot = node.boot
        life.epoch = node.epoch
        return life

    def exited(self, name: bytes, life: ProcessLifetime, stamp: Stamp) -> None:
        """The process is gone; it answers for late records a while longer."""
        self.node(name).exits = True
        life.token = None
        if life.end is None or stamp > life.end:
            life.end = stamp

    def booted(self, name: bytes, boot: str) -> None:
        """All lives of the node have ended."""
        fresh = Node()
        fresh.boot = boot
        for life in self.node(name).now.values():
            life.token = None
        self.nodes[name] = fresh

    def gap(self, name: bytes) -> None:
        """Records may be missing: every life must show its parent and session again before it is believed."""
        self.node(name).epoch += 1

    # --- questions ----------------------------------------------------------------------------------------------

    def at(self, name: bytes, pid: int, stamp: Stamp) -> ProcessLifetime | None:
        """The life that had this pid at that time, as far as is known. Changes nothing."""
        node = self.nodes.get(name)
        if node is None:
            return None
        life = node.now.get(pid)
        if life is not None and life.born.ms <= stamp.ms + SLACK_MS:
            if life.end is not None and stamp.ms > life.end.ms + SLACK_MS:
                return None
            return life
        return self._earlier(node, pid, stamp)

    @staticmethod
    def _earlier(node: Node, pid: int, stamp: Stamp) -> ProcessLifetime | None:
        for life in reversed(node.past.get(pid, ())):
            if life.born.ms <= stamp.ms + SLACK_MS and (life.end is None or stamp.ms <= life.end.ms + SLACK_MS):
                return life
        return None

    def _past_life(self, name: bytes, node: Node, actor: Actor, stamp: Stamp) -> ProcessLifetime:
        life = ProcessLifetime(name, actor.pid, stamp)
        life.end = stamp
        self._update(node, life, actor, stamp, None)
        node.past.setdefault(actor.pid, []).append(life)
        return life

    # --- bounds -------------------------------------------------------------------------------------------------

    def _bury(self, node: Node, life: ProcessLifetime) -> None:
        life.token = None
        if life.end is None:
            life.end = life.seen
        past = node.past.setdefault(life.pid, [])
        past.append(life)
        if len(past) > 8 and not self.keep_all:
            del past[0]

    def _sweep(self, stamp: Stamp) -> None:
        """Forget what ended long ago, cut long chains of parents, and keep within bounds."""
        self._work = 0
        if self.keep_all:
            return
        limit = stamp.ms - KEPT_MS
        for node in self.nodes.values():
            for pid in [pid for pid, life in node.now.items() if life.end is not None and life.end.ms < limit]:
                del node.now[pid]
            for pid in [pid for pid, past in node.past.items() if (past[-1].end or stamp).ms < limit]:
                del node.past[pid]
            for life in node.now.values():
                older = life.ancestors()
                if len(older) >= DEPTH:
                    older[-1].parent = None
            excess = len(node.now) - self.max_lives
            if excess > 0:
                for life in sorted(node.now.values(), key=lambda one: one.seen)[:excess]:
                    life.token = None
                    del node.now[life.pid]
                self.evicted += excess
            for pid in [
                pid for pid, hints in node.hints.items() if hints[-1].parent.end and hints[-1].stamp.ms < limit
            ]:
                del node.hints[pid]
