"""The types of a cgroup path: what it names, and the state while it is read from its root down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

NAME_MAX: Final = 255
"""Bytes of one cgroup name (NAME_MAX of linux/limits.h); a longer segment was not written by a kernel."""


class CgroupRole(StrEnum):
    """The kind of workload in a cgroup."""

    CONTAINER = "container"
    BUILD = "build"  # one step of an image build: a container, but of no engine's list
    APP = "app"  # flatpak, snap: an application of the host
    VM = "vm"  # the monitor of a virtual machine: the guest's calls never reach the host's audit


class Helper(StrEnum):
    """An engine's own process, which belongs to a container but is not in it."""

    CONMON = "conmon"
    MONITOR = "monitor"  # LXC's
    SUPERVISOR = "supervisor"  # systemd-nspawn's


@dataclass(frozen=True, slots=True)
class CgroupContainer:
    """One container (or application, or virtual machine) as a cgroup path names it. An empty text is unknown.

    `id` is the engine's own in full, a name where the engine has no other id. `pod` is a Kubernetes pod uid (with `-`,
    also where the slice has `_`; 32 hex digits for a static pod) or the id of a podman pod. `task` is the ECS task or
    the Nomad allocation. `confirm`: the path alone is no proof; believe it only when an engine's state has the id.
    """

    id: str
    engine: str = ""
    name: str = ""
    pod: str = ""
    task: str = ""
    role: CgroupRole = CgroupRole.CONTAINER
    confirm: bool = False


class PathReading(NamedTuple):
    """The containers that one path names. `chain` is outermost first; `pod` and `workload` lie below it.

    `helps` is the id of the container a helper belongs to. `shared` is an engine that keeps its containers and its
    helpers together in this cgroup: neither "container" nor "host" follows from it.
    """

    chain: tuple[CgroupContainer, ...] = ()
    pod: str = ""
    workload: CgroupContainer | None = None
    helper: Helper | None = None
    helps: str = ""
    shared: str = ""


ENGINES: Final = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",
    "runc": "runc",
    "crun": "crun",
    "youki": "youki",
}
"""The prefix of `PREFIX-ID`, as each engine hands it to its runtime."""

UNITS: Final = frozenset(
    {"scope", "service", "slice", "mount", "automount", "swap", "socket", "device", "timer", "path", "target"}
    | {"session", "user", "partition"}
)
"""Suffixes of systemd units, and of the directories of old logind and libvirt. Only the first three hold containers."""

_PLAIN: Final = frozenset(
    {"init", "udev", "container", "runtime", "conmon", "user", "system", "machine", "libvirt", "emulator", "docker"}
    | {"crio", "ecs", "lxc", "mesos", "garden", "good", "bad", "nomad", "share", "reserve", "buildkit", "libpod_parent"}
    | {"kubepods", "burstable", "besteffort", "guaranteed", "kubelet", "podruntime", "actions_job", "cpuset", "qemu"}
    | {"apptainer", "singularity", "lxc.payload", "lxc.monitor", "kata_overhead"}
)
"""Names without a suffix that engines, systemd and kubelet give to directories between: never a container's name."""

is_cut_id = re.compile(r"[0-9A-Fa-f]{60,}").fullmatch
_escape = re.compile(rb"\\x([0-9a-f]{2})")


class Walk:
    """The state while one path is read from its root down."""

    __slots__ = (
        *("chain", "ecs", "grandparent", "helper", "helps", "kata", "nomad"),
        *("parent", "pod", "shared", "taken", "task", "workload"),
    )

    def __init__(self) -> None:
        self.chain: list[CgroupContainer] = []
        self.parent = self.grandparent = ""  # the segment above this one, and the one above that
        self.ecs = self.kata = self.nomad = False
        self.taken = False  # this segment is a free-form name: the rules for the one below must not look at it
        self.leave()

    def leave(self) -> None:
        """Forget the pod, task, helper and workload named above: they belong to the container just entered."""
        self.pod = self.task = self.helps = self.shared = ""
        self.helper: Helper | None = None
        self.workload: CgroupContainer | None = None

    def enter(
        self,
        container_id: str,
        engine: str = "",
        name: str = "",
        *,
        role: CgroupRole = CgroupRole.CONTAINER,
        confirm: bool = False,
    ) -> None:
        """The rest of the path is inside this container; an empty id is none."""
        if not container_id:
            return
        if self.kata:
            engine, role = "kata", CgroupRole.VM
        container = CgroupContainer(container_id, engine, name, self.pod, self.task, role, confirm)
        if role in (CgroupRole.VM, CgroupRole.APP):
            self.workload = container
        else:
            self.chain.append(container)
            self.leave()

    def help(self, helper: Helper, container_id: str) -> None:
        """The process is an engine's own, and serves that container ("" where the path does not say which)."""
        self.helper, self.helps = helper, container_id

    def suppose(self, name: str) -> None:
        """Enter a name that may be of a container made by hand, or of any other cgroup: to be confirmed."""
        if not name or name in _PLAIN or name.startswith("."):
            return
        if self.kata:
            self.enter(name)
        elif not is_cut_id(name):
            self.chain.append(CgroupContainer(name, pod=self.pod, task=self.task, confirm=True))

    def supposed(self) -> bool:
        """Whether the directory above is itself only a supposed container."""
        return bool(self.chain) and self.chain[-1] == CgroupContainer(
            self.parent, pod=self.pod, task=self.task, confirm=True
        )

    def reading(self) -> PathReading:
        """The result; supposed containers count only where no certain one, helper or workload is named."""
        chain = self.chain
        if self.helper or self.shared or self.workload or not all(c.confirm for c in chain):
            chain = [c for c in chain if c.engine or not c.confirm]
        return PathReading(tuple(chain), self.pod, self.workload, self.helper, self.helps, self.shared)


def segment_text(raw: bytes) -> str:
    r"""Text of one segment; of a unit's name with systemd's `\x2d` undone. Bytes that are no UTF-8 show as `\xff`."""
    if b"\\x" in raw and raw.rpartition(b".")[2].decode("ascii", "replace") in UNITS:
        raw = _escape.sub(_unescape, raw)
    return raw.decode("utf-8", "backslashreplace")


def _unescape(match: re.Match[bytes]) -> bytes:
    """One escaped byte; those that can be in no name, or would break a line, stay escaped."""
    byte = bytes.fromhex(match[1].decode())
    return match[0] if byte < b" " or byte in b"/\x7f" else byte
