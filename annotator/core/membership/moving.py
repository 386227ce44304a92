"""A change of namespaces or of the root: the kernel's word that turns an announcement into a residence.

DESIGN section 5, *Claims* (only together with the kernel's word), *Set-up helpers* and *Nested*: what an engine
announced to make becomes a container where its process, or one it bore, makes itself all the namespaces that the engine
gives a container; what it announced to enter is entered where one joins namespaces (`entering`). A change that nobody
announced ends a proof of host (`doubt`). One inside a container below an engine whose word does not count, may be the
entrance to a container nested there: the answer is at least the outer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.claims import created, flags_of, pending
from annotator.core.membership.containers import move_in
from annotator.core.membership.doubt import unannounced
from annotator.core.membership.entering import entered
from annotator.core.membership.inheritance import share_pid_namespace
from annotator.core.membership.where import where
from annotator.core.model import OWN_SESSION, Evidence, Flag, Ns, Role
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Moved, RootChanged, Stamp
    from annotator.core.residence import PendingOperation


def moved(state: State, fact: Moved, life: ProcessLifetime, stamp: Stamp) -> None:
    """A process made or joined namespaces."""
    own = life.membership
    if fact.ns & Ns.USER and own.user_ns is None:
        own.user_ns = stamp
    if fact.ns == Ns.NONE and own.hid_ns is None:
        own.hid_ns = stamp
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
    role, command = operation.command.role, operation.command
    is_joining = fact.joined and bool(fact.ns & Ns.PID)
    is_without = not fact.joined and bool(fact.ns & Ns.MNT) and not fact.ns & Ns.PID and not life.bears_inside
    if role is Role.CREATE and (is_joining or is_without):  # it is in the pid namespace of another, or of the host
        share_pid_namespace(state, life)
    if role is Role.CREATE:
        if not fact.joined and fact.ns & Ns.MNT and fact.ns & command.needs == command.needs:
            _become_init(state, operation, life, stamp)
    elif role is Role.ENTER and fact.joined and (fact.ns & Ns.MNT or fact.ns == Ns.NONE):
        entered(state, operation, life, stamp)
    elif role is Role.OPAQUE and residence is not None and inside is not None:
        perhaps_deeper(state, life, residence, stamp)
    elif role not in (Role.ENTER, Role.CREATE):
        unannounced(state, fact, life, residence, stamp)


def perhaps_deeper(state: State, life: ProcessLifetime, residence: Residence, stamp: Stamp) -> None:
    """The process may be in a container nested in its own from now on, and the log cannot tell in which."""
    if Flag.AT_LEAST not in residence.flags:
        move_in(state, life, residence._replace(since=stamp, flags=(*residence.flags, Flag.AT_LEAST)))


def root_changed(state: State, fact: RootChanged, life: ProcessLifetime, stamp: Stamp) -> None:
    """An engine's program changed mounts or the root, below the command that announced a container.

    Mounts of a child whose namespaces its clone3 hid show that it is the container's init; another root does so too of
    one whose birth is not known (its number is one of the outer container's pid namespace).
    """
    operation = pending(state, life, record=True)
    if operation is None or operation.command.role is not Role.CREATE or operation.command.needs != Ns.MNT:
        return
    if life.membership.pending is operation and life.membership.engine_line and operation.since >= life.birth:
        return  # the engine itself
    hidden = life.bound and life.ns is None
    nested = fact.pivot and not life.bound and operation.inside is not None
    if not (hidden or nested):
        return
    residence = where(state, life, stamp, record=True)
    if residence is None or residence.container is operation.inside:
        _become_init(state, operation, life, stamp)


def _become_init(state: State, operation: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> None:
    flags = flags_of(state, operation, life, stamp)
    container = created(state, operation, stamp, record=True)
    move_in(state, life, Residence(stamp, container, Evidence.COMMAND, OWN_SESSION, flags))
