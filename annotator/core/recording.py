"""What an event teaches of the places of its processes, noted before it is asked about.

The loop takes three steps with an event: it records here, asks `core.attribution`, then applies the event's facts to
`core.membership`. Recorded are: what a process has from its birth, what was seen of it outside the log where the log
proves less (DESIGN section 5, *Only deeper*), what the trail states of it, and the marks of a program that it begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.attribution import (
    WEAK,
    deepened,
    is_about_actor,
    is_aimed_at_itself,
    is_deeper,
)
from annotator.core.contracts import NO_ENGINE
from annotator.core.kernel_numbers import stated_of_actor
from annotator.core.membership import doubt, sessions, stated
from annotator.core.membership.where import is_stage
from annotator.core.model import NO_PID, OWN_SESSION, EngineCommand, Evidence, Executed, Flag, Role
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.attribution import Attributor, History, Observation
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Actor, Attribution, Mark, RecordedPlace, Session, Stamp, Stated, Translation


class Recorder:
    """Writes what events teach into the tables of `attributor`, and the answers that follow into the lives' caches."""

    def __init__(self, attributor: Attributor) -> None:
        self.attributor = attributor
        self.membership = attributor.membership
        self.entrant: ProcessLifetime | None = None
        """The actor of the event that was recorded last, where its program may tell for which client it entered."""
        self._actor: Actor | None = None

    def record(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> None:
        """Note what one event teaches; `life` is its actor's."""
        self._actor, self.entrant = reading.actor, None
        if not is_about_actor(reading) and not (life is not None and is_aimed_at_itself(reading, life)):
            self._special(reading, life, node, stamp)
            return
        if life is None:
            return
        if not reading.targets:
            for fact in reading.facts:
                if type(fact) is Executed:
                    self.begun(life, fact.marks, stamp)
                    return
        self.settle(life, stamp)

    def begun(self, life: ProcessLifetime, marks: tuple[Mark, ...], stamp: Stamp) -> None:
        """The event is the beginning of a program, which shows these marks."""
        answer = self.settle(life, stamp, begins=self.attributor.observations is not None)
        if (marks or life.membership.support) and doubt.weigh_marks(self.membership, life, marks, answer, stamp):
            answer = self.settle(life, stamp)
        if life.ran is None and answer.session is not None and answer.session is not OWN_SESSION:
            answer = self._entered(life, stamp, answer)
        if sessions.awaits_client(self.membership, life, answer.session):
            self.entrant = life

    def identify(self, words: bytes, stamp: Stamp) -> None:
        """Tell the words with which the entrant's program was begun, as a digest."""
        life = self.entrant
        session = sessions.inferred(self.membership, life, words, stamp) if life is not None else None
        if life is not None and session is not None:
            self._renamed(life, stamp, self.settle(life, stamp), session)

    def settle(self, life: ProcessLifetime, stamp: Stamp, *, begins: bool = False) -> Attribution:
        """Note where a process is at a stamp, and give the answer. `begins`: the event begins a program."""
        cached = None if begins else life.cache.get(stamp)
        if cached is not None:
            return cached
        residence = self.membership.settle(life, stamp)
        observations = self.attributor.observations
        if observations is not None and (residence is None or begins or residence.evidence in WEAK):
            observation = self._look(observations, life, residence, stamp, begins=begins)
            if observation.residence is not None and is_deeper(observation.residence, residence):
                residence = self.membership.accept(life, deepened(observation.residence, residence))
                residence = self._in_session(observations, life, residence, stamp)
            elif residence is not None and Flag.ASSUMED in residence.flags and observation.residence is not None:
                residence = self._check(life, residence, observation.residence, stamp, begins=begins)
            elif residence is None:
                answer = self.attributor.answer(life, None, observation.reason)
                life.cache.put_at(stamp, answer)
                return answer
        answer = self.attributor.answer(life, residence)
        if residence is None:
            if life.bound or life.ppid < 0:  # the parent of another may show itself at any time
                life.cache.put(answer, stamp, self.membership)
        elif residence is life.membership.residences[-1] and not is_stage(life, residence):
            life.cache.put(answer, residence.since, self.membership)
        life.cache.put_at(stamp, answer)
        return answer

    def _check(
        self, life: ProcessLifetime, claimed: Residence, seen: Residence, stamp: Stamp, *, begins: bool
    ) -> Residence | None:
        """A claim that is only assumed, beside what was seen of its process: that confirms it, or ends it.

        While an engine still sets a container up, its processes may be seen elsewhere: only where a program begins.
        """
        if seen.container is not None and claimed.container in seen.container.chain():
            flags = tuple(flag for flag in claimed.flags if flag is not Flag.ASSUMED)
            return self.membership.accept(life, claimed._replace(flags=flags))
        if not begins:
            return claimed
        self.membership.accept(life, Residence(stamp, None, Evidence.CONFLICT, lost=True))
        return None

    def _in_session(
        self, observations: History, life: ProcessLifetime, residence: Residence, stamp: Stamp
    ) -> Residence:
        """The residence that was kept last, with the session that the process's origin tells."""
        if residence.container is None or residence.session is not None:
            return residence
        origin = observations.origin(life, stamp)
        if origin is None:
            return residence
        session = sessions.of_origin(self.membership, life, residence, origin, self._actor, stamp)
        return self.membership.put_in_session(life, residence, session) if session is not None else residence

    def _entered(self, life: ProcessLifetime, stamp: Stamp, answer: Attribution) -> Attribution:
        """A process that entered begins its first program: the births that were seen may tell for which client."""
        observations, residences = self.attributor.observations, life.membership.residences
        origin = observations.origin(life, stamp) if observations is not None and residences else None
        if origin is None or origin.pid != life.pid:
            return answer
        session = sessions.with_client(self.membership, life, residences[-1], origin, self._actor)
        return self._renamed(life, stamp, answer, session) if session is not None else answer

    def _renamed(self, life: ProcessLifetime, stamp: Stamp, answer: Attribution, session: Session) -> Attribution:
        """More is known of the session of a process than when it began."""
        self.membership.put_in_session(life, life.membership.residences[-1], session)
        answer = answer._replace(session=session)
        life.cache.put_at(stamp, answer)
        return answer

    def _look(
        self, observations: History, life: ProcessLifetime, residence: Residence | None, stamp: Stamp, *, begins: bool
    ) -> Observation:
        """What was seen of it. A sandbox may be an engine's container: the log may know of who was looked at."""
        observation = observations.look(life, stamp, ask=residence is None, begins=begins)
        if life.ran is None and observation.programs > life.programs:
            life.programs = observation.programs  # the log has left out the beginnings of these
        seen = observation.residence
        inside = seen.container if seen is not None else None
        if seen is None or inside is None or inside.engine != NO_ENGINE:
            return observation
        whose = life if observation.pid == life.pid else self.membership.processes.at(life.node, observation.pid, stamp)
        held = residence if whose is life else self.membership.settle(whose, stamp) if whose is not None else None
        return observation._replace(residence=seen._replace(container=observations.unite(whose, held, inside)))

    # --- what the trail states, targets ---------------------------------------------------------------------------

    def _special(self, reading: Translation, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> None:
        by_target = {statement.pid: statement for statement in reading.stated if statement.pid != NO_PID}
        own = stated_of_actor(reading)
        if reading.placed is not None:
            if life is not None:
                self._placed(reading.placed, reading, life, stamp)
        elif own is not None:
            self._stated(own, life, node, stamp)
        elif reading.packet is None and life is not None:
            self.settle(life, stamp)
        for pid in reading.targets:
            target = self.membership.processes.at(node, pid, stamp)
            statement = by_target.get(pid)
            if statement is not None:
                self._stated(statement, target, node, stamp)
            elif target is not None:
                self.settle(target, stamp)

    def _placed(self, place: RecordedPlace, reading: Translation, life: ProcessLifetime, stamp: Stamp) -> None:
        """The record says where it was. Who it names is remembered to be there."""
        if place.reason is None:
            leaving = any(isinstance(fact, EngineCommand) and fact.role is Role.ENTER for fact in reading.facts)
            stated.record_place(self.membership, life, place, stamp, leaving=leaving)

    def _stated(self, statement: Stated, life: ProcessLifetime | None, node: bytes, stamp: Stamp) -> None:
        """Stated contids are containers. A single chain is that life's container from now on."""
        if statement.chains is None:
            return
        if statement.linked:
            self.membership.registry.node(node).linked = True
        if life is not None and len(statement.chains) == 1 and statement.chains[0]:
            stated.record_chain(self.membership, life, statement.chains[0], stamp)
            return
        for chain in statement.chains:
            if chain:
                self.membership.registry.chain(node, chain, stamp)
