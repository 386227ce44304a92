"""Attribution: who was this, at that time, and on what evidence. Questions only; nothing that is known changes.

What an event teaches of the places of its processes is noted by `core.recording` before it is asked about here, and
its facts are applied by `core.membership` after it. A question about any other process and time (a report) is answered
from what is known, without being noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from annotator.core.kernel_numbers import as_the_kernel_says, is_crossed, stated_of_actor
from annotator.core.membership import stated
from annotator.core.membership.standing import is_below_disbelieved
from annotator.core.model import (
    NO_PID,
    Attribution,
    Chain,
    Container,
    Evidence,
    Flag,
    Reason,
    RecordedPlace,
    Stamp,
    Stated,
    Status,
    Target,
    Translation,
)

if TYPE_CHECKING:
    from annotator.core.contracts import Origin
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership import Membership
    from annotator.core.model import ContId, Netns
    from annotator.core.residence import Residence

NOTHING = Attribution(Status.NONE, reason=Reason.NO_SUBJECT)
"""The event names no process and no packet."""

LOST = Attribution(Status.UNKNOWN, reason=Reason.GAP)
"""Somebody acted, and the record that tells who is lost."""


class Observation(NamedTuple):
    """What was seen of a process at a time, outside the log; `residence` None: nothing, and `reason` says why.

    `pid` is the process that was looked at: the process itself, or an ancestor. `programs` is how many programs it had
    begun, as far as that is known better from outside than from the log (0: not known).
    """

    residence: Residence | None
    reason: Reason
    pid: int = NO_PID
    programs: int = 0


class History(Protocol):
    """What was seen outside the log, asked as of an event's stamp (see `annotator.history`)."""

    def look(self, life: ProcessLifetime, stamp: Stamp, /, *, ask: bool, begins: bool) -> Observation:
        """Where this process was; the registry has the containers that it names.

        `ask`: the host may be read now. `begins`: the event begins a program.
        """
        ...

    def recall(self, life: ProcessLifetime, stamp: Stamp, /) -> Observation:
        """The same from what was seen already; nothing is read, entered or noted."""
        ...

    def origin(self, life: ProcessLifetime, stamp: Stamp, /) -> Origin | None:
        """How it came to be in the container in which it was seen by then; None where it was not seen in one."""
        ...

    def netns(self, life: ProcessLifetime, stamp: Stamp, exe: bytes, /) -> Netns | None:
        """Its network namespace; None where it was not seen."""
        ...

    def owners(self, node: bytes, address: str, stamp: Stamp, /) -> tuple[Chain, ...] | Reason:
        """The containers that had this address. The host's network may be read now, if there is a host."""
        ...

    def unite(self, life: ProcessLifetime | None, held: Residence | None, seen: Container, /) -> Container:
        """The registry's entry for a container that was seen: the log may know it under another name."""
        ...


WEAK = frozenset({Evidence.LINEAGE, Evidence.PPID, Evidence.INIT, Evidence.COMMAND})
"""What a look at the process itself can add to: it may be nested deeper than where it was born."""


def is_deeper(seen: Residence, proven: Residence | None) -> bool:
    """Whether what was seen adds to what is proven: none to X, X to what is nested in X."""
    if proven is None:
        return True
    inside = seen.container
    return inside is not None and (proven.container is None or proven.container in inside.chain()[1:])


def deepened(seen: Residence, proven: Residence | None) -> Residence:
    """What was seen, from when on it can be so: not before what it adds to."""
    return seen if proven is None else seen._replace(since=max(proven.since, seen.since))


class Attributor:
    """Answers for events, and for processes. `membership` has the tables, `observations` what was seen outside."""

    def __init__(self, membership: Membership, observations: History | None = None) -> None:
        self.membership = membership
        self.observations = observations

    def attribute(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        """The answer for one event, as the tables stand before the event's own facts are applied."""
        answer = self._attribute(reading, life, node, stamp)
        if self.membership.registry.is_linked(node):
            answer = as_the_kernel_says(answer, reading)
        if reading.network and life is not None and reading.actor is not None and self.observations is not None:
            netns = self.observations.netns(life, stamp, reading.actor.exe)
            return life.cache.with_network(answer, netns) if netns is not None else answer
        return answer

    def _attribute(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        if is_about_actor(reading):
            return self.of(life, stamp) if life is not None else LOST if reading.gap else NOTHING
        if life is not None and is_aimed_at_itself(reading, life):
            return self.itself(life, stamp)
        return self._special(reading, life, node, stamp)

    def itself(self, life: ProcessLifetime, stamp: Stamp) -> Attribution:
        """A process that signals itself, as every Go program does all the time."""
        answer = self.of(life, stamp)
        return life.cache.aimed_at_itself(answer, Target(life.pid, answer.status, answer.chains, answer.reason))

    def of(self, life: ProcessLifetime, stamp: Stamp) -> Attribution:
        """The answer for one process at one time."""
        answer = life.cache.get(stamp)
        if answer is not None:
            return answer
        residence = self.membership.where(life, stamp)
        if self.observations is None or (residence is not None and residence.evidence not in WEAK):
            return self.answer(life, residence)
        observation = self.observations.recall(life, stamp)
        if observation.residence is not None and is_deeper(observation.residence, residence):
            return self.answer(life, deepened(observation.residence, residence))
        return self.answer(life, residence, observation.reason)

    def answer(
        self, life: ProcessLifetime, residence: Residence | None, reason: Reason = Reason.NOT_SEEN
    ) -> Attribution:
        """A residence as an answer; None with the reason why nothing was seen, else why nothing is proven."""
        if residence is None:
            why, last = reason if reason is not Reason.NOT_SEEN else self._why(life), life.cache.answer
            if last is not None and last.reason is why and last.key is not None and life.is_keyed(last.key):
                return last
            return Attribution(Status.UNKNOWN, reason=why, key=life.key)
        container = residence.container
        if container is None:
            return Attribution(Status.HOST, evidence=(residence.evidence,), key=life.key)
        flags = residence.flags
        if container.shared:
            flags = (*flags, Flag.SHARED)
        if container.late_name:
            flags = (*flags, Flag.LATE_NAME)
        evidence = (residence.evidence, *life.membership.support)
        return Attribution(
            Status.CONTAINER, (container.chain(),), evidence, flags=flags, session=residence.session, key=life.key
        )

    def _why(self, life: ProcessLifetime) -> Reason:
        """Why nothing is proven of this life."""
        residences = life.membership.residences
        if life in self.membership.unsure:
            return Reason.TENTATIVE
        if residences and residences[-1].evidence is Evidence.CONFLICT:
            return Reason.AMBIGUOUS
        if any(residence.container is None and not residence.lost for residence in residences):
            return Reason.GAP
        if is_below_disbelieved(self.membership, life):
            return Reason.ENGINE_NOT_BELIEVED
        node = self.membership.processes.peek(life.node)
        return Reason.GAP if node.epoch or node.open_hole else Reason.NOT_SEEN

    # --- what the trail states, targets, packets ------------------------------------------------------------------

    def _special(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        by_target = {statement.pid: statement for statement in reading.stated if statement.pid != NO_PID}
        own = stated_of_actor(reading)
        if reading.placed is not None:
            answer = self._placed(reading.placed, life, stamp)
        elif own is not None:
            answer = self._stated(own, life, node, stamp)
        elif reading.packet is not None:
            answer = Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN)
        elif reading.unknown is not None:
            answer = Attribution(Status.UNKNOWN, reason=reading.unknown)
        else:
            answer = self.of(life, stamp) if life is not None else NOTHING
        if reading.packet is not None:
            answer = self._addressed(answer, reading.packet, node, stamp)
        if not reading.targets:
            return answer
        targets = tuple(self._target(pid, by_target.get(pid), node, stamp) for pid in reading.targets)
        crossed = any(is_crossed(target, answer) for target in targets if target.status is not Status.UNKNOWN)
        known = answer.status in (Status.CONTAINER, Status.HOST)
        flags = (*answer.flags, Flag.CROSSED) if crossed and known else answer.flags
        return answer._replace(targets=targets, flags=flags)

    def _stated(self, statement: Stated, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        """A CONTAINER_ID record: the strongest word there is."""
        key = life.key if life is not None else None
        if statement.chains is None:
            return Attribution(Status.UNKNOWN, reason=Reason.GAP, key=key)
        chains = self._chains(statement.chains, node, stamp, life)
        if not chains:
            return Attribution(Status.HOST, evidence=(Evidence.RECORD,), key=key)
        session = None
        if life is not None and len(chains) == 1:
            residence = self.membership.where(life, stamp)
            session = residence.session if residence is not None else None
        return Attribution(Status.CONTAINER, chains, (Evidence.RECORD,), session=session, key=key)

    def _addressed(self, answer: Attribution, packet: tuple[str, str], node: bytes, stamp: Stamp) -> Attribution:
        """A packet event also says whose its addresses are. That is the sender's word: it never says where it was."""
        if self.observations is None:
            return answer
        source, target = (self.observations.owners(node, address, stamp) for address in packet)
        src = source if not isinstance(source, Reason) else ()
        dst = target if not isinstance(target, Reason) else ()
        if src or dst:
            return answer._replace(src=src, dst=dst, evidence=(*answer.evidence, Evidence.ADDRESS))
        if answer.status is Status.UNKNOWN and Reason.AMBIGUOUS in (source, target):
            return answer._replace(reason=Reason.AMBIGUOUS)
        return answer

    @staticmethod
    def _placed(place: RecordedPlace, life: ProcessLifetime | None, stamp: Stamp) -> Attribution:
        """The record says where it was."""
        key = life.key if life is not None else None
        if place.reason is not None:
            return Attribution(Status.UNKNOWN, reason=place.reason, key=key)
        session = stated.session_at(life, place, stamp) if life is not None else None
        evidence = (place.evidence,) if place.also in (None, place.evidence) else (place.evidence, place.also)
        if place.container is None:
            return Attribution(Status.HOST, evidence=evidence, key=key)
        odd = (
            (place.container.shared, Flag.SHARED),
            (place.container.late_name, Flag.LATE_NAME),
            (place.also is Evidence.INFERRED, Flag.TENTATIVE),
        )
        flags = tuple(flag for given, flag in odd if given)
        chain = place.container.chain()
        return Attribution(Status.CONTAINER, (chain,), evidence, flags=flags, session=session, key=key)

    def _target(self, pid: int, statement: Stated | None, node: bytes, stamp: Stamp) -> Target:
        """The answer for one process that was signalled or traced."""
        life = self.membership.processes.at(node, pid, stamp)
        if statement is not None:
            if statement.chains is None:
                return Target(pid, Status.UNKNOWN, reason=Reason.GAP)
            chains = self._chains(statement.chains, node, stamp, life)
            return Target(pid, Status.CONTAINER if chains else Status.HOST, chains)
        if life is None:
            return Target(pid, Status.UNKNOWN, reason=Reason.NOT_SEEN)
        answer = self.of(life, stamp)
        return Target(pid, answer.status, answer.chains, answer.reason)

    def _chains(
        self, contids: tuple[tuple[ContId, ...], ...], node: bytes, stamp: Stamp, life: ProcessLifetime | None
    ) -> tuple[Chain, ...]:
        """Stated contids as containers."""
        membership = self.membership
        if life is not None and len(contids) == 1 and contids[0]:
            return (stated.chain_of(membership, life, contids[0], stamp),)
        return tuple(membership.registry.numbered_chain(node, chain) for chain in contids if chain)


def is_about_actor(reading: Translation) -> bool:
    """Whether the event is about its own process alone, and the trail does not state where that is."""
    return not (
        reading.stated
        or reading.targets
        or reading.packet is not None
        or reading.placed is not None
        or reading.unknown is not None
    )


def is_aimed_at_itself(reading: Translation, life: ProcessLifetime) -> bool:
    """Whether its process is the event's only target, and the trail does not state where that is."""
    return reading.targets == (life.pid,) and not reading.stated and reading.placed is None
