"""What takes an answer away. DESIGN section 5, *Absence proves nothing*, *A life* (another program) and *Only deeper*.

- A gap in a node's records ends every proof of host that rests on an unbroken chain.
- Another program, or other namespaces, end what the host view showed of a process on the host.
- A change of the namespaces of files or processes that no engine announced ends any proof of host.
- Marks that belong to other containers take back an answer that rests on the ppid alone (`core.corroboration`).
- A boot ends everything on its node. SYSTEM_BOOT is a user's record, and no sign of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.containers import move_in
from annotator.core.membership.where import latest
from annotator.core.model import Evidence, Ns
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Attribution, Mark, Moved, Stamp


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


def boot(state: State, node: bytes, boot_id: str, stamp: Stamp) -> None:
    """The node started anew: the kernel says so, or counts its serials from the beginning."""
    state.processes.booted(node, boot_id)
    state.registry.booted(node, boot_id, stamp)
    state.support.booted(node)
    state.version += 1
