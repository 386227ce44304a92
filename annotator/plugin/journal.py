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
    from annotator.plugin.config import Config
    from annotator.storage.format import Header


def path_of(config: Config, *, aix: bool = False) -> Path | None:
    """The configured journal's path: a bare name is below the state directory; None for none."""
    name, directory = config.host.journal, config.state.directory
    if "/" in name:
        return Path(name)
    return Path(directory) / name if name and directory and not aix else None


def journaling(path: Path | None, config: Config, header: Header, stats: Stats, log: Log) -> Journaling | None:
    """The configured journal; None when there is none, or when it cannot be written: all else goes on."""
    if path is None:
        return None
    try:
        journal = Journaling(
            path,
            header,
            stats,
            tell=lambda what: log.error("journal-not-written", what=what),
            max_bytes=config.host.journal_max_mib << 20,
            max_age_s=config.host.journal_max_days * 86_400,
        )
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
