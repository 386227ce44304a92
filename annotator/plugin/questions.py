"""What the control socket is asked: registrations, the plugin's status, the containers it knows.

A registration looks at both processes on this machine while its asker waits, and is in the tables from that moment on:
the records of what happens next are still on their way.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator import __version__
from annotator.backend import SLACK_MS, HostProcess
from annotator.control import MAX_ANSWER, ControlServer, Peer
from annotator.errors import SinkError
from annotator.linux.rights import rights
from annotator.model import Actor, Container, Reason, Registered, Stamp
from annotator.plugin.people import uid_of
from annotator.registrar import Registrar

if TYPE_CHECKING:
    from annotator.config import Config
    from annotator.plugin.worker import Worker
    from annotator.processes import Life

TICK_MS = 10
"""Births on the host are told in ticks of a hundredth second, rounded down."""


class Questions:
    """Answers for one worker. Raises SinkError where the socket cannot be."""

    def __init__(self, worker: Worker, root: Path = Path("/")) -> None:
        self.worker = worker
        self.root = root
        self.registrar = Registrar(worker.tables.provenance, self._life_of, self._started, self._told)
        self.server = ControlServer(worker.config.control.socket, self.answer)

    def fileno(self) -> int:
        """For poll(2)."""
        return self.server.fileno()

    def serve(self) -> None:
        """Take and answer what there is, without waiting."""
        self.server.serve(time.monotonic_ns() // 1_000_000)

    def close(self) -> None:
        """No more questions."""
        self.server.close()

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """One question. What is not known is refused as the kernel would: EINVAL."""
        match request.get("op"):
            case "register":
                self.worker.see()  # what happened before is known before
                return self.registrar.answer(peer, request, Stamp(_now_ms(), 0))
            case "status":
                return self._status()
            case "containers":
                return self._containers(request)
        return {"ok": False, "error": "EINVAL", "why": "op is none of register, status, containers"}

    # --- registrations ------------------------------------------------------------------------------------------

    def _started(self, peer: Peer) -> int | None:
        found = rights(self.root, peer.pid, peer.pidfd)
        return found.ticks if found is not None and found.may_register else None

    def _life_of(self, pid: int) -> Life | None:
        """The life of a process that is there now, as just looked at."""
        sightings = self.worker.tables.provenance.sightings
        seen = sightings.host.process(pid) if sightings is not None and sightings.host is not None else Reason.NOT_SEEN
        if sightings is None or not isinstance(seen, HostProcess) or seen.reason is Reason.ZOMBIE:
            return None
        sightings.observed(b"", seen)
        processes, node = self.worker.tables.processes, self._node()
        life = processes.node(node).now.get(pid)
        born = Stamp(seen.start_ms, 0)
        if life is not None and (life.end is not None or life.born.ms + SLACK_MS + TICK_MS < born.ms):
            life = None
            processes.begin(node, pid, born)  # the pid was another process's
        actor = Actor(pid, seen.ppid, seen.auid, seen.uid, seen.ses, seen.comm, seen.exe)
        return processes.see(node, actor, life.seen if life is not None else born)

    def _node(self) -> bytes:
        """As which node this machine's records come: of its names that with most lives; at first, without one."""
        sightings, nodes = self.worker.tables.provenance.sightings, self.worker.tables.processes.nodes
        names = sightings.names if sightings is not None and sightings.names is not None else ()
        return max((name for name in names if name in nodes), key=lambda name: len(nodes[name].now), default=b"")

    def _told(self, fact: Registered, error: str) -> None:
        values: dict[str, object] = {"pid": fact.pid, "by": fact.by, "contid": fact.contid, "id": fact.id}
        if error:
            self.worker.notes.warning("registration-refused", error=error, **values)
        else:
            self.worker.notes.info("registered", name=fact.name, engine=fact.engine, **values)

    # --- what is known ------------------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        worker = self.worker
        return {
            "ok": True,
            "version": __version__,
            "node": worker.node,
            "pid": os.getpid(),
            "counts": worker.stats.as_dict(),
            "reader": worker.told,
            "outputs": {one.name: one.counts() for one in worker.outputs},
            "registrations": {"granted": self.registrar.granted, "refused": dict(self.registrar.refusals)},
            "control": {"answered": self.server.answered, "refused": self.server.refused},
        }

    def _containers(self, request: dict[str, Any]) -> dict[str, Any]:
        """Those that live, newest first, `from` that place on; as many as fit, and how many there are."""
        given = request.get("from", 0)
        first = given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else 0
        nodes = self.worker.tables.registry.nodes.values()
        alive = [one for node in nodes for one in reversed(node.remembered) if one.end_ms is None]
        rows: list[dict[str, Any]] = []
        room = MAX_ANSWER - 512
        for one in alive[first:]:
            row = _row(one)
            room -= len(json.dumps(row)) + 2
            if room < 0:
                break
            rows.append(row)
        return {"ok": True, "total": len(alive), "from": first, "containers": rows}


def _row(one: Container) -> dict[str, Any]:
    row: dict[str, Any] = {
        "contid": str(one.contid) if one.contid is not None else "",
        "id": one.id,
        "name": one.name,
        "image": one.image,
        "engine": one.engine,
        "uuid": one.uuid,
        "inside": one.parent.id if one.parent is not None else "",
        "start_ms": one.start_ms,
    }
    return {name: value[:512] if isinstance(value, str) else value for name, value in row.items() if value}


def listen(worker: Worker) -> None:
    """Begin to answer, where that is wanted. Where it cannot be, the rest of the plugin goes on."""
    if not worker.config.control.socket:
        return
    try:
        worker.questions = found = Questions(worker)
    except SinkError as err:
        worker.notes.warning("no-control-socket", what=err.what, advice=err.advice)
        return
    worker.watched[found.fileno()] = found.serve


def prepare(config: Config) -> None:
    """Make the socket's directory while there is the right to. Raises OSError."""
    folder = Path(config.control.socket).parent
    if not config.control.socket or folder.exists():
        return
    folder.mkdir(0o700)
    if config.process.user:
        os.chown(folder, uid_of(config.process.user), 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
