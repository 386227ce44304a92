"""Several outputs of one pipeline: each event is attributed once, and rendered for each output in its form.

The channels whose forms are lines share the input order, which the assembler keeps. Each of them renders an event into
lines of its own (`Rendered`), and takes them when the assembler lets the event's lines go. The channels whose forms are
documents (JSON, msgpack) write an object for each event, in the order of the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from annotator.core.model import Attribution, Event, Reason, Status
from annotator.engine.factory import Options, expression_of, filter_of, form_of
from annotator.engine.pipeline import Assembler, Form, Pipeline, Tables
from annotator.events import EventAssembler
from annotator.formats.raw import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from annotator.aix.backend import Aix
    from annotator.core.stats import Stats
    from annotator.events import Departure
    from annotator.linux.backend import Linux
    from annotator.plugin import config

OVERLOADED = Attribution(Status.UNKNOWN, reason=Reason.OVERLOAD)
"""The answer for an event that is passed through without being attributed."""


class OutputQueue(Protocol):
    """The queue that takes a channel's bytes."""

    def put(self, data: bytes, units: int) -> None:
        """Queue `units` whole lines, or whole objects."""
        ...


class OrderedAssembler(Assembler, Protocol):
    """An assembler that can say of which event the lines are that may leave."""

    def departures(self) -> Iterator[Departure]:
        """The lines that may leave now, in input order."""
        ...


class Channel(NamedTuple):
    """One output as the pipeline sees it.

    `keep` is its filter (None: it keeps all), `overload_form` writes events that were passed without being attributed,
    `stats` counts the channel's own lines, `pieces` holds the documents that were not sent yet.
    """

    options: Options
    keep: Callable[[Event, Attribution], bool] | None
    form: Form
    overload_form: Form
    stats: Stats
    queue: OutputQueue
    pieces: list[bytes]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The lines of one event as one channel writes them, as many as came in. None: its filter left the event out."""

    lines: tuple[bytes, ...] | None


LEFT_OUT = Rendered(None)


def channel(output: config.Output, node: str, backend: Linux | Aix, stats: Stats, queue: OutputQueue) -> Channel:
    """Bind the settings of an output. `stats` counts its lines. Raises UsageError where the settings are invalid."""
    options = Options(
        format=output.format,
        node=node,
        container=output.container,
        only_containers=output.only_containers,
        expr=output.expr,
        fields=frozenset(output.fields) or None,
        original=output.original,
        mark_unknown=output.mark_unknown,
        resolve_users=output.resolve_users,
    )
    form = form_of(options, backend, stats)
    overload_form = Raw(backend, stats, mark_unknown=True) if output.format == "raw" else form
    return Channel(options, filter_of(options, expression_of(options)), form, overload_form, stats, queue, [])


class OutputRouter:
    """The form of all outputs together, as the pipeline uses it.

    It always counts as ordered, so that the saved state of a run fits whatever outputs are configured next.
    """

    ordered = True

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = channels
        self.shows_parents = any(one.form.shows_parents for one in channels)
        self.line_channels = [one for one in channels if one.form.ordered]
        self.document_channels = [one for one in channels if not one.form.ordered]
        only = self.line_channels[0] if len(self.line_channels) == 1 else None
        self._only = only if only is not None and only.keep is None else None
        """The one channel of lines that takes every event: it edits the event's own lines, and nothing is copied."""
        self._rendered: WeakKeyDictionary[Event, tuple[Rendered, ...]] = WeakKeyDictionary()
        self._late = 0  # records that came after their event, since the last `send`

    def write(self, event: Event, answer: Attribution) -> None:
        """Render one decided event for every channel. Documents come first: they are made of the lines as they came."""
        for one in self.document_channels:
            if one.keep is not None and not one.keep(event, answer):
                one.stats.filtered += event.size
                continue
            one.stats.passed += event.size
            one.pieces.append(one.form.write(event, answer) or b"")
        if self._only is not None:
            (self._only.overload_form if answer is OVERLOADED else self._only.form).write(event, answer)
        elif self.line_channels:
            self._rendered[event] = self._render(event, answer)

    def _render(self, event: Event, answer: Attribution) -> tuple[Rendered, ...]:
        """The event in the form of each channel of lines. A form edits the event's lines: they are put back."""
        original = list(event.lines)
        rendered: list[Rendered] = []
        for one in self.line_channels:
            if one.keep is not None and not one.keep(event, answer):
                one.stats.filtered += len(original)
                rendered.append(LEFT_OUT)
                continue
            (one.overload_form if answer is OVERLOADED else one.form).write(event, answer)
            rendered.append(Rendered(tuple(event.lines)))
            event.lines[:] = original
        return tuple(rendered)

    def count_late(self, event: Event) -> None:
        """Count a late record of `event` where the event went: its channels share the decision."""
        self._late += 1
        for one in self.document_channels:
            one.stats.passed += 1
        rendered = self._rendered.get(event)
        for at, one in enumerate(self.line_channels):
            if rendered is not None and rendered[at].lines is None:
                one.stats.filtered += 1
            else:
                one.stats.passed += 1

    def send(self, assembler: OrderedAssembler) -> int:
        """Queue what may leave: the documents since the last time, and the lines that the assembler lets go.

        Returns how many late records were counted: the assembler has counted them as passed already.
        """
        for one in self.document_channels:
            if one.pieces:
                one.queue.put(b"".join(one.pieces), len(one.pieces))
                one.pieces.clear()
        if self.line_channels and self._only is None:
            self._send_departures(assembler)
        else:
            pieces = assembler.drain()
            if self._only is not None:
                _put(self._only, pieces)
        late, self._late = self._late, 0
        return late

    def _send_departures(self, assembler: OrderedAssembler) -> None:
        sent: list[list[bytes]] = [[] for _ in self.line_channels]
        for event, start, stop, pieces in assembler.departures():
            late_for = event.late_for if event is not None else None
            if late_for is not None:
                self.count_late(late_for)
            decided = late_for or event
            rendered = self._rendered.get(decided) if decided is not None else None
            if rendered is None:
                for each in sent:
                    each += pieces
                continue
            for each, version in zip(sent, rendered, strict=True):
                if version.lines is not None:
                    each += pieces if late_for is not None else version.lines[start:stop]
        for one, each in zip(self.line_channels, sent, strict=True):
            _put(one, each)


def _put(channel: Channel, pieces: list[bytes]) -> None:
    """Queue pieces of one or more lines for a channel."""
    if pieces:
        data = b"\n".join([*pieces, b""])
        channel.queue.put(data, data.count(b"\n"))


class RoutedPipeline(Pipeline):
    """A pipeline whose bytes go to the outputs, and not back to its caller."""

    form: OutputRouter
    grouper: OrderedAssembler

    def _left(self, *, counted: bool) -> bytes:
        if counted:
            self._count()
        late = self.form.send(self.grouper)
        self.stats.passed -= late  # the channels have counted them
        return b""


class PluginPipeline(RoutedPipeline):
    """The pipeline of the auditd plugin. With `passing` set, events leave unattributed, and are marked."""

    grouper: EventAssembler

    def __init__(self, backend: Linux, router: OutputRouter, stats: Stats, tables: Tables, timeout_ms: int) -> None:
        grouper = EventAssembler(backend.completes, stats, timeout_ms=timeout_ms, ordered=True, on_late=self._late)
        super().__init__(backend, router, stats, grouper=grouper, tables=tables)
        self.passing = False
        self._passed_nodes: set[bytes] = set()

    def _decide(self, event: Event) -> None:
        if self.passing:
            lines = event.lines
            event.at = next((at for at, line in enumerate(lines) if line.find(b"type=SYSCALL ", 0, 300) >= 0), 0)
            event.closed = True
            self._answered[Reason.OVERLOAD] += 1
            self._passed_nodes.add(event.node)
            self.form.write(event, OVERLOADED)
            return
        if self._passed_nodes:  # the changes that those events made are unknown: as if the events had been lost
            for node in self._passed_nodes:
                self.tables.membership.gap(node)
            self._passed_nodes.clear()
        super()._decide(event)

    def _late(self, event: Event, line: bytes) -> bytes | None:
        self.form.count_late(event)
        return line
