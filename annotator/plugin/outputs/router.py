"""Several outputs of one pipeline: each event is answered once, and written in each output's form and by its filter.

A line may leave in several versions. In the grouper, which keeps the order, such a line is a tuple with one version for
each channel that writes lines, None where a filter left it out; a line that is plain bytes is the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from annotator.core.model import Attribution, Event, Reason, Status
from annotator.engine.factory import Options, expression_of, filter_of, form_of
from annotator.engine.pipeline import Form, Pipeline, Tables
from annotator.events import EventAssembler
from annotator.formats.raw import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annotator.aix.backend import Aix
    from annotator.core.stats import Stats
    from annotator.linux.backend import Linux
    from annotator.plugin import config

OVERLOADED = Attribution(Status.UNKNOWN, reason=Reason.OVERLOAD)
"""The answer for what is passed without being looked at."""


class Taker(Protocol):
    """Where a channel's bytes go."""

    def put(self, data: bytes, units: int) -> None:
        """Whole lines, or whole objects, and how many."""
        ...


class Channel(NamedTuple):
    """One output as the pipeline sees it. `marked` writes what was passed without being looked at."""

    options: Options
    keep: Callable[[Event, Attribution], bool] | None
    form: Form
    marked: Form
    stats: Stats
    taker: Taker
    pieces: list[bytes]


def channel(output: config.Output, node: str, backend: Linux | Aix, stats: Stats, taker: Taker) -> Channel:
    """Bind an output's settings. `stats` counts its lines."""
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
    marked = Raw(backend, stats, mark_unknown=True) if output.format == "raw" else form
    return Channel(options, filter_of(options, expression_of(options)), form, marked, stats, taker, [])


class Fan:
    """The form of all outputs together. Ordered, so that what is saved of a run fits whatever is configured next."""

    ordered = True

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = channels
        self.lined = [one for one in channels if one.form.ordered]
        self.documents = [one for one in channels if not one.form.ordered]
        self._alone = self.lined[0] if len(self.lined) == 1 and self.lined[0].keep is None else None

    def write(self, event: Event, answer: Attribution) -> None:
        """One decided event. The objects are made before the lines are changed."""
        for one in self.documents:
            if one.keep is not None and not one.keep(event, answer):
                one.stats.filtered += event.size
                continue
            one.stats.passed += event.size
            one.pieces.append(one.form.write(event, answer) or b"")
        overload = answer is OVERLOADED
        if self._alone is not None:
            (self._alone.marked if overload else self._alone.form).write(event, answer)
        elif self.lined:
            self._write_versions(event, answer, overload=overload)

    def _write_versions(self, event: Event, answer: Attribution, *, overload: bool) -> None:
        lines = event.lines
        absent: list[Any] = [None] * len(lines)
        versions: list[list[Any]] = []
        for one in self.lined:
            form = one.marked if overload else one.form
            event.lines = lines
            if one.keep is not None and not one.keep(event, answer):
                one.stats.filtered += len(lines)
                versions.append(absent)
                continue
            event.lines = list(lines)
            form.write(event, answer)
            versions.append(event.lines)
        many: list[Any] = list(zip(*versions, strict=True))
        event.lines = many

    def late(self, event: Event, line: bytes) -> Any:
        """A record of an event that has left: it goes where the event went."""
        for one in self.documents:
            one.stats.passed += 1
        first: Any = event.lines[0] if event.lines else b""
        if isinstance(first, bytes):
            for one in self.lined:
                one.stats.passed += 1
            return line
        for one, version in zip(self.lined, first, strict=True):
            if version is None:
                one.stats.filtered += 1
            else:
                one.stats.passed += 1
        return tuple(None if version is None else line for version in first)

    def send(self, lines: list[Any]) -> None:
        """Hand on what may leave: `lines` in their order, and the objects made since the last time."""
        for one in self.documents:
            if one.pieces:
                one.taker.put(b"".join(one.pieces), len(one.pieces))
                one.pieces.clear()
        if not lines:
            return
        for at, one in enumerate(self.lined):
            if self._alone is not None:
                mine = lines
            else:
                found = (line if isinstance(line, bytes) else line[at] for line in lines)
                mine = [line for line in found if line is not None]
            if mine:
                data = b"\n".join([*mine, b""])
                one.taker.put(data, data.count(b"\n"))


class Fanned(Pipeline):
    """A pipeline whose bytes go to the outputs, and not back to who feeds it."""

    form: Fan

    def _left(self, *, counted: bool) -> bytes:
        if counted:
            self._count()
        self.form.send(self.grouper.drain())
        return b""


class Fanout(Fanned):
    """The pipeline of the plugin. With `passing` set, events leave without being looked at, and are marked."""

    grouper: EventAssembler

    def __init__(self, backend: Linux, fan: Fan, stats: Stats, tables: Tables, timeout_ms: int) -> None:
        grouper = EventAssembler(backend.completes, stats, timeout_ms=timeout_ms, ordered=True, on_late=self._late)
        super().__init__(backend, fan, stats, grouper=grouper, tables=tables)
        self.passing = False
        self._passed: set[bytes] = set()

    def _decide(self, event: Event) -> None:
        if self.passing:
            lines = event.lines
            event.at = next((at for at, line in enumerate(lines) if line.find(b"type=SYSCALL ", 0, 300) >= 0), 0)
            event.closed = True
            self._answered[Reason.OVERLOAD] += 1
            self._passed.add(event.node)
            self.form.write(event, OVERLOADED)
            return
        if self._passed:  # what those events changed is not known: as if they had been lost
            for node in self._passed:
                self._gap(node, 1)
            self._passed.clear()
        super()._decide(event)

    def _late(self, event: Event, line: bytes) -> bytes | None:
        self.stats.passed -= 1  # each output counts it
        left: bytes | None = self.form.late(event, line)
        return left
