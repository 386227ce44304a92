"""Conservation: every line of a log leaves exactly once, as it came but for our fields, however the bytes arrive.

Most logs hold no containers, so each is also annotated everywhere: all events get one made-up answer that has every
field. That is what the other oracles look at too.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from annotator.core.model import Attribution, Container, ContId, Evidence, Flag, Session, Status, Target
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline, run
from annotator.formats.raw import Raw
from annotator.io.sources import READ, Cutter, Form, recognise
from annotator.linux.backend import Linux

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annotator.core.model import Event

_WEB = Container(
    ContId(0xDA7A5E7C0FFEE123),
    id="da7a5e7c0ffee123" * 4,
    name="made up",  # a blank: the value leaves as hex
    image="registry.example:5000/team/web@sha256:0",
    engine="podman",
    parent=Container(ContId(7), id="pod"),
)
_OTHER = Container(ContId(8), id="other")

MADE_UP = Attribution(
    Status.CONTAINER,
    chains=(_WEB.chain(),),
    evidence=(Evidence.CGROUP,),
    flags=(Flag.ENTERED, Flag.CROSSED),
    session=Session("1700000000.123:42"),
    targets=(Target(2, Status.CONTAINER, (_OTHER.chain(),)),),
    src=(_OTHER.chain(),),
    dst=(_WEB.chain(),),
)
"""An answer that has every field of the raw form. Lists of several stand on kernel records only (one signal to a group,
a packet), where no stock tool reads up to a comma; there `ausearch -i` ends a line whose last value has one with an
empty line."""


class Everywhere:
    """The raw form with one answer for all events: so that each kind of record is annotated, whatever the log."""

    ordered = True
    shows_parents = False

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def write(self, event: Event, answer: Attribution) -> None:  # noqa: ARG002  (the form's contract)
        """Annotate with the made-up answer."""
        self.raw.write(event, MADE_UP)


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[tuple[list[bytes], bool]]:
    """The blocks of lines of `data` when it arrives in chunks of these sizes (the last goes on until the end)."""
    cutter = Cutter("log")
    at = 0
    steps = iter(sizes)
    size = READ
    while at < len(data):
        size = next(steps, size)
        if (block := cutter.feed(data[at : at + size])) is not None:
            yield block.lines, block.newline
        at += size
    if (block := cutter.end()) is not None:
        yield block.lines, block.newline


def annotate(data: bytes, *, everywhere: bool, sizes: Iterable[int] = (READ,)) -> tuple[bytes, Stats]:
    """The raw form of a log, with no host to ask; `everywhere` gives all events the made-up answer."""
    stats = Stats()
    backend = Linux()
    raw = Raw(backend, stats)
    reverse = recognise(data) is Form.AUSEARCH
    pipeline = Pipeline(backend, Everywhere(raw) if everywhere else raw, stats, reversed_records=reverse)
    out: list[bytes] = []
    run(pipeline, cut(data, sizes), out.append)
    return b"".join(out), stats


_LIST = rb"[0-9?^,-]+"
_VALUE = rb'(?:"[\x21\x23-\x7e]*"|(?:[0-9A-F]{2})+)'
_FIELDS = (
    ("contid", _LIST), ("container_id", _VALUE), ("container_name", _VALUE), ("container_image", _VALUE),
    ("container_engine", _VALUE), ("cont_session", _VALUE), ("cont_how", _VALUE), ("cont_flags", _VALUE),
    ("cont_target", _LIST), ("cont_src", _LIST), ("cont_dst", _LIST),
)  # fmt: skip
_OURS = re.compile(
    rb"(?= cont)" + b"".join(b"(?: %s=%s)?" % (name.encode(), value) for name, value in _FIELDS) + rb"\Z"
)
"""The grammar of the appended fields, written from the documentation and not from the code it checks."""

_BEFORE = (
    (re.compile(rb"(?:node=\S+ )?type=(?:USER_)?TTY msg=audit\("), b" data="),
    (re.compile(rb"(?:node=\S+ )?type=USER_(?:AVC|SELINUX_ERR) msg=audit\("), b" msg='"),
)


_COPIES = re.compile(rb"(?:\x1d|#035)(?=[A-Z][A-Z0-9_-]*=)")
"""What stands before auditd's copies: 0x1D, which syslog daemons write as its octal number."""


def _end(line: bytes) -> int:
    """Where the body ends: at what separates auditd's copies, after all that a user's message holds; else the CR."""
    message = line.rfind(b"'") if b" msg='" in line else 0
    copies = _COPIES.search(line, max(message, 0))
    return copies.start() if copies else len(line) - line.endswith(b"\r")


def strip(line: bytes) -> bytes:
    """A line without our fields: before 0x1D or at the end of the line, in some types before ` data=` or ` msg='`."""
    if b" cont" not in line:
        return line
    end = _end(line)
    for kind, mark in _BEFORE:
        if kind.match(line) and (found := line.find(mark, 0, end)) > 0:
            end = found
    ours = _OURS.search(line[:end])
    return line if ours is None else line[: ours.start()] + line[end:]


def conservation(data: bytes) -> list[str]:
    """What of an input does not leave as it came, in sentences; with its real answers, and annotated everywhere."""
    return [
        f"{'annotated everywhere' if everywhere else 'annotated'}: {why}"
        for everywhere in (False, True)
        for why in _conservation(data, everywhere=everywhere)
    ]


def _conservation(data: bytes, *, everywhere: bool) -> Iterator[str]:
    out, stats = annotate(data, everywhere=everywhere)
    yield from (f"the counts do not add up: {why}" for why in stats.check())
    yield from changed(data, out)
    again, _ = annotate(out, everywhere=everywhere)
    if again != out:
        yield f"annotating twice is not annotating once, first in line {_first(out, again)}"
    lines = [len(line) + 1 for line in data.split(b"\n")]
    random_sizes = random.Random(len(data)).choices(range(1, 4096), k=64)  # noqa: S311  (the same for the same log)
    for name, sizes in (("line by line", lines), ("in odd chunks", random_sizes)):
        other, _ = annotate(data, everywhere=everywhere, sizes=sizes)
        if other != out:
            yield f"read {name} it leaves otherwise, first in line {_first(out, other)}"


def changed(data: bytes, out: bytes) -> Iterator[str]:
    """The first line that left otherwise than with our fields appended."""
    before, after = data.split(b"\n"), out.split(b"\n")
    if len(before) != len(after):
        yield f"{len(before) - 1} lines came and {len(after) - 1} left"
    for number, (one, two) in enumerate(zip(before, after, strict=False), 1):
        if one != two and strip(two) != one:
            yield f"line {number} is not what came: {two[:200]!r}"
            return


def _first(one: bytes, two: bytes) -> int:
    """The number of the first line in which two outputs differ."""
    pairs = zip(one.split(b"\n"), two.split(b"\n"), strict=False)
    return next(
        (number for number, (a, b) in enumerate(pairs, 1) if a != b), min(one.count(b"\n"), two.count(b"\n")) + 1
    )
