"""One cgroup path -> what its segments name: containers, pods, applications, virtual machines, engine helpers.

Each rule is one engine's way of naming its cgroups (see samples/linux/cgroup/ORIGIN.md for where each was seen). A path
is read from the root down, so that a container inside a container is found as such. Nothing below a container's own
cgroup can take the container away again: the workload may name its cgroups as it likes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from annotator.linux.cgroup.path import (
    ENGINES,
    NAME_MAX,
    UNITS,
    Helper,
    PathReading,
    Role,
    Walk,
    is_cut_id,
    segment_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMED_BELOW: Final = frozenset(("lxc", "lxc.payload", "lxc.monitor", "garden"))
"""Directories whose entries are free-form names: `web.service` there is a container, not a unit."""

_UUID: Final = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
_POD_UID: Final = rf"pod({_UUID}|[0-9a-f]{{32}})"
_is_id = re.compile(r"[0-9a-f]{64}").fullmatch
_is_uuid = re.compile(_UUID).fullmatch
_is_build = re.compile(r"[0-9a-z]{25}").fullmatch
_pod_dir = re.compile(_POD_UID).fullmatch
_pod_slice = re.compile(rf"(?:.*-)?kubepods(?:-burstable|-besteffort)?-{_POD_UID}").fullmatch
_podman_pod = re.compile(r"(?:.*-)?libpod_pod_([0-9a-f]{64})").fullmatch
_ecs_task = re.compile(rf"([0-9a-f]{{32}}|{_UUID})(-[0-9]{{1,10}})?").fullmatch
_nomad_task = re.compile(rf"({_UUID})\.(.+)", re.DOTALL).fullmatch
_machine = re.compile(rf"machine-(?:(rkt)-({_UUID})|(lxc|qemu)-(?:[0-9]+-)?(.+)|(.+))", re.DOTALL).fullmatch
_flatpak = re.compile(r"app-flatpak-(.+)-[0-9]+", re.DOTALL).fullmatch
_snap = re.compile(rf"snap\.([^.]+)\.(.+?)(?:[-.]{_UUID})?", re.DOTALL).fullmatch


def read_path(path: bytes) -> PathReading:
    """Read one cgroup path. Leading `..` (the reader's own cgroup namespace is elsewhere) are an unknown prefix."""
    walk = Walk()
    for raw in path.split(b"/"):
        if not raw or raw == b".." or len(raw) > NAME_MAX:
            continue
        name = segment_text(raw)
        head, _, kind = name.rpartition(".")
        if head and kind in UNITS and walk.prev not in _NAMED_BELOW and not name.startswith("lxc."):
            depth, supposed = len(walk.chain), walk.supposed()
            rule = _UNIT_RULES.get(kind)
            if rule is not None:
                rule(walk, head)
            if supposed and kind in ("service", "scope") and len(walk.chain) == depth:
                walk.suppose(name)  # `/lab/web.service`: systemd has no units below a plain directory of its own
        else:
            _directory(walk, name)
        walk.before, walk.prev, walk.taken = walk.prev, "." if walk.taken else name, False
    return walk.reading()


def _slice(walk: Walk, head: str) -> None:
    """Pods have slices of their own; containers do not."""
    if found := _pod_slice(head):
        walk.pod = found[1].replace("_", "-")
    elif found := _podman_pod(head):
        walk.pod = found[1]
    elif head.startswith("ecstasks-") and (found := _ecs_task(head[9:])):
        walk.task = found[1]
    elif head == "nomad":
        walk.nomad = True


def _scope(walk: Walk, head: str) -> None:
    """`PREFIX-ID.scope`, the form every OCI runtime gives a container under the systemd driver, and the others."""
    if _is_id(head[-64:]):
        if len(head) == 64 or head[-65] == "-":
            _prefixed(walk, head[:-65], head[-64:])
        return
    prefix, _, rest = head.partition("-")
    if prefix == "machine":
        _machine_scope(walk, head)
    elif prefix == "docker" and _is_build(rest):
        walk.enter(rest, "buildkit", role=Role.BUILD)
    elif prefix in ("runc", "crun", "youki") and not is_cut_id(rest):
        walk.enter(rest, prefix, confirm=True)
    elif prefix in ("apptainer", "singularity") and rest.isdecimal():
        walk.enter(rest, prefix)
    elif prefix == "podman" and rest.isdecimal():
        walk.shared = "podman"
    elif prefix == "app" and (found := _flatpak(head)):
        walk.enter(found[1], "flatpak", role=Role.APP)
    elif walk.nomad and (found := _nomad_task(head)):
        _nomad(walk, found)
    elif walk.prev == "qemu.slice" and head.isdecimal():
        walk.enter(head, "qemu", role=Role.VM)
    elif not _snapped(walk, head):
        _by_prefix(walk, head)


def _service(walk: Walk, head: str) -> None:
    """Services hold no containers but nspawn's template unit, and the applications of a rkt pod."""
    if head.startswith("systemd-nspawn@"):
        walk.enter(head[15:], "systemd-nspawn", head[15:], confirm=True)
    elif walk.chain and walk.chain[-1].engine == "rkt":
        walk.chain[-1] = replace(walk.chain[-1], name=head)
    else:
        _snapped(walk, head)


_UNIT_RULES: Final[dict[str, Callable[[Walk, str], None]]] = {"slice": _slice, "scope": _scope, "service": _service}


def _machine_scope(walk: Walk, head: str) -> None:
    """What systemd-machined registered: nspawn's only when `payload` follows; else the class is in machined's state."""
    found = _machine(head)
    if found is None:
        return
    rkt, pod, virt, domain, name = found.groups()
    if rkt:
        walk.enter(pod, "rkt")
    elif virt == "lxc":
        walk.enter(domain, "libvirt-lxc", domain)
    elif virt == "qemu":
        walk.enter(domain, "qemu", domain, role=Role.VM)
    else:
        walk.enter(name, "machined", name, confirm=True)


def _snapped(walk: Walk, head: str) -> bool:
    found = _snap(head) if head.startswith("snap.") else None
    if found:
        walk.enter(found[1], "snap", f"{found[1]}.{found[2]}", role=Role.APP)
    return found is not None


def _directory(walk: Walk, name: str) -> None:
    """A segment that is no unit: the cgroupfs drivers, and what lies below a container's scope."""
    if _is_id(name):
        _bare(walk, name)
    elif not (_below(walk, name) or _colons(walk, name) or _special(walk, name) or _by_prefix(walk, name)):
        walk.suppose(name)


def _bare(walk: Walk, found: str) -> None:
    """64 hex digits alone. Below `libpod_parent` it is podman's pod; else a container, docker's if `docker` says so."""
    if walk.prev == "libpod_parent":
        walk.pod = found
    else:
        walk.enter(found, "docker" if walk.prev == "docker" else "")


def _colons(walk: Walk, name: str) -> bool:
    """`slice:prefix:name`, a systemd path that a runtime with the cgroupfs driver took for a directory name."""
    parent, colon, rest = name.partition(":")
    prefix, second, found = rest.partition(":")
    if not colon or not second or not (parent == "" or parent.endswith(".slice")):
        return False
    _slice(walk, parent[:-6])
    depth = len(walk.chain)
    _scope(walk, f"{prefix}-{found}")
    if len(walk.chain) == depth:
        walk.suppose(found)
    return True


def _below(walk: Walk, name: str) -> bool:
    """What the directory above says of this one."""
    prev, before = walk.prev, walk.before
    if prev in _NAMED_BELOW and not name.startswith(("lxc.payload.", "lxc.monitor.")):
        _named(walk, name)
    elif prev in ("good", "bad") and before == "garden":
        walk.enter(name, "garden")
    elif prev == "mesos" and _is_uuid(name):
        walk.enter(name, "mesos")
    elif prev == "buildkit" and _is_build(name):
        walk.enter(name, "buildkit", role=Role.BUILD)
    elif prev in ("apptainer", "singularity") and name.isdecimal():
        walk.enter(name, prev)
    elif prev == "qemu" and before == "libvirt":
        walk.enter(name, "qemu", name, role=Role.VM)
    elif _is_uuid(name) and _pod_dir(prev):
        walk.enter(name)
    elif walk.nomad and (found := _nomad_task(name)):
        _nomad(walk, found)
    else:
        return _ecs(walk, name)
    return True


def _named(walk: Walk, name: str) -> None:
    """An entry of a directory that an engine keeps for its containers' names."""
    if walk.prev == "lxc.monitor":
        walk.help(Helper.MONITOR, name)
    elif walk.prev == "garden":
        if name in ("good", "bad", "init"):
            return  # newer Garden sorts its containers by their use of the CPU
        walk.enter(name, "garden")
    else:
        walk.enter(name, "libvirt-lxc" if walk.before == "libvirt" else "lxc", name)
    walk.taken = True


def _ecs(walk: Walk, name: str) -> bool:
    """ECS: `TASK/ID` on EC2 (the id comes by itself), `TASK-DIGITS` on Fargate; the latter's form is known anywhere."""
    found = _ecs_task(name)
    if found is None or not (walk.ecs or (found[2] and len(found[1]) == 32)):
        return False
    walk.task = found[1]
    if found[2]:
        walk.enter(name)
    return True


def _special(walk: Walk, name: str) -> bool:
    """Names with a meaning of their own."""
    unit, dot, kind = walk.prev.rpartition(".")
    if name == "ecs":
        walk.ecs = True
    elif name == "nomad":
        walk.nomad = True
    elif name == "kata_overhead":
        walk.kata = True
    elif name == "conmon" and walk.prev == "libpod_parent":
        walk.help(Helper.CONMON, "")
    elif name == "runtime" and kind == "service":
        walk.shared = "podman"  # --cgroups=split: conmon; --cgroups=disabled: the container too
    elif name in ("payload", "supervisor") and (not walk.prev or (dot and kind in ("service", "scope"))):
        _nspawn(walk, name, unit or name)
    else:
        return False
    return True


def _nspawn(walk: Walk, half: str, unit: str) -> None:
    """systemd-nspawn puts itself in `supervisor` and the machine in `payload`; with --keep-unit below any unit."""
    last = walk.chain[-1] if walk.chain else None
    named = last is not None and walk.prev in (f"machine-{last.id}.scope", f"systemd-nspawn@{last.id}.service")
    if half == "supervisor":
        walk.help(Helper.SUPERVISOR, walk.chain.pop().id if named else "")
    elif named and last is not None:
        walk.chain[-1] = replace(last, engine="systemd-nspawn", confirm=False)
    else:
        walk.enter(unit, "systemd-nspawn", confirm=True)


def _by_prefix(walk: Walk, name: str) -> bool:
    """`PREFIXid`, with or without `.scope`."""
    if found := _pod_dir(name):
        walk.pod = found[1].replace("_", "-")
    elif name.startswith("lxc.payload."):
        if walk.before == "lxc" and walk.chain and walk.chain[-1].id == name[12:]:
            walk.chain.pop()  # lxc.cgroup.dir=lxc/NAME: that container's directory, not one around it
        walk.enter(name[12:], "lxc", name[12:])
    elif name.startswith(("lxc.monitor.", "lxc.pivot")):
        walk.help(Helper.MONITOR, name[12:])
    elif name.startswith("kata_"):
        walk.enter(name[5:], "kata", role=Role.VM)
    elif name.startswith("buildah-buildah"):
        walk.enter(name, "buildah", role=Role.BUILD)
    elif name.startswith("bpm-"):
        walk.enter(name[4:], "bpm")
    elif name.endswith(".libvirt-lxc"):
        walk.enter(name[:-12], "libvirt-lxc", name[:-12])
    elif name.endswith(".libvirt-qemu"):
        walk.enter(name[:-13], "qemu", name[:-13], role=Role.VM)
    elif len(name) > 65 and name[-65] == "-" and _is_id(name[-64:]):
        # Without `.scope` only prefixes of engines count: any directory may end in a digest.
        if name[:-65] not in ENGINES and not name[:-65].endswith("conmon"):
            return False
        _prefixed(walk, name[:-65], name[-64:])
    else:
        return False
    return True


def _prefixed(walk: Walk, prefix: str, found: str) -> None:
    if prefix.endswith("conmon"):
        walk.help(Helper.CONMON, found)
    elif prefix.startswith("kata"):
        walk.enter(found, "kata", role=Role.VM)
    else:
        walk.enter(found, ENGINES.get(prefix, ""))


def _nomad(walk: Walk, found: re.Match[str]) -> None:
    """`ALLOC.TASK`. The raw_exec driver uses it too, without any namespace: the path cannot tell."""
    walk.task = found[1]
    walk.enter(found[0], "nomad", found[2])
