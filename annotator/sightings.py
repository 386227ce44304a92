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
    from annotator.processes import Life, Processes
    from annotator.registry import Registry

PER_LIFE = 64
"""Sightings kept of one process: the first and the newest ones."""

END_MS = 3
"""How far a stamp may lie behind the end of its process: it is taken early, never late; but clocks are compared."""

PER_PID = 8
"""Lives kept of one pid."""

KEPT_MS = 60_000
"""How long an ended process still answers."""


class Known:
    """One process as seen from outside. `born_ms` None: it was there before anybody looked.

    `execs` are the times at which it began a program, the newest of them; `blind` is why a look at it was in vain: it
    was dead by then, or going.
    """

    __slots__ = ("blind", "born_ms", "ended_ms", "execs", "parent", "pid", "seen")

    def __init__(self, pid: int, born_ms: int | None, parent: int) -> None:
        self.pid = pid
        self.born_ms = born_ms
        self.ended_ms: int | None = None
        self.parent = parent
        self.seen: list[HostProcess] = []
        self.execs: list[int] = []
        self.blind: Reason | None = None

    def covers(self, ms: int) -> bool:
        """Whether an event with that stamp can be this process's."""
        after = self.born_ms is None or self.born_ms <= ms + SLACK_MS
        return after and (self.ended_ms is None or ms <= self.ended_ms + END_MS)


class Finding(NamedTuple):
    """What is known of a process at a time; `stay` None: nothing, and `reason` says why."""

    stay: Stay | None
    reason: Reason


def _ended(known: Known) -> int:
    return known.ended_ms if known.ended_ms is not None else 2**63


IN_VAIN = frozenset({Reason.ZOMBIE, Reason.DENIED, Reason.GONE, Reason.REUSED})
"""What a look says that shows nothing: as good as none."""

MOVERS = frozenset(
    b"runc crun youki conmon conmonrs lxc-start lxc-attach lxc-execute lxd incusd systemd-nspawn libvirt_lxc buildah "
    b"podman dockerd containerd containerd-shim-runc-v2 nsenter unshare bwrap systemd systemd-executor".split()
)
"""Programs that put what they start elsewhere: of their children only a look tells where they are."""


def _moves(seen: HostProcess) -> bool:
    """Whether that program is one of those; runc and crun also run from a sealed copy."""
    exe = seen.exe
    return exe.rpartition(b"/")[2] in MOVERS or exe == b"/" or exe.startswith(b"/memfd:")


NOTHING = Finding(None, Reason.NOT_SEEN)


class Sightings:
    """All that was seen, by node and pid. `host` is asked for what nobody saw yet; `note` is told of each answer.

    `names` are the nodes as which records of this machine come (None: any): of another nothing is known here.
    `processes` are asked whether a parent had changed its namespaces.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        host: HostView | None = None,
        note: Callable[[bytes, HostProcess], None] | None = None,
        names: frozenset[bytes] | None = None,
        processes: Processes | None = None,
        max_pids: int = 65_536,
    ) -> None:
        self.registry = registry
        self.host = host
        self.note = note
        self.names = names
        self.processes = processes
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

    def executed(self, node: bytes, pid: int, ms: int) -> None:
        """It began a program: if it was said to have ended, that was only its first thread (cn_proc.c)."""
        lives = self._nodes.get(node, {}).get(pid)
        if lives:
            if lives[-1].ended_ms is not None and lives[-1].ended_ms <= ms:
                lives[-1].ended_ms = None
            lives[-1].execs.append(ms)
            del lives[-1].execs[:-PER_LIFE]

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
        if seen.reason in IN_VAIN:
            known.blind = seen.reason
            return
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

    def parent(self, node: bytes, pid: int) -> int:
        """Who bore the newest life of a pid; 0 when nobody saw that."""
        lives = self._nodes.get(node, {}).get(pid)
        return lives[-1].parent if lives else 0

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
        found = self._upto(stamp, self._of_life(life, stamp.ms))
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
        return self._upto(stamp, self._of_life(life, stamp.ms))

    @staticmethod
    def _upto(stamp: Stamp, found: Finding) -> Finding:
        """An answer holds at least from the event on that asked: births are told more exactly than stamps."""
        if found.stay is None or found.stay.since <= stamp:
            return found
        return found._replace(stay=found.stay._replace(since=stamp))

    def _of_life(self, life: Life, ms: int) -> Finding:
        """As of a stamp, which may be early: of several that can have had the pid the one with the record's parent."""
        lives = [known for known in self._all(life.node, life.pid) if known.covers(ms)]
        if len(lives) > 1:
            lives = [known for known in lives if known.parent == life.ppid] or lives
        if not lives:
            return NOTHING
        if len(lives) > 1:
            return Finding(None, Reason.AMBIGUOUS)
        moved = life.moved.ms if life.moved is not None and life.moved.ms <= ms else None
        return self._at(life.node, lives[0], ms, moved, 0)

    def _all(self, node: bytes, pid: int) -> list[Known]:
        pids = self._nodes.get(node) or self._nodes.get(b"") or {}
        return pids.get(pid, [])

    def _at(self, node: bytes, known: Known, ms: int, moved: int | None, depth: int) -> Finding:
        """What the looks at one process say of a time. `moved`: when it last changed its namespaces before that."""
        before = next((seen for seen in reversed(known.seen) if seen.read_ms <= ms), None)
        after = next((seen for seen in known.seen if seen.read_ms > ms), None)
        program = max((at for at in known.execs if at <= ms), default=None)
        if before is not None and moved is not None and before.read_ms < moved:
            before = None
        if before is not None and program is not None and before.read_ms < program and not self._inside(before):
            before = None if _moves(before) or after is not None else before  # its next program is where it was put
        sure = before or after
        if sure is None:
            return self._inherited(node, known, depth, moved=moved is not None)
        if before is not None and after is not None and not self._agree(before, after) and not self._inside(before):
            return Finding(None, Reason.LATE)
        if sure.reason is not None and not self._inside(sure):
            return Finding(None, sure.reason)
        if moved is not None:
            since = moved
        else:
            since = sure.read_ms if before is not None and before is not known.seen[0] else min(known.born_ms or ms, ms)
        return Finding(self._stay(node, sure, Stamp(since, 0)), Reason.NOT_SEEN)

    def _inherited(self, node: bytes, known: Known, depth: int, *, moved: bool) -> Finding:
        """No look says anything of that time: it is where its parent was at its birth, unless it has moved since.

        Into a container by more than a call of its own: an engine's child may be put there before its program starts.
        """
        if known.born_ms is None or depth > 32:
            return NOTHING
        above = self._parent(node, known)
        if above is None:
            return NOTHING
        life = self.processes.at(node, known.parent, Stamp(known.born_ms, 0)) if self.processes is not None else None
        at = life.moved.ms if life is not None and life.moved is not None and life.moved.ms <= known.born_ms else None
        found = self._at(node, above, known.born_ms, at, depth + 1)
        if found.stay is None:
            return found
        if found.stay.container is None and (moved or known.execs):
            last = next((seen for seen in reversed(above.seen) if seen.read_ms <= known.born_ms + SLACK_MS), None)
            if moved or last is None or _moves(last) or any(_moves(seen) for seen in known.seen):
                return Finding(None, known.blind or Reason.LATE)
        return Finding(found.stay._replace(since=Stamp(known.born_ms, 0), evidence=Evidence.LINEAGE), found.reason)

    def _parent(self, node: bytes, known: Known) -> Known | None:
        """Who had the parent's pid at its birth: both times are the kernel's own, to the millisecond."""
        born = known.born_ms or 0
        for one in reversed(self._all(node, known.parent)):
            after = one.born_ms is None or one.born_ms <= born
            if after and (one.ended_ms is None or born <= one.ended_ms) and one is not known:
                return one
        return None

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
