"""Sessions of what was seen outside the log: who let a process into its container. DESIGN section 4 (a session).

- What the container's init started, by births that were seen, is session `0`; a process that somebody outside bore, and
  what it bears, is a session of its own. Where births were not seen nothing is said.
- Who entered is told by the commands of those who bore it (runtime, monitor, client), where the log has them.
- A daemon enters for its clients, and no record ties the two. A client is named where its command line asks for the
  very words that the entered process runs, at that time, and no other client fits; the session says so (`inferred`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from annotator.core.contracts import NO_ENGINE, SLACK_MS
from annotator.core.membership.claims import pending
from annotator.core.membership.entering import session_of
from annotator.core.model import OWN_SESSION, UNSET_ID, Flag, Role, Session, Stamp

if TYPE_CHECKING:
    from annotator.core.contracts import Origin
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Actor, Container
    from annotator.core.residence import PendingOperation, Residence

SERVED_MS = 10_000
"""How long after a client's command the process that it asked for may run."""


def of_origin(
    state: State, life: ProcessLifetime, residence: Residence, origin: Origin, actor: Actor | None, stamp: Stamp
) -> Session | None:
    """The session of a process that was seen in a container, at `residence`; None where that is not known."""
    container = residence.container
    entrant = state.processes.at(life.node, origin.pid, stamp)
    if container is None:
        return None
    if entrant is not None and entrant is not life and entrant.born.ms >= origin.start_ms - SLACK_MS:
        known = _session_in(entrant, container)
        if known is not None:
            return None if origin.adopted and known is OWN_SESSION else known
    operation = _operation(state, life.node, container, origin)
    if operation is not None and operation.command.role is Role.CREATE:
        return OWN_SESSION
    if operation is not None:
        return _opened(state, life, container, origin, operation, actor)
    if origin.init:
        return None if origin.adopted else OWN_SESSION
    entered = origin.init is False or Flag.CGROUP_ONLY in residence.flags or Flag.ENTERED in residence.flags
    if not entered or origin.adopted or len(origin.above) < 2:
        return None
    exe = origin.exe.decode("utf-8", "backslashreplace")
    return Session(_id(origin), "", origin.auid, origin.ses, origin.uid, "", exe, origin.pid)


def _session_in(life: ProcessLifetime, container: Container) -> Session | None:
    """The session in which a process is in this container."""
    found = [one.session for one in life.membership.residences if one.container is container and one.session]
    return found[-1] if found else None


def _operation(state: State, node: bytes, container: Container, origin: Origin) -> PendingOperation | None:
    """What was announced for the process that came in, by the nearest of those above it; with the client's words."""
    found: PendingOperation | None = None
    for above in origin.above:
        life = state.processes.at(node, above.pid, Stamp(above.ms, 0))
        operation = pending(state, life, record=False) if life is not None else None
        if operation is None:
            continue
        command = operation.command
        if found is None:
            fits = command.id == container.id or command.target > 0 or container.engine == NO_ENGINE
            if command.role in (Role.CREATE, Role.ENTER) and fits:
                found = operation
            if found is not None and command.role is Role.CREATE:
                return found
        elif operation.how and command.role in (Role.ENTER, Role.NAME):
            found = found._replace(who=operation.who, how=operation.how)
    return found


def _opened(
    state: State, life: ProcessLifetime, container: Container, origin: Origin, operation: PendingOperation,
    actor: Actor | None,
) -> Session:  # fmt: skip
    """The session of that command: the one begun by its first change of namespaces, or by this sight of it."""
    commander = state.processes.at(life.node, operation.command.pid, operation.since)
    begun = commander.membership.opened if commander is not None else None
    session = session_of(operation, operation.since, origin.pid)
    session = replace(session, id=begun.id if begun is not None else _id(origin))
    tty = actor.tty.decode("utf-8", "backslashreplace") if actor is not None else ""
    pod = bool(container.pod or container.pod_name)
    session = replace(
        session,
        tty=session.tty or tty,
        unattended=pod and session.auid == UNSET_ID and not tty,
        inferred=begun.inferred if begun is not None else "",
    )
    if begun is not None and begun.inferred:
        session = begun
    if commander is not None:
        commander.membership.opened = session
    return session


def with_client(
    state: State, life: ProcessLifetime, residence: Residence, origin: Origin, actor: Actor | None
) -> Session | None:
    """The session of a process that entered by the log's word, with the client that those who bore it tell; or None."""
    container, session = residence.container, residence.session
    if container is None or session is None or session.inferred:
        return None
    operation = _operation(state, life.node, container, origin)
    if operation is None or operation.command.role is not Role.ENTER:
        return None
    found = _opened(state, life, container, origin, operation, actor)
    return found if found.id == session.id and found != session else None


def _id(origin: Origin) -> str:
    return f"{origin.pid}@{origin.ticks}"


def awaits_client(state: State, life: ProcessLifetime, session: Session | None) -> bool:
    """Whether the program that this process begins may tell which client its session is for."""
    if session is None or session is OWN_SESSION or not state.clients or life.ran is not None:
        return False
    return session.auid == UNSET_ID and not session.inferred


def inferred(state: State, life: ProcessLifetime, words: bytes, stamp: Stamp) -> Session | None:
    """The entered process begins a program with these words: its session by the one client that asked for them."""
    own = life.membership.residences
    session, container = (own[-1].session, own[-1].container) if own else (None, None)
    if session is None or container is None:
        return None
    fits = [one for one in state.clients if _fits(one, life.node, container, words, stamp)]
    operation = fits[0].membership.pending if len(fits) == 1 else None
    if operation is None:
        return None
    fits[0].membership.served = stamp
    by = session_of(operation, stamp, session.pid)
    return replace(by, id=session.id, how=session.how, tty=by.tty or session.tty, inferred="command line")


def _fits(client: ProcessLifetime, node: bytes, container: Container, words: bytes, stamp: Stamp) -> bool:
    operation = client.membership.pending
    if operation is None or operation.command.runs != words or operation.node != node:
        return False
    if not -SLACK_MS <= stamp.ms - operation.since.ms <= SERVED_MS or client.membership.served is not None:
        return False
    name = operation.command.name
    return not container.name or name == container.name or container.id.startswith(name)
