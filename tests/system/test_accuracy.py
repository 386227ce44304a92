"""Accuracy against the truth of recorded logs: what is named must be right, whatever is missing. A table says it all.

`named`: events rightly named, of those in a container whose record is in the log. Wrong, false (a host's event named)
and host-claimed (a container's event called the host's) are failures at any level of rules and any loss.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests import accuracy_report, degrade, scoring
from tests.accuracy_report import add
from tests.scoring import SAMPLES, Capture, bad, score, share

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.system

STOCK = ("stock-s01", "stock-s02", "stock-s04", "stock-s06", "stock-s09", "stock-s11", "stock-s13")
CONTID = tuple(sorted(path.name for path in SAMPLES.glob("contid-*") if any(path.glob("truth-events.jsonl*"))))
NAMED = {"stock-s02": 0.98, "stock-s04": 0.98, "stock-s06": 0.95, "stock-s09": 0.98, "stock-s11": 0.98}
"""What must be named of a complete log. s01 has no container; those of s13 are older than its log."""

LOSSES: dict[str, Callable[[list[bytes], Random], list[bytes]]] = {
    "1 % of records lost": lambda lines, random: degrade.lose(lines, 0.01, random),
    "5 % of records lost": lambda lines, random: degrade.lose(lines, 0.05, random),
    "1 % of events lost": lambda lines, random: degrade.lose_events(lines, 0.01, random),
    "5 % of events lost": lambda lines, random: degrade.lose_events(lines, 0.05, random),
    "20 ms out of order": lambda lines, random: degrade.shuffle(lines, 20, random),
    "200 ms out of order": lambda lines, random: degrade.shuffle(lines, 200, random),
    "head cut off": lambda lines, random: lines[random.randrange(len(lines)) :],
}

_captures: dict[str, Capture] = {}


@pytest.fixture(scope="module", autouse=True)
def _table(pytestconfig: pytest.Config) -> None:
    """The run that measures prints."""
    if not pytestconfig.pluginmanager.has_plugin("accuracy"):
        pytestconfig.pluginmanager.register(accuracy_report, "accuracy")


def capture(case: str) -> Capture:
    """Each is read once."""
    if case not in _captures:
        _captures[case] = scoring.load(case)
    return _captures[case]


def check(case: str, way: str, count: Counter[str]) -> None:
    """Put it into the table; nothing untrue may be in it."""
    add(case, way, count)
    assert bad(count) == 0, {each: count[each] for each in scoring.BAD if count[each]}


@pytest.mark.parametrize("case", CONTID)
def test_contid_records_are_followed(case: str) -> None:
    """On a kernel with contid records 99.9 % of the events in a container have theirs."""
    count = score(capture(case))
    check(case, "as recorded", count)
    assert share(count) >= 0.999


@pytest.mark.parametrize("case", CONTID)
def test_registrations_alone_never_name_another(case: str) -> None:
    """Without any CONTAINER_ID the registry answers alone."""
    check(case, "no CONTAINER_ID", score(capture(case), degrade.without_contids(capture(case).lines)))


@pytest.mark.parametrize("case", CONTID)
def test_contids_alone_never_name_another(case: str) -> None:
    """Without any CONTAINER_OP, as a stock auditd loses them, the contids that are stated must do."""
    check(case, "no CONTAINER_OP", score(capture(case), degrade.without_operations(capture(case).lines)))


@pytest.mark.parametrize("case", STOCK)
def test_a_bare_log_of_a_stock_kernel_names_what_it_can(case: str) -> None:
    """No host view, no journal: what the log proves is named, and nothing else."""
    count = score(capture(case))
    check(case, "as recorded", count)
    assert share(count) >= NAMED.get(case, 0)


@pytest.mark.parametrize("rules", degrade.LEVELS)
@pytest.mark.parametrize("case", STOCK)
def test_narrower_rules_name_less_and_never_another(case: str, rules: str) -> None:
    """Each level of rules gives what it can prove."""
    lines, back = degrade.renumber(degrade.level(capture(case).lines, degrade.LEVELS[rules]))
    check(case, f"rules: {rules}", score(capture(case), lines, back))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", [*STOCK, *CONTID])
def test_damage_is_never_answered_with_another_container(case: str, loss: str) -> None:
    """Lost, late and cut records cost names, not truth; four seeds each."""
    total: Counter[str] = Counter()
    for seed in range(4):
        total += score(capture(case), LOSSES[loss](capture(case).lines, Random(seed)))
    check(case, loss, total)


@pytest.mark.parametrize("case", ["contid-g06-v6", "contid-g06-v9"])
def test_a_contid_whose_target_is_lost_is_nobodys(case: str) -> None:
    """Before V10 only its place says whose it is: in front of PROCTITLE never the actor's, nor of what it bears."""
    one = capture(case)
    check(case, "no OBJ_PID", score(one, [line for line in one.lines if not line.startswith(b"type=OBJ_PID ")]))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", STOCK)
def test_much_damage_is_never_answered_with_another_container(case: str, loss: str) -> None:
    """The same with 200 seeds."""
    total: Counter[str] = Counter()
    for seed in range(200):
        total += score(capture(case), LOSSES[loss](capture(case).lines, Random(seed)))
    check(case, f"{loss}, 200 seeds", total)


@pytest.mark.parametrize("case", STOCK)
def test_a_doubled_log_says_the_same(case: str) -> None:
    """Every line twice, or the whole log twice, changes no answer for the worse."""
    one = capture(case)
    count = score(one, degrade.double(one.lines))
    check(case, "every line twice", count)
    assert share(count) == share(score(one))
    check(case, "the log twice", score(one, one.lines + one.lines))


@pytest.mark.parametrize(("first", "second"), [("stock-s02", "stock-s06"), ("stock-s09", "stock-s13")])
def test_nodes_do_not_mix(first: str, second: str) -> None:
    """Two nodes in one stream, with the same pids: each has the answers it has alone."""
    one, two = capture(first), capture(second)
    mixed = degrade.interleave(degrade.on_node(one.lines, b"a"), degrade.on_node(two.lines, b"b"), Random(1))
    given = scoring.Answers().run(mixed)
    for each in (one, two):
        alone = scoring.Answers().run(each.lines)
        for stamp, fact in each.truth.items():
            names = scoring.names_of(given[stamp], by_contid=each.by_contid)
            assert names == scoring.names_of(alone[stamp], by_contid=each.by_contid)
            assert not names or names & fact.names


def test_the_score_sees_what_is_untrue() -> None:
    """A table of no errors means something only if errors are found: another capture's truth gives them."""
    one = capture("stock-s09")
    swapped = one._replace(truth={key: fact._replace(names=frozenset({"other"})) for key, fact in one.truth.items()})
    emptied = one._replace(truth={key: fact._replace(names=frozenset()) for key, fact in one.truth.items()})
    assert score(swapped)["wrong"] > 0
    assert score(emptied)["false"] > 0
