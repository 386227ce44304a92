"""Subjects x processes x registry to an `Attribution`: who was this, at that time, and on what evidence.

Reads the tables through `membership.where`, and remembers with each life the answer that was given last, since most
events of a process have the same one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from annotator.core.contracts import NO_ENGINE
from annotator.core.model import (
    NO_PID,
    Attribution,
    Chain,
    Container,
    EngineCommand,
    Evidence,
    Executed,
    Flag,
    Mark,
    Reason,
    RecordedPlace,
    Role,
    Stamp,
    Stated,
    Status,
    Target,
    Translation,
)

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership import Membership, Residence
    from annotator.core.model import Netns

NOTHING = Attribution(Status.NONE, reason=Reason.NO_SUBJECT)
"""The event names no process and no packet."""


class Observation(NamedTuple):
    """What was seen of a process at a time, outside the log; `stay` None: nothing, and `reason` says why.

    `pid` is the process that was looked at: the process itself, or an ancestor.
    """

    stay: Residence | None
    reason: Reason
    pid: int = NO_PID


class History(Protocol):
    """What was seen outside the log, asked as of an event's stamp (see `annotator.history`)."""

    def look(self, life: ProcessLifetime, stamp: Stamp, /, *, ask: bool = True, begins: bool = False) -> Observation:
        """Where this process was. `ask`: the host may be read now. `begins`: the event begins a program."""
        ...

    def netns(self, life: ProcessLifetime, stamp: Stamp, exe: bytes, /) -> Netns | None:
        """Its network namespace; None where it was not seen."""
        ...

    def owners(self, node: bytes, address: str, stamp: Stamp, /) -> tuple[Chain, ...] | Reason:
        """The containers that had this address."""
        ...

    def unite(self, life: ProcessLifetime | None, held: Residence | None, seen: Container, /) -> Container:
        """The registry's entry for a container that was seen: the log may know it under another name."""
        ...


WEAK = frozenset({Evidence.LINEAGE, Evidence.PPID, Evidence.INIT, Evidence.COMMAND})
"""What a look at the process itself can add to: it may be nested deeper than where it was born."""


def _is_deeper(found: Residence, stay: Residence | None) -> bool:
    """Whether an answer adds to the one there is: none to X, X to what is nested in X."""
    if stay is None:
        return True
    inside = found.container
    return inside is not None and (stay.container is None or stay.container in inside.chain()[1:])


class Attributor:
    """Answers for events. `membership` has the rules, the tables and their version."""

    def __init__(self, membership: Membership, observations: History | None = None) -> None:
        self.membership = membership
        self.observations = observations

    def attribute(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        """The answer for one event, as the tables stand before the event's own facts are applied."""
        answer = self._attribute(reading, life, node, stamp)
        if reading.network and life is not None and reading.actor is not None and self.observations is not None:
            netns = self.observations.netns(life, stamp, reading.actor.exe)
            return self._in_network(answer, life, netns) if netns is not None else answer
        return answer

    @staticmethod
    def _in_network(answer: Attribution, life: ProcessLifetime, netns: Netns) -> Attribution:
        """The same answer with the network namespace: one object for all events that have it."""
        known = life.net_answer
        if known is not None and known[0] is answer and known[1].netns == netns:
            return known[1]
        found = answer._replace(netns=netns)
        life.net_answer = (answer, found)
        return found

    def _attribute(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        if reading.stated or reading.targets or reading.packet is not None or reading.placed is not None:
            if life is not None and reading.targets == (life.pid,) and not reading.stated and reading.placed is None:
                return self.itself(life, stamp)
            return self._special(reading, life, node, stamp)
        if life is None:
            return NOTHING
        for fact in reading.facts:
            if type(fact) is Executed:
                return self.begun(life, fact.marks, stamp)
        return self.of(life, stamp)

    def begun(self, life: ProcessLifetime, marks: tuple[Mark, ...], stamp: Stamp) -> Attribution:
        """The answer for the event that is the beginning of a program, which shows these marks."""
        answer = self.of(life, stamp, begins=self.observations is not None)
        if (marks or life.support) and self.membership.begun(life, marks, answer, stamp):
            return self.of(life, stamp)
        return answer

    def itself(self, life: ProcessLifetime, stamp: Stamp) -> Attribution:
        """A process that signals itself, as every Go program does all the time."""
        answer = self.of(life, stamp)
        known = life.self_answer
        if known is not None and known[0] is answer:
            return known[1]
        target = Target(life.pid, answer.status, answer.chains, answer.reason)
        itself = answer._replace(targets=(target,))
        life.self_answer = (answer, itself)
        return itself

    def of(self, life: ProcessLifetime, stamp: Stamp, *, begins: bool = False) -> Attribution:
        """The answer for one process at one time. `begins`: for the event that is the beginning of a program."""
        answer = life.answer
        if (
            answer is not None
            and not begins
            and life.answer_version == life.answer_by.version
            and stamp >= life.answer_since
        ):
            return answer
        stay = self.membership.where(life, stamp)
        if self.observations is not None and (stay is None or begins or stay.evidence in WEAK):
            found = self._seen(self.observations, life, stay, stamp, begins=begins)
            if found.stay is not None and _is_deeper(found.stay, stay):
                since = found.stay.since if stay is None else max(stay.since, found.stay.since)
                stay = self.membership.accept(life, found.stay._replace(since=since))
            elif stay is None:
                why = found.reason if found.reason is not Reason.NOT_SEEN else self._why(life)
                return Attribution(Status.UNKNOWN, reason=why, key=life.key)
        answer = self._answer(life, stay)
        if stay is None or not life.stays or stay is life.stays[-1]:
            life.answer = answer
            life.answer_since = stay.since if stay is not None else stamp
            life.answer_by = (stay.container if stay is not None else None) or self.membership
            life.answer_version = life.answer_by.version
        return answer

    def _seen(
        self, observations: History, life: ProcessLifetime, stay: Residence | None, stamp: Stamp, *, begins: bool
    ) -> Observation:
        """What was seen of it. A sandbox may be an engine's container: the log may know of who was looked at."""
        found = observations.look(life, stamp, ask=stay is None, begins=begins)
        inside = found.stay.container if found.stay is not None else None
        if found.stay is None or inside is None or inside.engine != NO_ENGINE:
            return found
        whose = life if found.pid == life.pid else self.membership.processes.at(life.node, found.pid, stamp)
        held = stay if whose is life else self.membership.where(whose, stamp) if whose is not None else None
        return found._replace(stay=found.stay._replace(container=observations.unite(whose, held, inside)))

    def _answer(self, life: ProcessLifetime, stay: Residence | None) -> Attribution:
        if stay is None:
            why, last = self._why(life), life.answer
            if last is not None and last.reason is why and last.key is not None and life.is_keyed(last.key):
                return last
            return Attribution(Status.UNKNOWN, reason=why, key=life.key)
        if stay.container is None:
            return Attribution(Status.HOST, evidence=(stay.evidence,), key=life.key)
        flags = stay.flags
        if stay.container.shared:
            flags = (*flags, Flag.SHARED)
        if stay.container.late_name:
            flags = (*flags, Flag.LATE_NAME)
        chain = stay.container.chain()
        evidence = (stay.evidence, *life.support)
        return Attribution(Status.CONTAINER, (chain,), evidence, flags=flags, session=stay.session, key=life.key)

    def _why(self, life: ProcessLifetime) -> Reason:
        """Why nothing is proven of this life."""
        if life in self.membership.unsure:
            return Reason.TENTATIVE
        if life.stays and life.stays[-1].evidence is Evidence.CONFLICT:
            return Reason.AMBIGUOUS
        node = self.membership.processes.node(life.node)
        if any(stay.container is None and not stay.lost for stay in life.stays):
            return Reason.GAP
        return Reason.GAP if node.epoch and life.bound else Reason.NOT_SEEN

    # --- what the trail states, targets, packets ----------------------------------------------------------------

    def _special(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        by_target = {said.pid: said for said in reading.stated if said.pid != NO_PID}
        own = next((said for said in reading.stated if said.pid == NO_PID), None)
        if reading.placed is not None:
            answer = self._placed(reading.placed, reading, life, stamp)
        elif own is not None:
            answer = self._stated(own, life, node, stamp)
        elif reading.packet is not None:
            answer = Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN)
        else:
            answer = self.of(life, stamp) if life is not None else NOTHING
        if reading.packet is not None:
            answer = self._addressed(answer, reading.packet, node, stamp)
        if not reading.targets:
            return answer
        targets = tuple(self._target(pid, by_target.get(pid), node, stamp) for pid in reading.targets)
        crossed = any(
            target.chains[:1] != answer.chains[:1] for target in targets if target.status is not Status.UNKNOWN
        )
        known = answer.status in (Status.CONTAINER, Status.HOST)
        flags = (*answer.flags, Flag.CROSSED) if crossed and known else answer.flags
        return answer._replace(targets=targets, flags=flags)

    def _stated(self, said: Stated, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> Attribution:
        """A CONTAINER_ID record: the strongest word there is."""
        key = life.key if life is not None else None
        chains = self.chains(said, node, stamp, life)
        if not chains:
            return Attribution(Status.HOST, evidence=(Evidence.RECORD,), key=key)
        session = None
        if life is not None and len(chains) == 1:
            stay = self.membership.where(life, stamp)
            session = stay.session if stay is not None else None
        return Attribution(Status.CONTAINER, chains, (Evidence.RECORD,), session=session, key=key)

    def _addressed(self, answer: Attribution, packet: tuple[str, str], node: bytes, stamp: Stamp) -> Attribution:
        """A packet event also says whose its addresses are. That is the sender's word: it never says where it was."""
        if self.observations is None:
            return answer
        source, target = (self.observations.owners(node, one, stamp) for one in packet)
        src = source if not isinstance(source, Reason) else ()
        dst = target if not isinstance(target, Reason) else ()
        if src or dst:
            return answer._replace(src=src, dst=dst, evidence=(*answer.evidence, Evidence.ADDRESS))
        if answer.status is Status.UNKNOWN and Reason.AMBIGUOUS in (source, target):
            return answer._replace(reason=Reason.AMBIGUOUS)
        return answer

    def _placed(
        self, said: RecordedPlace, reading: Translation, life: ProcessLifetime | None, stamp: Stamp
    ) -> Attribution:
        """The record says where it was. Who it names is remembered to be there."""
        key = life.key if life is not None else None
        if said.reason is not None:
            return Attribution(Status.UNKNOWN, reason=said.reason, key=key)
        session = None
        if life is not None:
            leaving = any(isinstance(fact, EngineCommand) and fact.role is Role.ENTER for fact in reading.facts)
            session = self.membership.placed(life, said.container, said.evidence, stamp, leaving=leaving)
        evidence = (said.evidence,) if said.also in (None, said.evidence) else (said.evidence, said.also)
        if said.container is None:
            return Attribution(Status.HOST, evidence=evidence, key=key)
        odd = (
            (said.container.shared, Flag.SHARED),
            (said.container.late_name, Flag.LATE_NAME),
            (said.also is Evidence.INFERRED, Flag.TENTATIVE),
        )
        flags = tuple(flag for given, flag in odd if given)
        return Attribution(Status.CONTAINER, (said.container.chain(),), evidence, flags=flags, session=session, key=key)

    def _target(self, pid: int, said: Stated | None, node: bytes, stamp: Stamp) -> Target:
        """The answer for one process that was signalled or traced."""
        life = self.membership.processes.at(node, pid, stamp)
        if said is not None:
            chains = self.chains(said, node, stamp, life)
            return Target(pid, Status.CONTAINER if chains else Status.HOST, chains)
        if life is None:
            return Target(pid, Status.UNKNOWN, reason=Reason.NOT_SEEN)
        answer = self.of(life, stamp)
        return Target(pid, answer.status, answer.chains, answer.reason)

    def chains(self, said: Stated, node: bytes, stamp: Stamp, life: ProcessLifetime | None = None) -> tuple[Chain, ...]:
        """Stated contids as containers. A single chain is that life's container from now on."""
        membership = self.membership
        if life is not None and len(said.chains) == 1 and said.chains[0]:
            return (membership.stated(life, said.chains[0], stamp),)
        return tuple(membership.registry.chain(node, chain, stamp) for chain in said.chains if chain)
