"""The process table: which life a record belongs to, and which had a pid at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.binding import bind, bind_known_child, keep_hint, take_hint
from annotator.core.lifetimes.eviction import bury, sweep
from annotator.core.lifetimes.identity import Identity, Shown, identify, shown
from annotator.core.lifetimes.lifetime import RECENT_MS, ForkHint, Node, ProcessLifetime, show_alive, update
from annotator.core.model import Executed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.core.model import Actor, Fact, Ns, Stamp

MAX_NODES = 4096
"""Nodes whose processes are known; then the oldest is forgotten."""

SWEEP_EVERY = 4096
"""After how many records that are not of a life's usual kind the tables are swept."""


class TableState(NamedTuple):
    """What a checkpoint keeps of the table beside its nodes."""

    work: int
    evicted: int


class ProcessTable:
    """All lives of all nodes. `max_lives` bounds what is kept per node: the longest unseen go first and are counted.

    `keep_all`: nothing is forgotten, for reports. `work` counts records up to the next sweep.
    """

    def __init__(self, *, max_lives: int = 131_072, keep_all: bool = False) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.max_lives = max_lives
        self.keep_all = keep_all
        self.evicted = 0
        self.work = 0

    def node(self, name: bytes) -> Node:
        """The node's tables."""
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= MAX_NODES:
                self.nodes.pop(next(iter(self.nodes)))
            node = self.nodes[name] = Node()
        return node

    def peek(self, name: bytes) -> Node:
        """The same, for questions: of a node that is not known an empty one, which is not kept."""
        return self.nodes.get(name) or Node()

    # --- records --------------------------------------------------------------------------------------------------

    def see(self, name: bytes, actor: Actor, stamp: Stamp, facts: Sequence[Fact] = ()) -> ProcessLifetime:
        """The life that this record of a process belongs to; a new one when it can be none of those known.

        `facts` are those of the record's event: a login or an exec explains what is not as it was.
        """
        node = self.nodes.get(name) or self.node(name)
        life = node.now.get(actor.pid)
        if life is not None and life.end is None and stamp >= life.born and life.epoch == node.epoch:  # noqa: SIM102
            if actor.exe == life.runs and actor.ppid == life.ppid and actor.ses == life.ses and actor.auid == life.auid:
                parent = life.parent
                is_near = stamp.ms - life.alive <= RECENT_MS and not (node.hints and actor.pid in node.hints)
                if is_near and (parent is None or parent.end is None or parent.pid != life.ppid):
                    if stamp > life.seen:
                        life.seen = stamp
                    show_alive(node, life, stamp)
                    return life
        return self._assign(name, node, life, actor, stamp, shown(actor, facts))

    def shown(self, life: ProcessLifetime, stamp: Stamp) -> None:
        """A record that is decided later shows that a life goes on."""
        show_alive(self.node(life.node), life, stamp)

    def is_unheard(self, name: bytes, actor: Actor, facts: Sequence[Fact]) -> bool:
        """Whether a record may be the first of its process, whose fork record has not come yet."""
        node = self.nodes.get(name)
        if node is None or actor.pid in node.hints:
            return False
        life = node.now.get(actor.pid)
        if life is None or life.end is not None or life.ppid != actor.ppid:
            return True
        return not life.bound and any(type(fact) is Executed for fact in facts)

    def _assign(
        self, name: bytes, node: Node, life: ProcessLifetime | None, actor: Actor, stamp: Stamp, before: Shown
    ) -> ProcessLifetime:
        """The same for a record that differs from those before it. `life` has the pid now."""
        self.work += 1
        if self.work >= SWEEP_EVERY:
            self._sweep(stamp)
        hint = take_hint(node, actor, stamp, life, before)
        if life is not None and stamp.ms + SLACK_MS < life.born.ms:
            earlier = node.earlier(actor.pid, stamp)
            if earlier is not None:
                return earlier
            if life.bound:  # the record is of a life before this one, of which nothing else is known
                return self._past_life(name, node, actor, stamp)
        found = Identity.OTHER if life is None else identify(node, life, actor, stamp, hint, before)
        if found is Identity.APART:
            return ProcessLifetime(name, actor.pid, stamp, key_boot=node.boot)
        if life is None or found is not Identity.SAME:
            life = self._begin(name, node, actor.pid, stamp, life if found is Identity.DOUBT else None)
            if hint is None and node.forks and (parent := node.now.get(actor.ppid)) is not None:
                parent.strange += 1
        if hint is not None and not life.bound:
            bind(life, hint)
        update(node, life, actor, stamp)
        return life

    def _begin(
        self, name: bytes, node: Node, pid: int, stamp: Stamp, doubted: ProcessLifetime | None = None
    ) -> ProcessLifetime:
        """Another process has this pid; or (`doubted`) the one that has it is not proven to be the same."""
        last = node.now.get(pid)
        if last is not None:
            last.doubted |= doubted is last
            bury(node, last, keep_all=self.keep_all)
        life = node.now[pid] = ProcessLifetime(name, pid, stamp, key_boot=node.boot)
        life.in_doubt = doubted is not None
        if pid == 1:
            life.level, life.init_ns = 0, True
        node.given(pid, stamp.ms)
        life.turn, life.silences = node.turn, node.silences
        return life

    @staticmethod
    def _past_life(name: bytes, node: Node, actor: Actor, stamp: Stamp) -> ProcessLifetime:
        life = ProcessLifetime(name, actor.pid, stamp)
        life.end = stamp
        update(node, life, actor, stamp)
        node.past.setdefault(actor.pid, []).append(life)
        return life

    # --- facts ----------------------------------------------------------------------------------------------------

    def forked(
        self, name: bytes, parent: ProcessLifetime, child: int, stamp: Stamp, ns: Ns | None, *, sibling: bool
    ) -> ProcessLifetime | None:
        """A fork record: binds a life that has shown itself already, else waits as a hint. Returns the bound life."""
        node = self.node(name)
        node.forks = True
        parent.forked_ms = max(parent.forked_ms, stamp.ms)
        hint = ForkHint(
            stamp, parent, child, ns, node.epoch, sibling=sibling, ppid=parent.ppid, auid=parent.auid, ses=parent.ses
        )
        if parent.tells_pids and not parent.hidden:
            node.given(child, stamp.ms, born=True)
            self._born_again(name, node, hint)
        hint.turn, hint.silences = node.turn, node.silences
        life = bind_known_child(node, hint)
        if life is None:
            keep_hint(node, hint, self.max_lives)
        return life

    def _born_again(self, name: bytes, node: Node, hint: ForkHint) -> None:
        """A number of the host is given to a new process: who had it has ended.

        Where the new one's exec came before this record, and showed the same parent, it was taken for the old one.
        """
        life = node.now.get(hint.child)
        if life is None or life.end is not None or life is hint.parent:
            return
        if life.seen.ms + SLACK_MS < hint.stamp.ms:
            life.end, life.replaced = hint.stamp, True
        elif life.bound and life.born.ms + SLACK_MS < hint.stamp.ms and hint.fits(life.ppid):
            ran = life.ran
            if ran is not None and ran.ms + SLACK_MS >= hint.stamp.ms and ran >= hint.stamp:
                new = self._begin(name, node, hint.child, ran)
                new.ppid, new.auid, new.ses, new.uid = life.ppid, life.auid, life.ses, life.uid
                new.exe, new.runs, new.ran, new.programs, new.epoch = life.exe, life.runs, ran, 1, node.epoch
                new.seen, new.alive = life.seen, life.alive
                life.end, life.replaced = hint.stamp, True

    def begin(self, name: bytes, pid: int, stamp: Stamp) -> ProcessLifetime:
        """A process that is known to be another than the one that had this pid, but of which nothing else is known."""
        node = self.node(name)
        life = self._begin(name, node, pid, stamp)
        life.epoch = node.epoch
        return life

    def exited(self, name: bytes, life: ProcessLifetime, stamp: Stamp, *, recorded: bool = True) -> None:
        """The process is gone; it answers for late records a while longer. `recorded`: by an exit record."""
        self.node(name).exits |= recorded
        if life.end is None or stamp > life.end:
            life.end = stamp

    def booted(self, name: bytes, boot: str) -> None:
        """All lives of the node have ended."""
        self.nodes[name] = Node(boot)

    def gap(self, name: bytes) -> None:
        """Records may be missing: every life must show its parent and session again before it is believed."""
        self.node(name).epoch += 1

    # --- questions ------------------------------------------------------------------------------------------------

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
        return node.earlier(pid, stamp)

    def is_alive(self, life: ProcessLifetime) -> bool:
        """Whether it has its pid still, as far as is known."""
        return life.end is None and self.peek(life.node).now.get(life.pid) is life

    def parent_of(self, life: ProcessLifetime, stamp: Stamp) -> ProcessLifetime | None:
        """The parent that its fork record proves, else the life that certainly had its ppid then; never itself."""
        if life.bound:
            return life.parent
        parent = self.at(life.node, life.ppid, stamp)
        if parent is None or parent is life or not self.peek(life.node).is_certain(parent, stamp):
            return None
        return parent

    def state(self) -> TableState:
        """For a checkpoint."""
        return TableState(self.work, self.evicted)

    def load(self, state: TableState, nodes: dict[bytes, Node]) -> None:
        """Become what was saved."""
        self.work, self.evicted = state
        self.nodes = nodes

    def _sweep(self, stamp: Stamp) -> None:
        self.work = 0
        if not self.keep_all:
            for node in self.nodes.values():
                self.evicted += sweep(node, stamp, self.max_lives)
