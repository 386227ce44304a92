"""The public API: `annotator.replay`, `annotator.open`, `annotator.Stream`, and the values that they give.

What stands in `__all__` is stable by semantic versioning; every other module of the package is private. All values are
frozen copies. Errors of what a caller gave are `AnnotatorError`s, which say what happened (`what`) and what to do
(`advice`):

    AnnotatorError
        UsageError        options that exclude each other, a time without a zone, a stream that has ended
            FormError     input that has lost what is needed: `ausearch -i`, CSV, kernel log
        SourceError       a log that cannot be opened, read or decompressed
        FormatError       bytes that break the grammar they claim (a damaged binary AIX trail)
        StoreError        a journal or a state that cannot be used
        LossError         `strict`: something was lost or rejected

A damaged line of a Linux log is no error: it is counted as rejected.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import (
    AnnotatorError,
    FormatError,
    FormError,
    LossError,
    SourceError,
    StoreError,
    UsageError,
)
from annotator.core.times import parse_time
from annotator.engine.factory import SYSTEMS, Options
from annotator.engine.inputs import PathName, Piece, blocks_from
from annotator.engine.log import ContainerSummary, Log, ProcessSummary, SessionSummary
from annotator.engine.replay import Replay
from annotator.engine.snapshots import Collector
from annotator.engine.stream import Stream, StreamForm
from annotator.engine.values import (
    AnnotatedEvent,
    Attribution,
    Container,
    Evidence,
    Flag,
    Netns,
    NetnsId,
    Reason,
    Session,
    Status,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.core.contracts import Backend
    from annotator.core.stats import Stats
    from annotator.io.sources import Block

__all__ = [
    "AnnotatedEvent",
    "AnnotatorError",
    "Attribution",
    "Container",
    "ContainerSummary",
    "Evidence",
    "Flag",
    "FormError",
    "FormatError",
    "Log",
    "LossError",
    "Netns",
    "NetnsId",
    "ProcessSummary",
    "Reason",
    "Session",
    "SessionSummary",
    "SourceError",
    "Status",
    "StoreError",
    "Stream",
    "StreamForm",
    "Target",
    "UsageError",
    "open",
    "replay",
]

LogSource = PathName | Piece | Iterable[PathName] | Iterable[Piece]
"""A log: the name of a file (plain, gz, xz, zst), its bytes, several names (a rotated set is read oldest first), or
pieces of bytes, cut anywhere: a binary file, a generator."""

Listing = PathName | tuple[PathName, int | str]
"""A file with the output of lswpar, and the time it was taken, if known: Unix milliseconds, or RFC 3339 with a zone."""


def replay(
    source: LogSource,
    *,
    node: str | None = None,
    journal: PathName | Iterable[PathName] | None = None,
    host: PathName = "none",
    system: str = "auto",
    strict: bool = False,
    tz: str = "UTC",
    origin: str = "",
    wpars: Iterable[Listing] = (),
    aix_events: PathName = "",
) -> Iterator[AnnotatedEvent]:
    """Annotate a recorded log, event by event, in the order in which they are decided.

    `node` names the host where the records do not. `journal` is what `annotator plugin` wrote on that host
    (host.journal), one or several. `host` is `live` on the machine that wrote the log, or a folder with a recorded tree
    of its /proc; by default no machine is asked. `system` is `auto`, `linux` or `aix`. For AIX: `tz` is the zone of the
    printed times, `origin` says whose trail it is (`global`, `wpar:NAME`), `wpars` are captured listings, `aix_events`
    the site's /etc/security/audit/events.

    The log is read while one iterates, and memory does not grow with its length. A record that comes after its event
    was decided (2 s of the log's own time) is in no event. `strict` raises LossError, after the last event, when
    records were lost or rejected, or serials are missing (auditd's own filters leave such holes too).

    Raises UsageError, StoreError, or TypeError at once; SourceError, FormError and FormatError while one iterates,
    after the events before.
    """
    options = _options(node, journal, host, system, tz, origin, wpars, aix_events)
    return _events(Replay(options, form=_collector), blocks_from(source), strict=strict)


def _collector(options: Options, backend: Backend, stats: Stats) -> Collector:  # noqa: ARG001  (it counts nothing)
    return Collector(is_linux=backend.name == "linux", node=options.node)


def _events(run: Replay, blocks: Iterator[Block], *, strict: bool) -> Iterator[AnnotatedEvent]:
    """The events of each block before the next is read."""
    for block in blocks:
        run.feed(block)
        yield from _decided(run)
    run.finish()
    yield from _decided(run)
    if strict and run.stats.has_loss:
        raise LossError(
            f"the log is not complete: {run.stats.summary()}", "Its answers hold; others may be unknown for want of it."
        )


def _decided(run: Replay) -> list[AnnotatedEvent]:
    """The events that were decided since the last call. A run takes another form when it sees an AIX trail."""
    return run.form.take() if isinstance(run.form, Collector) else []


def open(
    source: LogSource,
    *,
    node: str | None = None,
    journal: PathName | Iterable[PathName] | None = None,
    host: PathName = "none",
    system: str = "auto",
    tz: str = "UTC",
    origin: str = "",
    wpars: Iterable[Listing] = (),
    aix_events: PathName = "",
) -> Log:
    """Read a recorded log as a whole, to be asked for containers, sessions and processes.

    Arguments and errors are those of `replay`. All processes of the log are kept in memory: about 1 kB for each.
    """
    return Log(blocks_from(source), _options(node, journal, host, system, tz, origin, wpars, aix_events))


def _options(
    node: str | None,
    journal: PathName | Iterable[PathName] | None,
    host: PathName,
    system: str,
    tz: str,
    origin: str,
    wpars: Iterable[Listing],
    aix_events: PathName,
) -> Options:
    """The options of a run. Raises UsageError."""
    if system not in SYSTEMS:
        raise UsageError(f"system {system!r} does not exist", f"Give one of {', '.join(SYSTEMS)}.")
    journals = () if journal is None else (journal,) if isinstance(journal, str | os.PathLike) else tuple(journal)
    return Options(
        format="none",
        system=system,
        node=node or "",
        host=str(host),
        journals=tuple(map(Path, journals)),
        tz=tz,
        origin=origin,
        wpars=tuple(_listing(one) for one in wpars),
        aix_events=str(aix_events),
    )


def _listing(given: Listing) -> tuple[str, int | None]:
    if not isinstance(given, tuple):
        return str(given), None
    path, when = given
    return str(path), when if isinstance(when, int) else parse_time(when)
