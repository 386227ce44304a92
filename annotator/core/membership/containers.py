"""Life and death of containers: who is inside, and when a container is over.

A container lives while anybody lives who was seen inside it or in one nested in it. It ends with its first process, as
its pid namespace does, or by an op=drop that leaves nobody inside. A contid that is set again names another container
if all who were known inside the first have ended.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from annotator.core.membership.state import Occupants, keep

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Container, Dropped, Stamp
    from annotator.core.residence import Residence


def move_in(state: State, life: ProcessLifetime, residence: Residence) -> None:
    """A residence begins, in a container, on the host, or (`lost`) nowhere that is known."""
    keep(life, residence)
    if residence.container is not None:
        count_in(state, residence.container, life)
        state.unsure.pop(life, None)
    state.version += 1


def count_in(state: State, container: Container, life: ProcessLifetime) -> None:
    """Note who is inside; those that have ended are dropped from the list when it has doubled."""
    for one in container.chain():
        occupants = state.inside.get(one)
        if occupants is None:
            if len(state.inside) >= state.registry.max_containers:
                state.inside.pop(next(iter(state.inside)))
            _clear_two(state)
            occupants = state.inside[one] = Occupants()
        occupants.members.append(life)
        if len(occupants.members) > occupants.limit:
            _clear(state, occupants)


def _clear_two(state: State) -> None:
    """Clear two containers in turn: not every end is recorded, and what is kept must not grow."""
    for container in list(islice(state.inside, 2)):
        occupants = state.inside[container] = state.inside.pop(container)
        _clear(state, occupants)


def _clear(state: State, occupants: Occupants) -> None:
    """Drop the members that have ended."""
    occupants.members = [life for life in dict.fromkeys(occupants.members) if state.processes.is_alive(life)]
    occupants.limit = 2 * len(occupants.members) + 32


def is_alive(state: State, container: Container, but: ProcessLifetime | None = None) -> bool:
    """Whether anybody who is known to be inside, or in a container nested in it, lives. `but` does not count."""
    occupants = state.inside.get(container)
    return occupants is not None and any(
        life is not but and state.processes.is_alive(life) for life in occupants.members
    )


def end(state: State, container: Container, stamp: Stamp) -> None:
    """The container is over, and nobody is inside."""
    state.registry.ended(container, stamp)
    state.inside.pop(container, None)


def became_init(state: State, container: Container, life: ProcessLifetime) -> None:
    """The first program that runs in an engine's container, by what the engine itself made, is its init."""
    occupants = state.inside.get(container)
    if container.id and occupants is not None and occupants.init is None:
        occupants.init = life


def left(state: State, container: Container, life: ProcessLifetime, stamp: Stamp) -> None:
    """A process inside has ended; with its init the container is over."""
    occupants = state.inside.get(container)
    if occupants is not None and occupants.init is life:
        end(state, container, stamp)


def dropped(state: State, fact: Dropped, node: bytes, stamp: Stamp) -> None:
    """An op=drop: the number is free, unless somebody is known to live inside.

    The patches have defects: V7 and V8 write it at every logged call of a process that is alone, V10 and V11 at those
    of one whose network namespace has forgotten the container. So it is noted, and believed when the number is set
    again and its writer was not seen since.
    """
    container = state.registry.numbered(node, fact.contid)
    if container is None:
        return
    if is_alive(state, container):
        state.inside[container].dropped = (state.processes.at(node, fact.pid, stamp), stamp)
        return
    end(state, container, stamp)


def is_over(state: State, container: Container, writer: ProcessLifetime | None) -> bool:
    """Whether a number that is set now must have been free before: what it named then is another container.

    So it is when all that were known inside have ended, or when the last was dropped and is silent since. From V7
    on only the owner may put a second process inside: a drop before another's set was true.
    """
    occupants = state.inside.get(container)
    if occupants is None or not occupants.members:
        return False
    if occupants.dropped is None:
        return not is_alive(state, container)
    dropper, when = occupants.dropped
    quiet = dropper is not None and dropper.seen.ms <= when.ms
    if not is_alive(state, container, dropper if quiet else None):
        return True
    return quiet and writer is not None and occupants.owner is not None and writer is not occupants.owner
