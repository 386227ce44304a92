"""Replay recorded logs: open the files, choose the backend by their content, run them through one pipeline.

What it must not do is ask this machine about a log: the host view is `NoHost` unless the caller hands another in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from annotator.formats import json, msgpack
from annotator.formats.raw import Raw
from annotator.formats.record import Record
from annotator.linux.backend import Linux
from annotator.model import Attribution, Chain, Event, Status
from annotator.pipeline import Form, Pipeline, Tables
from annotator.sources import Block, order, read_file, read_stream, recognise, refuse
from annotator.sources import Form as InputForm
from annotator.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annotator.pipeline import Watch

FORMATS = ("raw", "record", "json", "msgpack")


@dataclass(frozen=True, slots=True)
class Options:
    """What `annotator replay` was asked for. Times are stamp milliseconds; None and empty say nothing."""

    format: str = "raw"
    node: str = ""
    contid: int | None = None
    container: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    only_containers: bool = False
    expr: str = ""
    fields: frozenset[str] | None = None
    original: bool = False
    mark_unknown: bool = False
    reannotate: bool = False
    resolve_users: bool = False


class Matches(Protocol):
    """A compiled `--expr`."""

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        ...


class Nothing:
    """No output: the run is for what it learns."""

    ordered = False

    def write(self, event: Event, answer: Attribution) -> bytes:  # noqa: ARG002
        """No bytes."""
        return b""


class Documents:
    """The forms that leave event by event: JSON and msgpack."""

    ordered = False

    def __init__(self, options: Options, interpret: Callable[[Event], dict[str, Any]]) -> None:
        self.render = json.render if options.format == "json" else msgpack.render
        self.options = options
        self.interpret = interpret

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One object."""
        options = self.options
        if options.node and not event.node:
            event.node = options.node.encode()
        return self.render(event, answer, self.interpret(event), original=options.original, fields=options.fields)


def form_of(options: Options, backend: Linux, stats: Stats) -> Form:
    """The output form that was asked for."""
    if options.format == "raw":
        return Raw(
            backend.place,
            stats,
            mark_unknown=options.mark_unknown,
            reannotate=options.reannotate,
            fields=options.fields,
        )
    if options.format == "record":
        return Record(backend, stats)
    if options.format == "none":
        return Nothing()
    return Documents(options, backend.interpreter(resolve_users=options.resolve_users))


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
    from annotator.linux.fields import Expression

    return Expression(options.expr)


def blocks_of(paths: Iterable[str]) -> Iterator[Block]:
    """All blocks of all files: rotated sets oldest first, `-` is the standard input."""
    given = list(paths)
    if given == ["-"]:
        yield from read_stream(0)
        return
    for path in order(Path(one) for one in given):
        yield from read_file(path)


class Replay:
    """One run over some inputs. `feed` gives bytes as they may leave; `finish` the rest."""

    def __init__(
        self, options: Options, *, stats: Stats | None = None, tables: Tables | None = None, watch: Watch | None = None
    ) -> None:
        self.options = options
        self.stats = stats or Stats()
        self.backend = Linux()
        self.form = form_of(options, self.backend, self.stats)
        self.pipeline = Pipeline(
            self.backend,
            self.form,
            self.stats,
            tables=tables,
            keep=filter_of(options, expression_of(options)),
            watch=watch,
        )
        self._origin: tuple[str, int] | None = None
        self._open_line = False

    def feed(self, block: Block) -> bytes:
        """Take one block. The first of each file is looked at: a form that has lost what is needed is refused."""
        origin = (block.origin, block.inode)
        out = b""
        if origin != self._origin:
            self._origin = origin
            form = recognise(b"\n".join(block.lines[:512]))
            refuse(form, block.origin)
            out = self.pipeline.idle()
            self.pipeline.grouper.reversed_records = form is InputForm.AUSEARCH
        self._open_line = not block.newline
        return out + self.pipeline.feed(block.lines)

    def finish(self) -> bytes:
        """The end of all input. A last line that came without its newline leaves without one."""
        out = self.pipeline.finish()
        if self._open_line and self.form.ordered and out.endswith(b"\n"):
            out = out[:-1]
        return out
