"""Frozen outputs: what the program gave for every log of ours, in every form, when samples/golden was last renewed.

It is run by its command line only, so this holds whatever becomes of its modules. What differs on purpose is frozen
anew by `scripts/golden renew`, in a commit of its own (samples/golden/ORIGIN.md).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import golden_answers as answers  # noqa: E402
import golden_data as data  # noqa: E402
import golden_inputs as inputs  # noqa: E402
from golden_program import Program  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

INPUTS = inputs.inputs()
SHOWN = 5


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The installed program, loaded once."""
    with Program(ROOT) as found:
        yield found


@pytest.fixture(scope="module")
def expected() -> data.Rows:
    """The figures of every run."""
    return data.read_rows(data.RUNS)


@pytest.mark.parametrize("log", INPUTS, ids=lambda log: log.name)
def test_an_input_gives_what_it_gave(log: inputs.Input, program: Program, expected: data.Rows) -> None:
    """Outputs, exit codes, messages and counters are the frozen ones; the first answers that are not are shown."""
    found = data.outcome(program, log)
    told = list(data.differences(log, found, expected, SHOWN))
    assert not told, "\n" + "\n".join(told)


def test_nothing_is_kept_of_inputs_that_are_no_more(expected: data.Rows) -> None:
    """Every input has its data, and no data is without its input; all of it stays small."""
    names = {log.name for log in INPUTS}
    assert len(names) == len(INPUTS) > 60
    assert {name for name, _ in expected} == names
    files = list((ROOT / inputs.GOLDEN).iterdir())
    assert {path for path in files if path.name.startswith("expected-")} == {data.archive(name) for name in names}
    assert sum(path.stat().st_size for path in files) <= 2 * 1024 * 1024


OLD = (
    '{"@timestamp":"T","event":{"sequence":7},"process":{"pid":5},'
    '"provenance":{"status":"host","evidence":["lineage"]}}'
)
NEW = OLD.replace('"host"', '"container","chains":[["9","8"]]')


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ([OLD], [OLD], []),
        ([OLD], [NEW], ["T:7 host - - lineage - - -> T:7 container 9^8 - lineage - -"]),
        ([OLD], [OLD.replace(":5", ":6")], ["T:7 host - - lineage - -: process.pid: 5 -> 6"]),
        ([OLD], [], ["T:7 host - - lineage - - -> nothing"]),
        ([OLD], [OLD.replace(":{", ": {")], ["T:7 host - - lineage - -: the same values, written otherwise"]),
        (['{"host": 1}'], ['{"host": 2}'], ["the run: host: 1 -> 2"]),
        (["a", "b", "c"], ["a", "c"], ["b -> nothing"]),
    ],
)
def test_a_difference_is_shown(old: list[str], new: list[str], told: list[str]) -> None:
    """An answer, a value, an event that is gone, another spelling, a counter, a line: each is said in a line."""
    assert list(answers.changes(old, new)) == told


def test_of_a_text_form_what_was_added_is_kept() -> None:
    """Fields of ours, lines put in, and lines that are missing; what came as it was is not kept."""
    before = b"type=A msg=audit(1.000:1): a=1\x1dA=b\ntype=B x\ntype=C\n"
    after = b"type=A msg=audit(1.000:1): a=1 contid=5\x1dA=b\nnew\ntype=B x\ntype=C\n"
    assert answers.kept("raw.unknown", after, before) == ["1:  contid=5", "before 2: new"]
    assert answers.kept("raw", before[:-7], before)[-1].startswith("2 lines of the input are missing from line 3")
