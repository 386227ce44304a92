"""What was seen of processes from outside the log: by the host view, the proc connector, or a journal of both.

A sighting holds at its own time, not at its arrival: it is asked as of an event's stamp. Two sightings that agree hold
between them as well; where they differ nothing is said of the time between, since the change itself was not seen.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from annotator.backend import SLACK_MS, HostProcess
from annotator.membership import Stay
from annotator.model import Container, Evidence, Flag, Named, Ns, Reason, Session, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.backend import HostView
    from annotator.processes import Life
    from annotator.registry import Registry

PER_LIFE = 64
"""Sightings kept of one process: the first and the newest ones."""

PER_PID = 8
"""Lives kept of one pid."""

KEPT_MS = 60_000
"""How long an ended process still answers."""


class Known:
    """One process as seen from outside. `born_ms` None: it was there before anybody looked."""

    __slots__ = ("born_ms", "ended_ms", "parent", "pid", "seen")

    def __init__(self, pid: int, born_ms: int | None, parent: int) -> None:
        self.pid = pid
        self.born_ms = born_ms
        self.ended_ms: int | None = None
        self.parent = parent
        self.seen: list[HostProcess] = []

    def covers(self, ms: int) -> bool:
        """Whether an event with that stamp can be this process's."""
        after = self.born_ms is None or self.born_ms <= ms + SLACK_MS
        return after and (self.ended_ms is None or ms <= self.ended_ms + SLACK_MS)


class Finding(NamedTuple):
    """What is known of a process at a time; `stay` None: nothing, and `reason` says why."""

    stay: Stay | None
    reason: Reason


def _ended(known: Known) -> int:
    return known.ended_ms if known.ended_ms is not None else 2**63


NOTHING = Finding(None, Reason.NOT_SEEN)


class Sightings:
    """All that was seen, by node and pid. `host` is asked for what nobody saw yet; `note` is told of each answer.

    `names` are the nodes as which records of this machine come (None: any): of another nothing is known here.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        host: HostView | None = None,
        note: Callable[[bytes, HostProcess], None] | None = None,
        names: frozenset[bytes] | None = None,
        max_pids: int = 65_536,
    ) -> None:
        self.registry = registry
        self.host = host
        self.note = note
        self.names = names
        self.max_pids = max_pids
        self.asked = self.evicted = 0
        self._nodes: dict[bytes, dict[int, list[Known]]] = {}

    # --- in -----------------------------------------------------------------------------------------------------

    def forked(self, node: bytes, parent: int, child: int, ms: int) -> None:
        """`parent` bore `child`, both pids of the first namespace, at `ms`."""
        lives = self._lives(node, child)
        if lives and lives[-1].ended_ms is None:
            lives[-1].ended_ms = ms
        lives.append(Known(child, ms, parent))
        del lives[:-PER_PID]

    def exited(self, node: bytes, pid: int, ms: int) -> None:
        """The process is gone. Of one that was never seen nothing is kept."""
        for known in reversed(self._nodes.get(node, {}).get(pid, ())):
            if known.ended_ms is None:
                known.ended_ms = ms
                return

    def revived(self, node: bytes, pid: int, ms: int) -> None:
        """It runs a program: if it was said to have ended, that was only its first thread (cn_proc.c)."""
        lives = self._nodes.get(node, {}).get(pid)
        if lives and lives[-1].ended_ms is not None and lives[-1].ended_ms <= ms:
            lives[-1].ended_ms = None

    def observed(self, node: bytes, seen: HostProcess) -> None:
        """The host view read this process. Its birth tells which life of the pid it is."""
        lives = self._lives(node, seen.pid)
        for known in reversed(lives):
            if self._is_of(known, seen):
                if known.ended_ms is not None and known.ended_ms < seen.read_ms and seen.reason is not Reason.ZOMBIE:
                    known.ended_ms = None  # only its first thread had ended
                break
        else:
            known = Known(seen.pid, seen.start_ms or None, seen.ppid)
            if lives and lives[-1].ended_ms is None:
                lives[-1].ended_ms = seen.start_ms
            lives.append(known)
            del lives[:-PER_PID]
        at = len(known.seen)
        while at and known.seen[at - 1].read_ms > seen.read_ms:
            at -= 1
        known.seen.insert(at, seen)
        if len(known.seen) > PER_LIFE:
            del known.seen[1]

    @staticmethod
    def _is_of(known: Known, seen: HostProcess) -> bool:
        """Whether that was read of this life: its birth says so, in clock ticks if it was read before."""
        ticks = next((one.ticks for one in known.seen if one.ticks), 0)
        if ticks and seen.ticks and ticks != seen.ticks:
            return False
        born = known.born_ms is None or abs(known.born_ms - seen.start_ms) <= SLACK_MS
        return born and (known.covers(seen.read_ms) or (ticks != 0 and ticks == seen.ticks))

    def living(self, node: bytes) -> list[int]:
        """The pids of those that have not ended, as far as is known."""
        return [pid for pid, lives in self._nodes.get(node, {}).items() if lives and lives[-1].ended_ms is None]

    def newest(self, node: bytes) -> list[HostProcess]:
        """The last look at each of those."""
        return [
            lives[-1].seen[-1]
            for lives in self._nodes.get(node, {}).values()
            if lives and lives[-1].ended_ms is None and lives[-1].seen
        ]

    def forget(self, before_ms: int) -> None:
        """Drop what ended before that time."""
        for pids in self._nodes.values():
            for pid in [pid for pid, lives in pids.items() if not lives or _ended(lives[-1]) < before_ms]:
                del pids[pid]

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

    def look(self, life: Life, stamp: Stamp) -> Finding:
        """Where this life is at that time, as far as anybody saw; asks the host when nobody did."""
        if self.names is not None and life.node not in self.names:
            return NOTHING
        found = self._upto(stamp, self._at(life.node, life.pid, stamp.ms, life, 0))
        if found.stay is not None or self.host is None or life.end is not None:
            return found
        self.asked += 1
        answer = self.host.process(life.pid)
        if isinstance(answer, Reason):
            return Finding(None, answer) if found is NOTHING else found
        refused = answer.refusal(stamp.ms)
        if refused is not None:
            return Finding(None, refused)
        self.observed(b"" if self.names is not None else life.node, answer)
        if self.note is not None:
            self.note(life.node, answer)
        return self._upto(stamp, self._at(life.node, life.pid, stamp.ms, life, 0))

    @staticmethod
    def _upto(stamp: Stamp, found: Finding) -> Finding:
        """An answer holds at least from the event on that asked: births are told more exactly than stamps."""
        if found.stay is None or found.stay.since <= stamp:
            return found
        return found._replace(stay=found.stay._replace(since=stamp))

    def _at(self, node: bytes, pid: int, ms: int, life: Life | None, depth: int) -> Finding:
        pids = self._nodes.get(node) or self._nodes.get(b"")
        lives = [known for known in pids.get(pid, ()) if known.covers(ms)] if pids else []
        if len(lives) > 1 and life is not None:
            lives = [known for known in lives if known.parent == life.ppid] or lives
        if not lives:
            return NOTHING
        if len(lives) > 1:
            return Finding(None, Reason.AMBIGUOUS)
        known = lives[0]
        changed = life.changed.ms if life is not None and life.changed is not None and life.changed.ms <= ms else None
        before = next((seen for seen in reversed(known.seen) if seen.read_ms <= ms), None)
        if before is not None and changed is not None and before.read_ms < changed:
            before = None
        after = next((seen for seen in known.seen if seen.read_ms > ms), None)
        sure = before or after
        if sure is None:
            return self._inherited(node, known, depth)
        if before is not None and after is not None and not self._agree(before, after) and not self._inside(before):
            return Finding(None, Reason.LATE)
        if sure.reason is not None and not self._inside(sure):
            return Finding(None, sure.reason)
        if changed is not None:
            since = changed
        else:
            since = sure.read_ms if before is not None and before is not known.seen[0] else min(known.born_ms or ms, ms)
        return Finding(self._stay(node, sure, Stamp(since, 0)), Reason.NOT_SEEN)

    def _inherited(self, node: bytes, known: Known, depth: int) -> Finding:
        """Nobody read it while it lived: it is where its parent was at its birth."""
        if known.born_ms is None or depth > 32:
            return NOTHING
        above = self._at(node, known.parent, known.born_ms, None, depth + 1)
        if above.stay is None:
            return above
        return Finding(above.stay._replace(since=Stamp(known.born_ms, 0), evidence=Evidence.LINEAGE), above.reason)

    @staticmethod
    def _inside(seen: HostProcess) -> bool:
        return seen.container is not None or seen.place is not None

    @staticmethod
    def _agree(one: HostProcess, other: HostProcess) -> bool:
        return [c.id if c else None for c in (one.container, one.place)] == [
            c.id if c else None for c in (other.container, other.place)
        ] and one.reason == other.reason

    def _stay(self, node: bytes, seen: HostProcess, since: Stamp) -> Stay:
        """A sighting as an answer: membership names, place only where membership is the host's."""
        inside = seen.container or seen.place
        if inside is None:
            return Stay(since, None, seen.evidence or Evidence.HOST_VIEW)
        flags: list[Flag] = []
        session = None
        evidence = seen.evidence or Evidence.CGROUP
        if seen.container is None:
            flags.append(Flag.ENTERED)
            evidence = Evidence.MNTNS
            session = Session(
                f"{seen.pid}@{seen.ticks}",
                auid=seen.auid,
                ses=seen.ses,
                uid=seen.uid,
                exe=seen.exe.decode("utf-8", "backslashreplace"),
                pid=seen.pid,
            )
        elif seen.place is not None and seen.place.id != seen.container.id:
            if not any(outer.id == seen.container.id for outer in seen.place.chain()):
                flags.append(Flag.ESCAPED)
        elif seen.place is None and seen.own is not None and not seen.own & Ns.MNT:
            flags.append(Flag.CGROUP_ONLY)
        return Stay(since, self.unify(node, inside), evidence, session, tuple(flags))

    def unify(self, node: bytes, seen: Container) -> Container:
        """The registry's entry for a container that the host view saw; its names come along."""
        parent = self.unify(node, seen.parent) if seen.parent is not None else None
        found = self.registry.engine(node, seen.id, seen.engine, owner=seen.owner, parent=parent)
        if (seen.name and not found.name) or (seen.image and not found.image) or (seen.pod_name and not found.pod_name):
            said = Named(seen.id, seen.name, seen.image, seen.engine, seen.pod_name, seen.namespace)
            self.registry.named(node, said)
        for name in ("pod", "uuid"):
            if getattr(seen, name) and not getattr(found, name):
                setattr(found, name, getattr(seen, name))
                found.version += 1
        if seen.labels and not found.labels:
            found.labels = seen.labels
            found.version += 1
        if found.start_ms is None:
            found.start_ms = seen.start_ms
        return found
