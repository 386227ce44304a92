"""The recorder's feed beside a recorded log (`rec.jsonl.xz`), as sightings: what a live host would have given.

A test's adapter: the recorder wrote cgroup text and namespace inodes at each fork, exec and poll, which are read here
by the same rules as live ones. Names of containers are those the scenario registered (`containers.jsonl`), as an
engine's state files would confirm them.
"""

from __future__ import annotations

import json
import lzma
from typing import TYPE_CHECKING, Any

from annotator.core.contracts import HostProcess
from annotator.core.model import Container, Evidence, Ns, Reason
from annotator.core.registry import derive_contid
from annotator.linux.cgroup.identify import identify

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.history import Observations

KINDS = {
    "mnt": Ns.MNT,
    "net": Ns.NET,
    "pid": Ns.PID,
    "uts": Ns.UTS,
    "ipc": Ns.IPC,
    "user": Ns.USER,
    "cgroup": Ns.CGROUP,
}


class Recorded:
    """Feeds one recording into `Observations`."""

    def __init__(self, folder: Path, observations: Observations) -> None:
        self.observations = observations
        self.names: dict[str, str] = {}
        listing = folder / "containers.jsonl"
        if listing.exists():
            for line in listing.read_text().splitlines():
                one = json.loads(line)
                self.names[one.get("id") or one["name"]] = one.get("name", "")
        self.host: dict[str, int] = {}
        self.born: dict[int, int] = {}
        self.owners: dict[int, tuple[Container, int]] = {}
        with lzma.open(folder / "rec.jsonl.xz", "rt") as lines:
            for line in lines:
                self._take(json.loads(line))

    def _take(self, seen: dict[str, Any]) -> None:
        kind, pid, ms = seen["ev"], seen.get("pid", 0), seen["t"] // 1_000_000
        if kind == "snapshot" and pid == 1:
            self.host = seen["ns"]
        if kind == "fork":
            self.born[pid] = ms
            self.observations.forked(b"", seen["ppid"], pid, ms)
        if kind == "exec":
            self.observations.executed(b"", pid, ms)
        if kind == "exit":
            self.observations.exited(b"", pid, ms)
            self.born.pop(pid, None)
            for inode in [inode for inode, (_, owner) in self.owners.items() if owner == pid]:
                del self.owners[inode]
        elif seen.get("cgroup") and seen.get("ns", {}).get("mnt"):
            self._observe(seen, pid, ms)

    def _observe(self, seen: dict[str, Any], pid: int, ms: int) -> None:
        identity = identify(b"0::" + seen["cgroup"].encode() + b"\n").confirmed(lambda one: one.id in self.names)
        container = None
        if identity.container is not None:
            one = identity.container
            container = Container(
                derive_contid(one.id), one.id, name=self.names.get(one.id, one.name), engine=one.engine
            )
        spaces = seen["ns"]
        own = Ns.NONE
        for name, bit in KINDS.items():
            if spaces.get(name) != self.host.get(name):
                own |= bit
        if container is not None and own & Ns.MNT:
            self.owners[spaces["mnt"]] = (container, pid)
        place = self.owners.get(spaces["mnt"], (None, 0))[0] if own & Ns.MNT else None
        reason = None if identity.host or container is not None else Reason.NOT_SEEN
        self.observations.observed(
            b"",
            HostProcess(
                pid=pid,
                ppid=seen.get("ppid_now", 0),
                start_ms=self.born.get(pid, 0),
                ticks=0,
                read_ms=ms,
                container=container,
                evidence=Evidence.CGROUP if container is not None else None,
                reason=reason,
                place=place,
                own=own,
                uid=seen.get("uid", 0),
                exe=seen.get("exe", "").encode(),
            ),
        )
