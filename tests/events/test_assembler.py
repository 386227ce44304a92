"""Grouping: lines to events by node and stamp, when an event is over, and what may leave when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import Event, Stamp
from annotator.core.stats import Stats
from annotator.events import EventAssembler, Missing
from annotator.linux.backend import Linux
from tests.streams import NOISE, WORLDS, World, lines_of, riffled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.events import Closed

SECOND = 1_700_000_000


class Joined:
    """A grouper whose events are decided as soon as they close; keeps what closed and what left."""

    def __init__(self, **options: int) -> None:
        self.stats = Stats()
        self.gaps: list[tuple[bytes, int]] = []
        self.closed: list[Event] = []
        self.left: list[bytes] = []
        self.grouper = EventAssembler(
            Linux().completes,
            self.stats,
            **options,  # type: ignore[arg-type]
        )

    def _decide(self, closed: Iterable[Closed]) -> list[Event]:
        decided: list[Event] = []
        for event in closed:
            if isinstance(event, Missing):
                self.gaps += [(event.node, event.serials)] if event.serials else []
                continue
            assert not event.closed
            event.closed = True
            decided.append(event)
        self.closed += decided
        for text in self.grouper.drain():
            self.left += text.split(b"\n")
        return decided

    def feed(self, *lines: bytes) -> list[Event]:
        """What closed by this block."""
        return self._decide(self.grouper.feed(list(lines)))

    def idle(self, quiet_ms: int = 0) -> list[Event]:
        """What closed by nothing coming."""
        return self._decide(self.grouper.idle(quiet_ms=quiet_ms))

    def flush(self) -> list[Event]:
        """What the end of input closed."""
        return self._decide(self.grouper.flush())


def record(kind: str, serial: int, *, at: float = 0.0, node: str = "", body: str = "a=1") -> bytes:
    """One line, `at` seconds after SECOND."""
    ms = round((SECOND + at) * 1000)
    prefix = f"node={node} " if node else ""
    return f"{prefix}type={kind} msg=audit({ms // 1000}.{ms % 1000:03d}:{serial}): {body}".encode()


def shape(closed: Iterable[Closed]) -> list[list[bytes]]:
    """The events as lists of lines."""
    return [event.lines for event in closed if isinstance(event, Event)]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_records_of_one_stamp_are_one_event() -> None:
    """Lines with the same seconds, milliseconds and serial join, in the order they came."""
    joined = Joined()
    lines = [record(kind, 7) for kind in ("SYSCALL", "EXECVE", "CWD", "PATH", "PATH", "PROCTITLE")]
    joined.feed(*lines)
    (event,) = joined.flush()
    assert event.lines == lines
    assert (event.stamp, event.node, event.key) == (Stamp(SECOND * 1000, 7), b"", f"{SECOND}.000:7".encode())


@pytest.mark.parametrize(
    "other",
    [record("CWD", 8), record("CWD", 7, at=0.001), record("CWD", 7, at=1), record("CWD", 7, node="web1")],
    ids=["serial", "millisecond", "second", "node"],
)
def test_any_difference_in_the_key_is_another_event(other: bytes) -> None:
    """Serial, milliseconds, seconds and node all count; a record with a node is not one without."""
    joined = Joined()
    first = record("SYSCALL", 7)
    joined.feed(first, other)
    joined.flush()
    assert shape(joined.closed) == [[first], [other]]


def test_nodes_are_kept_apart_and_known() -> None:
    """The same stamp on two nodes is two events, and each knows its node."""
    joined = Joined()
    lines = [record("SYSCALL", 7, node=node) for node in ("a", "b")] + [record("CWD", 7, node=node) for node in "ab"]
    joined.feed(*lines)
    joined.flush()
    assert [(event.node, event.lines) for event in joined.closed] == [(b"a", lines[::2]), (b"b", lines[1::2])]
    assert joined.left == lines


def test_the_stamp_of_a_test_log_is_read() -> None:
    """Seconds need not have ten digits."""
    joined = Joined()
    joined.feed(b"type=SYSCALL msg=audit(12.345:6): a=1", b"type=CWD msg=audit(12.345:6): a=1")
    (event,) = joined.flush()
    assert event.stamp == Stamp(12_345, 6)
    assert len(event.lines) == 2


# --- interleaving -----------------------------------------------------------------------------------------------------


def test_interleaved_events_are_taken_apart_and_leave_in_input_order() -> None:
    """Records of three events in each other's midst."""
    joined = Joined()
    lines = [record(kind, serial) for kind in ("SYSCALL", "CWD", "PATH", "PROCTITLE") for serial in (1, 2, 3)]
    joined.feed(*lines)
    joined.flush()
    assert shape(joined.closed) == [lines[0::3], lines[1::3], lines[2::3]]
    assert joined.left == lines


def test_a_line_waits_for_an_undecided_event_before_it_and_no_longer() -> None:
    """What comes after an open event is held; what comes before it is not."""
    joined = Joined()
    before, held, whole, other = (
        record("SERVICE_START", 1), record("AVC", 2), record("SERVICE_START", 3), record("SERVICE_START", 4)
    )  # fmt: skip
    joined.feed(before, held, whole, other)
    assert joined.left == [before]
    joined.idle(2000)
    assert joined.left == [before, held, whole, other]


@given(WORLDS, st.lists(st.integers(0, 3), max_size=12), st.integers(1, 9))
def test_any_mixture_of_whole_events_comes_apart_again(world: World, picks: list[int], size: int) -> None:
    """However the records of a log are mixed, and whatever the blocks, the same events come out, and all lines.

    Only EOE may come late: what it ends may have been taken for whole before. The mixture may hold an event open for
    longer than the assembler waits, so here it waits for ever.
    """
    lines = riffled(world.told, picks)
    joined = Joined(timeout_ms=10**9)
    for at in range(0, len(lines), size):
        joined.feed(*lines[at : at + size])
    joined.flush()
    found = {event.key: [line for line in event.lines if b"type=EOE" not in line] for event in joined.closed}
    assert found == {one.key: [line for line in one.lines if b"type=EOE" not in line] for one in world.told}
    assert len(joined.closed) == len(world.told)
    assert joined.left == lines
    assert joined.gaps == []


# --- when an event is over --------------------------------------------------------------------------------------------


def test_no_record_type_closes_an_event_at_once() -> None:
    """SERVICE_START and LOGIN open events that go on with a SYSCALL; LOGIN may be in front of it."""
    for first in ("SERVICE_START", "LOGIN", "USER", "CRYPTO_KEY_USER", "KERNEL"):
        joined = Joined()
        lines = [record(first, 1), record("SYSCALL", 1), record("SOCKADDR", 1), record("PROCTITLE", 1)]
        assert joined.feed(*lines) == []
        assert shape(joined.feed(record("AVC", 2))) == [lines]


def test_proctitle_then_another_event_closes() -> None:
    """PROCTITLE makes an event probably whole: the next record of another event closes it, one of its own does not."""
    joined = Joined()
    lines = [record("SYSCALL", 1), record("PROCTITLE", 1), record("CONTAINER_ID", 1)]
    assert joined.feed(*lines[:2]) == []
    assert joined.feed(lines[2]) == []
    joined.feed(record("PROCTITLE", 1))
    assert len(joined.feed(record("SYSCALL", 2))) == 1
    assert len(joined.closed[0].lines) == 4
    assert joined.stats.closed == 1


def test_user_space_records_close_at_the_next_event() -> None:
    """A record of user space alone is whole when another event's comes; one in a row of them each is an event."""
    joined = Joined()
    lines = [record("USER_AUTH", 1), record("CRED_ACQ", 2), record("DAEMON_START", 3), record("ANOM_LOGIN_FAILURES", 4)]
    assert shape(joined.feed(*lines, record("SYSCALL", 5))) == [[line] for line in lines]


@pytest.mark.parametrize("kind", ["AVC", "SECCOMP", "BPF", "NETFILTER_CFG", "ANOM_ABEND", "CONFIG_CHANGE", "SYSCALL",
                                  "NOBODY_KNOWS", "UNKNOWN[1420]", "LOGIN"])  # fmt: skip
def test_kernel_records_without_an_end_wait_for_the_timeout(kind: str) -> None:
    """Nothing says that such an event is whole: it ages, and joins what still comes. What is behind it waits."""
    joined = Joined()
    joined.feed(record(kind, 1), record("USER_AUTH", 2, at=1.9))
    assert joined.idle() == []
    joined.feed(record("SYSCALL", 1))
    ticks(joined, 3, 6)
    assert len(next(event for event in joined.closed if event.stamp.serial == 1).lines) == 2


def test_eoe_closes_without_a_successor() -> None:
    """An event that ends in EOE is over at the end of the block, with or without a node."""
    for node in ("", "web1"):
        joined = Joined()
        lines = [record("SYSCALL", 1, node=node), record("PROCTITLE", 1, node=node), record("EOE", 1, node=node)]
        assert shape(joined.feed(*lines)) == [lines]
        assert joined.left == lines


def test_idle_closes_what_is_whole_and_in_time_the_rest() -> None:
    """A short quiet closes a probably whole event; the others, and what is behind them, wait until the timeout."""
    joined = Joined()
    joined.feed(record("SYSCALL", 1), record("PROCTITLE", 1))
    assert [event.stamp.serial for event in joined.idle(50)] == [1]
    joined.feed(record("AVC", 2), record("USER_AUTH", 3))
    assert joined.idle(1999) == []
    assert [event.stamp.serial for event in joined.idle(2000)] == [2, 3]
    assert (joined.stats.closed, joined.stats.aged) == (2, 1)


def test_the_end_closes_all() -> None:
    """The end of input leaves nothing open, and says how the events ended."""
    joined = Joined()
    joined.feed(record("AVC", 1), record("SYSCALL", 2), record("PROCTITLE", 2))
    assert len(joined.flush()) == 2
    assert (joined.stats.closed, joined.stats.flushed) == (1, 1)
    assert joined.flush() == []


def test_no_input_gives_nothing() -> None:
    """Empty blocks, quiet, and an end without anything before are no events."""
    joined = Joined()
    assert [joined.feed(), joined.idle(), joined.idle(9999), joined.flush(), joined.left] == [[]] * 5
    assert joined.stats.as_dict() == Stats().as_dict()


# --- ageing -----------------------------------------------------------------------------------------------------------


def ticks(joined: Joined, start: float, stop: float, step: float = 0.5) -> None:
    """The stream goes on with events that do not matter, some of which say that they are whole."""
    at = start
    while at <= stop:
        serial = 90_000_000 + 2 * round(at * 1000)
        joined.feed(record("USER_AUTH", serial, at=at), record("SECCOMP", serial + 1, at=at))
        at += step


def ended(joined: Joined) -> list[int]:
    """The serials of the events that have closed, but for those of `ticks`."""
    return [event.stamp.serial for event in joined.closed if event.stamp.serial < 10_000_000]


def test_ageing_goes_by_the_stream_and_not_by_the_event_s_own_stamp() -> None:
    """A call that blocked for an hour has an old stamp; its records are given as long as any others."""
    joined = Joined()
    ticks(joined, 0, 3)
    joined.feed(record("SYSCALL", 1, at=-50), record("USER_AUTH", 2, at=3.1))
    joined.feed(record("CWD", 1, at=-50))
    ticks(joined, 3.5, 5)
    joined.feed(record("PATH", 1, at=-50))
    assert 1 not in ended(joined)
    ticks(joined, 5.5, 8)
    assert next(len(event.lines) for event in joined.closed if event.stamp.serial == 1) == 3
    assert joined.stats.late == 0


def test_an_event_ages_from_its_last_record() -> None:
    """Each record that comes gives it the whole timeout again."""
    joined = Joined()
    for at in range(8):
        joined.feed(record("AVC", 1))
        ticks(joined, at, at + 0.75, 0.25)
    assert ended(joined) == []
    ticks(joined, 8, 11)
    assert ended(joined) == [1]
    assert joined.stats.late == 0


def test_the_timeout_is_an_option() -> None:
    """`end_of_event_timeout` of auditd.conf may be another."""
    joined = Joined(timeout_ms=10_000)
    joined.feed(record("AVC", 1))
    ticks(joined, 0, 9)
    assert ended(joined) == []
    ticks(joined, 9.5, 11)
    assert ended(joined) == [1]


def test_a_stamp_of_the_future_stops_nothing() -> None:
    """One event of 2033 does not hold back what follows, and what is open when it comes does not age by it."""
    joined = Joined()
    joined.feed(record("SYSCALL", 1))
    joined.feed(record("AVC", 2, at=300_000_000))
    joined.feed(record("CWD", 1))
    assert joined.closed == []
    ticks(joined, 0.5, 1.5)
    assert ended(joined) == []
    ticks(joined, 2, 5)
    assert sorted(ended(joined)) == [1, 2]
    assert joined.stats.flushed == 0


def test_a_clock_that_jumps_is_followed_when_more_than_one_event_says_so() -> None:
    """After the machine slept, or its clock was set, events age by the new time, forwards or backwards."""
    for jump in (7200.0, -7200.0):
        joined = Joined()
        ticks(joined, 0, 3)
        ticks(joined, jump, jump + 12)
        joined.feed(record("AVC", 1, at=jump + 12))
        ticks(joined, jump + 12.5, jump + 16)
        assert ended(joined) == [1]


def test_stamps_that_go_back_by_seconds_change_nothing() -> None:
    """Out of order by up to a minute is usual: it neither ages an event nor stops its ageing."""
    joined = Joined()
    joined.feed(record("USER_AUTH", 1, at=30), record("AVC", 2, at=29))
    for serial, at in enumerate((5, 28, 1, 30, 12, 31), 10):
        joined.feed(record("USER_AUTH", serial, at=at))
    assert 2 not in ended(joined)
    ticks(joined, 31.5, 34)
    assert 2 in ended(joined)


# --- stragglers -------------------------------------------------------------------------------------------------------


def test_a_late_record_shares_the_decision_of_its_event() -> None:
    """It makes no second event, it is told with the event it belongs to, and what it becomes leaves in its place."""
    told: list[tuple[Event, bytes]] = []

    def late(event: Event, line: bytes) -> bytes | None:
        told.append((event, line))
        return line + b"!" if line.startswith(b"type=PATH") else None

    stats = Stats()
    grouper = EventAssembler(Linux().completes, stats, on_late=late)
    found = [*grouper.feed([record("SYSCALL", 1), record("PROCTITLE", 1), record("USER_AUTH", 2)])]
    found += [*grouper.feed([record("PATH", 1), record("CWD", 1)]), *grouper.flush()]
    closed = [event for event in found if isinstance(event, Event)]
    for event in closed:
        event.closed = True
    assert [event.stamp.serial for event in closed] == [1, 2]
    assert told == []
    lines = [*closed[0].lines, *closed[1].lines, record("PATH", 1) + b"!"]
    assert b"\n".join(grouper.drain()) == b"\n".join(lines)
    assert told == [(closed[0], record("PATH", 1)), (closed[0], record("CWD", 1))]
    assert stats.late == 2


def test_a_late_record_without_anyone_to_ask_passes() -> None:
    """It leaves as it came."""
    joined = Joined()
    lines = [record("SYSCALL", 1), record("PROCTITLE", 1), record("USER_AUTH", 2), record("PATH", 1)]
    joined.feed(*lines)
    joined.flush()
    assert (joined.left, joined.stats.late, joined.stats.passed) == (lines, 1, 1)


def test_hundreds_of_closed_events_are_remembered() -> None:
    """A straggler may come some hundred events late."""
    joined = Joined()
    joined.feed(*[record("USER_AUTH", serial) for serial in range(400)])
    joined.feed(record("PATH", 0))
    assert joined.stats.late == 1


# --- caps -------------------------------------------------------------------------------------------------------------


def test_too_many_open_events_are_closed_oldest_first_and_counted() -> None:
    """`max_open`: hostile or strange input holds no more than that."""
    joined = Joined(max_open=4)
    lines = [record("AVC", serial) for serial in range(20)]
    for line in lines:
        joined.feed(line)
        assert len(joined.grouper.open) <= 5
    assert joined.stats.forced == len(joined.closed) >= 15
    assert [event.stamp.serial for event in joined.closed] == sorted(event.stamp.serial for event in joined.closed)
    joined.flush()
    assert joined.left == lines


def test_too_many_held_lines_close_the_oldest_event() -> None:
    """`max_lines`: few events with many records are as bounded as many events."""
    joined = Joined(max_lines=100)
    lines = [record("PATH", serial) for serial in range(30) for _ in range(10)]
    for at in range(0, len(lines), 10):
        joined.feed(*lines[at : at + 10])
        assert len(lines[: at + 10]) - len(joined.left) <= 130
    assert joined.stats.forced >= 15
    joined.flush()
    assert joined.left == lines


def test_one_event_does_not_grow_without_end() -> None:
    """`max_records`: the rest of an event that is too large are stragglers."""
    joined = Joined(max_records=50)
    for _ in range(20):
        joined.feed(*[record("PATH", 1)] * 10)
    joined.flush()
    assert [event.stamp.serial for event in joined.closed] == [1]
    assert (joined.stats.forced, joined.stats.flushed) == (1, 0)
    assert joined.stats.late + len(joined.closed[0].lines) == 200
    assert len(joined.left) == 200


# --- serials ----------------------------------------------------------------------------------------------------------


def feed_serials(serials: Iterable[int], *, kind: str = "USER_AUTH", node: str = "") -> Joined:
    """One event each, to the end."""
    joined = Joined()
    joined.feed(*[record(kind, serial, node=node) for serial in serials])
    joined.flush()
    return joined


@pytest.mark.parametrize("node", ["", "web1"])
def test_missing_serials_are_counted_by_node(node: str) -> None:
    """Possible loss: serials that never came, by the node whose they were, when the stream is well past them."""
    joined = feed_serials([*range(10, 20), *range(25, 700)], node=node)
    assert joined.stats.possible_loss == 5
    assert joined.stats.nodes == {node.encode(): 5}
    assert (sum(lost for _, lost in joined.gaps), {name for name, _ in joined.gaps}) == (5, {node.encode()})


def test_serials_out_of_order_are_no_gap() -> None:
    """Several processors write: what comes late has come."""
    order = [at ^ 5 for at in range(1000, 2000)]
    assert sorted(order) != order
    assert feed_serials(order).gaps == []


def test_the_first_serial_and_a_new_boot_s_are_no_gap() -> None:
    """A log begins anywhere; after a boot the count begins anew."""
    assert feed_serials([500_000, 500_001, 1, 2, 3]).gaps == []


def test_auditd_s_own_serials_are_not_counted() -> None:
    """DAEMON_START and DAEMON_END have a count of their own."""
    lines = [record("DAEMON_START", 9000), record("SYSCALL", 5), record("SYSCALL", 6), record("DAEMON_END", 300)]
    joined = Joined()
    joined.feed(*lines, record("SYSCALL", 7))
    joined.flush()
    assert (joined.gaps, joined.stats.possible_loss) == ([], 0)


@pytest.mark.parametrize("lost", [2, 98, 256, 400])
def test_records_lost_together_are_one_gap(lost: int) -> None:
    """Many serials in a row are told once: a gap takes certainty, and what is known again keeps it."""
    joined = feed_serials([1, *range(lost + 2, lost + 1000)])
    assert joined.gaps == [(b"", lost)]
    assert joined.stats.possible_loss == lost


def test_a_gap_is_told_before_the_input_ends() -> None:
    """Lives are doubted soon after, not only at the end."""
    joined = Joined()
    joined.feed(*[record("USER_AUTH", serial) for serial in (1, 2, *range(5, 1000))])
    assert joined.gaps == [(b"", 1), (b"", 1)] or joined.gaps == [(b"", 2)]


# --- strange lines ----------------------------------------------------------------------------------------------------


def test_a_relay_s_prefix_is_tolerated() -> None:
    """Syslog and its like put words in front; the event is the same, and so is the line."""
    joined = Joined()
    prefix = b"<13>Nov 20 21:51:38 web1 audispd: "
    lines = [prefix + record("SYSCALL", 1), prefix + record("CWD", 1), prefix + record("SYSCALL", 2, node="web1")]
    joined.feed(*lines)
    joined.flush()
    assert shape(joined.closed) == [lines[:2], lines[2:]]
    assert joined.closed[1].node == b"web1"
    assert joined.left == lines


def test_a_prefix_has_an_end() -> None:
    """Where the type is not within the first hundreds of bytes, a line is no record."""
    joined = Joined()
    line = b"x" * 400 + b" " + record("SYSCALL", 1)
    joined.feed(line)
    assert (joined.flush(), joined.left, joined.stats.rejected) == ([], [line], 1)


def test_separators_of_ausearch_end_events() -> None:
    """`----` stands between events: what is before it is whole, whatever its type."""
    joined = Joined()
    lines = [b"----", record("AVC", 1), b"----", record("SYSCALL", 2), record("PATH", 2), b"----", record("AVC", 3)]
    joined.feed(*lines)
    assert shape(joined.closed) == [[lines[1]], lines[3:5]]
    joined.flush()
    assert joined.left == lines


def test_reversed_records_are_put_right() -> None:
    """Plain ausearch prints an event's last record first: PROCTITLE then ends nothing."""
    joined = Joined(reversed_records=True)
    lines = [record("PROCTITLE", 1), record("CWD", 1), record("SYSCALL", 1), b"----", record("PROCTITLE", 2),
             record("SYSCALL", 2)]  # fmt: skip
    joined.feed(*lines)
    joined.flush()
    assert [event.in_order() for event in joined.closed] == [lines[2::-1], lines[:3:-1]]
    assert joined.left == lines


@pytest.mark.parametrize(
    "line",
    [b"type=UNKNOWN[1020] msg=lost", b"\0" * 40, b"\xff\xfe type", b"type",
     b"type=SYSCALL msg=audit(1700000000:5): a=1", b"type=SYSCALL msg=audit(1700000000.000:5", b"type=A B msg=audit(",
     b"type=SYSCALL msg=audit(1700000000.000:" + b"9" * 21 + b"): a=1", b"type=SYSCALL msg=audit(1.0000:1): a=1",
     b"type=SYSCALL msg=audit(-170000000.000:1): a=1", b"type=SYSCALL msg=audit(1700000000.000:0x1): a=1"],
    ids=range(11),
)  # fmt: skip
def test_a_line_that_is_no_record_passes_and_is_counted(line: bytes) -> None:
    """It leaves in its place, in no event; those around it are not disturbed."""
    joined = Joined()
    lines = [record("SYSCALL", 1), line, record("CWD", 1), record("PROCTITLE", 1), record("USER_AUTH", 2)]
    joined.feed(*lines)
    joined.flush()
    assert joined.left == lines
    assert shape(joined.closed) == [[lines[0], *lines[2:4]], lines[4:]]
    assert joined.stats.rejected == 1


def test_an_empty_line_is_not_rejected() -> None:
    """Nothing is wrong with it."""
    joined = Joined()
    joined.feed(b"", b" ", b"\r")
    assert (joined.left, joined.stats.rejected, joined.stats.passed) == ([b"", b" ", b"\r"], 0, 3)


def test_carriage_returns_nul_and_foreign_encodings_are_part_of_a_line() -> None:
    """A line is bytes: what it holds after its head does not matter."""
    joined = Joined()
    lines = [record("SYSCALL", 1) + b"\r", record("CWD", 1) + b" cwd=\0\0", record("PATH", 1) + b" name=\xff\xfe\xc3\r"]
    joined.feed(*lines)
    assert shape(joined.flush()) == [lines]


def test_a_long_line_is_a_line() -> None:
    """64 KiB and more in one record."""
    joined = Joined()
    lines = [record("EXECVE", 1) + b" a0=" + b"41" * 65_536, record("PROCTITLE", 1)]
    joined.feed(*lines)
    assert shape(joined.flush()) == [lines]
    assert joined.left == lines


@given(st.lists(st.one_of(NOISE, st.sampled_from(lines_of(World().told))), max_size=40))
def test_any_lines_leave_in_order(lines: list[bytes]) -> None:
    """Whatever is fed, each line leaves once, in its place, and each event closes once."""
    joined = Joined(max_open=3, max_lines=9, max_records=4)
    for at in range(0, len(lines), 3):
        joined.feed(*lines[at : at + 3])
    joined.flush()
    assert joined.left == lines
    assert len({id(event) for event in joined.closed}) == len(joined.closed)


def test_without_order_nothing_is_kept_for_it() -> None:
    """Forms that leave by event need no queue of lines."""
    stats = Stats()
    grouper = EventAssembler(Linux().completes, stats, ordered=False)
    closed = grouper.feed([record("SYSCALL", 1), b"noise", record("PROCTITLE", 1), record("USER_AUTH", 2)])
    closed = [*closed, *grouper.flush()]
    assert shape(closed) == [[record("SYSCALL", 1), record("PROCTITLE", 1)], [record("USER_AUTH", 2)]]
    assert grouper.drain() == []
