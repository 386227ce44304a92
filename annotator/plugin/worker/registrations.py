"""Registrations that the control socket is asked for.

A registration looks at both processes on this machine while its asker waits, and is in the tables from that moment on:
the records of what happens next are still on their way.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.core.contracts import SLACK_MS, HostProcess
from annotator.core.model import Actor, Reason, Registered, Stamp
from annotator.engine.registration_service import RegistrationService
from annotator.linux.host.capabilities import rights

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.io.control import Peer
    from annotator.plugin.worker.worker import Worker

TICK_MS = 10
"""Births on the host are told in ticks of a hundredth second, rounded down."""


class Registrations:
    """Answers for one worker."""

    def __init__(self, worker: Worker, root: Path = Path("/")) -> None:
        self.worker = worker
        self.root = root
        self.registrar = RegistrationService(worker.tables.recorder, self._life_of, self._started, self._told)

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        self.worker.see()  # what happened before is known before
        return self.registrar.answer(peer, request, Stamp(time.time_ns() // 1_000_000, 0))

    def counts(self) -> dict[str, Any]:
        """Granted, and refused by the errno's name."""
        return {"granted": self.registrar.granted, "refused": dict(self.registrar.refusals)}

    def _started(self, peer: Peer) -> int | None:
        found = rights(self.root, peer.pid, peer.pidfd)
        return found.ticks if found is not None and found.may_register else None

    def _life_of(self, pid: int) -> ProcessLifetime | None:
        """The life of a process that is there now, as just looked at."""
        observations = self.worker.tables.observations
        seen = (
            observations.host.process(pid)
            if observations is not None and observations.host is not None
            else Reason.NOT_SEEN
        )
        if observations is None or not isinstance(seen, HostProcess) or seen.reason is Reason.ZOMBIE:
            return None
        observations.observed(b"", seen)
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
        observations, nodes = self.worker.tables.observations, self.worker.tables.processes.nodes
        names = observations.names if observations is not None and observations.names is not None else ()
        return max((name for name in names if name in nodes), key=lambda name: len(nodes[name].now), default=b"")

    def _told(self, fact: Registered, error: str) -> None:
        values: dict[str, object] = {"pid": fact.pid, "by": fact.by, "contid": fact.contid, "id": fact.id}
        if error:
            self.worker.notes.warning("registration-refused", error=error, **values)
        else:
            self.worker.notes.info("registered", name=fact.name, engine=fact.engine, **values)
