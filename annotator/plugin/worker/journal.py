"""The journal of a plugin, as configured: what is wrong with it is told, and nothing else stops for it."""

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
    from annotator.plugin.log import Notes
    from annotator.storage.format import Header


def journaling(path: str, header: Header, stats: Stats, notes: Notes) -> Journaling | None:
    """The journal that is configured; None when there is none, or when it cannot be written: all else goes on."""
    if not path:
        return None
    try:
        found = Journaling(Path(path), header, stats, tell=lambda what: notes.error("journal-not-written", what=what))
    except StoreError as err:
        notes.error("journal-unused", what=err.what, advice=err.advice)
        return None
    if found.notice:
        notes.warning("journal", what=found.notice)
    return found


def noting(kept: Journaling, writer: Writer) -> Callable[[bytes, HostProcess], None]:
    """Write each look at a process; of one that begins a new file the looks at WPARs hear."""

    def note(node: bytes, seen: HostProcess) -> None:
        if kept.observed(node, seen):
            writer.renew()

    return note
