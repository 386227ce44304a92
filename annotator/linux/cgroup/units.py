"""Systemd units in a cgroup path: slices of pods, scopes and services of containers.

To teach the program a new engine whose scopes are called `PREFIX-rest.scope`, add a row to `SCOPES`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from annotator.linux.cgroup.names import POD_UID, UUID, by_affix, enter_nomad, enter_prefixed, is_id, nomad_task
from annotator.linux.cgroup.path import CgroupRole, Walk, is_cut_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.linux.cgroup.names import Rule

is_build = re.compile(r"[0-9a-z]{25}").fullmatch
ecs_task = re.compile(rf"([0-9a-f]{{32}}|{UUID})(-[0-9]{{1,10}})?").fullmatch

_pod_slice = re.compile(rf"(?:.*-)?kubepods(?:-burstable|-besteffort)?-{POD_UID}").fullmatch
_podman_pod = re.compile(r"(?:.*-)?libpod_pod_([0-9a-f]{64})").fullmatch
_machine = re.compile(rf"machine-(?:(rkt)-({UUID})|(lxc|qemu)-(?:[0-9]+-)?(.+)|(.+))", re.DOTALL).fullmatch
_flatpak = re.compile(r"app-flatpak-(.+)-[0-9]+", re.DOTALL).fullmatch
_snap = re.compile(rf"snap\.([^.]+)\.(.+?)(?:[-.]{UUID})?", re.DOTALL).fullmatch


def read_slice(walk: Walk, head: str) -> None:
    """`head.slice`: pods have slices of their own; containers do not."""
    if pod := _pod_slice(head):
        walk.pod = pod[1].replace("_", "-")
    elif pod := _podman_pod(head):
        walk.pod = pod[1]
    elif head.startswith("ecstasks-") and (task := ecs_task(head[9:])):
        walk.task = task[1]
    elif head == "nomad":
        walk.nomad = True


def read_scope(walk: Walk, head: str) -> None:
    """`head.scope`: `PREFIX-ID`, as every OCI runtime calls a container under the systemd driver, and other forms."""
    if is_id(head[-64:]):
        if len(head) == 64 or head[-65] == "-":
            enter_prefixed(walk, head[:-65], head[-64:])
        return
    prefix, _, rest = head.partition("-")
    rule = SCOPES.get(prefix)
    if rule is not None and rule(walk, head, rest):
        return
    if walk.nomad and (task := nomad_task(head)):
        enter_nomad(walk, task)
    elif walk.parent == "qemu.slice" and head.isdecimal():
        walk.enter(head, "qemu", role=CgroupRole.VM)
    elif not _snap_application(walk, head):
        by_affix(walk, head)


def read_service(walk: Walk, head: str) -> None:
    """`head.service`: only nspawn's template unit and the applications of a rkt pod are containers."""
    if head.startswith("systemd-nspawn@"):
        walk.enter(head[15:], "systemd-nspawn", head[15:], confirm=True)
    elif walk.chain and walk.chain[-1].engine == "rkt":
        walk.chain[-1] = replace(walk.chain[-1], name=head)
    else:
        _snap_application(walk, head)


UNITS_READ: Final[dict[str, Callable[[Walk, str], None]]] = {
    "slice": read_slice,
    "scope": read_scope,
    "service": read_service,
}
"""Kinds of units that tell something, each with what reads the name before the dot."""


def _machined(walk: Walk, head: str, _rest: str) -> bool:
    """`machine-…`, registered with systemd-machined: its state has the class, and nspawn's has `payload` below."""
    machine = _machine(head)
    if machine is None:
        return True
    rkt, pod, virt, domain, name = machine.groups()
    if rkt:
        walk.enter(pod, "rkt")
    elif virt == "lxc":
        walk.enter(domain, "libvirt-lxc", domain)
    elif virt == "qemu":
        walk.enter(domain, "qemu", domain, role=CgroupRole.VM)
    else:
        walk.enter(name, "machined", name, confirm=True)
    return True


def _buildkit(walk: Walk, _head: str, rest: str) -> bool:
    """`docker-BUILD`: one step of a build by the buildkit in dockerd."""
    if not is_build(rest):
        return False
    walk.enter(rest, "buildkit", role=CgroupRole.BUILD)
    return True


def _runtime(engine: str) -> Rule:
    """`RUNTIME-NAME`: a container started by hand, with a name that somebody chose."""

    def rule(walk: Walk, _head: str, rest: str) -> bool:
        if is_cut_id(rest):
            return False
        walk.enter(rest, engine, confirm=True)
        return True

    return rule


def _by_pid(engine: str) -> Rule:
    """`ENGINE-PID`: the engine names its container after the first process."""

    def rule(walk: Walk, _head: str, rest: str) -> bool:
        if not rest.isdecimal():
            return False
        walk.enter(rest, engine)
        return True

    return rule


def _rootless_podman(walk: Walk, _head: str, rest: str) -> bool:
    """`podman-PID`: rootless podman with cgroupfs keeps containers and their helpers together in it."""
    if not rest.isdecimal():
        return False
    walk.shared = "podman"
    return True


def _flatpak_application(walk: Walk, head: str, _rest: str) -> bool:
    """`app-flatpak-NAME-PID`."""
    application = _flatpak(head)
    if application is None:
        return False
    walk.enter(application[1], "flatpak", role=CgroupRole.APP)
    return True


SCOPES: Final[dict[str, Rule]] = {
    "machine": _machined,
    "docker": _buildkit,
    "runc": _runtime("runc"),
    "crun": _runtime("crun"),
    "youki": _runtime("youki"),
    "apptainer": _by_pid("apptainer"),
    "singularity": _by_pid("singularity"),
    "podman": _rootless_podman,
    "app": _flatpak_application,
}
"""The word before the first `-` of a scope's name, with its rule; the rule gets the name and what follows the `-`."""


def _snap_application(walk: Walk, head: str) -> bool:
    """`snap.NAME.APP`, and with a UUID behind it."""
    application = _snap(head) if head.startswith("snap.") else None
    if application is None:
        return False
    walk.enter(application[1], "snap", f"{application[1]}.{application[2]}", role=CgroupRole.APP)
    return True
