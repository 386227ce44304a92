"""The owners of namespaces: a process that is certainly in a container claims its namespaces for that container.

A claim holds for exactly one container. Where the kernel has no ids that are never recycled, a claim is worth what its
witnesses are: it counts only while one of those very processes lives in that namespace. Pid namespaces are kept apart
and alone never make a member, for the containers of a pod may share one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.contracts import NO_ENGINE
from annotator.core.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Container
    from annotator.linux.host.namespaces import Namespace

MAX_NAMESPACES: Final = 65_536
"""Namespaces that are remembered; those not asked for longest are forgotten first."""

MAX_CLAIMS: Final = 8
"""Containers that may claim one namespace: the second makes it ambiguous, more say nothing new."""

MAX_WITNESSES: Final = 4
"""Processes that are remembered for one claim, newest last, the eldest kept."""


class Witness(NamedTuple):
    """A process of the container that was seen in the namespace. Sorts by age, the eldest first."""

    ticks: int
    pid: int


class NamespaceOwners:
    """Namespaces to containers. `lives(witness, namespace)` says whether that process still is in that namespace.

    It is asked only where a namespace has no id that is never recycled.
    """

    def __init__(self, lives: Callable[[Witness, Namespace], bool]) -> None:
        self._lives = lives
        self._claims: OrderedDict[Namespace, list[tuple[Container, list[Witness]]]] = OrderedDict()
        self._eldest: OrderedDict[int, tuple[Container, Witness]] = OrderedDict()

    def claim(self, namespace: Namespace, container: Container, pid: int, ticks: int) -> None:
        """A process that is certainly inside `container` is in this namespace."""
        seen = Witness(ticks, pid)
        eldest = self._eldest.get(id(container))
        if eldest is None or seen < eldest[1]:
            self._eldest[id(container)] = (container, seen)
            if len(self._eldest) > MAX_NAMESPACES:
                self._eldest.popitem(last=False)
        claims = self._claims.setdefault(namespace, [])
        for known, witnesses in claims:
            if known is container:
                _remember(witnesses, seen)
                return
        if len(claims) < MAX_CLAIMS:
            claims.append((container, [seen]))
        if len(self._claims) > MAX_NAMESPACES:
            self._claims.popitem(last=False)

    def find(self, namespace: Namespace) -> Container | Reason | None:
        """The container whose namespace it is; AMBIGUOUS when two claim it alike; None when nobody does."""
        claims = self._claims.get(namespace)
        if claims is None:
            return None
        if not namespace.unique:
            claims[:] = [claim for claim in claims if self._holds(claim[1], namespace)]
        if not claims:
            del self._claims[namespace]
            return None
        self._claims.move_to_end(namespace)
        if len(claims) == 1:
            return claims[0][0]
        # A process of one container that entered another claims it too; but its own container began elsewhere.
        first = [container for container, witnesses in claims if self._founded(container, witnesses)]
        if len(first) > 1:  # an engine's container that was seen before its engine had put it into its cgroup
            first = [container for container in first if container.engine != NO_ENGINE]
        return first[0] if len(first) == 1 else Reason.AMBIGUOUS

    def nested(self, container: Container, mnt: Namespace | None) -> Container:
        """The container that a cgroup names, for a process with these mounts; or the one around it that owns them.

        Anybody inside a container may name cgroups below its own: who is in one nested there has mounts of its own.
        """
        owner = self.find(mnt) if mnt is not None and container.parent is not None else None
        around = owner in container.chain()[1:]
        return owner if around and owner is not None and not isinstance(owner, Reason) else container

    def _founded(self, container: Container, witnesses: list[Witness]) -> bool:
        """Whether the eldest known process of the container was seen in this namespace."""
        eldest = self._eldest.get(id(container))
        return eldest is not None and eldest[1] in witnesses

    def _holds(self, witnesses: list[Witness], namespace: Namespace) -> bool:
        """Whether a witness still lives in the namespace; those that do not are forgotten, newest first."""
        while witnesses:
            if self._lives(witnesses[-1], namespace):
                return True
            witnesses.pop()
        return False


def _remember(witnesses: list[Witness], seen: Witness) -> None:
    if seen in witnesses:
        return
    if seen < witnesses[0]:
        witnesses.insert(0, seen)
    else:
        witnesses.append(seen)
    if len(witnesses) > MAX_WITNESSES:
        del witnesses[1]
