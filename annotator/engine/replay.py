"""Replay recorded logs: open the files, choose the backend by their content, run them through one pipeline.

What it must not do is ask this machine about a log: the host view is `NoHost` unless the caller hands another in.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.aix.backend import Aix
from annotator.core.errors import FormatError, FormError, UsageError
from annotator.core.stats import Stats
from annotator.engine.factory import Options, aix_of, expression_of, filter_of, form_of
from annotator.engine.host_context import outside, this_header
from annotator.engine.pipeline import Pipeline, Tables
from annotator.events import EventAssembler
from annotator.io.sources import Block, looks_binary, order, read_file, read_stream, recognise, refuse
from annotator.io.sources import Form as InputForm
from annotator.linux.backend import Linux
from annotator.storage.checkpoint_restore import restore
from annotator.storage.checkpoint_save import save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annotator.aix.grouping import TrailGrouper
    from annotator.engine.pipeline import Observer
    from annotator.io.sources import Position


def blocks_of(paths: Iterable[str]) -> Iterator[Block]:
    """All blocks of all files: rotated sets oldest first, `-` is the standard input."""
    given = list(paths)
    if given == ["-"]:
        yield from read_stream(0)
        return
    for path in order(Path(one) for one in given):
        yield from read_file(path)


class Replay:
    """One run over some inputs. `feed` gives bytes as they may leave; `finish` the rest.

    Which system's the logs are is seen in the first one, unless it was said; both in one run are refused.
    """

    def __init__(
        self,
        options: Options,
        *,
        stats: Stats | None = None,
        tables: Tables | None = None,
        watch: Observer | None = None,
    ) -> None:
        self.options = options
        self.stats = stats or Stats()
        self._tables = tables or Tables()
        tables = self._tables
        self._outside = outside(
            tables.registry, options.host, options.journals, options.node, processes=tables.processes, stats=self.stats
        )
        tables.observations = self._outside.observations if self._outside is not None else None
        self._watch = watch
        self._resumed = False
        self._origin: tuple[str, int] | None = None
        self._open_line = False
        self._newline = b""
        self._binary = False
        self._start(self._aix() if options.system == "aix" else Linux())

    def _start(self, backend: Linux | Aix) -> None:
        options, stats = self.options, self.stats
        self.backend = backend
        self.form = form_of(options, backend, stats)
        self.trail: TrailGrouper | None = None
        if isinstance(backend, Aix):
            if options.expr:
                raise UsageError("--expr is for Linux: the audit library cannot read AIX records")
            self.trail = backend.grouper(stats, ordered=self.form.ordered)
        self.pipeline = Pipeline(
            backend,
            self.form,
            stats,
            grouper=self.trail,
            tables=self._tables,
            keep=filter_of(options, expression_of(options)),
            watch=self._watch,
        )

    def _aix(self) -> Aix:
        """The backend for a trail, with what a journal of its machine tells. A journal of another kind is refused."""
        options, known = self.options, self._outside
        if options.host != "none":
            raise UsageError("--host works with Linux logs only", "Give an AIX trail --journal or --wpars.")
        if known is not None and not known.listings:
            raise UsageError(
                "--journal: no look at WPARs is in it, so it is not of an AIX machine",
                "Give the journal that `annotator plugin --source auditstream` wrote on that machine (host.journal).",
            )
        if known is None:
            return aix_of(options)
        return aix_of(options, known.listings, known.node.decode("utf-8", "surrogateescape"))

    def _refuse_aix(self, origin: str) -> None:
        if self._outside is not None and self._outside.listings:
            raise UsageError(f"{origin}: a journal of an AIX machine says nothing of Linux logs", "Leave it out.")

    def feed(self, block: Block) -> bytes:
        """Take one block. The first of each file is looked at: a form that has lost what is needed is refused."""
        origin = (block.origin, block.inode)
        out = self._newline
        self._newline = b""
        if self._resumed:  # in the middle of a file, whose form was seen at its beginning
            self._origin, self._resumed = origin, False
        elif origin != self._origin:
            out += self._begin(block, origin)
        self._open_line = not block.newline
        with self._naming(block.origin):
            out += self._feed(block)
        if self._open_line and self.form.ordered and out.endswith(b"\n"):
            out, self._newline = out[:-1], b"\n"  # this may be the line that has none
        return out

    def _begin(self, block: Block, origin: tuple[str, int]) -> bytes:
        """Another file: look what it is."""
        first, before = self._origin is None, self._origin[0] if self._origin else ""
        self._origin = origin
        form = recognise(block.text)
        if self.options.system == "auto":
            refuse(form, block.origin)
            if first and form is InputForm.AIX:
                self._start(self._aix())
            elif (form is InputForm.AIX) is (self.trail is None) and form not in (InputForm.EMPTY, InputForm.UNKNOWN):
                raise UsageError(f"{block.origin}: logs of Linux and of AIX in one run", "Replay them one by one.")
        elif self.trail is None:
            refuse(form, block.origin)
        if self.trail is None:
            self._refuse_aix(block.origin)
        out = self.pipeline.idle()
        self.pipeline.grouper.reversed_records = form is InputForm.AUSEARCH
        if self.trail is not None and isinstance(self.backend, Aix):
            self._binary = looks_binary(block.text)
            with self._naming(before):
                self.trail.close()
                out += self.pipeline.feed([])
            with self._naming(block.origin):
                self.trail.begin(binary=self._binary)
            self.backend.of_file(str(Path(block.origin).absolute()))
        return out

    def _feed(self, block: Block) -> bytes:
        """The lines as they are wanted: a trail's one by one, and a binary one's with their newlines."""
        if self.trail is None:
            return self.pipeline.feed_text(block.text)
        lines = block.lines
        if self._binary:
            lines = [line + b"\n" for line in lines[:-1]] + [lines[-1] + b"\n" * block.newline]
        return self.pipeline.feed(lines)

    @contextmanager
    def _naming(self, origin: str) -> Iterator[None]:
        """An error says of which file."""
        try:
            yield
        except (FormError, FormatError) as err:
            err.what = f"{origin}: {err.what}"
            raise

    def resume(self, path: Path, tell: Callable[[str], None]) -> Position | None:
        """Go on from a saved state; None when there is none yet."""
        position = restore(path, this_header(self.options.node), self._tables, self._grouper(), tell=tell)
        self._resumed = position is not None
        return position

    def keep(self, path: Path, position: Position) -> None:
        """Save the state, with the events that are not whole yet; the run is then over, without an end of its input."""
        save(path, this_header(self.options.node), self._tables, self._grouper(), position)

    def _grouper(self) -> EventAssembler:
        grouper = self.pipeline.grouper
        if not isinstance(grouper, EventAssembler):
            raise UsageError("--state works with Linux logs only", "Replay an AIX trail as a whole.")
        return grouper

    def finish(self) -> bytes:
        """The end of all input. A last line that came without its newline leaves without one."""
        with self._naming(self._origin[0] if self._origin else ""):
            out = self._newline + self.pipeline.finish()
        if self._open_line and self.form.ordered and out.endswith(b"\n"):
            out = out[:-1]
        return out
