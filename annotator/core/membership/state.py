"""The tables over which the rules of membership stand. The rules are the functions of the modules beside this one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.corroboration import Corroboration
from annotator.core.model import NOT_SAVED

if TYPE_CHECKING:
    from annotator.core.corroboration import Shown
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable
    from annotator.core.model import Container, ContId, Mark, Stamp
    from annotator.core.registry import Registry
    from annotator.core.residence import Residence


@dataclass(slots=True, eq=False)
class Occupants:
    """By whom a container lives: its first process, who registered it, and every life that was seen inside.

    `members` is cleared of those that have ended when it grows beyond `limit`. `dropped`: an op=drop was read, by that
    process at that stamp, while somebody we know of was alive inside; the kernel patches write such. `engines`: an
    engine was seen at work inside.
    """

    init: ProcessLifetime | None = None
    owner: ProcessLifetime | None = None
    members: list[ProcessLifetime] = field(default_factory=list, metadata=NOT_SAVED)
    limit: int = 32
    dropped: tuple[ProcessLifetime | None, Stamp] | None = None
    engines: bool = False


class MembershipCounts(NamedTuple):
    """What a checkpoint keeps of the tables beside occupants, marks and unsure targets."""

    version: int
    refused: int
    tentative: int


MAX_CLIENTS = 64
"""Clients that are remembered: a session is put down to one within seconds."""


class State:
    """What is known of who is where. Each lifetime has its own part of it (`residence.MembershipState`).

    `version` grows whenever an answer given before might differ now. `inside` are the occupants of the containers,
    those touched last at the end. `unsure` are the targets of registrations whose result is not in the log, with the
    contid asked for. `refused` and `tentative` count registrations that were not believed, and those without result.
    `clients` are the processes that asked an engine's daemon to enter a container, the newest last.
    `strict`: only claims of those who are proven to be on the host count, and nothing is assumed.
    """

    def __init__(self, processes: ProcessTable, registry: Registry) -> None:
        self.processes = processes
        self.registry = registry
        self.version = 0
        self.inside: dict[Container, Occupants] = {}
        self.support = Corroboration()
        self.unsure: dict[ProcessLifetime, ContId] = {}
        self.refused = 0
        self.tentative = 0
        self.strict = False
        self.clients: dict[ProcessLifetime, None] = {}

    def counts(self) -> MembershipCounts:
        """For a checkpoint."""
        return MembershipCounts(self.version, self.refused, self.tentative)

    def load(
        self,
        counts: MembershipCounts,
        inside: dict[Container, Occupants],
        unsure: dict[ProcessLifetime, ContId],
        marks: dict[tuple[bytes, Mark], Shown],
    ) -> None:
        """Become what was saved. The processes and the registry load themselves."""
        self.version, self.refused, self.tentative = counts
        self.inside, self.unsure, self.support.known = inside, unsure, marks
        self.clients.clear()
        for node in self.processes.nodes.values():
            for life in (*node.now.values(), *(one for past in node.past.values() for one in past)):
                self.add_client(life)

    def add_client(self, life: ProcessLifetime) -> None:
        """Note a process whose command asks to enter a container; of any other nothing."""
        if life.membership.pending is None or not life.membership.pending.command.runs:
            return
        if len(self.clients) >= MAX_CLIENTS:
            del self.clients[next(iter(self.clients))]
        self.clients[life] = None


MAX_RESIDENCES = 64
"""Residences kept of one process: the first and the newest."""


def keep(life: ProcessLifetime, residence: Residence) -> None:
    """Add a residence to those of a life, in the order of their stamps, and withdraw the answer."""
    residences = life.membership.residences
    at = len(residences)
    while at and residences[at - 1].since > residence.since:
        at -= 1
    residences.insert(at, residence)
    if len(residences) > MAX_RESIDENCES:
        del residences[1]
    life.cache.withdraw()
