"""Who makes a claim: what the log shows of a process that runs an engine's command line. DESIGN section 5, *Claims*.

A claimant is proven to be on the host, known to be inside a container, or of unknown place. Of the last, what speaks
against it decides: a user namespace that its lineage made or joined (who is root in one is root nowhere else), and
numbers of children that are not those which the children show (a pid namespace of its own). Where such a fact cannot be
seen (clone3 hides its flags, setns may hide its kind, namespaces are not audited) the claim is `hidden`: assumed only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import Ns, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Container, Stamp
    from annotator.core.residence import PendingOperation, Residence

DEPTH = 32
"""How many ancestors are looked at."""

MISNUMBERED = 2
"""How many children with other numbers show that a process has a pid namespace of its own."""


class Standing(NamedTuple):
    """`host`: proven; `inside`: the container it is known to be in. `barred` and `hidden`: what speaks against it."""

    host: bool = False
    inside: Container | None = None
    barred: bool = False
    hidden: bool = False


def standing(
    state: State, life: ProcessLifetime, residence: Residence | None, outer: PendingOperation | None, stamp: Stamp
) -> Standing:
    """What is known of a claimant at that stamp, whose residence is given, and what was announced for it before.

    An engine's process below a claimant on the host, which has not gone inside yet, is on the host as that is.
    """
    if residence is not None:
        return Standing(host=residence.container is None, inside=residence.container)
    if outer is not None and outer.host and outer.command.role is not Role.OPAQUE:
        return Standing(host=True)
    user, hidden = namespaces(state, life, stamp)
    barred = (user and life.uid == 0) or _is_misnumbered(state, life, stamp)
    return Standing(barred=barred, hidden=hidden or life.uid != 0)


def namespaces(state: State, life: ProcessLifetime, stamp: Stamp, since: Stamp | None = None) -> tuple[bool, bool]:
    """Whether this life or its lineage was seen in a user namespace by then, and whether it could be in one unseen.

    With `since`, only what happened from then on counts.
    """
    user = hidden = False
    for one, until in _lineage(state, life, stamp):
        own = one.membership
        if one is not life and _was_on_host(one, until):
            break
        user = user or _is_within(own.user_ns, since, until)
        hidden = hidden or _is_within(own.hid_ns, since, until)
        if one.bound and (since is None or one.birth >= since):
            user = user or bool(one.ns is not None and one.ns & Ns.USER)
            hidden = hidden or one.ns is None
    return user, hidden


def _is_within(when: Stamp | None, since: Stamp | None, until: Stamp) -> bool:
    return when is not None and when <= until and (since is None or when >= since)


def _was_on_host(life: ProcessLifetime, stamp: Stamp) -> bool:
    """Whether it was proven to be on the host then: whatever namespaces it had made, it has its rights there."""
    if life.pid in (1, 2):  # the numbers of records are those of the first pid namespace
        return True
    residence = next((one for one in reversed(life.membership.residences) if one.since <= stamp), None)
    return residence is not None and residence.container is None and not residence.lost


def _lineage(state: State, life: ProcessLifetime, stamp: Stamp) -> Iterator[tuple[ProcessLifetime, Stamp]]:
    """A life and its ancestors, each with the stamp up to which what it did counts: the birth of the next."""
    at: ProcessLifetime | None = life
    for _ in range(DEPTH):
        if at is None:
            return
        yield at, stamp
        stamp = at.birth if at.bound else stamp
        at = state.processes.parent_of(at, stamp)


def _is_misnumbered(state: State, life: ProcessLifetime, stamp: Stamp) -> bool:
    """Whether children of its lineage show other numbers than the fork records of their parents named.

    Fork records that are lost look like this on one side only: there must be both, children whose number no record
    named and records whose number no child showed. One of each may be a record that is still to come, and a thread.
    """
    strange = [one for one, _ in _lineage(state, life, stamp) if one.strange - one.matched >= MISNUMBERED]
    if not strange:
        return False
    hints = state.processes.peek(life.node).hints
    waiting = (hint.parent for of_number in hints.values() for hint in of_number if hint.ns is not None)
    return sum(parent in strange for parent in waiting) >= MISNUMBERED


def is_below_disbelieved(state: State, life: ProcessLifetime) -> bool:
    """Whether this life, or one from which it comes, ran an engine's command line that is worth nothing."""
    at: ProcessLifetime | None = life
    for _ in range(DEPTH):
        if at is None:
            return False
        if at.membership.disbelieved:
            return True
        at = state.processes.parent_of(at, at.born)
    return False
