"""What the trail states of a place: contid records of a patched kernel, and records that name their WPAR (AIX).

The strongest word there is (DESIGN section 4, *Patched kernel* and *AIX*): the process is there from that record on,
and its children inherit it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.claims import pending
from annotator.core.membership.containers import move_in
from annotator.core.membership.entering import session_of
from annotator.core.membership.where import latest, where
from annotator.core.model import Evidence, Role
from annotator.core.registry import derive_contid
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Chain, ContId, RecordedPlace, Session, Stamp


def chain_of(state: State, life: ProcessLifetime, contids: tuple[ContId, ...], stamp: Stamp) -> Chain:
    """The containers of a stated chain, nearest first: those the life is known to be in, if the numbers agree.

    Else those that have the numbers now. Changes nothing.
    """
    return _agreeing(state, life, contids, stamp, record=False) or state.registry.numbered_chain(life.node, contids)


def record_chain(state: State, life: ProcessLifetime, contids: tuple[ContId, ...], stamp: Stamp) -> None:
    """The trail states this chain for a life: numbers that are new are entered, and the life is there from now on."""
    if _agreeing(state, life, contids, stamp, record=True):
        return
    chain = state.registry.chain(life.node, contids, stamp)
    if not chain:
        return
    residence = where(state, life, stamp, record=True)
    if residence is None or residence.container is not chain[0]:
        session = residence.session if residence is not None and residence.container is not None else None
        move_in(state, life, Residence(stamp, chain[0], Evidence.RECORD, session))


def _agreeing(state: State, life: ProcessLifetime, contids: tuple[ContId, ...], stamp: Stamp, *, record: bool) -> Chain:
    """The chain of the life's container, if it has these numbers; () if not.

    Those that an engine made inside have none of the kernel's: the deeper place stands.
    """
    residence = where(state, life, stamp, record=record)
    if residence is None or residence.container is None:
        return ()
    nearest = residence.container
    if record and nearest.contid is None and nearest.id and contids[0] == derive_contid(nearest.id):
        state.registry.number(nearest, contids[0])  # the record form of this program
    chain = nearest.chain()
    return chain if tuple(one.contid for one in chain if one.contid is not None) == contids[:16] else ()


def record_place(
    state: State, life: ProcessLifetime, place: RecordedPlace, stamp: Stamp, *, leaving: bool = False
) -> None:
    """A record says where its process is (`RecordedPlace` without a reason); its children inherit place and session.

    `leaving`: it is about to enter somewhere, so that nothing is known of it until its next record. Nobody moves
    from one such place into another: who is elsewhere now is another process under a pid that was used again.
    """
    container = place.container
    residence = where(state, life, stamp, record=True)
    session: Session | None = None
    if container is not None:
        inside = residence.container if residence is not None else None
        operation = pending(state, life, record=True) if inside is None else None
        if residence is not None and inside is not None and inside.name == container.name:
            session = residence.session
        elif (
            operation is not None and operation.command.role is Role.ENTER and operation.command.name == container.name
        ):
            session = session_of(operation, operation.since, operation.who.pid)
    if leaving or residence is None or residence.container is not container:
        move_in(state, life, Residence(stamp, container, place.evidence, session, lost=leaving))


def left_at(life: ProcessLifetime, stamp: Stamp) -> Residence | None:
    """Where the record of this very stamp says the process was, which is about to enter somewhere; else None."""
    newest = life.membership.residences[-1:]
    return next((one for one in newest if one.lost and one.since == stamp and one.evidence is Evidence.TRAIL), None)


def session_at(life: ProcessLifetime, place: RecordedPlace, stamp: Stamp) -> Session | None:
    """The session of a process whose record names its place, as it was recorded. Changes nothing."""
    residence = latest(life, stamp)
    return residence.session if residence is not None and residence.container is place.container else None
