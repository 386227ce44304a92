"""This machine as a source of facts: its processes, scanned at the start and followed by the proc connector.

Without the right to follow them the host is still asked when a record names a process that nobody knows.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.live import Live, subscribe
from annotator.outside import Journaling, live_host
from annotator.plugin.machine import header
from annotator.sightings import Sightings

if TYPE_CHECKING:
    from annotator.plugin.worker import Worker


def attach(worker: Worker) -> Live | None:
    """Follow this machine's processes for a worker, as configured; None when it shall not."""
    settings = worker.config.host
    if not settings.live:
        return None
    host = live_host(worker.node.encode())
    for what, why in host.report.items():
        if why:
            worker.notes.info("host-view", what=what, why=why)
    monotonic = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    events, why = subscribe(monotonic) if settings.processes else (None, "not wanted")
    if events is None:
        worker.notes.warning("processes-not-followed", why=why)
    journal = Journaling(Path(settings.journal), header(worker.node)) if settings.journal else None
    tables = worker.tables
    sightings = Sightings(tables.registry, names=names_of(worker), processes=tables.processes)
    tables.provenance.sightings = sightings
    live = Live(sightings, host, events, now=lambda: time.time_ns() // 1_000_000, journal=journal)
    found = live.start()
    worker.notes.info("processes-scanned", found=found, followed=events is not None)
    return live


def names_of(worker: Worker) -> frozenset[bytes]:
    """As which nodes this machine's records come: without a name, or as `name_format` of auditd.conf writes it."""
    full = os.uname().nodename
    return frozenset(name.encode() for name in ("", worker.node, full, full.partition(".")[0]))
