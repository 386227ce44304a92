"""Rules of the headings of a live trail: only what follows this run's random number begins a record."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.aix.grouping import RecordEvent, TrailGrouper
from annotator.aix.headings import Headings, Kind
from annotator.core.stats import Stats

NONCE = b"5f0c1a9e77"
LETTERS = "elrRtpPTcW"


def headed(machine: Any, before: list[bytes] | None = None) -> list[bytes]:
    """What `auditpr -t2 -m NONCE` prints of a machine's records, each behind its heading."""
    lines: list[bytes] = []
    records = machine.records
    for record in records:
        machine.records = [record]
        lines += [*(before or []), NONCE, *machine.auditpr(LETTERS, numeric=True).split(b"\n")[:-1]]
    machine.records = records
    return lines


def grouped(lines: list[bytes], cuts: set[int]) -> tuple[list[RecordEvent], Stats]:
    """The events of lines that come in portions."""
    stats = Stats()
    grouper = TrailGrouper(stats, ordered=True, zone=UTC)
    grouper.begin(binary=False, nonce=NONCE)
    events: list[Any] = []
    edges = sorted({0, len(lines), *(at for at in cuts if at < len(lines))})
    for start, stop in pairwise(edges):
        events += grouper.feed(lines[start:stop])
    events += grouper.flush()
    return events, stats


@pytest.mark.parametrize("before", [[], [b""], [b"", b""]], ids=["no blank line", "one", "two"])
@given(cuts=st.sets(st.integers(1, 300)))
def test_each_record_behind_its_heading(sim: Any, before: list[bytes], cuts: set[int]) -> None:
    """As many records as the machine made, with the tails they have, whatever the portions; headings count nowhere."""
    machine = sim.scenario()
    events, stats = grouped(headed(machine, before), cuts)
    assert [event.record.event.decode() for event in events] == [record.event for record in machine.records]
    assert [event.record.tail for event in events] == [record.tail for record in machine.records]
    assert [event.record.wpar for event in events] == [
        record.wpar.name.encode() if record.wpar else b"Global" for record in machine.records
    ]
    assert stats.lines == sum(len(event.lines) for event in events) + 2
    assert stats.rejected == 0


@given(data=st.data())
def test_no_tail_makes_a_record(sim: Any, data: st.DataObject) -> None:
    """Tails made of whole records, titles, dashes and blank lines: still as many records, and of the same WPARs."""
    machine = sim.Machine()
    machine.make("web")
    init = machine.start("web", 7)
    machine.fork(machine.shell)
    pieces = machine.auditpr(LETTERS, numeric=True).split(b"\n")
    for _ in range(3):
        lines = data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=6))
        machine.record(init, "FILE_Unlink", b"\n".join(lines).decode())
    events, _ = grouped(headed(machine), data.draw(st.sets(st.integers(1, 60))))
    assert [event.record.event.decode() for event in events] == [record.event for record in machine.records]
    assert [event.record.wpar for event in events[-3:]] == [b"web"] * 3


def test_a_head_line_that_does_not_fit_is_rejected_and_counted(sim: Any) -> None:
    """It is no tail of the record before; a loss is noted on the next one."""
    machine = sim.scenario()
    lines = headed(machine)
    second = [at for at, line in enumerate(lines) if line == NONCE][1] + 3
    lines[second] = b"FILE_Open  nothing of it can be read"
    events, stats = grouped(lines, set())
    assert len(events) == len(machine.records) - 1
    assert stats.rejected == 2
    assert events[1].record.after_loss


def test_the_record_of_auditpr_s_own_start_opens_nothing(sim: Any) -> None:
    """Its tail holds the number among the arguments; only a line that is the number is a heading."""
    machine = sim.Machine()
    machine.execute(machine.shell, "/usr/sbin/auditpr", "-t2", "-v", "-m", NONCE.decode())
    machine.record(machine.shell, "FS_Chdir", "/")
    events, _ = grouped(headed(machine), set())
    assert [event.record.event for event in events] == [b"PROC_Execute", b"FS_Chdir"]
    assert NONCE in events[0].record.tail


def test_without_a_heading_before_the_first_record_there_are_none(sim: Any) -> None:
    """Decided at the first record: a tail cannot have printed it. Everything is read then, as without them."""
    headings = Headings(NONCE)
    lines = sim.scenario().auditpr(LETTERS).split(b"\n")[:-1]
    out = headings.feed([b"auditpr: a message", b"", *lines])
    assert headings.missing
    assert [line for line, _ in out] == [b"auditpr: a message", b"", *lines]
    assert {kind for _, kind in out[1:]} == {Kind.ANY}
