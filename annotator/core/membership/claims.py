"""Claims of engines: a command line that names a container. DESIGN section 5, *Claims* and *Set-up helpers*.

- A command line alone names nothing: it is kept as a pending operation of its process and of the children born after
  it, and becomes a residence only with the kernel's word, a change of namespaces (`moving`) or a birth into new ones.
- It is worth what its claimant is proven to be (`standing`): uid 0 against which nothing speaks; another uid for its
  own containers; one that is inside a container for those nested in it, and never under an id that is known elsewhere.
- A program that lies where anybody may put one needs a claimant that is proven host. A sealed copy is the engine's only
  if the same process ran the engine's file just before, with the same words.
- The pending operation ends where another program than an engine's runs: a hook or a helper is not the container.
- A rename counts when its command has ended well. Where ends are not recorded, the name is not known any more.
- Who called the client (`runc exec` below `docker exec`) is who entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.standing import Standing, namespaces, standing
from annotator.core.model import Container, Flag, Named, Role
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
    state: State, command: EngineCommand, life: ProcessLifetime, actor: Actor, residence: Residence | None, stamp: Stamp
) -> None:
    """An engine's own executable ran with a command line that names a container; its process is at `residence`."""
    outer = pending(state, life, record=True)
    claimant = standing(state, life, residence, outer, stamp)
    if claimant.inside in state.inside and command.role not in (Role.NAME, Role.RENAME):
        state.inside[claimant.inside].engines = True
    named = _resolved(state, command, life, actor, claimant)
    if named is None:
        _disbelieve(state, command, life, actor, claimant, stamp)
        return
    who, how = actor, command.how
    if outer is not None and outer.command.role is not Role.CREATE and outer.how:
        who, how = outer.who, outer.how
    if named.role is not Role.RENAME and named.id:
        _enter_name(state, named, life, actor, claimant)
    announce(life, PendingOperation(stamp, named, who, how, claimant.inside, life.node, claimant.host, claimant.hidden))
    state.add_client(life)
    if not state.processes.peek(life.node).exits:
        renamed(state, life, succeeded=None)


def _resolved(
    state: State, command: EngineCommand, life: ProcessLifetime, actor: Actor, claimant: Standing
) -> EngineCommand | None:
    """The command as far as its claimant may give it, with its id; None where it is worth nothing."""
    own, registry = life.membership, state.registry
    command = command._replace(uid=actor.uid)
    if command.sealed and command.line != own.engine_line:
        return None
    if not command.rooted and not (claimant.host and actor.uid == 0):
        return None
    if claimant.barred or (state.strict and not claimant.host):
        return None
    if command.ids:
        known = [id for id in command.ids if registry.known(life.node, id, owner=actor.uid, inside=claimant.inside)]
        if len(known) != 1:
            return None
        command = command._replace(id=known[0], ids=())
    if command.role is Role.OPAQUE or command.role is Role.NAME or not command.id:
        return None if command.role is Role.OPAQUE else command
    if claimant.inside is not None:
        return None if _is_outside(state, command.id, life, claimant.inside) else command
    if registry.is_anothers(life.node, command.id, actor.uid):
        state.refused += 1  # another user's engine cannot speak for this container
        return None
    if actor.uid != 0 and command.role is Role.ENTER:  # that it is the user's own must be known
        return command if registry.known(life.node, command.id, owner=actor.uid) is not None else None
    return command


def _is_outside(state: State, id: str, life: ProcessLifetime, inside: Container) -> bool:
    """Whether a container of this id is known, and none of them is nested where the claimant is."""
    known = state.registry.of_id(life.node, id)
    return bool(known) and all(one is inside or inside not in one.chain() for one in known)


def _enter_name(state: State, command: EngineCommand, life: ProcessLifetime, actor: Actor, claimant: Standing) -> None:
    """A name, and a container that so far only its shim or monitor has named, are entered for their announcer alone."""
    if not command.name and command.role is not Role.NAME:
        return
    registry, inside = state.registry, claimant.inside
    known = registry.known(life.node, command.id, owner=actor.uid, inside=inside)
    known = known or registry.engine(life.node, command.id, command.engine, owner=actor.uid, parent=inside)
    if known.owner == actor.uid:
        registry.describe(known, Named(command.id, command.name, command.image))


def _disbelieve(
    state: State, command: EngineCommand, life: ProcessLifetime, actor: Actor, claimant: Standing, stamp: Stamp
) -> None:
    """The line is worth nothing; but an engine may be at work: who is below it is perhaps in a container."""
    if command.role in (Role.NAME, Role.RENAME):
        return
    life.membership.disbelieved = True
    opaque = command._replace(role=Role.OPAQUE, id="", name="", ids=())
    announce(life, PendingOperation(stamp, opaque, actor, "", claimant.inside, life.node))
    life.reconsider()
    state.version += 1


def renamed(state: State, life: ProcessLifetime, *, succeeded: bool | None) -> None:
    """A command that was to rename a container has ended."""
    operation = life.membership.pending
    if operation is None or operation.command.role is not Role.RENAME or operation.command.pid != life.pid:
        return
    command = operation.command
    container = state.registry.called(operation.node, command.id, command.uid, operation.inside)
    if container is not None and succeeded is not False:
        state.registry.rename(container, command.name if succeeded else "")


def announce(life: ProcessLifetime, operation: PendingOperation | None, *, spent: bool = False) -> None:
    """What is announced for this life from now on; `spent`: nothing, and nothing is inherited either."""
    life.membership.pending, life.membership.spent = operation, spent


def executed(fact: Executed, life: ProcessLifetime) -> None:
    """A program begins: only an engine's carries the announcement on, in whatever order the records come."""
    own = life.membership
    if not fact.engine:
        own.engine_line = b""
        announce(life, None, spent=True)  # another program: a hook, a helper, the container's own
    elif fact.line:
        own.engine_line = fact.line


def other_program(life: ProcessLifetime) -> None:
    """A record shows that the process runs no engine's program now: it began in a record that was lost."""
    operation = life.membership.pending
    if operation is None or operation.command.role in (Role.CREATE, Role.ENTER):
        announce(life, None, spent=True)


def flags_of(state: State, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> tuple[Flag, ...]:
    """What is odd about a claim that the kernel's word has completed for this life.

    Root's engines that make user namespaces, and calls that hide what they did, need a claimant proven host; a user's
    engine does too. One that is inside a container names what is nested there, and nobody vouches for the name.
    """
    if operation.host:
        return ()
    if operation.inside is not None or operation.hidden or operation.command.uid != 0:
        return (Flag.ASSUMED,)
    if not state.processes.peek(life.node).moves:  # namespaces are not audited
        return (Flag.ASSUMED,)
    user, hidden = namespaces(state, life, stamp, operation.since)
    return (Flag.ASSUMED,) if user or hidden else ()


def provisional(state: State, operation: PendingOperation) -> Container:
    """The container that was announced, as an entry outside the registry: for answers that record nothing."""
    command = operation.command
    contid = state.registry.derived(operation.node, command.id)
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
        return provisional(state, operation)
    container = registry.engine(node, command.id, command.engine, owner=command.uid, parent=inside)
    if container.start_ms is not None and container.start_ms < operation.since.ms:
        container = registry.renew(container, stamp)
    if container.start_ms is None:
        container.start_ms = stamp.ms
    if command.name and not container.name:
        container.name = command.name
        container.version += 1
    return container
