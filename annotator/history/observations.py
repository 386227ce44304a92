"""What was seen of processes from outside the log: by the host view, the proc connector, or a journal of both.

A sighting holds at its own time, not at its arrival: it is asked as of an event's stamp. This module keeps what was
seen; `location` has the rules by which it answers.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.attribution import Observation
from annotator.core.contracts import NO_PROGRAMS, SLACK_MS, HostProcess
from annotator.core.model import Chain, Container, Evidence, Netns, Ns, Reason, Stamp
from annotator.history.addresses import Addresses
from annotator.history.identities import Identities
from annotator.history.location import NOTHING, Answer, answer, begun, evidence_of
from annotator.history.netns import seen_in
from annotator.history.origins import origin
from annotator.history.process_history import IN_VAIN, Known
from annotator.history.residences import Identify, refusal, residence_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.contracts import HostView, Origin, ProgramKinds
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable
    from annotator.core.registry import Registry
    from annotator.core.residence import Residence

__all__ = ["IN_VAIN", "Observation", "Observations"]

PER_PID = 64
"""Lives kept of one pid."""


class Seen(NamedTuple):
    """What looks say of a process at a time, and how many programs it had begun (0: the log knows that)."""

    answer: Answer
    programs: int = 0


class Observations:
    """All that was seen, by node and pid. `host` is asked for what nobody saw yet; `note` is told of each answer.

    `names` are the nodes as which records of this machine come (None: any): of another nothing is known here.
    `processes` are asked whether a parent changed its namespaces; `programs` tells those that put processes elsewhere;
    `has_inventory` is as for `Identities`. Times are Unix ms.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        host: HostView | None = None,
        note: Callable[[bytes, HostProcess], object] | None = None,
        names: frozenset[bytes] | None = None,
        processes: ProcessTable | None = None,
        programs: ProgramKinds = NO_PROGRAMS,
        max_pids: int = 65_536,
        has_inventory: Callable[[Container], bool] | None = None,
    ) -> None:
        self.identities = Identities(registry, has_inventory)
        self.host = host
        self.note = note
        self.names = names
        self.processes = processes
        self.programs = programs
        self.max_pids, self.asked, self.evicted = max_pids, 0, 0
        self.addresses = Addresses()
        self._nodes: dict[bytes, dict[int, list[Known]]] = {}

    # --- in -----------------------------------------------------------------------------------------------------

    def forked(self, node: bytes, parent: int, child: int, ms: float) -> None:
        """`parent` bore `child`, both pids of the first namespace, at `ms`."""
        self.addresses.gone(child, ms)  # whoever had the number before
        above = self._newest(node, parent)
        lives = self._lives(node, child)
        last = lives[-1] if lives else None
        if last is not None and last.guessed and last.parent == parent and abs((last.born_ms or ms) - ms) <= SLACK_MS:
            last.born(ms, above)  # it was looked at before its birth was told
            return
        if last is not None and last.ended_ms is None:
            last.ended_ms = ms
        lives.append(Known(child, ms, parent, above))
        del lives[:-PER_PID]

    def executed(self, node: bytes, pid: int, ms: float) -> None:
        """It began a program: if it was said to have ended, that was only its first thread (cn_proc.c)."""
        known = self._newest(node, pid)
        if known is not None:
            if known.ended_ms is not None and known.ended_ms <= ms:
                known.ended_ms = None
            known.executed(ms)

    def exited(self, node: bytes, pid: int, ms: float) -> None:
        """The process is gone. Of one that was never seen nothing is kept."""
        self.addresses.gone(pid, ms)
        known = self._newest(node, pid)
        if known is not None and known.ended_ms is None:
            known.ended_ms = ms

    def observed(self, node: bytes, seen: HostProcess) -> None:
        """The host view read this process. Its birth tells which life of the pid it is."""
        lives = self._lives(node, seen.pid)
        known = next((one for one in reversed(lives) if one.is_of(seen)), None)
        if known is None:
            known = Known(seen.pid, seen.start_ms or None, seen.ppid, self._newest(node, seen.ppid), guessed=True)
            if lives and lives[-1].ended_ms is None:
                lives[-1].ended_ms = seen.start_ms
            lives.append(known)
            del lives[:-PER_PID]
        elif known.ended_ms is not None and known.ended_ms < seen.read_ms and seen.reason is not Reason.ZOMBIE:
            known.ended_ms = None  # only its first thread had ended
        known.take(seen)
        self.addresses.seen(seen)
        if seen.evidence is Evidence.CONTID_FILE and seen.container is not None:
            self.identities.of(node, seen.container)  # what the trail states by number has its names from here

    def forget(self, before_ms: float) -> None:
        """Drop what ended before that time, and the parents that are not needed any more."""
        for pids in self._nodes.values():
            gone = []
            for pid, lives in pids.items():
                last = lives[-1] if lives else None
                if last is None or (last.ended_ms is not None and last.ended_ms < before_ms):
                    gone.append(pid)
                elif last.looks and last.above is not None and last.above.ended_ms is not None:
                    last.above = last.above if last.above.ended_ms >= before_ms else None
            for pid in gone:
                del pids[pid]
        self.addresses.forget(before_ms)

    # --- who is known -------------------------------------------------------------------------------------------

    def parent(self, node: bytes, pid: int) -> int:
        """Who bore the newest life of a pid; 0 when nobody saw that."""
        known = self._newest(node, pid)
        return known.parent if known is not None else 0

    def strays(self, node: bytes, seen: HostProcess) -> bool:
        """Whether a process is seen in a container, and its parent was not when it was looked at last."""
        above = self._newest(node, seen.ppid)
        if (seen.container is None and seen.place is None) or above is None or not above.looks:
            return False
        return not above.looks[-1].inside

    def living(self, node: bytes) -> list[int]:
        """The pids of those that have not ended, as far as is known."""
        return [pid for pid, lives in self._nodes.get(node, {}).items() if lives and lives[-1].ended_ms is None]

    def newest(self, node: bytes) -> list[HostProcess]:
        """The last look at each of those."""
        pids = self._nodes.get(node, {})
        return [pids[pid][-1].looks[-1].seen for pid in self.living(node) if pids[pid][-1].looks]

    def _newest(self, node: bytes, pid: int) -> Known | None:
        lives = self._nodes.get(node, {}).get(pid)
        return lives[-1] if lives else None

    def _lives(self, node: bytes, pid: int) -> list[Known]:
        pids = self._nodes.setdefault(node, {})
        lives = pids.get(pid)
        if lives is None:
            if len(pids) >= self.max_pids:
                self._evict(pids)
            lives = pids[pid] = []
        return lives

    def _evict(self, pids: dict[int, list[Known]]) -> None:
        """One must go: the first that has ended, of the 64 not looked at longest; else the first of them."""
        for pid in list(islice(pids, 64)):
            if not pids[pid] or pids[pid][-1].ended_ms is not None:
                break
            pids[pid] = pids.pop(pid)  # it lives: to the end of the line
        else:
            pid = next(iter(pids))
        del pids[pid]
        self.evicted += 1

    # --- questions ----------------------------------------------------------------------------------------------

    def look(self, life: ProcessLifetime, stamp: Stamp, *, ask: bool = True, begins: bool = False) -> Observation:
        """Where this life is at that time, as far as anybody saw; asks the host when nobody did, and `ask` says so.

        `begins`: the event is the beginning of a program. The registry gets the containers that were seen.
        """
        if self.names is not None and life.node not in self.names:
            return Observation(None, Reason.NOT_SEEN)
        before = self._of(life, stamp, begins=begins)
        if before.answer.seen is not None or not ask or self.host is None or life.end is not None:
            return self._observation(life.node, before, stamp, self.identities.of)
        self.asked += 1
        seen = self.host.process(life.pid)
        refused = seen if isinstance(seen, Reason) else refusal(seen, life, stamp)
        if refused is not None or isinstance(seen, Reason):
            why = refused if refused is not None and before.answer is NOTHING else before.answer.reason
            return Observation(None, why, programs=before.programs)
        self.observed(b"" if self.names is not None else life.node, seen)
        if self.note is not None:
            self.note(life.node, seen)
        return self._observation(life.node, self._of(life, stamp, begins=begins), stamp, self.identities.of)

    def recall(self, life: ProcessLifetime, stamp: Stamp) -> Observation:
        """The same from what was seen already; nothing is read, and nothing that is known changes."""
        if self.names is not None and life.node not in self.names:
            return Observation(None, Reason.NOT_SEEN)
        return self._observation(life.node, self._of(life, stamp, begins=False), stamp, self.identities.known)

    def origin(self, life: ProcessLifetime, stamp: Stamp) -> Origin | None:
        """How it came to be in the container in which it was seen by then; None where it was not seen in one."""
        if self.names is not None and life.node not in self.names:
            return None
        known = self._one(life, stamp)
        if not isinstance(known, Known):
            return None
        shown = self._of(life, stamp, begins=True).answer.seen or self._of(life, stamp, begins=False).answer.seen
        inside = (shown.container or shown.place) if shown is not None else None
        return origin(known, inside, self.programs) if inside is not None else None

    def unite(self, life: ProcessLifetime | None, held: Residence | None, seen: Container) -> Container:
        """The registry's entry for a container that was seen (see `Identities.unite`)."""
        return self.identities.unite(life, held, seen)

    def netns(self, life: ProcessLifetime, stamp: Stamp, exe: bytes) -> Netns | None:
        """In which network namespace that process was then, while it ran `exe`; None where nobody saw it."""
        if self.names is not None and life.node not in self.names:
            return None
        known = self._one(life, stamp)
        moves_logged = self.processes is not None and self.processes.peek(life.node).moves
        if not isinstance(known, Known):
            return None
        seen = seen_in(known, life, stamp, exe, self.programs, moves_logged=moves_logged)
        if seen is None or seen.netns is None or seen.own is None:
            return None
        return Netns(seen.netns, self.addresses.name(seen.netns, stamp.ms), not seen.own & Ns.NET)

    def owners(self, node: bytes, address: str, stamp: Stamp) -> tuple[Chain, ...] | Reason:
        """The containers that had that address then, on this machine; or why none can be said."""
        if self.names is not None and node not in self.names:
            return Reason.NOT_SEEN
        found = self.addresses.at(address, stamp.ms)
        return found if isinstance(found, Reason) else tuple(self.identities.known(node, one).chain() for one in found)

    def _of(self, life: ProcessLifetime, stamp: Stamp, *, begins: bool) -> Seen:
        known = self._one(life, stamp)
        if not isinstance(known, Known):
            return Seen(known)
        program = known.program_of(life, stamp.ms, self.programs, begins=begins)
        programs = program if life.ran is None else 0
        exe = b"" if begins else life.runs  # an execve shows the program that it begins
        shown = begun(known, program, stamp.ms, self.programs) if begins else None
        if shown is None:
            shown = answer(known, program, stamp.ms, life, self.processes, self.programs, exe=exe)
        return Seen(shown, programs)

    def _one(self, life: ProcessLifetime, stamp: Stamp) -> Known | Answer:
        """As of a stamp, which may be early: of several that can have had the pid the one with the record's parent."""
        pids = self._nodes.get(life.node) or self._nodes.get(b"") or {}
        lives = [known for known in pids.get(life.pid, ()) if known.covers(stamp.ms)]
        its = [known for known in lives if known.shows_parent(life.ppid, stamp.ms)]
        if its or not any(known.is_alive(stamp.ms + SLACK_MS) for known in lives):
            lives = its  # who surely had the number then may have any parent by now
        if not lives:
            return NOTHING
        if len(lives) > 1:
            return Answer(None, reason=Reason.AMBIGUOUS)
        return lives[0]

    def _observation(self, node: bytes, seen: Seen, stamp: Stamp, identify: Identify) -> Observation:
        """As a residence, which holds at least from the event on that asked."""
        shown = seen.answer
        if shown.seen is None:
            return Observation(None, shown.reason, programs=seen.programs)
        residence = residence_of(node, shown.seen, min(Stamp(int(shown.since), 0), stamp), identify)
        evidence = evidence_of(shown)
        if evidence is not None:
            residence = residence._replace(evidence=evidence)
        return Observation(residence, shown.reason, shown.seen.pid, seen.programs)
