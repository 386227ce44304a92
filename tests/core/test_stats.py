"""Counters: each can be counted, all add up, and every form shows them."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.model import Flag, Reason, Status
from annotator.core.stats import GAUGES, MAX_NODES, Stats
from tests.world import decided

COUNTERS = [one.name for one in fields(Stats) if "meaning" in one.metadata]

ANSWERS = st.one_of(
    st.tuples(st.sampled_from([Status.CONTAINER, Status.HOST, Status.NONE]), st.none()),
    st.tuples(st.just(Status.UNKNOWN), st.sampled_from(Reason)),
)


def only(name: str, count: int) -> Stats:
    """A run in which one thing was counted."""
    stats = Stats()
    setattr(stats, name, count)
    return stats


def whole() -> Stats:
    """A run that adds up, in which every counter has counted."""
    stats = Stats(
        lines=15, annotated=5, already=4, passed=3, rejected=2, filtered=1,
        closed=1, aged=1, forced=1, flushed=len(Reason), tentative=1,
        late=1, lost=1, possible_loss=1, left_out_fields=1, facts_skipped=1, store_cut_bytes=1, store_failed=1,
    )  # fmt: skip
    decided(stats, Status.CONTAINER, flags=Flag)
    decided(stats, Status.HOST)
    decided(stats, Status.NONE)
    for reason in Reason:
        decided(stats, Status.UNKNOWN, reason)
    return stats


def test_every_counter_counts_and_a_whole_run_adds_up() -> None:
    """No counter, reason or flag is left at zero by a run that has everything, and no invariant is broken."""
    stats = whole()
    assert stats.check() == []
    assert 0 not in stats.as_dict().values()


@pytest.mark.parametrize("name", COUNTERS)
def test_every_counter_is_in_every_form(name: str) -> None:
    """Each counter made non-zero shows in the dictionary, the summary and the metrics."""
    stats = only(name, 7)
    assert stats.as_dict()[name] == 7
    assert f"{name}=7" in stats.summary().split()
    series = f"annotator_{name}" if name in GAUGES else f"annotator_{name}_total"
    assert f"{series} 7" in stats.metrics().splitlines()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_counted(reason: Reason) -> None:
    """An unknown answer counts once as unknown and once under its reason."""
    stats = Stats()
    decided(stats, Status.UNKNOWN, reason)
    name = reason.value.replace("-", "_")
    assert (stats.events, stats.unknown, stats.reasons[reason]) == (1, 1, 1)
    assert f"unknown_{name}=1" in stats.summary().split()
    assert f'annotator_unknown_reasons_total{{reason="{reason.value}"}} 1' in stats.metrics().splitlines()


@pytest.mark.parametrize("flag", Flag)
def test_every_flag_is_counted(flag: Flag) -> None:
    """A flag of an answer is counted under its name."""
    stats = Stats()
    decided(stats, Status.CONTAINER, None, (flag,))
    assert stats.flags[flag] == 1
    assert stats.as_dict()["flag_" + flag.value.replace("-", "_")] == 1
    assert f'annotator_answer_flags_total{{flag="{flag.value}"}} 1' in stats.metrics().splitlines()


@given(st.lists(ANSWERS, max_size=30))
@settings(max_examples=100, deadline=None)
def test_answers_always_add_up(answers: list[tuple[Status, Reason | None]]) -> None:
    """However events are answered: statuses sum to events, reasons to unknown."""
    stats = Stats(closed=len(answers))
    for status, reason in answers:
        decided(stats, status, reason)
    assert stats.check() == []


@pytest.mark.parametrize(
    "name",
    ["lines", "annotated", "already", "passed", "rejected", "filtered", "events", "closed", "aged", "forced",
     "flushed", "container", "host", "unknown", "none"],
)  # fmt: skip
def test_one_too_many_is_noticed(name: str) -> None:
    """Each counter of a sum that is off by one breaks an invariant, and the sentence has the numbers."""
    stats = whole()
    setattr(stats, name, getattr(stats, name) + 1)
    broken = stats.check()
    assert broken
    assert all(re.search(r"is \d+, but .* is \d+", sentence) for sentence in broken)


def test_an_unknown_answer_needs_a_reason() -> None:
    """Absence is typed: unknown without a reason is a broken invariant."""
    stats = Stats(closed=1)
    decided(stats, Status.UNKNOWN)
    assert stats.check() == ["unknown is 1, but the sum of its reasons is 0"]


def test_what_is_held_belongs_to_the_sums() -> None:
    """In mid-stream the lines that wait and the events without answer are handed in."""
    stats = Stats(lines=3, passed=1, closed=2)
    decided(stats, Status.HOST)
    assert len(stats.check()) == 2
    assert stats.check(held_lines=2, undecided=1) == []


def test_a_count_below_zero_is_noticed() -> None:
    """Serials found again can never outnumber those missed."""
    assert Stats(possible_loss=-1).check() == ["possible_loss is -1, below zero"]


@pytest.mark.parametrize("name", ["rejected", "lost", "possible_loss", "left_out_fields", "store_failed"])
def test_loss_is_what_strict_asks_for(name: str) -> None:
    """Each kind of loss is loss; a quiet run has none."""
    assert not Stats(lines=5, passed=5, late=1, forced=1).has_loss
    assert only(name, 1).has_loss


def test_nodes_are_bounded() -> None:
    """Whoever writes node names cannot make us remember more than MAX_NODES of them; known ones still count."""
    stats = Stats()
    for number in range(MAX_NODES + 10):
        stats.missed(b"n%d" % number, 1)
    stats.missed(b"n0", 2)
    assert len(stats.nodes) == MAX_NODES
    assert stats.nodes[b"n0"] == 3


def test_the_summary_begins_with_what_matters() -> None:
    """The main counts are always there, in reading order; others only when not 0."""
    stats = Stats(lines=4, annotated=1, passed=3, closed=2)
    decided(stats, Status.CONTAINER)
    decided(stats, Status.UNKNOWN, Reason.GONE)
    assert stats.summary() == (
        "lines=4 annotated=1 passed=3 rejected=0 events=2 closed=2 container=1 host=0 unknown=1 none=0"
        " possible_loss=0 unknown_gone=1"
    )


METRIC = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"\})? -?\d+')


@given(st.binary(max_size=30))
@settings(max_examples=100, deadline=None)
def test_metrics_hold_the_grammar_whatever_the_node_is_called(node: bytes) -> None:
    """Any node name gives valid lines, each series after its own HELP and TYPE, and a line feed at the end."""
    stats = whole()
    stats.missed(node, 3)
    text = stats.metrics("audit_annotator")
    assert text.endswith("\n")
    typed = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            typed = line.split(" ")[2]
        elif not line.startswith("# HELP "):
            assert METRIC.fullmatch(line)
            assert re.match(r"[a-z_]+", line)[0] == typed  # type: ignore[index]


def test_a_node_name_is_escaped_in_metrics() -> None:
    """Quote, backslash, line feed and bytes that are not UTF-8 cannot end the label."""
    stats = Stats()
    stats.missed(b'a"b\\c\nd\xff', 1)
    assert r'annotator_missed_serials_total{node="a\"b\\c\nd\\xff"} 1' in stats.metrics().splitlines()
