"""The process table: which life a record belongs to, and which had a pid at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.binding import bind, bind_known_child, keep_hint, take_hint
from annotator.core.lifetimes.eviction import bury, sweep
from annotator.core.lifetimes.identity import is_same
from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime, update

if TYPE_CHECKING:
    from annotator.core.model import Actor, Ns, Stamp

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

    def see(self, name: bytes, actor: Actor, stamp: Stamp) -> ProcessLifetime:
        """The life that this record of a process belongs to; a new one when it can be none of those known."""
        node = self.nodes.get(name) or self.node(name)
        life = node.now.get(actor.pid)
        if life is not None and life.end is None and stamp >= life.born and life.epoch == node.epoch:  # noqa: SIM102
            if actor.ppid == life.ppid and actor.ses == life.ses and not (node.hints and actor.pid in node.hints):
                if stamp > life.seen:
                    life.seen = stamp
                life.runs = actor.exe or life.runs
                return life
        return self._assign(name, node, life, actor, stamp)

    def _assign(
        self, name: bytes, node: Node, life: ProcessLifetime | None, actor: Actor, stamp: Stamp
    ) -> ProcessLifetime:
        """The same for a record that differs from those before it. `life` has the pid now."""
        self.work += 1
        if self.work >= SWEEP_EVERY:
            self._sweep(stamp)
        hint = take_hint(node, actor, stamp, life)
        if life is not None and stamp.ms + SLACK_MS < life.born.ms:
            earlier = node.earlier(actor.pid, stamp)
            if earlier is not None:
                return earlier
            if life.bound:  # the record is of a life before this one, of which nothing else is known
                return self._past_life(name, node, actor, stamp)
        if life is None or not is_same(node, life, actor, stamp, hint):
            if life is not None:
                bury(node, life, keep_all=self.keep_all)
            life = node.now[actor.pid] = ProcessLifetime(name, actor.pid, stamp)
            life.key_boot = node.boot
            if hint is None and node.forks and (parent := node.now.get(actor.ppid)) is not None:
                parent.strange += 1
        if hint is not None and not life.bound:
            bind(life, hint)
        update(node, life, actor, stamp)
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
        hint = ForkHint(stamp, parent, child, ns, node.epoch, sibling=sibling)
        life = bind_known_child(node, hint)
        if life is None:
            keep_hint(node, hint, self.max_lives)
        return life

    def begin(self, name: bytes, pid: int, stamp: Stamp) -> ProcessLifetime:
        """A process that is known to be another than the one that had this pid, but of which nothing else is known."""
        node = self.node(name)
        last = node.now.get(pid)
        if last is not None:
            bury(node, last, keep_all=self.keep_all)
        life = node.now[pid] = ProcessLifetime(name, pid, stamp)
        life.key_boot = node.boot
        life.epoch = node.epoch
        return life

    def exited(self, name: bytes, life: ProcessLifetime, stamp: Stamp) -> None:
        """The process is gone; it answers for late records a while longer."""
        self.node(name).exits = True
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
        """The parent that its fork record proves, else the life that had its ppid at that time; never itself."""
        parent = life.parent if life.bound else self.at(life.node, life.ppid, stamp)
        return None if parent is life else parent

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
