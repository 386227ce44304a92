"""Several outputs of one pipeline: every channel's counts add up, and order and lateness hold for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.stats import Stats
from annotator.engine.pipeline import Tables
from annotator.linux.backend import Linux
from annotator.plugin.config import Output
from annotator.plugin.outputs.router import OutputRouter, PluginPipeline, channel
from tests.plugin.driver import records
from tests.plugin.test_outputs import registered

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.system

MARK = b' cont_how="unknown:overload"'
FIELDS = b' contid=7 cont_how="record"'


class Kept:
    """A taker that keeps."""

    def __init__(self) -> None:
        self.data = b""
        self.units = 0

    def put(self, data: bytes, units: int) -> None:
        """Keep."""
        self.data += data
        self.units += units


def fanout(outputs: Sequence[Output]) -> tuple[PluginPipeline, list[Kept], list[Stats]]:
    """A pipeline with these outputs, what they get, and their counts (the first ones are the pipeline's)."""
    backend, tables = Linux(), Tables()
    stats = [Stats() for _ in outputs]
    kept = [Kept() for _ in outputs]
    channels = [channel(one, "", backend, *rest) for one, *rest in zip(outputs, stats, kept, strict=True)]
    return PluginPipeline(backend, OutputRouter(channels), stats[0], tables, 2000), kept, stats


def interleaved(data: bytes) -> list[bytes]:
    """The lines of events that come two at a time, so that some resume."""
    lines = data.splitlines()
    out = []
    for at in range(0, len(lines) - 7, 8):
        one, two = lines[at : at + 4], lines[at + 4 : at + 8]
        out += [one[0], two[0], one[1], two[1], one[2], one[3], two[2], two[3]]
    return out


RAW, INSIDE = Output(name="raw"), Output(name="inside", only_containers=True)
JSON, RECORD = Output(name="json", format="json"), Output(name="record", format="record")
SETS = [[RAW], [INSIDE], [JSON], [RAW, INSIDE], [INSIDE, RAW, JSON], [JSON, RECORD, RAW], [RECORD]]


@pytest.mark.parametrize("outputs", SETS, ids=lambda found: "+".join(one.name for one in found))
@given(sizes=st.lists(st.integers(1, 30), max_size=12), passes=st.integers(0, 2**12))
def test_every_line_leaves_once_in_its_order(outputs: list[Output], sizes: list[int], passes: int) -> None:
    """Any chunks, any of them passed: stripped of fields and marks, raw is the input; the counts add up."""
    data = interleaved(records(1, 10) + registered(900) + registered(901) + records(20, 10))
    pipeline, kept, stats = fanout(outputs)
    at = 0
    for number, size in enumerate([*sizes, len(data)]):
        pipeline.passing = bool(passes >> number & 1)
        pipeline.feed(data[at : at + size])
        at += size
        assert stats[0].check(held_lines=pipeline.grouper.held_lines) == []
    pipeline.finish()
    assert stats[0].check() == []
    for output, found, count in zip(outputs, kept, stats, strict=True):
        left = count.annotated + count.already + count.passed + count.filtered
        assert left == len(data)
        if output is RAW:
            assert found.data.replace(FIELDS, b"").replace(MARK, b"").splitlines() == data
        if output is JSON:
            assert found.units == len(data) // 4
        if output is RECORD:
            assert found.data.splitlines() == data
        if output is INSIDE:
            assert (
                found.data.replace(FIELDS, b"").splitlines()
                == [line for line in data if (b":900)" in line or b":901)" in line) and found.data]
                or passes
            )


@pytest.mark.parametrize("at_once", [True, False])
def test_a_late_record_goes_where_its_event_went(at_once: bool) -> None:
    """Not to the output whose filter left the event out; even if the event closed in the same block."""
    pipeline, kept, stats = fanout([RAW, INSIDE])
    lines = records(1, 3).splitlines()
    late = b"type=CWD msg=audit(1700000000.001:1): cwd=2F"
    data = [*lines, *registered(900).splitlines(), late]
    for block in (data,) if at_once else ([line] for line in data):
        pipeline.feed(block)
    pipeline.finish()
    assert late in kept[0].data.splitlines()
    assert late not in kept[1].data.splitlines()
    assert stats[0].check() == []
    assert stats[1].filtered == len(lines) + 1


def test_json_does_not_see_the_fields_of_raw() -> None:
    """Objects are made of the lines as they came."""
    pipeline, kept, _ = fanout([RAW, JSON])
    pipeline.feed(registered(900).splitlines())
    pipeline.finish()
    assert FIELDS in kept[0].data
    assert b"cont_how" not in kept[1].data


def test_after_a_pass_what_was_known_is_doubted() -> None:
    """Events that were not looked at may have been forks and exits: they are a gap."""
    pipeline, kept, _ = fanout([RAW])
    pipeline.feed(records(1, 2).splitlines())
    pipeline.passing = True
    pipeline.feed(records(3, 2).splitlines())
    pipeline.passing = False
    pipeline.feed(records(5, 2).splitlines())
    pipeline.finish()
    assert kept[0].data.count(MARK) == 2
    assert pipeline.stats.reasons["overload"] == 2  # type: ignore[index]
