"""The journal of a plugin, as configured: a problem with it is logged, and nothing else stops for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import StoreError
from annotator.engine.observation_log import Journaling

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.aix.journal import Writer
    from annotator.core.contracts import HostProcess
    from annotator.core.stats import Stats
    from annotator.io.log import Log
    from annotator.storage.format import Header


def journaling(path: str, header: Header, stats: Stats, log: Log) -> Journaling | None:
    """The configured journal; None when there is none, or when it cannot be written: all else goes on."""
    if not path:
        return None
    try:
        journal = Journaling(Path(path), header, stats, tell=lambda what: log.error("journal-not-written", what=what))
    except StoreError as err:
        log.error("journal-unused", what=err.what, advice=err.advice)
        return None
    if journal.notice:
        log.warning("journal", what=journal.notice)
    return journal


def noting(kept: Journaling, writer: Writer) -> Callable[[bytes, HostProcess], None]:
    """A function that writes each reading of a process. In a new file it has the list of WPARs written again."""

    def note(node: bytes, seen: HostProcess) -> None:
        if kept.observed(node, seen):
            writer.renew()

    return note
