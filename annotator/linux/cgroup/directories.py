"""Cgroups that are no systemd units: those of the cgroupfs drivers, and what lies below a container's scope.

To teach the program a new engine that keeps its containers below a directory of its own, add a row to `PARENTS`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from annotator.linux.cgroup.names import UUID, by_affix, enter_nomad, is_id, nomad_task, pod_directory
from annotator.linux.cgroup.path import CgroupRole, Helper, Walk
from annotator.linux.cgroup.units import ecs_task, is_build, read_scope, read_slice

if TYPE_CHECKING:
    from collections.abc import Callable

NAMED_BELOW: Final = frozenset(("lxc", "lxc.payload", "lxc.monitor", "garden"))
"""Directories whose entries are free-form names: `web.service` there is a container, not a unit."""

_is_uuid = re.compile(UUID).fullmatch


def read_directory(walk: Walk, name: str) -> None:
    """A segment that is no unit; what no rule knows may be the name of a container made by hand."""
    if is_id(name):
        _bare_id(walk, name)
    elif not (_by_parent(walk, name) or _colons(walk, name) or _by_name(walk, name) or by_affix(walk, name)):
        walk.suppose(name)


def _bare_id(walk: Walk, container_id: str) -> None:
    """64 hex digits alone. Below `libpod_parent` it is podman's pod; else a container, docker's if `docker` says so."""
    if walk.parent == "libpod_parent":
        walk.pod = container_id
    else:
        walk.enter(container_id, "docker" if walk.parent == "docker" else "")


def _colons(walk: Walk, name: str) -> bool:
    """`slice:prefix:name`, a systemd path that a runtime with the cgroupfs driver took for a directory name."""
    parent, colon, rest = name.partition(":")
    prefix, second, container = rest.partition(":")
    if not colon or not second or not (parent == "" or parent.endswith(".slice")):
        return False
    read_slice(walk, parent[:-6])
    depth = len(walk.chain)
    read_scope(walk, f"{prefix}-{container}")
    if len(walk.chain) == depth:
        walk.suppose(container)
    return True


# --- by the directory above -------------------------------------------------------------------------------------------


def _by_parent(walk: Walk, name: str) -> bool:
    """What the directory above says of this one."""
    rule = PARENTS.get(walk.parent)
    if rule is not None and rule(walk, name):
        return True
    if _is_uuid(name) and pod_directory(walk.parent):
        walk.enter(name)
    elif walk.nomad and (task := nomad_task(name)):
        enter_nomad(walk, task)
    else:
        return _ecs(walk, name)
    return True


def _named(walk: Walk, name: str) -> bool:
    """An entry of a directory that an engine keeps for its containers' names."""
    if name.startswith(("lxc.payload.", "lxc.monitor.")):
        return False
    if walk.parent == "lxc.monitor":
        walk.help(Helper.MONITOR, name)
    elif walk.parent == "garden":
        if name in ("good", "bad", "init"):
            return True  # newer Garden sorts its containers by their use of the CPU
        walk.enter(name, "garden")
    else:
        walk.enter(name, "libvirt-lxc" if walk.grandparent == "libvirt" else "lxc", name)
    walk.taken = True
    return True


def _garden(walk: Walk, name: str) -> bool:
    """`garden/good/ID`."""
    if walk.grandparent != "garden":
        return False
    walk.enter(name, "garden")
    return True


def _mesos(walk: Walk, name: str) -> bool:
    """`mesos/UUID`."""
    if not _is_uuid(name):
        return False
    walk.enter(name, "mesos")
    return True


def _buildkit(walk: Walk, name: str) -> bool:
    """`buildkit/BUILD`: one step of a build."""
    if not is_build(name):
        return False
    walk.enter(name, "buildkit", role=CgroupRole.BUILD)
    return True


def _apptainer(walk: Walk, name: str) -> bool:
    """`apptainer/PID`, `singularity/PID`: the engine's name is the directory's."""
    if not name.isdecimal():
        return False
    walk.enter(name, walk.parent)
    return True


def _libvirt_qemu(walk: Walk, name: str) -> bool:
    """`libvirt/qemu/DOMAIN`."""
    if walk.grandparent != "libvirt":
        return False
    walk.enter(name, "qemu", name, role=CgroupRole.VM)
    return True


PARENTS: Final[dict[str, Callable[[Walk, str], bool]]] = {
    **dict.fromkeys(NAMED_BELOW, _named),
    "good": _garden,
    "bad": _garden,
    "mesos": _mesos,
    "buildkit": _buildkit,
    "apptainer": _apptainer,
    "singularity": _apptainer,
    "qemu": _libvirt_qemu,
}
"""Names of the directory above, each with the rule for its entries; False: the entry is not of the engine's form."""


def _ecs(walk: Walk, name: str) -> bool:
    """ECS: `TASK/ID` on EC2 (the id comes by itself), `TASK-DIGITS` on Fargate; the latter's form is known anywhere."""
    task = ecs_task(name)
    if task is None or not (walk.ecs or (task[2] and len(task[1]) == 32)):
        return False
    walk.task = task[1]
    if task[2]:
        walk.enter(name)
    return True


# --- by the name itself -----------------------------------------------------------------------------------------------


def _by_name(walk: Walk, name: str) -> bool:
    """Names with a meaning of their own."""
    rule = NAMES.get(name)
    return rule is not None and rule(walk, name)


def _ecs_below(walk: Walk, _name: str) -> bool:
    """What lies below is ECS's."""
    walk.ecs = True
    return True


def _nomad_below(walk: Walk, _name: str) -> bool:
    """What lies below is Nomad's."""
    walk.nomad = True
    return True


def _kata_below(walk: Walk, _name: str) -> bool:
    """What lies below is the host's side of Kata's virtual machines."""
    walk.kata = True
    return True


def _conmon(walk: Walk, _name: str) -> bool:
    """`libpod_parent/conmon`: all conmons of podman with cgroupfs, so it says not whose."""
    if walk.parent != "libpod_parent":
        return False
    walk.help(Helper.CONMON, "")
    return True


def _split_runtime(walk: Walk, _name: str) -> bool:
    """`X.service/runtime`: conmon with --cgroups=split, and with --cgroups=disabled the container too."""
    if walk.parent.rpartition(".")[2] != "service":
        return False
    walk.shared = "podman"
    return True


def _nspawn(walk: Walk, name: str) -> bool:
    """Nspawn puts itself in `supervisor` and the machine in `payload`; with --keep-unit below any unit."""
    unit, dot, kind = walk.parent.rpartition(".")
    if walk.parent and not (dot and kind in ("service", "scope")):
        return False
    last = walk.chain[-1] if walk.chain else None
    named = last is not None and walk.parent in (f"machine-{last.id}.scope", f"systemd-nspawn@{last.id}.service")
    if name == "supervisor":
        walk.help(Helper.SUPERVISOR, walk.chain.pop().id if named else "")
    elif named and last is not None:
        walk.chain[-1] = replace(last, engine="systemd-nspawn", confirm=False)
    else:
        walk.enter(unit or name, "systemd-nspawn", confirm=True)
    return True


NAMES: Final[dict[str, Callable[[Walk, str], bool]]] = {
    "ecs": _ecs_below,
    "nomad": _nomad_below,
    "kata_overhead": _kata_below,
    "conmon": _conmon,
    "runtime": _split_runtime,
    "payload": _nspawn,
    "supervisor": _nspawn,
}
"""Names that mean something by themselves, each with its rule; False: not at this place."""
