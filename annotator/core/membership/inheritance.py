"""What a process has from its birth. DESIGN section 5, *Inheritance* and *Host*.

- A process is where its parent was when it was born; its parent is proven by a fork record (evidence `lineage`), else
  it is the life that had its ppid at the stamp asked for (`ppid`: proves inside, never host, and nothing across a
  change of session or login id).
- A child that an engine bore into a new mount namespace is in the container that the engine announced (`claims`).
- Pid 1, pid 2 and kernel threads are on the host. Any other is on the host only by an unbroken chain of fork records
  from them, on a node whose rules record namespaces, with no gap since its birth, born into no new namespace, and with
  no engine's announcement pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from annotator.core.membership.claims import born_of_engine, pending
from annotator.core.model import Evidence, Ns
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Stamp

KTHREADD = 2
"""The parent of all kernel threads."""


class Ask(Protocol):
    """How the parent's residence is asked for: `where.where`."""

    def __call__(
        self, state: State, life: ProcessLifetime, stamp: Stamp, depth: int, /, *, record: bool
    ) -> Residence | None:
        """The residence that holds at `stamp`."""
        ...


def from_birth(
    state: State, life: ProcessLifetime, stamp: Stamp, ask: Ask, depth: int, *, record: bool
) -> Residence | None:
    """What a life has from its birth: its parent's container, or an engine's new one."""
    epoch = state.processes.peek(life.node).epoch
    if life.pid in (1, KTHREADD) or life.ppid == KTHREADD:
        return Residence(life.born, None, Evidence.INIT, epoch=epoch)
    parent = state.processes.parent_of(life, stamp)
    if parent is None:
        return None
    birth = life.birth if life.bound else stamp
    above = ask(state, parent, birth, depth + 1, record=record)
    outer = above.container if above is not None else None
    made = born_of_engine(state, life, birth, outer, record=record)
    if made is not None or above is None:
        return made
    if outer is None:
        proven = _is_born_on_host(state, life) and pending(state, life, record=record) is None
        return Residence(life.born, None, Evidence.INIT, epoch=epoch) if proven else None
    if not life.bound and (parent.ses, parent.auid) != (life.ses, life.auid):
        return None  # a re-used pid, or a login: not to be told apart
    evidence = Evidence.LINEAGE if life.bound else Evidence.PPID
    if above.evidence in (Evidence.REGISTERED, Evidence.RECORD):
        evidence = Evidence.REGISTERED
    return Residence(min(life.born, stamp), outer, evidence, above.session, above.flags, epoch=epoch)


def _is_born_on_host(state: State, life: ProcessLifetime) -> bool:
    """Whether its birth is recorded, shows no new namespaces, and no gap came since; its parent was on the host."""
    node = state.processes.peek(life.node)
    return life.bound and node.moves and life.birth_epoch == node.epoch and life.ns == Ns.NONE


def parent_known(state: State, life: ProcessLifetime) -> None:
    """A late fork record named the parent: what was unknown, or known by ppid alone, may be better known now."""
    residences = life.membership.residences
    if residences and residences[0].evidence is Evidence.PPID:
        del residences[0]
    life.cache.withdraw()
    state.version += 1
