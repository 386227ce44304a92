"""What takes an answer away. DESIGN section 5, *Absence proves nothing*, *A life* (another program) and *Only deeper*.

- A gap in a node's records ends every proof of host that rests on an unbroken chain.
- Another program, or other namespaces, end what the host view showed of a process on the host.
- A change of the namespaces of files or processes that no engine announced ends any proof of host.
- Marks that belong to other containers take back an answer that rests on the ppid alone (`core.corroboration`).
- A boot ends everything on its node; root inside a container can write such a record, and is not believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.containers import move_in
from annotator.core.membership.where import latest, where
from annotator.core.model import Evidence, Ns
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Actor, Attribution, Booted, Mark, Moved, Stamp


def gap(state: State, node: bytes) -> None:
    """Records of this node may be missing."""
    state.processes.gap(node)
    state.version += 1


def changed(state: State, life: ProcessLifetime, stamp: Stamp) -> None:
    """Another program, other namespaces: what the host view said before says nothing of what comes after."""
    residence = latest(life, stamp)
    if residence is not None and residence.container is None and not residence.lost:  # noqa: SIM102
        if residence.evidence is Evidence.HOST_VIEW:
            move_in(state, life, Residence(stamp, None, Evidence.HOST_VIEW, lost=True))


def unannounced(state: State, fact: Moved, life: ProcessLifetime, residence: Residence | None, stamp: Stamp) -> None:
    """Nobody said what for: who was proven host is no longer so once its view of files or processes changes."""
    if residence is not None and residence.container is None and (fact.ns & (Ns.MNT | Ns.PID) or fact.ns == Ns.NONE):
        move_in(state, life, Residence(stamp, None, Evidence.INIT, lost=True))


def weigh_marks(
    state: State, life: ProcessLifetime, marks: tuple[Mark, ...], answer: Attribution, stamp: Stamp
) -> bool:
    """Its program shows these marks: they are learnt, and support its answer or end it. Whether that changed it."""
    support, against = state.support.weigh(life.node, marks, answer) if marks else ((), False)
    if against:
        move_in(state, life, Residence(stamp, None, Evidence.CONFLICT, lost=True))
    elif support == life.membership.support:
        return False
    life.membership.support = support
    life.cache.withdraw()
    return True


def booted(
    state: State, fact: Booted, life: ProcessLifetime | None, actor: Actor | None, node: bytes, stamp: Stamp
) -> None:
    """A record says that the node started anew; `life` wrote it, None where the kernel or auditd did."""
    if life is not None and not _may_boot(state, life, actor, stamp):
        return
    state.processes.booted(node, fact.boot)
    state.registry.booted(node, fact.boot, stamp)
    state.support.booted(node)
    state.version += 1


def _may_boot(state: State, life: ProcessLifetime, actor: Actor | None, stamp: Stamp) -> bool:
    """A user-space record of a boot: not from inside a container, whose root can send one too."""
    residence = where(state, life, stamp, record=True)
    return actor is not None and actor.uid == 0 and (residence is None or residence.container is None)
