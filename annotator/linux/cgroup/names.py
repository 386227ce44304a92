"""Cgroup names that show by their own beginning or end which container they are of, wherever they stand.

To teach the program a new engine whose cgroups are called `PREFIXid`, add a row to `PREFIXES` (or `SUFFIXES`); where
its names are `PREFIX-` with 64 hex digits, a row of `path.ENGINES` is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from annotator.linux.cgroup.path import ENGINES, CgroupRole, Helper, Walk

Rule = Callable[[Walk, str, str], bool]
"""A rule gets the state, the whole name, and the name without the prefix (or suffix) that led to the rule.

It enters what the name means into the state and returns True, or returns False: the name is not of this form after all.
"""

UUID: Final = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
POD_UID: Final = rf"pod({UUID}|[0-9a-f]{{32}})"

is_id = re.compile(r"[0-9a-f]{64}").fullmatch
pod_directory = re.compile(POD_UID).fullmatch
nomad_task = re.compile(rf"({UUID})\.(.+)", re.DOTALL).fullmatch


def container(engine: str, *, role: CgroupRole = CgroupRole.CONTAINER, named: bool = False) -> Rule:
    """A rule: what follows the prefix is the id of a container of `engine`, and its name too when `named`."""

    def rule(walk: Walk, _name: str, rest: str) -> bool:
        walk.enter(rest, engine, rest if named else "", role=role)
        return True

    return rule


def _pod(walk: Walk, name: str, _rest: str) -> bool:
    """`podUID`: kubelet's directory of one pod."""
    pod = pod_directory(name)
    if pod is None:
        return False
    walk.pod = pod[1].replace("_", "-")
    return True


def _lxc_payload(walk: Walk, _name: str, rest: str) -> bool:
    """`lxc.payload.NAME`. A `lxc/NAME` above it (lxc.cgroup.dir) is the same container, not one around it."""
    if walk.grandparent == "lxc" and walk.chain and walk.chain[-1].id == rest:
        walk.chain.pop()
    walk.enter(rest, "lxc", rest)
    return True


def _lxc_monitor(walk: Walk, name: str, _rest: str) -> bool:
    """`lxc.monitor.NAME` and `lxc.pivot`: the process that watches a container, on the host."""
    walk.help(Helper.MONITOR, name[12:])
    return True


def _buildah(walk: Walk, name: str, _rest: str) -> bool:
    """`buildah-buildahDIGITS`: one RUN step; the id is the whole name."""
    walk.enter(name, "buildah", role=CgroupRole.BUILD)
    return True


PREFIXES: Final[tuple[tuple[str, Rule], ...]] = (
    ("pod", _pod),
    ("lxc.payload.", _lxc_payload),
    ("lxc.monitor.", _lxc_monitor),
    ("lxc.pivot", _lxc_monitor),
    ("kata_", container("kata", role=CgroupRole.VM)),
    ("buildah-buildah", _buildah),
    ("bpm-", container("bpm")),
)
"""Beginnings of names, each with its rule; the first rule that returns True decides."""

SUFFIXES: Final[tuple[tuple[str, Rule], ...]] = (
    (".libvirt-lxc", container("libvirt-lxc", named=True)),
    (".libvirt-qemu", container("qemu", role=CgroupRole.VM, named=True)),
)
"""Ends of names, each with its rule."""


def by_affix(walk: Walk, name: str) -> bool:
    """`PREFIXid` or `idSUFFIX`, with or without `.scope`. False: the name alone says nothing."""
    for prefix, rule in PREFIXES:
        if name.startswith(prefix) and rule(walk, name, name[len(prefix) :]):
            return True
    for suffix, rule in SUFFIXES:
        if name.endswith(suffix) and rule(walk, name, name[: -len(suffix)]):
            return True
    if len(name) <= 65 or name[-65] != "-" or not is_id(name[-64:]):
        return False
    # Without `.scope` only prefixes of engines count: any directory may end in a digest.
    if name[:-65] not in ENGINES and not name[:-65].endswith("conmon"):
        return False
    enter_prefixed(walk, name[:-65], name[-64:])
    return True


def enter_prefixed(walk: Walk, prefix: str, container_id: str) -> None:
    """`PREFIX-ID` with a full id: the container of that engine, or the conmon that watches it."""
    if prefix.endswith("conmon"):
        walk.help(Helper.CONMON, container_id)
    elif prefix.startswith("kata"):
        walk.enter(container_id, "kata", role=CgroupRole.VM)
    else:
        walk.enter(container_id, ENGINES.get(prefix, ""))


def enter_nomad(walk: Walk, task: re.Match[str]) -> None:
    """`ALLOC.TASK`. Nomad's raw_exec driver uses it too, without any namespace: the path cannot tell."""
    walk.task = task[1]
    walk.enter(task[0], "nomad", task[2])
