"""Entering a container from outside: `exec`, `attach`, nsenter. DESIGN section 5, *Claims* (Entering), and section 4.

A setns hides its target, so the command line that announced it tells the container: by its id, or by the pid of a
process inside (nsenter), which is believed only of uid 0, or the uid that owns the container, not known to be inside
one itself: to join a mount namespace takes rights over it. Who enters begins a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.claims import flags_of
from annotator.core.membership.containers import move_in
from annotator.core.membership.doubt import unannounced
from annotator.core.membership.where import where
from annotator.core.model import Evidence, Flag, Moved, Ns, Session
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Container, Stamp
    from annotator.core.residence import PendingOperation


def entered(state: State, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> None:
    """A process joined namespaces as its command line announced."""
    command = operation.command
    flags: tuple[Flag, ...] = ()
    if command.target > 0:
        container = _container_of_target(state, operation, life, stamp)
        if container is None:
            residence = where(state, life, stamp, record=True)
            unannounced(state, Moved(life.pid, Ns.MNT, joined=True), life, residence, stamp)
            return
        flags = (Flag.ENTERED, *flags_of(state, operation, life, stamp))
    elif not command.id:
        return
    else:
        container = _container_of_id(state, operation)
        flags = flags_of(state, operation, life, stamp)
    commander = state.processes.at(life.node, operation.command.pid, operation.since)
    session = _session(commander, operation, life, stamp)
    residence = Residence(stamp, container, Evidence.COMMAND, session, flags)
    move_in(state, life, residence)
    if commander is not None and commander is not life and commander.membership.entered is None:
        commander.membership.entered, commander.membership.entered_exe = residence, life.exe


def _session(
    commander: ProcessLifetime | None, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp
) -> Session:
    """The session that begins; a command that has begun one begins no other, whichever of its processes moves."""
    if commander is None:
        return session_of(operation, stamp, life.pid)
    if commander.membership.opened is None:
        commander.membership.opened = session_of(operation, stamp, life.pid)
    return commander.membership.opened


def session_of(operation: PendingOperation, stamp: Stamp, pid: int) -> Session:
    """The session that an entering begins at that stamp: who gave the command, and how."""
    who = operation.who
    return Session(str(stamp), operation.how, who.auid, who.ses, who.uid, _text(who.tty), _text(who.exe), pid)


def _container_of_target(
    state: State, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp
) -> Container | None:
    """The container of the process whose namespaces were joined, by a pid of the caller's pid namespace.

    So it says something only of a caller in the first one: not from inside a container, nor of unknown birth.
    """
    if operation.inside is not None or not life.tells_pids:
        return None
    target = state.processes.at(life.node, operation.command.target, stamp)
    residence = where(state, target, stamp, record=True) if target is not None else None
    container = residence.container if residence is not None else None
    uid = operation.command.uid
    return container if container is not None and uid in (0, container.owner) else None


def _container_of_id(state: State, operation: PendingOperation) -> Container:
    """The container that was entered: known, or older than the log and named by the command alone."""
    command, node, inside = operation.command, operation.node, operation.inside
    known = state.registry.known(node, command.id, owner=command.uid, inside=inside)
    if known is not None:
        return known
    return state.registry.engine(node, command.id, command.engine, owner=command.uid, parent=inside)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
