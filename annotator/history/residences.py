"""One look as a residence, and when a look says nothing of the process that was asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from annotator.core.model import Container, Evidence, Flag, Ns, Reason, Stamp
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.core.lifetimes import ProcessLifetime

Identify = Callable[[bytes, Container], Container]
"""The registry's entry for a container that was seen on a node."""


def refusal(seen: HostProcess, life: ProcessLifetime, stamp: Stamp) -> Reason | None:
    """Why what the host shows now says nothing of this life; None when it does."""
    refused = seen.refusal(stamp.ms)
    if refused is None and life.ppid > 0 and seen.ppid not in (life.ppid, 1):
        return Reason.REUSED  # within the clock's slack: another one's child
    return refused


def residence_of(node: bytes, seen: HostProcess, since: Stamp, identify: Identify) -> Residence:
    """A look as a residence: membership names, place only where membership is the host's."""
    inside = seen.container or seen.place
    if inside is None:
        return Residence(since, None, seen.evidence or Evidence.HOST_VIEW)
    flags: list[Flag] = []
    evidence = seen.evidence or Evidence.CGROUP
    if seen.container is None:
        flags.append(Flag.ENTERED)
        evidence = Evidence.MNTNS
    elif seen.place is not None and seen.place.id != seen.container.id:
        if not any(outer.id == seen.container.id for outer in seen.place.chain()):
            flags.append(Flag.ESCAPED)
    elif seen.place is None and seen.own is not None and not seen.own & Ns.MNT:
        flags.append(Flag.CGROUP_ONLY)
    return Residence(since, identify(node, inside), evidence, flags=tuple(flags))
