"""Golden samples: each recorded or constructed log, and what must come of it, to the byte.

A case is a folder of `samples/linux` with `input.log`. `expected.raw.log` is the whole raw form. Of a log of more than
WHOLE bytes there is `expected.annotations.tsv`: line number, from 1, and the fields that this line gets; all other
lines leave as they came. Either may end in `.xz`, as the input may. With UPDATE_GOLDEN=1 in the environment the
expectations are written anew: read the difference before it is committed.
"""

from __future__ import annotations

import lzma
import os
import re
from pathlib import Path

import pytest

from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline
from annotator.engine.pipeline import run as run_pipeline
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux
from tests.streams import Ran, annotate, appended

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
WHOLE = 65_536
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
GOLDEN = ("expected.raw.log", "expected.annotations.tsv")


def read(path: Path) -> bytes:
    """A file, or the one that has it with xz."""
    packed = path.with_name(path.name + ".xz")
    return lzma.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()


def has(case: Path, name: str) -> bool:
    """Whether the case has this file, plain or with xz."""
    return (case / name).exists() or (case / f"{name}.xz").exists()


def is_mine(case: Path) -> bool:
    """Not a fixture of another test, nor a case whose expectation is of another kind."""
    others = [path for path in case.glob("expected.*") if not path.name.startswith(GOLDEN)]
    return not others and re.search(r"^Fixture: ", (case / "ORIGIN.md").read_text("utf-8"), re.MULTILINE) is None


CASES = sorted({path.parent for path in SAMPLES.rglob("input.log*") if is_mine(path.parent)})


def table(data: bytes, out: bytes) -> bytes:
    """Line numbers and fields of the lines that have been given some."""
    rows: list[bytes] = []
    for number, (before, after) in enumerate(zip(data.split(b"\n"), out.split(b"\n"), strict=True), 1):
        fields = appended(before, after)
        assert fields is not None, (number, before, after)
        if fields:
            rows.append(b"%d\t%s\n" % (number, fields[1:]))
    return b"".join(rows)


def run(data: bytes) -> Ran:
    """The log in one block."""
    assert data.endswith(b"\n")
    return annotate([data.split(b"\n")[:-1]])


def update(case: Path, data: bytes, out: bytes) -> None:
    """Write the expectation anew."""
    whole = len(data) <= WHOLE
    path = case / GOLDEN[not whole]
    text = out if whole else table(data, out)
    if not whole and len(text) > WHOLE:
        path, text = path.with_name(path.name + ".xz"), lzma.compress(text, preset=9)
    path.write_bytes(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(SAMPLES).as_posix())
def test_a_sample_gives_what_is_expected_of_it(case: Path) -> None:
    """The raw form of each sample is the one that was read and found right."""
    data = read(case / "input.log")
    ran = run(data)
    assert ran.stats.check() == []
    if UPDATE:
        update(case, data, ran.out)
    expected = [name for name in GOLDEN if has(case, name)]
    assert len(expected) == 1, f"{case.name}: one of {GOLDEN} is due, there is {expected or 'none'}"
    if expected == [GOLDEN[0]]:
        assert ran.out.split(b"\n") == read(case / GOLDEN[0]).split(b"\n")
    else:
        assert table(data, ran.out).split(b"\n") == read(case / GOLDEN[1]).split(b"\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(SAMPLES).as_posix())
def test_both_roads_lead_to_the_same(case: Path) -> None:
    """Usual events are read out of their text unless somebody watches: the output and the counts are the same."""
    data = read(case / "input.log")
    stats, backend = Stats(), Linux()
    pipeline = Pipeline(backend, Raw(backend, stats), stats)
    out: list[bytes] = []
    lines = data.split(b"\n")[:-1]
    run_pipeline(pipeline, ((lines[at : at + 500], True) for at in range(0, len(lines), 500)), out.append)
    slow = run(data)
    assert b"".join(out) == slow.out
    assert (stats.container, stats.host, stats.reasons) == (slow.stats.container, slow.stats.host, slow.stats.reasons)


def test_every_expectation_has_an_input() -> None:
    """A golden file without its log would be checked by nobody."""
    alone = [path.parent for name in GOLDEN for path in SAMPLES.rglob(f"{name}*") if path.parent not in CASES]
    assert alone == []
    assert len(CASES) > 20
