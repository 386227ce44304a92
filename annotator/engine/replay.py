"""Replay recorded logs: open the files, choose the backend by their content, run them through one pipeline.

What it must not do is ask this machine about a log: the host view is `NoHost` unless the caller hands another in.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import FormatError, FormError, StoreError, UsageError
from annotator.core.stats import Stats
from annotator.engine.factory import Options, aix_of, expression_of, filter_of, form_of, linux_of
from annotator.engine.input_check import Waiting
from annotator.engine.machines import Machines, mixed_nodes
from annotator.engine.own_output import OwnOutput
from annotator.engine.pipeline import Pipeline, Tables
from annotator.events import EventAssembler
from annotator.io.sources import Block, is_settled, looks_binary, recognise, refuse
from annotator.io.sources import Form as InputForm
from annotator.io.sources.detection import HEAD
from annotator.linux.backend import Linux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annotator.aix.backend import Aix
    from annotator.aix.grouping import TrailGrouper
    from annotator.engine.host_context import HostContext
    from annotator.engine.pipeline import Form, Observer
    from annotator.io.sources import Position
    from annotator.storage.format import Entry, Header

    FormMaker = Callable[[Options, Linux | Aix, Stats], Form]


class Replay:
    """One run over some inputs. `feed` gives bytes as they may leave; `finish` the rest.

    The first log shows whether the logs are of Linux or of AIX, unless `options` say it; both in one run are refused.
    `form` makes the output form; `observer` is shown every decided event. `lenient`: an input may have no record, as
    a part of a stream.
    """

    def __init__(
        self,
        options: Options,
        *,
        stats: Stats | None = None,
        tables: Tables | None = None,
        form: FormMaker = form_of,
        observer: Observer | None = None,
        lenient: bool = False,
    ) -> None:
        self.options = options
        self.stats = stats or Stats()
        self._tables = tables or Tables()
        self._context = self._load_context()
        self._tables.observations = self._context.observations if self._context is not None else None
        self._form_of = form
        self._observer = observer
        self._machines = Machines(one=options.one_machine or bool(options.node))
        self._lenient = lenient
        self._resumed = False
        self._waiting: Waiting | None = None
        self._before: tuple[str, int] | None = None
        self._origin: tuple[str, int] | None = None
        self._open_line = False
        self._newline = b""
        self._binary = False
        self._tables.membership.strict = options.strict_evidence
        self._start(self._aix() if options.system == "aix" else linux_of(options))

    def _load_context(self) -> HostContext | None:
        """Read what the caller gave beside the log; None for nothing, as by default, and then nothing is imported."""
        options, tables = self.options, self._tables
        if options.host == "none" and not options.journals:
            return None
        from annotator.engine.host_context import load_context

        return load_context(
            tables.registry, options.host, options.journals, options.node, processes=tables.processes, stats=self.stats
        )

    def _start(self, backend: Linux | Aix) -> None:
        options, stats = self.options, self.stats
        self.backend = backend
        self.form = self._form_of(options, backend, stats)
        self.trail: TrailGrouper | None = None
        if not isinstance(backend, Linux):
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
            watch=self._observer,
            relays=not self._machines.one,
            own=None if options.reannotate or self.trail is not None else OwnOutput(backend, self._tables),
        )

    def _aix(self) -> Aix:
        """The backend for a trail, with what a journal of its machine tells. A journal of another kind is refused."""
        options, known = self.options, self._context
        if options.host != "none" and not (known is not None and known.asks_aix):
            raise UsageError(
                f"--host {options.host}: an AIX trail is answered by an AIX machine only",
                "Give it --journal or --wpars, or replay it on the machine that wrote it, with --host live.",
            )
        if known is not None and not known.listings:
            raise UsageError(
                "--journal: no look at WPARs is in it, so it is not of an AIX machine",
                "Give the journal that `annotator plugin --source auditstream` wrote on that machine (host.journal).",
            )
        if known is None:
            return aix_of(options)
        return aix_of(options, known.listings, known.node.decode("utf-8", "surrogateescape"))

    @property
    def has_input(self) -> bool:
        """Whether any line came."""
        return self._origin is not None

    def _refuse_aix(self, origin: str) -> None:
        if self._context is not None and self._context.asks_aix:
            raise UsageError(
                f"{origin}: --host live: this machine is no Linux, so it says nothing of a Linux log", "Leave it out."
            )
        if self._context is not None and self._context.listings:
            raise UsageError(f"{origin}: a journal of an AIX machine says nothing of Linux logs", "Leave it out.")

    def feed(self, block: Block) -> bytes:
        """Take one block. The first ones wait until they show what a file is; FormError where it is no audit log."""
        origin = (block.origin, block.inode)
        if self._resumed:  # in the middle of a file, whose form was seen at its beginning
            self._origin, self._resumed = origin, False
        out = b""
        if origin != self._origin:
            out = self.end_of_input()
            before, self._origin = self._origin, origin
            if self.trail is None and self.options.system != "aix" and not self._lenient:
                self._waiting, self._before = Waiting(), before
            else:
                out += self._begin(block.text, recognise(block.text), block.origin, before)
        if self._waiting is None:
            return out + self._take(block)
        return out + (self.end_of_input() if self._waiting.take(block) else b"")

    def end_of_input(self) -> bytes:
        """The blocks that waited go on: it is known what they are, or all of them have come (before `save`).

        Raises FormError where nothing in them is a record.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return b""
        blocks = waiting.end()
        if not blocks:
            return b""
        head = b"\n".join(block.text for block in blocks)[:HEAD]
        out = self._begin(head, waiting.form, blocks[0].origin, self._before)
        return out + b"".join([self._take(block) for block in blocks])

    def _take(self, block: Block) -> bytes:
        """A block of an input that is known."""
        out = self._newline
        self._newline = b""
        self._open_line = not block.newline
        with self._naming(block.origin):
            out += self._feed(block)
        if self._open_line and self.form.ordered and out.endswith(b"\n"):
            out, self._newline = out[:-1], b"\n"  # this may be the line that has none
        return out

    def _begin(self, head: bytes, form: InputForm, name: str, before: tuple[str, int] | None) -> bytes:
        """Another input of a known form, with its name and its first bytes; `before` is the one before it."""
        if self.options.system == "auto":
            refuse(form, name)
            if before is None and form is InputForm.AIX:
                self._start(self._aix())
            elif (form is InputForm.AIX) is (self.trail is None) and is_settled(form):
                raise UsageError(f"{name}: logs of Linux and of AIX in one run", "Replay them one by one.")
        elif self.trail is None:
            refuse(form, name)
        if self.trail is None:
            self._refuse_aix(name)
        out = self._newline + self.pipeline.idle()
        self._newline = b""
        self.pipeline.grouper.reversed_records = form is InputForm.AUSEARCH
        if isinstance(self.pipeline.grouper, EventAssembler):
            self._machines.begin(name, head, self.pipeline.grouper)
        if self.trail is not None and not isinstance(self.backend, Linux):
            self._binary = looks_binary(head)
            with self._naming(before[0] if before else ""):
                self.trail.close()
                self.trail.refuse_unrecognised()
                out += self.pipeline.feed([])
            with self._naming(name):
                self.trail.begin(binary=self._binary)
            self.backend.of_file(str(Path(name).absolute()))
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

    def idle(self, quiet_ms: int) -> bytes:
        """Nothing came for `quiet_ms` of wall clock: what may leave by that."""
        return self.pipeline.idle(quiet_ms)

    def resume(self, path: Path, tell: Callable[[str], None]) -> Position | None:
        """Go on from a state file; None when there is none yet. Raises StoreError for one that cannot be used."""
        from annotator.storage.state import load_state

        loaded = load_state(path)
        if loaded is None:
            return None
        return self.restore(path, *loaded, tell)

    def restore(
        self, name: Path | str, saved: Header, entries: Iterable[Entry], tell: Callable[[str], None]
    ) -> Position | None:
        """Go on from a state that was loaded; `name` stands for it in errors. Returns where reading goes on.

        None: not in the middle of a file, so that the next block is looked at as the first of one.

        Only a run that asks this machine (`host` live) compares boots: of a log's state it does not matter where, nor
        in which boot of that machine, it was saved. Raises StoreError.
        """
        from annotator.storage.checkpoint_restore import restore_entries

        here = self._header()
        expected = here if self.options.host == "live" else replace(saved, node=here.node)
        position = restore_entries(name, saved, entries, expected, self._tables, self._grouper(), tell=tell)
        self._resumed = position is not None
        return position

    def save(self, path: Path, position: Position) -> None:
        """Save the state with the events that are still open. The run is then over, without an end of its input."""
        from annotator.storage.checkpoint_save import save

        save(path, self._header(), self._tables, self._grouper(), position)

    def pack(self, position: Position | None, own: Iterable[Entry], name: str) -> bytes:
        """The state as bytes, with entries of the caller's own before it. Raises StoreError, which says `name`."""
        from annotator.storage.checkpoint_save import entries_of
        from annotator.storage.state import pack_state

        try:
            return pack_state(self._header(), chain(own, entries_of(self._tables, self._grouper(), position)), name)
        except FormatError as err:
            raise StoreError(f"{name}: cannot be made: {err.what}", "Go on with the one before.") from err

    def _header(self) -> Header:
        """Whose state it is: of this machine only when it was asked."""
        from annotator.engine.host_context import log_header, this_header

        return (this_header if self.options.host == "live" else log_header)(self.options.node)

    def _grouper(self) -> EventAssembler:
        grouper = self.pipeline.grouper
        if not isinstance(grouper, EventAssembler):
            raise UsageError("--state works with Linux logs only", "Replay an AIX trail as a whole.")
        return grouper

    @property
    def warnings(self) -> list[str]:
        """What the person who gave the logs should know of the machines they are of; complete after `finish`."""
        grouper = self.pipeline.grouper
        return self._machines.warnings + (mixed_nodes(grouper) if isinstance(grouper, EventAssembler) else [])

    def finish(self) -> bytes:
        """The end of all input. A last line that came without its newline leaves without one.

        Raises FormError where nothing in the last input is a record.
        """
        begun = self.end_of_input()
        with self._naming(self._origin[0] if self._origin else ""):
            out = begun + self._newline + self.pipeline.finish()
            if self.trail is not None:
                self.trail.refuse_unrecognised()
        if self._open_line and self.form.ordered and out.endswith(b"\n"):
            out = out[:-1]
        return out
