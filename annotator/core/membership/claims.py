"""Claims of engines: a command line that names a container. DESIGN section 5, *Claims* and *Set-up helpers*.

- A command line alone names nothing: it is kept as a pending operation of its process and of the children born after
  it, and becomes a residence only with the kernel's word, a change of namespaces (`moving`) or a birth into new ones.
- The pending operation ends where another program than an engine's runs: a hook or a helper is not the container.
- Another user's engine cannot speak for a container; an engine inside a container speaks for those inside it only.
- Who called the client (`runc exec` below `docker exec`) is who entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import OWN_SESSION, Container, Evidence, Named, Ns, Role
from annotator.core.registry import derive_contid
from annotator.core.residence import PendingOperation, Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Actor, EngineCommand, Executed, Stamp

DEPTH = 16
"""How many generations an announcement may come down in one question."""


def pending(state: State, life: ProcessLifetime, depth: int = 0, *, record: bool) -> PendingOperation | None:
    """What was announced for this life: by its own command line, else by its parent's before its birth.

    With `record`, what it has from its parent is kept as its own.
    """
    own = life.membership
    if own.pending is not None or own.spent or depth > DEPTH:
        return own.pending
    parent = state.processes.parent_of(life, life.born)
    if parent is None:
        return None
    operation = pending(state, parent, depth + 1, record=record)
    if operation is None or operation.since > life.birth:
        return None
    if record:
        own.pending = operation
    return operation


def commanded(
    state: State, command: EngineCommand, life: ProcessLifetime, actor: Actor, inside: Container | None, stamp: Stamp
) -> None:
    """An engine's own executable ran with a command line that names a container; its process is `inside`."""
    outer = pending(state, life, record=True)
    who, how = actor, command.how
    if outer is not None and outer.command.role is not Role.CREATE and outer.how:
        who, how = outer.who, outer.how
    if command.id:
        registry = state.registry
        known = registry.known(life.node, command.id, owner=actor.uid, inside=inside)
        if known is None and registry.is_anothers(life.node, command.id, actor.uid):
            state.refused += 1  # another user's engine cannot speak for this container
            return
        if command.name or command.role is Role.NAME:
            known = known or registry.engine(life.node, command.id, command.engine, owner=actor.uid, parent=inside)
            if inside is None:
                registry.named(life.node, Named(command.id, command.name, command.image), owner=known.owner)
    announce(life, PendingOperation(stamp, command, who, how, inside, life.node))


def announce(life: ProcessLifetime, operation: PendingOperation | None, *, spent: bool = False) -> None:
    """What is announced for this life from now on; `spent`: nothing, and nothing is inherited either."""
    life.membership.pending, life.membership.spent = operation, spent


def another_program(state: State, fact: Executed, life: ProcessLifetime) -> None:
    """A program begins that is outside any container: only an engine's carries the announcement on."""
    if life.membership.pending is None and not life.membership.spent and life.parent is None:
        return
    if pending(state, life, record=True) is not None and not fact.engine:
        announce(life, None, spent=True)  # another program: a hook, a helper


def born_of_engine(
    state: State, life: ProcessLifetime, birth: Stamp, outer: Container | None, *, record: bool
) -> Residence | None:
    """A child that an engine bore into a new mount namespace is its container's init. Its parent was in `outer`."""
    if not life.ns or not life.ns & Ns.MNT:
        return None
    operation = pending(state, life, record=record)
    if operation is None or operation.command.role is not Role.CREATE or operation.inside is not outer:
        return None
    container = created(state, operation, birth, record=record)
    return Residence(birth, container, Evidence.COMMAND, OWN_SESSION)


def provisional(operation: PendingOperation) -> Container:
    """The container that was announced, as an entry outside the registry: for answers that record nothing."""
    command = operation.command
    contid = derive_contid(command.id)
    return Container(
        contid, command.id, command.name, engine=command.engine, parent=operation.inside, node=operation.node,
        owner=command.uid,
    )  # fmt: skip


def created(state: State, operation: PendingOperation, stamp: Stamp, *, record: bool) -> Container:
    """The container that is made: the one just announced, or a new run of the same id.

    Without `record` the registry is not changed.
    """
    command, registry = operation.command, state.registry
    node, inside = operation.node, operation.inside
    if not record:
        known = registry.same(node, command.id, owner=command.uid, parent=inside)
        if known is not None and (known.start_ms is None or known.start_ms >= operation.since.ms):
            return known
        return provisional(operation)
    container = registry.engine(node, command.id, command.engine, owner=command.uid, parent=inside)
    if container.start_ms is not None and container.start_ms < operation.since.ms:
        container = registry.renew(container, stamp)
    if container.start_ms is None:
        container.start_ms = stamp.ms
    if command.name and not container.name:
        container.name = command.name
        container.version += 1
    return container
