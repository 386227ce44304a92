"""A program begins, a process ends.

The first program that runs in a container is its init; with the init's end the container is over (`containers`).
Outside containers another program than an engine's ends what was announced (`claims`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership import claims
from annotator.core.membership.containers import became_init, left
from annotator.core.membership.where import where
from annotator.core.model import OWN_SESSION

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Executed, Exited, Stamp


def executed(state: State, fact: Executed, life: ProcessLifetime, stamp: Stamp) -> None:
    """The process runs another program."""
    own = life.membership
    own.vouched = None  # for what it did before
    residence = where(state, life, stamp, record=True)
    if residence is not None and residence.container is not None and residence.session is OWN_SESSION:
        became_init(state, residence.container, life)
    claims.executed(fact, life)
    life.ran = stamp
    life.programs += 1
    life.runs = fact.exe or life.runs


def exited(state: State, fact: Exited, life: ProcessLifetime, stamp: Stamp) -> None:
    """The process is gone."""
    claims.renamed(state, life, succeeded=fact.succeeded)
    life.membership.vouched = None
    state.processes.exited(life.node, life, stamp)
    residence = where(state, life, stamp, record=True)
    if residence is not None and residence.container is not None:
        left(state, residence.container, life, stamp)
