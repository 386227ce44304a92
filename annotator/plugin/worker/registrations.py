"""Registrations that come in over the control socket.

A registration reads both processes on this machine while its client waits, and is in the tables from that moment on:
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
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.engine.pipeline import Tables
    from annotator.io.control import Peer
    from annotator.io.log import Log

TICK_MS = 10
"""The host tells births in clock ticks of a hundredth of a second, rounded down."""


class Registrations:
    """Answers registrations from the tables of one run.

    `catch_up` brings the tables up to the present before a registration is decided.
    """

    def __init__(self, tables: Tables, log: Log, catch_up: Callable[[], None], root: Path = Path("/")) -> None:
        self._tables = tables
        self._log = log
        self._catch_up = catch_up
        self._root = root
        self._service = RegistrationService(tables.recorder, self._lifetime_of, self._start_of, self._log_outcome)

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        self._catch_up()  # what happened before is known before
        return self._service.answer(peer, request, Stamp(time.time_ns() // 1_000_000, 0))

    def counts(self) -> dict[str, Any]:
        """Registrations that were granted, and refused by the errno's name."""
        return {"granted": self._service.granted, "refused": dict(self._service.refusals)}

    def _start_of(self, peer: Peer) -> int | None:
        """The start of the client's process in ticks; None when it may not register, or is gone."""
        held = rights(self._root, peer.pid, peer.pidfd)
        return held.ticks if held is not None and held.may_register else None

    def _lifetime_of(self, pid: int) -> ProcessLifetime | None:
        """The lifetime of a process that is there now, as it was just read."""
        observations = self._tables.observations
        seen = (
            observations.host.process(pid)
            if observations is not None and observations.host is not None
            else Reason.NOT_SEEN
        )
        if observations is None or not isinstance(seen, HostProcess) or seen.reason is Reason.ZOMBIE:
            return None
        observations.observed(b"", seen)
        processes, node = self._tables.processes, self._node()
        lifetime = processes.node(node).now.get(pid)
        born = Stamp(seen.start_ms, 0)
        if lifetime is not None and (lifetime.end is not None or lifetime.born.ms + SLACK_MS + TICK_MS < born.ms):
            lifetime = None
            processes.begin(node, pid, born)  # the pid was another process's
        actor = Actor(pid, seen.ppid, seen.auid, seen.uid, seen.ses, seen.comm, seen.exe)
        return processes.see(node, actor, lifetime.seen if lifetime is not None else born)

    def _node(self) -> bytes:
        """The node of this machine's records: of its names the one with most lifetimes; at first b""."""
        observations, nodes = self._tables.observations, self._tables.processes.nodes
        names = observations.names if observations is not None and observations.names is not None else ()
        return max((name for name in names if name in nodes), key=lambda name: len(nodes[name].now), default=b"")

    def _log_outcome(self, fact: Registered, error: str) -> None:
        """Log a registration; `error` is "" or the errno's name."""
        values: dict[str, object] = {"pid": fact.pid, "by": fact.by, "contid": fact.contid, "id": fact.id}
        if error:
            self._log.warning("registration-refused", error=error, **values)
        else:
            self._log.info("registered", name=fact.name, engine=fact.engine, **values)
