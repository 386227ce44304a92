"""The directories of all containers, as paths of the host: roots, layers and volumes.

Three sources, by what they can prove: the engines' own files (a rootless user's only for what that user owns); overlays
that the host itself has mounted, by the device of a container's root; and device and root of a container's mounts. The
text of a container's own mounts is never believed, since it may mount an overlay and call its layers what it likes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import Container, Ns
from annotator.linux.host.procfs import MAX_MOUNTS
from annotator.lookup.answer import How
from annotator.lookup.linux import mounts
from annotator.lookup.paths import below

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.linux.engines import EngineState
    from annotator.lookup.linux.mounts import MountEntry
    from annotator.lookup.linux.view import LinuxView

MANAGED = re.compile(r"/volumes/[^/]+/_data(?:/|\Z)|/kubelet/pods/[^/]+/volumes/")
"""Volumes that docker and podman (VOLUMES/NAME/_data) or a kubelet keep; any other bind mount is the host's own."""

RANKS = tuple(How)
"""Of claims to the same directory the earlier kind stands."""


class Claim(NamedTuple):
    """A directory of the host that is (part of) a container's file system. `inside` is where the container sees it."""

    path: str
    how: How
    container: Container
    inside: str


def host_mounts(view: LinuxView) -> list[MountEntry]:
    """The mounts we see; of a recorded tree those of pid 1."""
    pid: int | str = "self" if view.live else 1
    return mounts.parse(view.host.proc.text(pid, "mountinfo", MAX_MOUNTS))


def claims(view: LinuxView, host: list[MountEntry]) -> list[Claim]:
    """All directories of all containers."""
    claimed: list[Claim] = []
    for state in view.states:
        claimed += _of_state(view, state)
    rooted = {id(claim.container) for claim in claimed}
    for container, process in _witnesses(view.processes):
        inner = mounts.parse(view.host.proc.text(process.pid, "mountinfo", MAX_MOUNTS))
        claimed += _of_mounts(container, inner, host, rooted=id(container) in rooted)
    return claimed


def _of_state(view: LinuxView, state: EngineState) -> list[Claim]:
    rootfs = "/" + "/".join(part for part in state.rootfs.split("/") if part not in ("", "."))
    if not state.rootfs.startswith("/") or rootfs == "/" or ".." in rootfs.split("/"):
        return []
    if state.owner and not _owned(view, rootfs, state.owner):
        return []
    container = view.of_state(state)
    claimed = [Claim(rootfs, How.ROOTFS, container, "/")]
    if rootfs.endswith("/merged"):  # docker and containers/storage: the upper layer is beside the overlay's mount point
        claimed.append(Claim(rootfs.removesuffix("merged") + "diff", How.UPPER, container, "/"))
    return claimed


def _owned(view: LinuxView, rootfs: str, owner: int) -> bool:
    """Whether a rootless user owns what he says is his container's root, or the directory it lies in."""
    if not view.live:
        return True  # a recorded tree lost its owners
    for path in (rootfs, rootfs.rpartition("/")[0] or "/"):
        try:
            if (view.root / path.lstrip("/")).lstat().st_uid == owner:
                return True
        except OSError:
            continue
    return False


def _witnesses(processes: list[HostProcess]) -> list[tuple[Container, HostProcess]]:
    """Of each container its eldest process that has its own mounts."""
    witnesses: dict[int, tuple[Container, HostProcess]] = {}
    for process in processes:
        container = process.container
        if (
            container is None
            or process.own is None
            or not process.own & Ns.MNT
            or process.place not in (None, container)
        ):
            continue
        if id(container) not in witnesses or process.ticks < witnesses[id(container)][1].ticks:
            witnesses[id(container)] = (container, process)
    return list(witnesses.values())


def _of_mounts(container: Container, inner: list[MountEntry], host: list[MountEntry], *, rooted: bool) -> list[Claim]:
    claimed: list[Claim] = []
    root = next((mount for mount in reversed(inner) if mount.point == "/"), None)
    overlays = [mount for mount in host if root is not None and mount.device == root.device and mount.kind == "overlay"]
    for mount in overlays:
        claimed.append(Claim(mount.point, How.ROOTFS, container, "/"))
        claimed += [Claim(path, How.UPPER, container, "/") for path in mounts.layers(mount, "upperdir")]
        claimed += [Claim(path, How.IMAGE, container, "/") for path in mounts.layers(mount, "lowerdir")]
    if root is not None and not overlays and not rooted and root.kind not in VIRTUAL_ROOTS:
        path = mounts.on_host(root, host)
        claimed += [Claim(path, How.MOUNTINFO, container, "/")] if path is not None and path != "/" else []
    for mount in inner:
        if mount is root or mount.kind in mounts.VIRTUAL:
            continue
        path = mounts.on_host(mount, host)
        if path is not None and path != "/":
            how = How.VOLUME if MANAGED.search(path) else How.BIND
            claimed.append(Claim(path, how, container, mount.point))
    return claimed


VIRTUAL_ROOTS = frozenset(("proc", "sysfs", "cgroup", "cgroup2"))


def best(claims: list[Claim], path: str) -> list[Claim]:
    """The claims that decide for a path: the longest, of equals the strongest kind. Several are several containers."""
    holding = [claim for claim in claims if claim.how is not How.BIND and below(path, claim.path)]
    if not holding:
        return []
    longest = max(len(claim.path) for claim in holding)
    nearest = [claim for claim in holding if len(claim.path) == longest]
    rank = min(RANKS.index(claim.how) for claim in nearest)
    unique = {id(claim.container): claim for claim in nearest if RANKS.index(claim.how) == rank}
    return list(unique.values())
