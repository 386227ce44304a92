"""What a run is asked to do, and what follows from it: the output form, the filter, the backend for AIX trails.

The backend for AIX is imported when a trail is there: most runs have none, and it takes a quarter of the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from annotator.core.errors import FormError, UsageError
from annotator.core.model import Attribution, Chain, Event, Status
from annotator.core.stats import Stats
from annotator.formats import json, msgpack
from annotator.formats.documents import Documents, Nothing
from annotator.formats.raw import Raw, tail_start
from annotator.formats.record import Record
from annotator.linux.backend import Linux
from annotator.linux.engines.programs import engines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from annotator.aix.backend import Aix
    from annotator.aix.grouping import RecordEvent
    from annotator.aix.listing import Listing
    from annotator.core.contracts import Backend
    from annotator.engine.pipeline import Form

FORMATS = ("raw", "record", "json", "msgpack", "text")
SYSTEMS = ("auto", "linux", "aix")


@dataclass(frozen=True, slots=True)
class Options:
    """What `annotator replay` was asked for. Times are stamp milliseconds; None and empty say nothing.

    `node` names the machine of records without `node=`; `one_machine` says that all are of one, without a name.
    `strict_evidence`: no answer rests on a claim whose claimant is not proven to be on the host. `engine_programs` and
    `engine_directories` are the site's engines, as the plugin's settings `engines.*` name them. `lean`: JSON without
    the decoded records. `colour`: the text form for a terminal. The last five are for AIX: `tz` "" is UTC, `wpars` are
    captured listings, each with the time it was taken, or None.
    """

    format: str = "raw"
    system: str = "auto"
    node: str = ""
    one_machine: bool = False
    contid: int | None = None
    container: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    only_containers: bool = False
    expr: str = ""
    fields: frozenset[str] | None = None
    lean: bool = False
    colour: bool = False
    original: bool = False
    mark_unknown: bool = False
    reannotate: bool = False
    resolve_users: bool = False
    host: str = "none"
    journals: tuple[Path, ...] = ()
    strict_evidence: bool = False
    engine_programs: tuple[str, ...] = ()
    engine_directories: tuple[str, ...] = ()
    tz: str = ""
    origin: str = ""
    wpars: tuple[tuple[str, int | None], ...] = ()
    aix_events: str = ""
    columns: str = ""


class Matches(Protocol):
    """A compiled `--expr`."""

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        ...


def form_of(options: Options, backend: Backend, stats: Stats) -> Form:
    """The output form that was asked for."""
    if options.format == "raw":
        return Raw(
            backend,
            stats,
            mark_unknown=options.mark_unknown,
            reannotate=options.reannotate,
            fields=options.fields,
        )
    if options.format == "none":
        return Nothing()
    if options.format == "record":
        if backend.name == "aix":
            raise UsageError("--format record is for Linux: AIX has no CONTAINER_ID records", "Use raw or json.")
        return Record(backend, stats)
    if options.format == "text":
        from annotator.formats.text import Text

        return Text(backend.interpreter(resolve_users=options.resolve_users), node=options.node, colour=options.colour)
    return Documents(
        json.encode if options.format == "json" else msgpack.encode,
        backend.interpreter(resolve_users=options.resolve_users),
        node=options.node,
        original=options.original,
        fields=options.fields,
        lean=options.lean,
    )


def aix_of(options: Options, listings: Iterable[Listing] = (), node: str = "") -> Aix:
    """The backend for AIX trails, with what the site told of itself, and live looks at the WPARs of `node`."""
    from annotator.aix import site

    return site.backend(
        own_tail=tail_start,
        node=options.node or node,
        tz=options.tz or "UTC",
        origin=options.origin,
        wpars=options.wpars,
        events=options.aix_events,
        columns=options.columns,
        listings=listings,
    )


def linux_of(options: Options) -> Linux:
    """The backend for Linux logs, with the engines that the caller named."""
    return Linux(engines_of(options.engine_programs, options.engine_directories))


_linux = Linux()


@lru_cache(maxsize=1)
def _linux_parts() -> Callable[[Event], dict[str, Any]]:
    return _linux.interpreter(resolve_users=False)


def interpret(event: Event) -> dict[str, Any]:
    """The event's parts of the JSON form, whichever system it is of."""
    if _aix_record(event) is None:
        return _linux_parts()(event)
    from annotator.aix.interpret import interpret as aix_parts

    return aix_parts(event)


def write_alone(event: Event, answer: Attribution, form: str, node: str = "") -> bytes | None:
    """One decided event in an output form of no run, whichever system it is of; an ordered form edits its lines.

    `node` names the host where the records do not. Raises FormError where the form takes text, and the event is a
    record of a binary trail.
    """
    record = _aix_record(event)
    writer = _form_alone(form, node, is_aix=record is not None)
    if writer.ordered and record is not None and _aix_place(record) is None:
        raise FormError("a record of a binary AIX trail takes no fields", "Use the JSON form, or what auditpr prints.")
    return writer.write(event, answer)


@lru_cache(maxsize=64)
def _form_alone(form: str, node: str, *, is_aix: bool) -> Form:
    options = Options(format=form, node=node)
    return form_of(options, aix_of(options) if is_aix else _linux, Stats())


def _aix_place(record: RecordEvent) -> int | None:
    from annotator.aix.grouping import head_end

    return head_end(record)


def _aix_record(event: Event) -> RecordEvent | None:
    """The event as the record of an AIX trail; None for one of Linux. Nothing is imported for the usual event."""
    if type(event) is Event:
        return None
    from annotator.aix.grouping import RecordEvent

    return event if isinstance(event, RecordEvent) else None


def filter_of(options: Options, expression: Matches | None) -> Callable[[Event, Attribution], bool] | None:
    """What keeps an event, or None when all are kept."""
    wanted: list[Callable[[Event, Attribution], bool]] = []
    since, until = options.since_ms, options.until_ms
    if since is not None:
        wanted.append(lambda event, _: event.stamp.ms >= since)
    if until is not None:
        wanted.append(lambda event, _: event.stamp.ms <= until)
    if options.only_containers:
        wanted.append(lambda _, answer: answer.status is Status.CONTAINER or any(_chains(answer)))
    if options.contid is not None or options.container:
        wanted.append(lambda _, answer: any(_is_wanted(chain, options) for chain in _chains(answer)))
    if expression is not None:
        wanted.append(lambda event, _: expression.matches(event))
    if not wanted:
        return None
    return lambda event, answer: all(test(event, answer) for test in wanted)


def _chains(answer: Attribution) -> Iterator[Chain]:
    yield from answer.chains
    yield from answer.src
    yield from answer.dst
    for target in answer.targets:
        yield from target.chains


def _is_wanted(chain: Chain, options: Options) -> bool:
    """Whether a container of the chain has the contid, the name, or an id that begins so."""
    for container in chain:
        if options.contid is not None and container.contid != options.contid:
            continue
        if not options.container or container.name == options.container:
            return True
        if container.id.startswith(options.container):
            return True
    return False


def expression_of(options: Options) -> Matches | None:
    """The user's expression; needs auparse."""
    if not options.expr:
        return None
    from annotator.linux.records.auparse_expr import Expression

    return Expression(options.expr)
