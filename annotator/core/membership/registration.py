"""Registrations: somebody asked that a process be in a container. DESIGN section 5, *User-space records*.

- The kernel's record (contid patches) is believed; refused, it says nothing; without its result nothing yet (counted
  as tentative), a later statement confirms it. What the target had before is stated by the kernel in any case.
- A user-space record is believed only of root that is proven host, by records of that very moment (it shows no parent
  itself, so the pid may be another's), or that the kernel vouched for just before; and only deeper: never against
  another id that the target has.
- Names from user-space records need the same sender.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS
from annotator.core.membership.containers import end, is_over, move_in
from annotator.core.membership.stated import record_chain
from annotator.core.membership.where import where
from annotator.core.model import CONTID_UNSET, OWN_SESSION, Actor, Evidence, Named
from annotator.core.registry import derive_contid
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Registered, Stamp

VOUCHED_MS = 1000
"""How long after it was vouched for a process may register, which follows at once. A pid may be another's soon: where
there are 32,768 of them, in the seconds that a container needs to fork so often. A kernel that is so busy that it holds
the sender for longer leaves the registration unproven."""

CERTAIN_MS = 300
"""How long a pid cannot have been given again: 32,768 forks take seconds."""

MAX_UNSURE = 4096
"""Targets of registrations without result that are remembered."""


def registered(
    state: State, fact: Registered, life: ProcessLifetime | None, actor: Actor | None, node: bytes, stamp: Stamp
) -> None:
    """A contid was asked for, by the kernel's record of it or by a user-space record of `life`."""
    if fact.pid <= 0:
        return
    target = _target(state, fact, node, stamp)
    by_kernel = not fact.id and fact.contid != CONTID_UNSET
    if fact.old and target is not None:
        record_chain(state, target, fact.old, stamp)
    if fact.ok is None and by_kernel:
        state.tentative += 1
        if target is not None and len(state.unsure) < MAX_UNSURE:
            state.unsure[target] = fact.contid
            target.cache.withdraw()
    if not fact.ok:
        return
    if target is None:
        target = state.processes.begin(node, fact.pid, stamp)
    if by_kernel:
        _by_kernel(state, fact, life, target, stamp)
    else:
        _by_user(state, fact, life, actor, target, stamp)


def _by_kernel(
    state: State, fact: Registered, life: ProcessLifetime | None, target: ProcessLifetime, stamp: Stamp
) -> None:
    """The kernel set the number: in a container that has it, or in a new one if all of the last one's are gone."""
    node = target.node
    writer = state.processes.at(node, fact.by, stamp) if life is None or life.pid != fact.by else life
    holder = state.registry.numbered(node, fact.contid)
    if holder is not None and is_over(state, holder, writer):
        end(state, holder, stamp)
    container = state.registry.registered(node, fact.contid, fact.outer, stamp)
    move_in(state, target, Residence(stamp, container, Evidence.REGISTERED, OWN_SESSION))
    occupants = state.inside[container]
    if occupants.owner is None:
        occupants.owner = writer


def _by_user(
    state: State,
    fact: Registered,
    life: ProcessLifetime | None,
    actor: Actor | None,
    target: ProcessLifetime,
    stamp: Stamp,
) -> None:
    """A user-space record registers. The number is the id's own or, where it was given by hand, one nobody else has."""
    if not fact.id or life is None or not is_trusted(state, life, actor, stamp):
        state.refused += 1
        return
    residence = where(state, target, stamp, record=True)
    container = None
    if residence is None or residence.container is None or residence.container.id == fact.id:
        contid = fact.contid if fact.contid != CONTID_UNSET else derive_contid(fact.id)
        container = state.registry.claimed(target.node, fact.id, fact.engine, contid)
    if container is None:
        state.refused += 1
        return
    state.registry.named(target.node, Named(fact.id, fact.name, fact.image))
    if container.start_ms is None:
        container.start_ms = stamp.ms
    session = residence.session if residence is not None and residence.container is container else None
    move_in(state, target, Residence(stamp, container, Evidence.REGISTERED, session or OWN_SESSION))


def _target(state: State, fact: Registered, node: bytes, stamp: Stamp) -> ProcessLifetime | None:
    """Who is registered: the child of a fork just before, even where the pid's last process was not seen to end."""
    life = state.processes.at(node, fact.pid, stamp)
    if life is not None and life.end is not None and life.end < stamp:
        life = None
    newest = state.processes.peek(node).newest_hint(fact.pid, stamp)
    if newest is None or (life is not None and newest.stamp <= life.seen):
        return life
    above = newest.parent
    if life is not None and above.pid != fact.by and not above.tells_pids:
        return life  # perhaps a number of some other pid namespace
    parent = above.ppid if newest.sibling else above.pid
    return state.processes.see(node, Actor(fact.pid, parent, above.auid, above.uid, above.ses), stamp)


def is_trusted(state: State, life: ProcessLifetime, actor: Actor | None, stamp: Stamp) -> bool:
    """Uid 0 and proven host at that stamp; or not inside, and the kernel has just vouched for it: for one record."""
    residence = where(state, life, stamp, record=True)
    if actor is None or actor.uid != 0:
        return False
    if residence is not None and residence.container is not None:
        return False
    if residence is not None and (residence.evidence is Evidence.HOST_VIEW or stamp.ms - life.seen.ms <= CERTAIN_MS):
        return True
    vouched, life.membership.vouched = life.membership.vouched, None
    return vouched is not None and -SLACK_MS <= stamp.ms - vouched.ms <= VOUCHED_MS
