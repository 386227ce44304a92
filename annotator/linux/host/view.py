"""The host view of Linux: which process has this pid now, and in which container it is, from /proc and engine files.

The ranks are those of membership: the kernel's contid file, a site's tags, the cgroup of that very process, and where
the cgroup does not say, the mount namespace of exactly one known container. What none of them names, and has its own
pid namespace or another root, is a sandbox without an engine. Host is said only where all of it was read and agrees.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from annotator.core.contracts import NO_ENGINE, HostNetwork, HostProcess
from annotator.core.model import Container, Evidence, NetnsId, Ns, Reason
from annotator.linux.cgroup.identify import CgroupRole
from annotator.linux.host.containers import HostContainers
from annotator.linux.host.membership import (
    DEFAULT_OPTIONS,
    HostOptions,
    MembershipReader,
    MembershipReading,
    is_helper,
    is_maker,
)
from annotator.linux.host.mount_ns import NamespaceOwners, Witness
from annotator.linux.host.namespaces import INITIAL, Namespace, own_of, parse_link
from annotator.linux.host.netns import NetnsNames, addresses_of
from annotator.linux.host.process_order import parents_first
from annotator.linux.host.procfs import Proc
from annotator.linux.host.sandbox import Sandboxes
from annotator.linux.host.snapshot import ProcSnapshot, take_mount_snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import ContId
    from annotator.linux.engines import Engines

SURVEY_MS: Final = 200
"""How often at most all processes are asked for the owner of a namespace nobody knows (some 10 µs for each)."""

NOBODYS_MS: Final = 5_000
"""How long a namespace that nobody owned is not asked about again."""

MAX_NOBODYS: Final = 4096
"""Namespaces of which that is remembered."""


class LinuxHost:
    """One machine's processes: this one's (`live`), or those of a tree that was recorded below `root`.

    `derive` gives the contid of an engine's id. `now` is Unix time in milliseconds (of a recorded tree: when it was
    recorded), `offset_ms` is CLOCK_REALTIME - CLOCK_BOOTTIME then, `ticks` the clock ticks in a second (sysconf(3)).
    `engines` are closed by whoever made them. `report` says in words what could not be used, "" for what could.
    Raises OSError when there is no /proc, ValueError for an attribute that is none.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        live: bool,
        derive: Callable[[str], ContId],
        now: Callable[[], int],
        offset_ms: int,
        boot: str = "",
        node: bytes = b"",
        ticks: int = 100,
        engines: Engines | None = None,
        options: HostOptions = DEFAULT_OPTIONS,
        proc: Proc | None = None,
    ) -> None:
        self.proc = proc or Proc(root, live=live, tags=bool(options.ptags))
        self.options = options
        self.offset_ms = offset_ms
        self.report: dict[str, str] = {}
        self._now, self._ticks, self._engines = now, ticks, engines
        self._host = self.proc.first()
        self._dev = self.proc.dev()
        mnt = parse_link(self._host[0])
        self._mnt = mnt[1] if mnt is not None else 0
        self._containers = HostContainers(derive, now, engines, node=node, boot=boot)
        self.owners = NamespaceOwners(self._lives)
        self._membership_reader = MembershipReader(self.proc, self._containers, root, options)
        self._sandboxes = Sandboxes(self.proc, self._containers, self.owners, units=options.units)
        self._names = NetnsNames(root, now)
        self._surveyed = -SURVEY_MS
        self._nobodys: dict[Namespace, int] = {}
        self.closed, self._membership_reader.reader_root = self._check()

    def close(self) -> None:
        """Give back what is open; every later question is answered DENIED or GONE."""
        self.proc.close()
        self._membership_reader.close()

    def _check(self) -> tuple[bool, bool]:
        """Whether these pids are not those of the audit trail, and whether cgroup paths begin at the host's root."""
        own = self.proc.links("self") if self.proc.live else self._host
        inodes = {parsed[0]: parsed[1] for parsed in map(parse_link, own) if parsed is not None}
        closed = inodes.get(b"pid", INITIAL[Ns.PID]) != INITIAL[Ns.PID]
        root = inodes.get(b"cgroup", INITIAL[Ns.CGROUP]) == INITIAL[Ns.CGROUP]
        root = root and b":/.." not in self.proc.text(1, "cgroup")
        self.report["pids"] = "not in the first pid namespace: no process can be looked up" if closed else ""
        self.report["cgroups"] = "" if root else "in a cgroup namespace of its own: nothing can be said to be host"
        known = bool(self._host[0] and self._host[1])
        self.report["namespaces"] = "" if known else "those of pid 1 cannot be read: nothing can be said to be host"
        self.report["contid file"] = "" if self.proc.contids else "not on this kernel"
        return closed, root

    # --- the contract -------------------------------------------------------------------------------------------

    def process(self, pid: int) -> HostProcess | Reason:
        """The process that has this pid now, or the reason why it cannot be read."""
        if self.closed:
            return Reason.HIDDEN
        snapshot = take_snapshot(self.proc, pid)
        if isinstance(snapshot, Reason):
            return snapshot
        own = self._own(snapshot)
        return self._answer(snapshot, own, self._membership(snapshot, own))

    def processes(self) -> list[HostProcess]:
        """All processes, parents before children. The owners of namespaces are found first, then who is in them."""
        if self.closed:
            return []
        self._claim_inits()
        readings: list[tuple[ProcSnapshot, Ns | None, MembershipReading]] = []
        for pid in self.proc.pids():
            snapshot = take_snapshot(self.proc, pid)
            if not isinstance(snapshot, Reason):
                own = self._own(snapshot)
                readings.append((snapshot, own, self._membership(snapshot, own)))
        self._surveyed = self._now()
        answers: dict[int, HostProcess] = {}
        private: list[tuple[ProcSnapshot, Ns | None, MembershipReading]] = []
        for reading in readings:
            answer = answers[reading[0].stat.pid] = self._answer(*reading)
            if answer.evidence is Evidence.HOST_VIEW and answer.own:
                private.append(reading)
        for reading in private:  # a sandbox found after it may own the namespace it is in
            answers[reading[0].stat.pid] = self._answer(*reading)
        return parents_first(answers)

    def network(self, pid: int) -> HostNetwork | None:
        """The network namespace in which this process is now."""
        network = addresses_of(self.proc, pid) if not self.closed else None
        if network is None:
            return None
        namespace, addresses = network
        netns = NetnsId(self._dev, namespace.ino, namespace.unique)
        host = parse_link(self._host[2]) == (b"net", namespace.ino)
        name = self._names.of(netns) if self.proc.live and not host else ""
        return HostNetwork(netns, addresses, self._now(), pid, name, host)

    # --- who says what ------------------------------------------------------------------------------------------

    def _own(self, snapshot: ProcSnapshot) -> Ns | None:
        return own_of(snapshot.links, self._host)

    def _membership(self, snapshot: ProcSnapshot, own: Ns | None) -> MembershipReading:
        """The membership by the process's own files; if that is certain, its container claims its namespaces."""
        membership = self._membership_reader.of(snapshot, own)
        if membership.evidence is Evidence.CGROUP and membership.container is not None:
            membership = membership._replace(container=self.owners.nested(membership.container, snapshot.mnt))
        certain = membership.container is not None and not membership.identity.ambiguous and not is_maker(snapshot)
        if membership.container is not None and certain and own is not None:
            self._claim(snapshot.mnt if own & Ns.MNT else None, membership.container, snapshot)
            self._claim(snapshot.pid_ns if own & Ns.PID else None, membership.container, snapshot)
        return membership

    # --- the answer ---------------------------------------------------------------------------------------------

    def _answer(self, snapshot: ProcSnapshot, own: Ns | None, membership: MembershipReading) -> HostProcess:
        container, evidence, reason, place = membership.container, membership.evidence, None, None
        identity = membership.identity
        at = snapshot.mnt if own is not None and own & Ns.MNT else None
        if container is not None:
            there = self.owners.find(at) if at is not None else None
            place = there if isinstance(there, Container) else None
            if identity.ambiguous and evidence is Evidence.CGROUP and place not in container.chain():
                container, evidence, reason, place = None, None, Reason.AMBIGUOUS, None
        elif snapshot.stat.kthread or snapshot.stat.pid == 1:
            evidence = Evidence.INIT
        elif identity.hidden or identity.partial:
            reason = Reason.ZOMBIE if snapshot.zombie else Reason.HIDDEN
        elif snapshot.zombie or own is None:
            reason = Reason.ZOMBIE if snapshot.zombie else Reason.DENIED
        elif identity.helper is not None or not own & (Ns.MNT | Ns.PID):
            evidence = Evidence.HOST_VIEW
        else:
            container, evidence, reason, place = self._elsewhere(snapshot, own, membership)
        pids = snapshot.ids.pids
        return HostProcess(
            pid=snapshot.stat.pid,
            ppid=snapshot.stat.ppid,
            start_ms=self.offset_ms + snapshot.stat.ticks * 1000 // self._ticks,
            ticks=snapshot.stat.ticks,
            read_ms=self._now(),
            container=container,
            evidence=evidence,
            reason=reason,
            place=place,
            own=own,
            netns=NetnsId(self._dev, snapshot.net.ino, snapshot.net.unique) if snapshot.net is not None else None,
            vpid=pids[-1] if len(pids) > 1 else None,
            auid=snapshot.auid,
            ses=snapshot.ses,
            uid=snapshot.ids.uid,
            exe=snapshot.exe,
            comm=snapshot.stat.comm,
        )

    def _elsewhere(
        self, snapshot: ProcSnapshot, own: Ns, membership: MembershipReading
    ) -> tuple[Container | None, Evidence | None, Reason | None, Container | None]:
        """The answer for a process whose cgroup names no container, but that has its own mount or pid namespace."""
        namespace = snapshot.mnt if own & Ns.MNT else snapshot.pid_ns
        if namespace is None:
            return None, None, Reason.DENIED, None
        owner = self.owners.find(namespace)
        if owner is None and self._survey(namespace, inits=membership.silent):
            owner = self.owners.find(namespace)
        if isinstance(owner, Container):
            if owner.engine == NO_ENGINE or membership.silent:
                self._claim(namespace, owner, snapshot)
                return owner, Evidence.MNTNS, None, owner
            if namespace.kind is Ns.PID:
                return None, None, Reason.AMBIGUOUS, None  # sees a container's processes, and the host's files
            return None, Evidence.HOST_VIEW, None, owner
        if owner is not None:
            return None, None, owner, None
        shaped = self._sandboxes.shaped(snapshot, own)
        if shaped is None:
            return None, None, Reason.DENIED, None
        if membership.silent or (shaped and is_helper(snapshot)):
            return None, None, Reason.NOT_SEEN, None
        workload = membership.identity.workload
        name = workload.id if workload is not None and workload.role is CgroupRole.APP else ""
        made = self._sandboxes.of(snapshot, namespace, name) if shaped and self.options.sandboxes else None
        return (made, Evidence.MNTNS, None, made) if made is not None else (None, Evidence.HOST_VIEW, None, None)

    # --- whose namespace ----------------------------------------------------------------------------------------

    def _claim(self, namespace: Namespace | None, container: Container, snapshot: ProcSnapshot) -> None:
        if namespace is not None:
            self.owners.claim(namespace, container, snapshot.stat.pid, snapshot.stat.ticks)

    def _claim_inits(self) -> None:
        """The inits that engines wrote down, for containers whose processes have no cgroup of their own."""
        for state in self._engines.scan() if self._engines is not None else ():
            if state.init_pid is None or state.gone or (state.owner and state.init_ticks is None):
                continue
            snapshot = take_snapshot(self.proc, state.init_pid)
            if isinstance(snapshot, Reason) or snapshot.zombie or snapshot.stat.ticks != state.init_ticks:
                continue
            own = self._own(snapshot)
            if (
                own is None
                or (state.owner and not own & Ns.USER)
                or self._membership_reader.identity(snapshot).container is not None
            ):
                continue
            if own & Ns.MNT:
                self._claim(snapshot.mnt, self._containers.of_state(state), snapshot)

    def _survey(self, namespace: Namespace, *, inits: bool) -> bool:
        """Look at all processes for who owns this namespace. False: they were looked at just now.

        At most every SURVEY_MS, and for one namespace every NOBODYS_MS, for the private ones of services are nobody's.
        `inits`: ask the engines too, for what may be in a cgroup that says nothing.
        """
        now = self._now()
        if 0 <= now - self._surveyed < SURVEY_MS or 0 <= now - self._nobodys.get(namespace, -NOBODYS_MS) < NOBODYS_MS:
            return False
        self._surveyed = now
        if len(self._nobodys) >= MAX_NOBODYS:
            self._nobodys.clear()
        self._nobodys[namespace] = now
        if inits:
            self._claim_inits()
        for pid in self.proc.pids():
            seen = parse_link(self.proc.namespace(pid, 0))
            if seen is None or seen[1] == self._mnt:
                continue
            snapshot = take_snapshot(self.proc, pid)
            if not isinstance(snapshot, Reason):
                self._membership(snapshot, self._own(snapshot))
        return True

    def _lives(self, witness: Witness, namespace: Namespace) -> bool:
        """Whether the witness still lives, and in that namespace."""
        if namespace.kind is Ns.MNT:
            seen = take_mount_snapshot(self.proc, witness.pid)
            return not isinstance(seen, Reason) and seen.stat.ticks == witness.ticks and seen.mnt == namespace
        snapshot = take_snapshot(self.proc, witness.pid)
        return (
            not isinstance(snapshot, Reason) and snapshot.stat.ticks == witness.ticks and snapshot.pid_ns == namespace
        )
