"""Golden data: run an input, read and write what is expected of it, and say where they differ.

`runs.tsv` has a line for each run: exit code, length and digest of its output, and its counters that are not zero. What
is kept of the outputs themselves (scripts/golden_answers.py) is in one small archive for each input.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from golden_answers import changes, kept
from golden_inputs import FORMS, GOLDEN, ROOT, Input, captures, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golden_program import Program, Ran

RUNS = ROOT / GOLDEN / "runs.tsv"
CAPTURES = ROOT / GOLDEN / "captures.tsv"
HEAD = "# input\trun\texit code\tbytes\tsha256\tcounters that are not zero\n"


class Row(NamedTuple):
    """One run, in figures."""

    code: int
    size: int
    digest: str
    counters: str

    def said(self) -> str:
        """For a table, and for a message."""
        return f"{self.code}\t{self.size}\t{self.digest}\t{self.counters}"


Rows = dict[tuple[str, str], Row]


class Outcome(NamedTuple):
    """All runs of one input: their rows, and what is kept of them by the name of the archive's member."""

    rows: Rows
    members: dict[str, list[str]]


def row(ran: Ran) -> Row:
    """The figures of a run. A run that was refused has no counters: its message is kept."""
    return Row(ran.code, len(ran.out), hashlib.sha256(ran.out).hexdigest(), _counters(ran.err))


def _counters(err: bytes) -> str:
    last = err.rstrip(b"\n").rpartition(b"\n")[2]
    if not last.startswith(b"{"):
        return "-"
    return " ".join(f"{name}={value}" for name, value in json.loads(last).items() if value) or "-"


def outcome(program: Program, log: Input) -> Outcome:
    """Run an input in all its ways."""
    data = log.data()
    found = Outcome({}, {})
    for run, arguments in log.commands(program.scratch).items():
        ran = program.run(arguments)
        said = ran.err.replace(str(program.scratch).encode(), b"SCRATCH").decode("utf-8", "backslashreplace")
        found.rows[log.name, run] = row(ran)
        found.members[run] = kept(run, ran.out, data)
        found.members[f"{run}.stderr"] = said.splitlines()
    return found


def of_captures(program: Program) -> Rows:
    """The figures of every capture of the program's folder, in each form."""
    return {
        (str(path.parent), form): row(program.run(command(path, (f"--format={form}",))))
        for path in captures(program.folder)
        for form in FORMS
    }


# --- files ------------------------------------------------------------------------------------------------------------


def read_rows(path: Path) -> Rows:
    """A table of runs; empty when there is none."""
    rows: Rows = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        if not line.startswith("#"):
            name, run, code, size, digest, counters = line.split("\t")
            rows[name, run] = Row(int(code), int(size), digest, counters)
    return rows


def write_rows(path: Path, rows: Rows) -> None:
    """Write a table of runs."""
    path.write_text(
        HEAD + "".join(f"{name}\t{run}\t{one.said()}\n" for (name, run), one in sorted(rows.items())), "utf-8"
    )


def archive(name: str) -> Path:
    """Where the answers of an input are."""
    return ROOT / GOLDEN / f"expected-{name}.tar.xz"


def read_members(name: str) -> dict[str, list[str]]:
    """What was kept of an input; empty when it is new."""
    path = archive(name)
    if not path.exists():
        return {}
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar}
        return {name: file.read().decode().split("\n")[:-1] for name, file in files.items() if file is not None}


def write_members(name: str, members: dict[str, list[str]]) -> None:
    """Keep what an input gives: the same bytes for the same answers."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, lines in sorted(members.items()):
            data = "".join(f"{line}\n" for line in lines).encode()
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    archive(name).write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))


# --- differences ------------------------------------------------------------------------------------------------------


def of_rows(old: Rows, new: Rows) -> Iterator[str]:
    """Each run whose figures are others."""
    for name, run in {**old, **new}:
        was, now = old.get((name, run)), new.get((name, run))
        if was is None or now is None:
            yield f"{name} {run}: {'a new run' if was is None else 'no longer run'}"
        elif was != now:
            pairs = zip(("exit code", "bytes", "sha256", "counters"), was, now, strict=True)
            said = (f"{part} {_short(here)} -> {_short(there)}" for part, here, there in pairs if here != there)
            yield f"{name} {run}: {'; '.join(said)}"


def _short(value: object) -> str:
    """A figure in a message: of a digest the beginning tells it from another."""
    return str(value)[:12] if len(str(value)) == 64 else str(value)


def differences(log: Input, found: Outcome, expected: Rows, limit: int) -> Iterator[str]:
    """What an input gives otherwise than is expected, a line for each; of each run `limit` answers at the most."""
    old = {key: one for key, one in expected.items() if key[0] == log.name}
    figures = list(of_rows(old, found.rows))
    members = read_members(log.name)
    yield from figures
    for member in sorted({**members, **found.members}):
        was, now = members.get(member, []), found.members.get(member, [])
        told = list(changes(was, now)) if was != now else []
        yield from (f"  {member}: {line}" for line in told[:limit])
        if len(told) > limit:
            yield f"  {member}: and {len(told) - limit} more"
    if figures and members == found.members:
        yield "  the answers are the same: the bytes differ in what is not kept (order, blanks, line ends)"
