"""This machine as a source of facts: its processes, scanned at the start and followed by a process of their own.

Without the right to follow them the host is still asked when a record names a process that is not known.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

from annotator.engine.host_context import live_host
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from annotator.plugin.journal import journaling, path_of
from annotator.plugin.worker.follow import FollowerLink
from annotator.plugin.worker.host_updates import HostUpdates
from annotator.plugin.worker.machine import header

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from annotator.core.stats import Stats
    from annotator.engine.pipeline import Tables
    from annotator.io.log import Log
    from annotator.plugin.config import Config

START_S = 5.0
"""How long the first scan of all processes may take."""


class Run(Protocol):
    """The run that takes the facts: its configuration, the name of its machine, its tables, counts and log."""

    config: Config
    node: str
    stats: Stats
    tables: Tables
    log: Log


class HostSource:
    """The worker's view of its machine. `on_end` is called with the descriptor of a follower that has ended."""

    def __init__(
        self, updates: HostUpdates, link: FollowerLink | None, log: Log, on_end: Callable[[int], object]
    ) -> None:
        self._updates = updates
        self._link = link
        self._log = log
        self._on_end = on_end

    @property
    def scanned(self) -> int:
        """How many processes were read so far."""
        return self._updates.reads

    @property
    def is_followed(self) -> bool:
        """Whether the follower runs."""
        return self._link is not None

    def fileno(self) -> int:
        """For poll(2); -1 when nothing (more) comes."""
        return self._link.socket.fileno() if self._link is not None else -1

    def catch_up(self, *, fence: bool = False) -> None:
        """Apply what the follower has learnt; with `fence` all that happened until now."""
        if self._link is None:
            return
        operations = self._link.fence() if fence else self._link.receive()
        if operations:
            self._updates.apply(operations)
        if self._link.end_reason or self._link.is_closed:
            self._log.warning(
                "processes-not-followed", why=self._link.end_reason or "the process that follows them has died"
            )
            self._on_end(self.fileno())
            self._drop_link()

    def tick(self) -> None:
        """Forget what ended long ago, and flush the journal: once a second."""
        self._updates.tick(time.time_ns() // 1_000_000)

    def close(self) -> None:
        """Close the link, by which the follower ends, and the journal."""
        self.catch_up()
        self._drop_link()
        self._updates.close()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.socket.close()
            self._link = None


def attach(run: Run, link: socket.socket | None, on_end: Callable[[int], object]) -> HostSource:
    """Ask this machine for a run. `link` is the socket of the follower, None where there is none."""
    host = live_host(run.node.encode())
    for part, reason in host.report.items():
        if reason:
            run.log.info("host-view", what=part, why=reason)
    journal = journaling(path_of(run.config), run.config, header(run.node), run.stats, run.log)
    tables = run.tables
    names = node_names(run.node)
    observations = Observations(tables.registry, names=names, processes=tables.processes, programs=KINDS)
    tables.observations = observations
    updates = HostUpdates(observations, host, journal=journal, networks=host)
    source = HostSource(updates, FollowerLink(link) if link is not None else None, run.log, on_end)
    until = time.monotonic() + START_S
    while source.is_followed and not source.scanned and time.monotonic() < until:
        source.catch_up()
        time.sleep(0.005)
    run.log.info("processes-scanned", found=source.scanned, followed=source.is_followed)
    return source


def node_names(node: str) -> frozenset[bytes]:
    """The node names of this machine's own records: none, or as `name_format` of auditd.conf writes it."""
    full = os.uname().nodename
    return frozenset(name.encode() for name in ("", node, full, full.partition(".")[0]))
