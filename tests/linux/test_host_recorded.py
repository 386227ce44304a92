"""Rules of the host view on processes of real engines, as the kernel showed them (samples/linux/host-processes)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.core.contracts import HostProcess
from annotator.core.registry import derive_contid
from annotator.linux.host.view import LinuxHost

if TYPE_CHECKING:
    from conftest import Machine

SAMPLES = Path(__file__).parents[2] / "samples" / "linux" / "host-processes"
CASES: list[dict[str, Any]] = [json.loads(line) for line in (SAMPLES / "input.jsonl").read_text("utf-8").splitlines()]
EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text("utf-8"))
ROOT = "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
FIRST = {"mnt": 4026531832, "net": 4026531833}
"""The first namespaces of that machine whose inodes differ between kernels."""


def rebuild(machine: Machine, case: dict[str, Any]) -> LinuxHost:
    """The process with its ancestors, who are on the host unless their cgroup says otherwise."""
    for pid, comm in ((1, "init"), (2, "kthreadd")):
        machine.add(pid, ppid=0, comm=comm, mounts=ROOT, ns=FIRST, ticks=1, flags=0x208040 if pid == 2 else 0)
    for one in reversed(case["ancestry"]):
        if one["pid"] > 2:
            cgroup = "\n".join(one["cgroup"]) + "\n"
            machine.add(one["pid"], comm=one["comm"], cgroup=cgroup, ns=FIRST, mounts=ROOT, ticks=5)
    spaces = {kind: int(link.split("[")[1][:-1]) for kind, link in case["ns"].items()}
    mounts = "".join(line + "\n" for line in case["mounts"])
    home = machine.add(case["pid"], cgroup=case["cgroup"], ns=spaces, mounts=mounts)
    (home / "stat").write_text(case["stat"])
    (home / "status").write_text("".join(f"{key}:\t{value}\n" for key, value in case["status"].items()))
    return LinuxHost(machine.root, live=False, derive=derive_contid, now=lambda: 0, offset_ms=0)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_processes_of_real_engines(machine: Machine, case: dict[str, Any]) -> None:
    """Each is named as its engine named it, or is host, or a sandbox where only an engine's file could say more."""
    found = rebuild(machine, case).process(case["pid"])
    assert isinstance(found, HostProcess)
    inside = found.container
    assert EXPECTED[case["name"]] == {
        "container": [inside.id, inside.engine, inside.name, inside.pod] if inside else None,
        "evidence": found.evidence,
        "reason": found.reason,
        "own": sorted(flag.name or "" for flag in found.own) if found.own else [],
        "vpid": found.vpid,
    }
