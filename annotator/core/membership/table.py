"""The table of who is where: hands each fact to the rules of its family, and answers questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership import claims, containers, doubt, inheritance, moving, programs, registration, stated
from annotator.core.membership.state import State
from annotator.core.membership.where import where
from annotator.core.model import (
    Adopts,
    Booted,
    CapabilityProven,
    Dropped,
    EngineCommand,
    Executed,
    Exited,
    Forked,
    Gap,
    Killed,
    LoggedIn,
    Moved,
    Named,
    Ns,
    Registered,
    RootChanged,
)

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Actor, Container, Fact, Session, Stamp
    from annotator.core.residence import Residence


class Membership(State):
    """Who is in which container. Facts change it, questions do not."""

    def where(self, life: ProcessLifetime, stamp: Stamp) -> Residence | None:
        """The residence that holds at `stamp`; None when nothing is proven. Changes nothing."""
        return where(self, life, stamp, record=False)

    def is_alive(self, container: Container) -> bool:
        """Whether anybody who is known to be inside, or in a container nested in it, lives. Changes nothing."""
        return containers.is_alive(self, container)

    def settle(self, life: ProcessLifetime, stamp: Stamp) -> Residence | None:
        """The same as `where`; what its birth gave it is kept, so that it stands when its parent is forgotten."""
        return where(self, life, stamp, record=True)

    def accept(self, life: ProcessLifetime, residence: Residence) -> Residence:
        """What was seen of this life from outside the log, where the log itself proves nothing."""
        containers.move_in(self, life, residence._replace(epoch=self.processes.node(life.node).epoch))
        return residence

    def put_in_session(self, life: ProcessLifetime, residence: Residence, session: Session) -> Residence:
        """A residence of this life that has no session, with the one that was found."""
        own = life.membership.residences
        for at in range(len(own) - 1, -1, -1):
            if own[at].since == residence.since and own[at].container is residence.container:
                own[at] = own[at]._replace(session=session)
                life.cache.withdraw()
                return own[at]
        return residence._replace(session=session)

    def gap(self, node: bytes) -> None:
        """Records of this node may be missing."""
        doubt.gap(self, node)

    def lost(self, node: bytes, serials: int, *, awaited: bool) -> None:
        """Serials of this node are missing for good; `awaited`: others are, and may still come."""
        known = self.processes.node(node)
        if serials:
            doubt.gap(self, node)
        if known.open_hole is not awaited:
            known.open_hole = awaited
            self.version += 1

    def booted(self, node: bytes, stamp: Stamp) -> None:
        """The node's serials began anew: all that was known of it is over."""
        doubt.boot(self, node, "", stamp)

    def apply(self, fact: Fact, life: ProcessLifetime | None, actor: Actor | None, node: bytes, stamp: Stamp) -> None:
        """Take note of one fact. `life` and `actor` are those of the event's process."""
        match fact:
            case Registered():
                registration.registered(self, fact, life, actor, node, stamp)
            case Dropped():
                containers.dropped(self, fact, node, stamp)
            case Gap():
                doubt.gap(self, node)
            case Booted():
                doubt.boot(self, node, fact.boot, stamp)
            case _ if life is not None:
                self._apply_of(fact, life, actor, node, stamp)
            case _:
                pass

    def _apply_of(self, fact: Fact, life: ProcessLifetime, actor: Actor | None, node: bytes, stamp: Stamp) -> None:
        """A fact about the event's own process.

        Budget: one table of facts, read in order; to cut it would hide which facts are of a process.
        """
        match fact:
            case Forked():
                if not fact.engine:
                    claims.other_program(life)
                child = self.processes.forked(node, life, fact.child, stamp, fact.ns, sibling=fact.sibling)
                if child is not None:
                    inheritance.parent_known(self, child)
            case Executed():
                programs.executed(self, fact, life, stamp)
                doubt.changed(self, life, stamp)
            case Exited():
                claims.renamed(self, life, succeeded=fact.succeeded)
                programs.exited(self, life, stamp, recorded=not fact.crashed)
            case Killed():
                programs.killed(self, fact, life, stamp)
            case LoggedIn():
                programs.logged_in(fact, life)
            case Adopts():
                life.adopts = fact.on
            case Moved():
                self.processes.node(node).moves = True
                if not fact.engine:
                    claims.other_program(life)
                moving.moved(self, fact, life, stamp)
                if fact.ns & Ns.PID or fact.ns == Ns.NONE:
                    life.bears_inside, life.joined_pid, life.bears = True, fact.joined, None
                doubt.changed(self, life, stamp)
            case RootChanged():
                life.rerooted = stamp
                if fact.engine:
                    moving.root_changed(self, fact, life, stamp)
            case EngineCommand() if actor is not None:
                residence = where(self, life, stamp, record=True) or stated.left_at(life, stamp)
                claims.commanded(self, fact, life, actor, residence, stamp)
            case CapabilityProven():
                life.membership.vouched = stamp
            case Named():
                if registration.is_trusted(self, life, actor, stamp):
                    self.registry.named(node, fact, stamp)
            case _:
                pass
