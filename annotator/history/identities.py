"""One container under two names: the registry's entry for what the host view saw, which the log may know better.

The host view names what an engine's files or a cgroup name; anything else is a sandbox without an engine. Where the
log's own lineage proves that an engine made it, the sandbox is that engine's container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import NO_ENGINE
from annotator.core.model import OWN_SESSION, Container, Evidence, Named, Ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.registry import Registry
    from annotator.core.residence import Residence


class Identities:
    """What the host view saw, as entries of `registry`.

    `has_inventory` tells the containers that are in no registry, because their system keeps a list of them: the backend
    has one object for each of their lifetimes.
    """

    def __init__(self, registry: Registry, has_inventory: Callable[[Container], bool] | None = None) -> None:
        self.registry = registry
        self._has_inventory = has_inventory
        self._made: dict[Container, Container] = {}
        """Sandboxes that are an engine's containers."""

    def of(self, node: bytes, seen: Container) -> Container:
        """The entry for a container that was seen; its names come along."""
        if self._has_inventory is not None and self._has_inventory(seen):
            return seen
        parent = self.of(node, seen.parent) if seen.parent is not None else None
        found = self.registry.shown(node, seen, parent)
        if (seen.name and not found.name) or (seen.image and not found.image) or (seen.pod_name and not found.pod_name):
            said = Named(seen.id, seen.name, seen.image, seen.engine, seen.pod_name, seen.namespace)
            self.registry.describe(found, said)
        for name in ("pod", "uuid"):
            if getattr(seen, name) and not getattr(found, name):
                setattr(found, name, getattr(seen, name))
                found.version += 1
        if seen.labels and not found.labels:
            found.labels = seen.labels
            found.version += 1
        if found.start_ms is None:
            found.start_ms = seen.start_ms
        return self._made.get(found, found)

    def known(self, node: bytes, seen: Container) -> Container:
        """The same, but none is made: where it has ended, what was seen speaks for itself."""
        parent = self.known(node, seen.parent) if seen.parent is not None else None
        found = self.registry.known(node, seen.id, owner=seen.owner, inside=parent) or seen
        return self._made.get(found, found)

    def unite(self, life: ProcessLifetime | None, held: Residence | None, seen: Container) -> Container:
        """The log proves `held` of a life that was looked at, and seen in a sandbox: perhaps they are one container.

        So it is when it still has the mount namespace it was made with; its engine's files are where nobody looks.
        """
        made = held.container if held is not None else None
        if life is None or made is None or made.engine == NO_ENGINE or seen.parent is not made.parent:
            return seen
        if seen not in self._made and _is_made(life, made):
            if len(self._made) >= self.registry.max_containers:
                self._made.pop(next(iter(self._made)))
            self._made[seen] = made
        return self._made.get(seen, seen)


def _is_made(life: ProcessLifetime, container: Container) -> bool:
    """Whether an engine made this container for the process, or for one that bore it; and none of them moved since."""
    at: ProcessLifetime | None = life
    for _ in range(4):
        stay = (
            next((one for one in at.membership.residences if one.container is container), None)
            if at is not None
            else None
        )
        if at is None or stay is None or (at.moved is not None and at.moved > stay.since):
            return False
        if stay.evidence is Evidence.COMMAND:
            return stay.session is OWN_SESSION
        if not at.bound or at.ns is None or at.ns & Ns.MNT:
            return False
        at = at.parent
    return False
