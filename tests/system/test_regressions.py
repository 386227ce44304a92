"""Inputs of bugs that were, each with the rule that was broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline, run
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux
from tests.events.test_assembler import Joined, record
from tests.streams import WORLDS, World, annotate, lines_of


def test_whole_events_age_the_others() -> None:
    """An event that waits ages while others come whole: one lone AVC does not hold a stream up."""
    joined = Joined()
    joined.feed(record("AVC", 1), *[record("USER_AUTH", serial, at=serial) for serial in range(2, 60)])
    assert joined.stats.aged == 1


def test_a_last_line_that_left_in_feed_has_no_newline_either() -> None:
    """What leaves before the end of input has no newline either that the input had not."""
    stats, backend, out = Stats(), Linux(), []
    run(Pipeline(backend, Raw(backend, stats), stats), [([b"noise"], False)], out.append)
    assert b"".join(out) == b"noise"


def test_eoe_and_the_end_of_a_block() -> None:
    """What follows EOE under the same key is late, wherever the block ends."""
    lines = [record("SYSCALL", 1), record("EOE", 1), record("PATH", 1), record("USER", 2)]
    one, other = Joined(), Joined()
    one.feed(*lines)
    other.feed(*lines[:2])
    other.feed(*lines[2:])
    one.flush()
    other.flush()
    assert [event.lines for event in one.closed] == [event.lines for event in other.closed]


def test_separators_are_no_rejects() -> None:
    """What ausearch prints between events is no reject, so --strict does not fail for it."""
    joined = Joined()
    joined.feed(b"----", record("AVC", 1), b"----")
    assert joined.stats.rejected == 0


def test_an_annotated_record_that_begins_with_op_is_found_again() -> None:
    """A record that begins with `op=` and has our own tail is no contid record."""
    line = record("DAEMON_START", 1, body='op=start ver=3 pid=1 uid=0 res=success contid=7 container_id="a"')
    assert annotate([[line]]).stats.already == 1


def test_a_tty_record_carries_fields() -> None:
    """A kernel TTY record names its process: it takes fields, before data=."""
    from tests.formats.test_raw import box, inside, write

    line = b'type=TTY msg=audit(1700000000.123:42): tty pid=77 uid=0 auid=0 ses=1 comm="bash" data=6C730D'
    assert write(inside(box(7)), line)[0] == [line[:-12] + b" contid=7" + line[-12:]]


def test_a_straggler_in_the_block_of_its_event_is_filtered_too() -> None:
    """A late record of an event that a filter leaves out is left out, in the same block too."""
    from tests.streams import World, lines_of

    stats, backend = Stats(), Linux()
    pipeline = Pipeline(backend, Raw(backend, stats), stats, keep=lambda event, answer: False)
    lines = lines_of(World().told)
    assert pipeline.feed([*lines, lines[0]]) + pipeline.finish() == b""


def test_a_gap_applies_to_what_comes_after_it_only() -> None:
    """A gap says nothing of the events before it, in the same block too."""
    from tests.streams import World, lines_of

    world = World()
    other = world.born(world.alive[1])
    world.opens(other)
    world.serial += 40
    for _ in range(300):
        world.opens(world.init)
    world.opens(other)
    one = annotate([lines_of(world.told)], mark_unknown=True).out
    assert one == annotate([each.lines for each in world.told], mark_unknown=True).out


@given(WORLDS, st.booleans())
def test_a_last_line_without_its_newline_leaves_without_it(world: World, newline: bool) -> None:
    """The newline at the end of the input is the input's."""
    stats = Stats()
    backend = Linux()
    out: list[bytes] = []
    run(Pipeline(backend, Raw(backend, stats), stats), [(lines_of(world.told), newline)], out.append)
    assert b"".join(out).endswith(b"\n") is newline
