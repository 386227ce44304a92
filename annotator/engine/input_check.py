"""Checks that inputs are audit logs before anything of them leaves: one without a record is an error, not silence."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError
from annotator.io.sources import (
    Form,
    has_record,
    is_settled,
    order,
    read_file,
    read_stream,
    recognise,
    refuse,
    refuse_unknown,
)
from annotator.io.sources.decompression import MAGIC_LENGTH, packing
from annotator.io.sources.detection import HEAD, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annotator.io.sources import Block


def blocks_of(
    paths: Iterable[str], *, system: str = "auto", at: Callable[[int], None] | None = None
) -> Iterator[Block]:
    """All blocks of all files: rotated sets oldest first, `-` is the standard input. For `at` see `read_file`.

    All files are looked at before the first is read: see `check_files`.
    """
    given = list(paths)
    if given == ["-"]:
        yield from read_stream(0)
        return
    files = order(Path(one) for one in given)
    check_files(files, system=system)
    for path in files:
        yield from read_file(path, at=at)


class Waiting:
    """The first blocks of an input, held until a line shows what it is."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._size = 0
        self.form = Form.EMPTY

    def take(self, block: Block) -> bool:
        """Whether it is known now. Raises FormError where so much came without a record that it is no audit log."""
        if not self._blocks and packing(block.text):
            refuse_unknown(block.text, block.origin)
        if self._size < HEAD:
            self.form = recognise(b"\n".join([*(one.text for one in self._blocks), block.text]))
        if not is_settled(self.form) and has_record(block.text):
            self.form = Form.RECORDS
        self._blocks.append(block)
        self._size += len(block.text) + 1
        if not is_settled(self.form) and self._size > PATIENCE:
            refuse_unknown(self._blocks[0].text, block.origin)
        return is_settled(self.form)

    def end(self) -> list[Block]:
        """All blocks, which are handed over. Raises FormError where they are neither known nor blank."""
        blocks, self._blocks = self._blocks, []
        if not is_settled(self.form) and any(block.text.strip() for block in blocks):
            refuse_unknown(b"\n".join(block.text for block in blocks)[:HEAD], blocks[0].origin)
        return blocks


def check_files(paths: Iterable[Path], *, system: str, packed: bool = True) -> None:
    """Look at the beginnings of the files before the first is read; pipes are looked at when they are read.

    Raises what reading them would raise: SourceError, FormError, or UsageError where logs of Linux and of AIX are given
    together. `packed`: compressed files are read too.
    """
    if system == "aix":
        return
    forms: dict[Form, Path] = {}
    for path in paths:
        if not _is_regular(path):
            continue
        if not packed and packing(_magic(path)):
            refuse_unknown(_magic(path), str(path))
        waiting = Waiting()
        known = any(map(waiting.take, read_file(path)))
        if not known:
            waiting.end()
        refuse(waiting.form, str(path))
        if is_settled(waiting.form):
            forms[waiting.form] = path
    if Form.AIX in forms and len(forms) > 1:
        raise UsageError(f"{forms[Form.AIX]}: logs of Linux and of AIX in one run", "Replay them one by one.")


def _is_regular(path: Path) -> bool:
    """Whether it can be read twice. What is not there, or may not be read, is told by reading it."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAGIC_LENGTH)
    except OSError:
        return b""
