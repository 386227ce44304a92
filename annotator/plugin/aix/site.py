"""What `plugin` on AIX takes from the machine it runs on: the host view, and how events are printed there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.aix import site
from annotator.aix.live import strategies, this_host
from annotator.core.errors import AnnotatorError, UsageError
from annotator.formats.raw import tail_start
from annotator.storage.format import Header

if TYPE_CHECKING:
    from annotator.aix.backend import Aix
    from annotator.aix.host import AixHost
    from annotator.io.log import Log
    from annotator.plugin.config import Config

EVENTS = Path("/etc/security/audit/events")
"""How this machine prints each event."""


def host_of(config: Config, node: str, log: Log) -> AixHost | None:
    """This machine, when it is an AIX and may be asked."""
    if not config.host.live:
        return None
    if os.uname().sysname != "AIX":
        log.info("host-not-asked", why="this is not AIX")
        return None
    host = this_host(Path("/"), lambda: time.time_ns() // 1_000_000, node.encode())
    for one in strategies(host):
        log.info("host-view", way=one.name, used=one.used, why=one.why or "-")
    return host


def header_of(node: str) -> Header:
    """Whose journal this is. AIX has no boot id; it tells starts in nanoseconds (the word is `ticks`)."""
    return Header(node.encode("utf-8", "surrogateescape"), "", 0, 1_000_000_000)


def backend_of(config: Config, node: str, log: Log) -> Aix:
    """The backend, with the formats of this machine's own events file where it can be read."""
    given = config.aix

    def made(events: str) -> Aix:
        return site.backend(own_tail=tail_start, node=node, tz=given.tz, origin=given.origin, events=events)

    if not EVENTS.exists():
        return made("")
    try:
        return made(str(EVENTS))
    except UsageError:
        raise
    except AnnotatorError as err:
        log.warning("events-file-unused", what=err.what)
        return made("")
