"""One node's records as they come: bytes in, annotated bytes out, and a state from which any machine goes on.

What the input is must not depend on how it was cut into pieces, so nothing is decided before the first record came, or
`HEAD` bytes without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from annotator.core.errors import FormError, StoreError, UsageError
from annotator.engine.factory import Options
from annotator.engine.inputs import slices
from annotator.engine.replay import Replay
from annotator.io.sources import Block, Cutter, Position, recognise
from annotator.io.sources import Form as InputForm
from annotator.io.sources.detection import HEAD
from annotator.storage.format import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annotator.engine.inputs import Piece

__all__ = ["Stream", "StreamForm"]

StreamForm = Literal["raw", "record", "json", "msgpack"]
"""The output forms of a stream."""

VERSION = 1
"""Of what a stream adds to the state; raised when an older program would misread it."""

PIECE = 1 << 16
"""Bytes of a line that has not come as a whole, in one entry of the state."""

_NAME = "stream state"
_OWN, _PENDING = "stream", "pending"
_ANEW = "Give Stream(state=None): what it knew is learnt again from the records that come."


class Stream:
    """Annotates the Linux audit records of one node as they come: from auditd, a log shipper, a topic, a file in parts.

    `node` names the host in the JSON form where the records carry no `node=`; a state belongs to it. `form` is what
    comes out. `state` is what `state()` gave, on whatever machine: the stream then goes on as if it had never stopped.
    It asks nothing of the machine it runs on.

    Raises UsageError for a form that does not exist; StoreError for a state that is damaged, of a newer version, of
    another node or form, or not of a stream.
    """

    def __init__(self, *, node: str = "", form: StreamForm = "json", state: bytes | None = None) -> None:
        if form not in get_args(StreamForm):
            raise UsageError(f"form {form!r} does not exist", f"Give one of {', '.join(get_args(StreamForm))}.")
        self._form = form
        self._run = Replay(Options(format=form, system="linux", node=node), lenient=True)
        self._cutter = Cutter(f"stream {node}".rstrip())
        self._head: list[bytes] = []
        self._head_size = 0
        self._begun = False
        self._over = False
        if state is not None:
            self._restore(state)

    def feed(self, data: Piece) -> bytes:
        """Take the next bytes, cut anywhere; returns what may leave, which may be b"".

        An event leaves when it is known to be whole: at the next record of another event, or after 2 s of the records'
        own time; see `idle`. Raises FormError for input that has lost what is needed (`ausearch -i`, CSV, kernel log)
        or is of AIX, SourceError for a line longer than 16 MiB, UsageError after `finish`.
        """
        if self._over:
            raise UsageError("the stream has ended", "Make a new Stream, with the state of this one if it goes on.")
        blocks = map(self._cutter.feed, slices(data))
        return b"".join([self._take(block) for block in blocks if block is not None])

    def idle(self, ms: int) -> bytes:
        """Say that nothing came for `ms` milliseconds (at least 0); returns what may leave by that.

        Events that are probably whole leave at once, all others after 2000.
        """
        return self._run.idle(ms)

    def finish(self) -> bytes:
        """End the input; returns all that is left. A last line without newline leaves without one.

        `state` may still be asked: it is that of the next part of the same node's records.
        """
        if self._over:
            return b""
        self._over = True
        last = self._cutter.end()
        out = self._take(last) if last is not None else b""
        if not self._begun and self._head:
            out += self._begin(last or self._block(b""))
        return out + self._run.finish()

    def state(self) -> bytes:
        """All that the stream knows, with the lines that have not left: bytes of some ten to thousand kB.

        They are for `Stream(state=…)` of this version or a newer one, on any machine, and hold no path of this one.
        Who can change them can change answers: keep them where only the owner writes. Raises StoreError for a state of
        more than 256 MiB.
        """
        position = Position(0, 0, self._cutter.offset) if self._begun else None
        return self._run.pack(position, self._own(), _NAME)

    @property
    def counts(self) -> dict[str, int]:
        """What this object counted, by name: `lines`, `events`, `container`, `rejected` and others."""
        return self._run.stats.as_dict()

    def _take(self, block: Block) -> bytes:
        """Consecutive lines: looked at while it is not known what they are, else annotated."""
        if self._begun:
            return self._run.feed(block)
        lines = block.text.split(b"\n")
        for at, line in enumerate(lines, 1):
            self._head.append(line)
            self._head_size += len(line) + 1
            if self._head_size > HEAD or recognise(line) in (InputForm.RECORDS, InputForm.AIX):
                rest = lines[at:]
                if not rest:
                    return self._begin(block)
                return self._begin(self._block(b"")) + self._run.feed(block._replace(text=b"\n".join(rest)))
        return b""

    def _begin(self, end: Block) -> bytes:
        """It is known what comes: begin with the lines that waited, the last of which ends as `end` does."""
        text = b"\n".join(self._head)
        self._head.clear()
        self._begun = True
        if recognise(text) is InputForm.AIX:
            self._over = True
            raise FormError(
                f"{self._cutter.origin}: this is an AIX trail, and a stream is of Linux records",
                "Give it to annotator.replay, as a whole.",
            )
        return self._run.feed(end._replace(text=text))

    def _block(self, text: bytes) -> Block:
        return Block(text, self._cutter.origin, self._cutter.offset)

    # --- the state ----------------------------------------------------------------------------------------------

    def _own(self) -> Iterator[Entry]:
        """What is not the run's: which form it is, and bytes that no event has yet."""
        yield Entry(0, 0, _OWN, {"version": VERSION, "form": self._form})
        pending = b"".join(line + b"\n" for line in self._head) + self._cutter.unfinished
        for start in range(0, len(pending), PIECE):
            yield Entry(0, 0, _PENDING, {"data": pending[start : start + PIECE]})

    def _restore(self, state: bytes) -> None:
        from annotator.storage.state import unpack_state

        header, entries = unpack_state(bytes(state), _NAME)
        match entries[0] if entries else None:
            case Entry(kind="stream", body={"version": int(version)}) if version > VERSION:
                raise StoreError(
                    f"{_NAME}: version {version} is newer than this program, which knows {VERSION}",
                    f"Use the newer program. {_ANEW}",
                )
            case Entry(kind="stream", body={"form": str(form)}):
                pass
            case _:
                raise StoreError(f"{_NAME}: it is not of a stream, but of a replay or the plugin", _ANEW)
        if form != self._form:
            raise StoreError(f"{_NAME}: it is of a stream with form={form!r}, and this has {self._form!r}", _ANEW)
        pending = b"".join(_data(entries[1:]))
        rows = [one for one in entries[1:] if one.kind != _PENDING]
        position = self._run.restore(_NAME, header, rows, lambda _: None)
        if position is not None:
            self._begun = True
            self._cutter.offset = position.offset
        self.feed(pending)


def _data(entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in entries:
        if entry.kind == _PENDING:
            data = entry.body.get("data")
            if not isinstance(data, bytes):
                raise StoreError(f"{_NAME}: not usable: an entry has no bytes", _ANEW)
            yield data
