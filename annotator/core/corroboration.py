"""What supports an answer, or speaks against a weak one: marks that a program shows when it begins. They never name.

A mark is the device its file lies on (an overlay root has one of its own), the pair of categories its label has, or the
profile it is confined by. None of them is a container's own for sure: a chroot(2) into a root directory that can be
seen, `/proc/PID/root` above all, shows the same device; containers of a pod share a pair, users' engines draw theirs
without knowing of each other, and both are given away again. Measured on the recorded logs (execve only, device of the
program): naming by it would add nothing to any whole log, and 0.1 to 0.6 % to one that lost 1 to 5 % of its records;
by the devices of all paths it would name wrongly, as engines walk the roots of their containers. So what is proven
otherwise teaches what a container's marks are. An answer that has the same gains an `Evidence`; one that rests on
`ppid` alone, while all who show the mark are in other containers, is taken back: two candidates are no answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.model import Attribution, Evidence, Status

if TYPE_CHECKING:
    from annotator.core.model import Container, Mark

LIMIT: Final = 65_536
"""Marks that are remembered; the first learnt go first."""

SHARERS: Final = 8
"""Containers that are remembered of one mark; more of them show that it tells nothing apart."""

ANYBODYS: Final = frozenset({Evidence.APPARMOR})
"""Marks that an engine gives to all its containers: they support, and are against nothing."""


@dataclass(slots=True)
class Shown:
    """Who has shown a mark: proven processes of these containers; and anybody else, on the host or unknown."""

    inside: list[Container] = field(default_factory=list)
    elsewhere: bool = False


class Verdict(NamedTuple):
    """What the marks say of an answer."""

    support: tuple[Evidence, ...] = ()
    against: bool = False


NOTHING: Final = Verdict()


class Corroboration:
    """The marks of all nodes. A container that has ended has none: devices and categories are used again."""

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, Mark], Shown] = {}

    def weigh(self, node: bytes, marks: tuple[Mark, ...], answer: Attribution) -> Verdict:
        """What these marks say of that answer; and they are learnt from it, unless it is weak itself."""
        container = answer.container
        if answer.status is not Status.CONTAINER or container is None:
            for mark in marks:
                self._shown(node, mark).elsewhere = True
            return NOTHING
        weak = answer.evidence[:1] == (Evidence.PPID,)
        support: list[Evidence] = []
        against = False
        for mark in marks:
            shown = self._shown(node, mark)
            living = [one for one in shown.inside if one.end_ms is None]
            own = any(_same(one, container) for one in living)
            if mark.kind in ANYBODYS or (own and not shown.elsewhere):
                support.append(mark.kind)
            elif weak and living and not shown.elsewhere and not any(_related(one, container) for one in living):
                against = True
            if not weak and not own:
                living.append(container)
                shown.elsewhere = shown.elsewhere or len(living) > SHARERS
                shown.inside = living[:SHARERS]
        return Verdict(tuple(support), against)

    def booted(self, node: bytes) -> None:
        """Devices and categories begin anew."""
        for key in [key for key in self.known if key[0] == node]:
            del self.known[key]

    def _shown(self, node: bytes, mark: Mark) -> Shown:
        shown = self.known.get((node, mark))
        if shown is None:
            if len(self.known) >= LIMIT:
                self.known.pop(next(iter(self.known)))
            shown = self.known[node, mark] = Shown()
        return shown


def _same(one: Container, other: Container) -> bool:
    """Whether they are one container; or two runs of one id, of which the first was not seen to end."""
    return one is other or (one.id == other.id != "" and (one.owner, one.parent) == (other.owner, other.parent))


def _related(one: Container, other: Container) -> bool:
    """Whether one is in the other, or they are the same: what is nested may show the marks of what is around it."""
    return _same(one, other) or one in other.chain() or other in one.chain()
