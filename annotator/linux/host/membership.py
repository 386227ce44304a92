"""What one process says of itself: the kernel's contid file, a site's tags, its cgroup. Not where it is, nor host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.model import CONTID_UNSET, Container, Evidence, Ns, Reason
from annotator.linux.cgroup.identify import CgroupIdentity, identify
from annotator.linux.contid.ptags import CgroupTags, parse_ptags, pidfd_tag
from annotator.linux.engines.programs import MANAGERS, MONITORS, RUNTIMES, is_sealed_copy, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.linux.cgroup.identify import CgroupContainer
    from annotator.linux.host.containers import Containers
    from annotator.linux.host.procfs import Look, Proc

HELPERS: Final = RUNTIMES | MANAGERS | MONITORS
"""Programs that stand with one foot in a container while they make or watch it."""

MAX_TEXTS: Final = 4096
"""Cgroup texts whose reading is remembered: all processes of a container, or of a service, have the same one."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What a site may choose. Empty names: that source is not used.

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


class Member(NamedTuple):
    """Its container, and by what. `silent`: its cgroup says neither that it is in one nor that it is on the host."""

    container: Container | None
    evidence: Evidence | None
    identity: CgroupIdentity
    silent: bool = False


class Members:
    """Reads membership from one look. `reader_root`: cgroup paths begin at the host's root.

    Raises ValueError for an attribute that is none (`CgroupTags`).
    """

    def __init__(self, proc: Proc, containers: Containers, root: Path, options: HostOptions) -> None:
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

    def of(self, look: Look, own: Ns | None) -> Member:
        """The first that says anything, in the order of the membership ranks."""
        identity = self.identity(look)
        named: Container | None = None
        if identity.container is not None:
            named = self._containers.of_cgroup(identity, look.cgroup, own)
            if named is None:
                identity = self._unnamed(look, identity)
            elif self._helping(look, own):
                named, identity = None, CgroupIdentity()
        silent = bool(identity.shared) or (bool(identity.pod) and identity.helper is None)
        if look.contid is not None and look.contid != CONTID_UNSET:
            return Member(self._containers.of_contid(look.contid, named), Evidence.CONTID_FILE, identity, silent)
        tagged = self._tagged(look)
        if tagged is not None:
            return Member(*tagged, identity, silent)
        return Member(named, Evidence.CGROUP if named is not None else None, identity, silent)

    def identity(self, look: Look) -> CgroupIdentity:
        """What its cgroup text says, before any engine confirmed it."""
        key = (look.cgroup, look.zombie)
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= MAX_TEXTS:
                self._seen.clear()
            found = self._seen[key] = identify(look.cgroup, zombie=look.zombie, reader_root=self.reader_root)
        return found

    def _unnamed(self, look: Look, identity: CgroupIdentity) -> CgroupIdentity:
        """The same when no engine knows the names in it."""
        key = (look.cgroup, look.zombie)
        found = self._bare.get(key)
        if found is None:
            if len(self._bare) >= MAX_TEXTS:
                self._bare.clear()
            found = self._bare[key] = identity.confirmed(_nobody)
        return found

    def _helping(self, look: Look, own: Ns | None) -> bool:
        """An engine's process that is already in the container's cgroup, while it still sees the host's files.

        The workload cannot be this: to see the host's files, and be the child of a host process, it has to be out.
        """
        if own is None or own & (Ns.MNT | Ns.PID) or not is_helper(look):
            return False
        parent = self._proc.brief(look.stat.ppid)
        if isinstance(parent, Reason) or parent.mnt != look.mnt:
            return False
        said = identify(parent.cgroup, zombie=parent.stat.zombie).container
        return said is None or said.confirm or is_stage(look)

    def _tagged(self, look: Look) -> tuple[Container, Evidence] | None:
        """What the site's own tags say: of the process before those of its cgroup."""
        options = self._options
        tag = parse_ptags(look.tags, options.ptags) if look.tags is not None else None
        if tag is not None:
            found = self._containers.of_tags((tag,))
            return (found, Evidence.PTAGS) if found is not None else None
        tags = self._tags.of(look.cgroup) if self._tags is not None and not look.zombie else ()
        if options.pidfd_xattr and self._proc.live and (tag := pidfd_tag(look.stat.pid, options.pidfd_xattr)):
            again = self._proc.brief(look.stat.pid)
            if not isinstance(again, Reason) and again.stat.ticks == look.stat.ticks:
                tags = (tag,)
        found = self._containers.of_tags(tags)
        return (found, Evidence.XATTR) if found is not None else None


def _nobody(one: CgroupContainer) -> bool:
    del one
    return False


def is_stage(look: Look) -> bool:
    """One of runc's own stages, by the names it gives them, run from its sealed copy."""
    sealed = is_sealed_copy(look.exe) or look.exe.endswith(b"/runc")
    return sealed and look.stat.comm.startswith(b"runc:[")


def is_maker(look: Look) -> bool:
    """An engine's program that may be in one container's cgroup and in the namespaces of the one around it."""
    return name_of(look.exe) in RUNTIMES or is_sealed_copy(look.exe)


def is_helper(look: Look) -> bool:
    """An engine's program, by its file: runc and crun run from a copy in memory, or sealed as `/`."""
    return name_of(look.exe) in HELPERS or is_sealed_copy(look.exe)
