"""The membership of one process by its own files: the kernel's contid file, a site's tags, its cgroup."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.model import CONTID_UNSET, Container, Evidence, Ns, Reason
from annotator.linux.cgroup.identify import CgroupIdentity, identify
from annotator.linux.contid.ptags import CgroupTags, parse_ptags, pidfd_tag
from annotator.linux.engines.programs import MANAGERS, MONITORS, RUNTIMES, is_sealed_copy, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.linux.cgroup.identify import CgroupContainer
    from annotator.linux.host.containers import HostContainers
    from annotator.linux.host.procfs import Proc
from annotator.linux.host.containers import owner_of
from annotator.linux.host.snapshot import ProcSnapshot, take_mount_snapshot

HELPERS: Final = RUNTIMES | MANAGERS | MONITORS
"""Programs that stand with one foot in a container while they make or watch it."""

MAX_TEXTS: Final = 4096
"""Cgroup texts whose reading is remembered: all processes of a container, or of a service, have the same one."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The choices of a site. A source with an empty name is not used.

    `sandboxes`: what users made with bwrap, unshare and the like counts as a container of engine `namespaces`;
    `units`: what systemd made for a service (its own root or pid namespace) too. `ptags` is a prefix of tags,
    `cgroup_xattr` and `pidfd_xattr` are attributes with their class (`trusted.contid`).
    """

    sandboxes: bool = True
    units: bool = False
    ptags: str = ""
    cgroup_xattr: str = ""
    pidfd_xattr: str = ""


DEFAULT_OPTIONS: Final = HostOptions()


class MembershipReading(NamedTuple):
    """A container with its evidence. `silent`: the cgroup shows neither a container nor the host."""

    container: Container | None
    evidence: Evidence | None
    identity: CgroupIdentity
    silent: bool = False


class MembershipReader:
    """Reads the membership of a process from its snapshot. `reader_root`: cgroup paths begin at the host's root.

    Raises ValueError for an attribute that is none (`CgroupTags`).
    """

    def __init__(self, proc: Proc, containers: HostContainers, root: Path, options: HostOptions) -> None:
        self.reader_root = True
        self._proc = proc
        self._containers = containers
        self._options = options
        self._tags = CgroupTags(root, options.cgroup_xattr) if options.cgroup_xattr else None
        self._seen: dict[tuple[bytes, bool], CgroupIdentity] = {}
        self._bare: dict[tuple[bytes, bool], CgroupIdentity] = {}

    def close(self) -> None:
        """Tags of cgroups are not found afterwards."""
        if self._tags is not None:
            self._tags.close()

    def of(self, snapshot: ProcSnapshot, own: Ns | None) -> MembershipReading:
        """The membership by the strongest source that has one."""
        identity = self.identity(snapshot)
        named: Container | None = None
        if identity.container is not None:
            named = self._containers.of_cgroup(identity, snapshot.cgroup, own)
            if named is None:
                identity = self._unnamed(snapshot, identity)
            elif self._helping(snapshot, own):
                named, identity = None, CgroupIdentity()
        silent = bool(identity.shared) or (bool(identity.pod) and identity.helper is None)
        if snapshot.contid is not None and snapshot.contid != CONTID_UNSET:
            return MembershipReading(
                self._containers.of_contid(snapshot.contid, named), Evidence.CONTID_FILE, identity, silent
            )
        tagged = self._tagged(snapshot)
        if tagged is not None:
            return MembershipReading(*tagged, identity, silent)
        return MembershipReading(named, Evidence.CGROUP if named is not None else None, identity, silent)

    def identity(self, snapshot: ProcSnapshot) -> CgroupIdentity:
        """The containers named by its cgroup text, before any engine has confirmed them."""
        key = (snapshot.cgroup, snapshot.zombie)
        identity = self._seen.get(key)
        if identity is None:
            if len(self._seen) >= MAX_TEXTS:
                self._seen.clear()
            identity = self._seen[key] = identify(snapshot.cgroup, zombie=snapshot.zombie, reader_root=self.reader_root)
        return identity

    def _unnamed(self, snapshot: ProcSnapshot, identity: CgroupIdentity) -> CgroupIdentity:
        """The identity that remains when no engine knows the names in it."""
        key = (snapshot.cgroup, snapshot.zombie)
        unnamed = self._bare.get(key)
        if unnamed is None:
            if len(self._bare) >= MAX_TEXTS:
                self._bare.clear()
            unnamed = identity.confirmed(_nobody)
            if owner_of(snapshot.cgroup):  # there even what is certain elsewhere had to be confirmed
                unnamed = replace(unnamed, container=None, outer=())
            self._bare[key] = unnamed
        return unnamed

    def _helping(self, snapshot: ProcSnapshot, own: Ns | None) -> bool:
        """An engine's process that is already in the container's cgroup, while it still sees the host's files.

        The workload cannot be this: to see the host's files, and be the child of a host process, it has to be out.
        """
        if own is None or own & (Ns.MNT | Ns.PID) or not is_helper(snapshot):
            return False
        parent = take_mount_snapshot(self._proc, snapshot.stat.ppid)
        if isinstance(parent, Reason) or parent.mnt != snapshot.mnt:
            return False
        named = identify(parent.cgroup, zombie=parent.stat.zombie).container
        return named is None or named.confirm or is_stage(snapshot)

    def _tagged(self, snapshot: ProcSnapshot) -> tuple[Container, Evidence] | None:
        """The container by the site's own tags: those of the process before those of its cgroup."""
        options = self._options
        tag = parse_ptags(snapshot.tags, options.ptags) if snapshot.tags is not None else None
        if tag is not None:
            container = self._containers.of_tags((tag,))
            return (container, Evidence.PTAGS) if container is not None else None
        tags = self._tags.of(snapshot.cgroup) if self._tags is not None and not snapshot.zombie else ()
        if options.pidfd_xattr and self._proc.live and (tag := pidfd_tag(snapshot.stat.pid, options.pidfd_xattr)):
            again = take_mount_snapshot(self._proc, snapshot.stat.pid)
            if not isinstance(again, Reason) and again.stat.ticks == snapshot.stat.ticks:
                tags = (tag,)
        container = self._containers.of_tags(tags)
        return (container, Evidence.XATTR) if container is not None else None


def _nobody(container: CgroupContainer) -> bool:
    del container
    return False


def is_stage(snapshot: ProcSnapshot) -> bool:
    """One of runc's own stages, by the names it gives them, run from its sealed copy."""
    sealed = is_sealed_copy(snapshot.exe) or snapshot.exe.endswith(b"/runc")
    return sealed and snapshot.stat.comm.startswith(b"runc:[")


def is_maker(snapshot: ProcSnapshot) -> bool:
    """An engine's program that may be in one container's cgroup and in the namespaces of the one around it."""
    return name_of(snapshot.exe) in RUNTIMES or is_sealed_copy(snapshot.exe)


def is_helper(snapshot: ProcSnapshot) -> bool:
    """An engine's program, by its file: runc and crun run from a copy in memory, or sealed as `/`."""
    return name_of(snapshot.exe) in HELPERS or is_sealed_copy(snapshot.exe)
