"""A change of namespaces or of the root: the kernel's word that turns an announcement into a residence.

DESIGN section 5, *Claims* (only together with the kernel's word) and *Set-up helpers*: what an engine announced to
make becomes a container where its process, or one it bore, makes itself a new mount namespace; what it announced to
enter is entered where one joins namespaces (`entering`). A change that nobody announced ends a proof of host (`doubt`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.claims import created, pending
from annotator.core.membership.containers import move_in
from annotator.core.membership.doubt import unannounced
from annotator.core.membership.entering import entered
from annotator.core.membership.where import where
from annotator.core.model import OWN_SESSION, Evidence, Ns, Role
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Moved, Stamp
    from annotator.core.residence import PendingOperation


def moved(state: State, fact: Moved, life: ProcessLifetime, stamp: Stamp) -> None:
    """A process made or joined namespaces."""
    _place(state, fact, life, stamp)
    life.moved = stamp
    if fact.ns & Ns.NET or fact.ns == Ns.NONE:
        life.net_moved = stamp


def _place(state: State, fact: Moved, life: ProcessLifetime, stamp: Stamp) -> None:
    residence = where(state, life, stamp, record=True)
    operation = pending(state, life, record=True)
    inside = residence.container if residence is not None else None
    if operation is None or (inside is not None and inside is not operation.inside):
        unannounced(state, fact, life, residence, stamp)
        return
    role = operation.command.role
    if role is Role.CREATE and not fact.joined and fact.ns & Ns.MNT:
        _become_init(state, operation, life, stamp)
    elif role is Role.ENTER and fact.joined and (fact.ns & Ns.MNT or fact.ns == Ns.NONE):
        entered(state, operation, life, stamp)
    elif role is Role.NAME:
        unannounced(state, fact, life, residence, stamp)


def root_changed(state: State, life: ProcessLifetime, stamp: Stamp) -> None:
    """Mounts changed by an engine's child whose namespaces its clone3 hid: it is the container's init."""
    operation = pending(state, life, record=True)
    if operation is None or operation.command.role is not Role.CREATE or life.ns is not None or not life.bound:
        return
    residence = where(state, life, stamp, record=True)
    if residence is None or residence.container is operation.inside:
        _become_init(state, operation, life, stamp)


def _become_init(state: State, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> None:
    container = created(state, operation, stamp, record=True)
    move_in(state, life, Residence(stamp, container, Evidence.COMMAND, OWN_SESSION))
