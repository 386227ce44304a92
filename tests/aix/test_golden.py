"""Golden pairs: every sample beside an `expected.parsed.json` reads as that file says, value by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from annotator.aix import inventory, psinfo, tail_format
from annotator.aix.auditpr import AuditprParser
from annotator.aix.facts import translate
from annotator.aix.record import Record
from annotator.aix.trail import TrailParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.aix.inventory import Sighting
    from annotator.aix.record import Piece

SAMPLES = Path(__file__).parents[2] / "samples" / "aix"
CASES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.parsed.json"))


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes as text, tuples as lists, named tuples as their name and members."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"is": type(value).__name__, **{name: plain(one) for name, one in value._asdict().items()}}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(plain(name)): plain(one) for name, one in value.items()}
    return value


def of_pieces(pieces: Iterable[Piece]) -> list[Any]:
    """Records with what they say; passed lines by why they passed."""
    found: list[Any] = []
    for piece in pieces:
        if not isinstance(piece, Record):
            found.append({"passed": piece.why, "bytes": sum(map(len, piece.lines))})
            continue
        told = translate(piece)
        columns = ("event", "ordinal", "time_ms", "form", "status", "login", "ruser", "command", "pid", "ppid", "tid",
                   "wpar", "wpar_evidence", "role", "kernel64", "tail")  # fmt: skip
        values = {name: plain(getattr(piece, name)) for name in columns if getattr(piece, name) is not None}
        values["values"] = plain(told.tail.values) if told.tail else None
        values["facts"] = plain(told.reading.facts)
        found.append(values)
    return found


def text_trail(data: bytes) -> list[Any]:
    """`auditpr` text, in UTC."""
    parser = AuditprParser(ZoneInfo("UTC"))
    return of_pieces(parser.feed(data.split(b"\n")[:-1]) + parser.flush())


def binary_trail(data: bytes) -> list[Any]:
    """A binary trail, with one WPAR known."""
    parser = TrailParser(lambda: [b"webapp_prod"])
    return of_pieces(parser.feed(data) + parser.flush())


def sightings(parser: Callable[[bytes], list[Sighting]]) -> Callable[[bytes], list[Any]]:
    """A listing's sightings, without what it does not say."""

    def read(data: bytes) -> list[Any]:
        names = SAID
        return [{name: getattr(one, name) for name in names if getattr(one, name) is not None} for one in parser(data)]

    return read


SAID = ("source", "name", "cid", "ckey", "type", "uuid", "state", "hostname", "directory")


def _in_global(line: bytes) -> bool | None:
    key = inventory.own_key(line)
    return None if key is None else key == 0


READERS: dict[str, Callable[[bytes], Any]] = {
    "auditpr-": text_trail,
    "trail-": binary_trail,
    "psinfo-": lambda data: plain(psinfo.parse(data)),
    "lswpar-long": sightings(inventory.lswpar_long),
    "lswpar-table": sightings(inventory.lswpar_table),
    "lswpar-colon": sightings(inventory.lswpar_colon),
    "lswpar-asked": sightings(lambda data: inventory.lswpar_colon(data, ("name", "state", "type", "key", "uuid"))),
    "index": sightings(inventory.corrals_index),
    "ps-": lambda data: plain(inventory.ps_names(data)),
    "events-file": lambda data: plain(tail_format.parse_events(data)),
    "uname-w": lambda data: [_in_global(line) for line in data.split(b"\n")[:-1]],
}


def read(case: str) -> Any:
    """A sample through its reader."""
    reader = next(reader for prefix, reader in READERS.items() if case.startswith(prefix))
    path = next((SAMPLES / case).glob("input.*"))
    return reader(path.read_bytes())


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    """What a sample holds does not change unless its expectation is changed on purpose."""
    assert read(case) == json.loads((SAMPLES / case / "expected.parsed.json").read_text())


def test_every_sample_has_its_origin() -> None:
    """Each sample says where it is from; each that a parser reads has its expectation."""
    for path in SAMPLES.iterdir():
        assert (path / "ORIGIN.md").is_file(), path
        if any(path.name.startswith(prefix) for prefix in READERS):
            assert path.name in CASES, path
