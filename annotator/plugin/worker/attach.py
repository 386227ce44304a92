"""This machine as a source of facts: its processes, scanned at the start and followed by a process of their own.

Without the right to follow them the host is still asked when a record names a process that nobody knows.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from annotator.engine.host_context import live_host
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from annotator.plugin.worker.follow import Inbox
from annotator.plugin.worker.host_updates import Live
from annotator.plugin.worker.journal import journaling
from annotator.plugin.worker.machine import header

if TYPE_CHECKING:
    import socket

    from annotator.plugin.worker.worker import Worker

START_S = 5.0
"""How long the first scan of all processes may take."""


class Attached:
    """The worker's view of its machine. `fileno` is -1 when nothing (more) comes."""

    def __init__(self, live: Live, inbox: Inbox | None, worker: Worker) -> None:
        self.live, self.inbox, self.worker = live, inbox, worker
        self.observations, self.host, self.node = live.observations, live.host, live.node

    def fileno(self) -> int:
        """For poll(2)."""
        return self.inbox.link.fileno() if self.inbox is not None else -1

    def see(self, *, fence: bool = False) -> None:
        """Take what was learnt meanwhile; with `fence` all that happened until now."""
        if self.inbox is None:
            return
        ops = self.inbox.fence() if fence else self.inbox.take()
        if ops:
            self.live.apply(ops)
        if self.inbox.why or self.inbox.over:
            why = self.inbox.why or "the process that follows them has died"
            self.worker.notes.warning("processes-not-followed", why=why)
            self.worker.watched.pop(self.fileno(), None)
            self.inbox.link.close()
            self.inbox = None

    def tick(self) -> None:
        """Once a second."""
        self.live.tick(time.time_ns() // 1_000_000)

    def close(self) -> None:
        """Let go; the other process ends by it."""
        self.see()
        if self.inbox is not None:
            self.inbox.link.close()
            self.inbox = None
        self.live.close()


def attach(worker: Worker, link: socket.socket | None) -> Attached | None:
    """Follow this machine's processes for a worker, as configured; None when it shall not be asked at all."""
    settings = worker.config.host
    if not settings.live:
        return None
    host = live_host(worker.node.encode())
    for what, why in host.report.items():
        if why:
            worker.notes.info("host-view", what=what, why=why)
    journal = journaling(settings.journal, header(worker.node), worker.stats, worker.notes)
    tables = worker.tables
    observations = Observations(tables.registry, names=names_of(worker), processes=tables.processes, programs=KINDS)
    tables.observations = observations
    live = Live(observations, host, journal=journal, networks=host)
    attached = Attached(live, Inbox(link) if link is not None else None, worker)
    until = time.monotonic() + START_S
    while attached.inbox is not None and not attached.live.looks and time.monotonic() < until:
        attached.see()
        time.sleep(0.005)
    worker.notes.info("processes-scanned", found=attached.live.looks, followed=attached.inbox is not None)
    return attached


def names_of(worker: Worker) -> frozenset[bytes]:
    """As which nodes this machine's records come: without a name, or as `name_format` of auditd.conf writes it."""
    full = os.uname().nodename
    return frozenset(name.encode() for name in ("", worker.node, full, full.partition(".")[0]))
