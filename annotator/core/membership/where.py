"""The question: where was this process at that stamp? The residence that holds, else what its birth gives it.

A residence is only ever followed by a deeper one: none to X, X to Y nested in X (DESIGN section 5, *Only deeper*).
What is asked is worked out when it is asked, from the parent as of the birth, so that facts that come late still count.
With `record` what was worked out is kept, as the first residence of that life; without it nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.containers import count_in
from annotator.core.membership.inheritance import from_birth
from annotator.core.model import Evidence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Stamp
    from annotator.core.residence import Residence

STAGE_MS = 1000
"""How long an engine's process on its way in is believed to be the one that has its number."""

DEPTH = 32
"""How many generations a residence may come down in one question."""


def where(state: State, life: ProcessLifetime, stamp: Stamp, depth: int = 0, *, record: bool) -> Residence | None:
    """The residence that holds at `stamp`; None when nothing is proven."""
    own = life.membership
    for residence in reversed(own.residences):
        if residence.since <= stamp:
            return None if residence.lost else _still(state, life, residence, stamp)
    if depth > DEPTH or (own.unknown_version == state.version and not own.residences and life.bound):
        return None
    inherited = from_birth(state, life, stamp, where, depth, record=record)
    if record:
        _keep_first(state, life, inherited)
    return inherited


def _keep_first(state: State, life: ProcessLifetime, residence: Residence | None) -> None:
    """Note what was worked out: that nothing is proven at this version of the tables, or the first residence."""
    if residence is None:
        life.membership.unknown_version = state.version
        return
    life.membership.residences.insert(0, residence)
    life.cache.withdraw()
    if residence.container is not None:
        count_in(state, residence.container, life)
    if not life.bound:
        state.version += 1  # others may have asked for this one's container before it was seen


def latest(life: ProcessLifetime, stamp: Stamp) -> Residence | None:
    """The newest residence that began by `stamp`, whether it still holds or not. Changes nothing."""
    return next((one for one in reversed(life.membership.residences) if one.since <= stamp), None)


def is_stage(life: ProcessLifetime, residence: Residence) -> bool:
    """Whether this is an engine's process on its way in: it made or joined namespaces, and has run no program since."""
    if residence.evidence is not Evidence.COMMAND or (life.bound and residence.since <= life.birth):
        return False
    return life.ran is None or life.ran < residence.since


def _still(state: State, life: ProcessLifetime, residence: Residence, stamp: Stamp) -> Residence | None:
    """Host by a chain holds only while nothing was lost; pid 1 and kernel threads are always host.

    An engine's stage lives for milliseconds: who has its number a second later is another process.
    """
    if residence.container is not None and is_stage(life, residence):
        return residence if stamp.ms - residence.since.ms <= STAGE_MS else None
    if residence.container is not None or residence.evidence is not Evidence.INIT or life.pid <= 2:
        return residence
    node = state.processes.peek(life.node)
    return residence if residence.epoch == node.epoch and not node.open_hole else None
