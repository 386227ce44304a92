"""The record form: what a kernel with the v11 patches writes, record by record."""

from __future__ import annotations

from hypothesis import given

from annotator.core.model import Attribution, Container, ContId, Event, Stamp, Status, Target
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline
from annotator.formats.raw import MAX_LINE
from annotator.formats.record import Record
from annotator.linux.backend import Linux
from annotator.linux.contid import link
from annotator.linux.records.syntax import split
from tests.streams import WORLDS, World, damaged, lines_of

STAMP = b"msg=audit(1700000000.123:42): "
CALL = (
    b"type=SYSCALL " + STAMP + b'arch=c000003e syscall=62 success=yes a0=5 ppid=1 pid=77 auid=0 uid=0 ses=1 key="sig"'
)
TITLE = b"type=PROCTITLE " + STAMP + b"proctitle=61"
USER = b"type=USER_AUTH " + STAMP + b"pid=77 uid=0 auid=0 ses=1 msg='op=x res=success'"


def target_line(pid: int) -> bytes:
    """An OBJ_PID record."""
    return b"type=OBJ_PID " + STAMP + b'opid=%d oauid=0 ouid=0 oses=1 obj=unconfined ocomm="sleep"' % pid


def said(number: int, chain: bytes) -> bytes:
    """A CONTAINER_ID record."""
    return b"type=CONTAINER_ID " + STAMP + b"record=%d contid=%s" % (number, chain)


def box(number: int | None, parent: Container | None = None) -> Container:
    """A container."""
    return Container(None if number is None else ContId(number), parent=parent)


NESTED = box(4, box(2, box(1)))


def inside(*containers: Container, targets: tuple[Target, ...] = ()) -> Attribution:
    """An answer."""
    return Attribution(Status.CONTAINER, tuple(one.chain() for one in containers), targets=targets)


def aimed(pid: int, container: Container | None) -> Target:
    """A target, on the host where it is in no container."""
    return Target(pid, Status.CONTAINER, (container.chain(),)) if container else Target(pid, Status.HOST)


def write(answer: Attribution, *lines: bytes, node: bytes = b"", reverse: bool = False) -> tuple[list[bytes], Stats]:
    """The lines of one event, written."""
    stats = Stats(lines=len(lines))
    backend = Linux()
    stamp = b"1700000000.123:42"
    event = Event(node + b" " + stamp if node else stamp, node, Stamp(1_700_000_000_123, 42), lines[0])
    event.lines += lines[1:]
    event.reversed = reverse
    backend.read(event)
    Record(backend, stats).write(event, answer)
    assert stats.annotated + stats.already + stats.passed == len(lines)
    return b"\n".join(event.lines).split(b"\n"), stats


def test_the_record_stands_before_its_syscall_and_is_linked() -> None:
    """Nested chains nearest first, with carets."""
    lines, stats = write(inside(NESTED), CALL, TITLE)
    assert lines == [said(1, b"4,^2,^1"), CALL + b" record=1", TITLE]
    assert (stats.annotated, stats.passed) == (1, 1)


def test_each_target_in_a_container_has_its_own_record() -> None:
    """Numbered on from the actor's; a target on the host has none and no number."""
    answer = inside(box(7), targets=(aimed(5, box(3)), aimed(6, None), aimed(8, box(7))))
    lines, stats = write(answer, CALL, target_line(5), target_line(6), target_line(8), TITLE)
    assert lines == [
        said(1, b"7"), CALL + b" record=1",
        said(2, b"3"), target_line(5) + b" record=2",
        target_line(6),
        said(3, b"7"), target_line(8) + b" record=3",
        TITLE,
    ]  # fmt: skip
    assert stats.annotated == 3


def test_a_host_actor_has_none_and_its_target_is_the_first() -> None:
    """Numbers count records, not processes."""
    answer = Attribution(Status.HOST, targets=(aimed(5, box(3)),))
    lines, _ = write(answer, CALL, target_line(5), TITLE)
    assert lines == [CALL, said(1, b"3"), target_line(5) + b" record=1", TITLE]


def test_a_record_of_user_space_has_it_behind_and_no_link() -> None:
    """It is the sender's; the text of the record is not touched."""
    assert write(inside(box(7)), USER)[0] == [USER, said(1, b"7")]


def test_a_packet_has_all_containers_of_its_network() -> None:
    """A list of chains, linked."""
    line = b"type=NETFILTER_PKT " + STAMP + b"mark=0x1 saddr=127.0.0.1 daddr=127.0.0.1 proto=1"
    lines, _ = write(inside(box(7), NESTED), line)
    assert lines == [said(1, b"7,4,^2,^1"), line + b" record=1"]


def test_the_node_is_that_of_the_event() -> None:
    """Each record of a node names it."""
    lines, _ = write(inside(box(7)), b"node=web1 " + CALL, b"node=web1 " + TITLE, node=b"web1")
    assert lines == [b"node=web1 " + said(1, b"7"), b"node=web1 " + CALL + b" record=1", b"node=web1 " + TITLE]


def test_enriched_and_crlf_lines() -> None:
    """The link is at the end of the body, and a record that is put in ends its line as the others do."""
    lines, _ = write(inside(box(7)), CALL + b"\x1dARCH=x86_64\r", TITLE + b"\r")
    assert lines == [said(1, b"7") + b"\r", CALL + b" record=1\x1dARCH=x86_64\r", TITLE + b"\r"]


def test_reversed_records_stay_reversed() -> None:
    """Plain ausearch prints the last record first: before is then behind."""
    assert write(inside(box(7)), TITLE, CALL, reverse=True)[0] == [TITLE, CALL + b" record=1", said(1, b"7")]


def test_host_unknown_and_nameless_have_no_record() -> None:
    """Where there is no contid there is nothing to say."""
    for answer in (Attribution(Status.HOST), Attribution(Status.UNKNOWN), Attribution(Status.NONE), inside(box(None))):
        lines, stats = write(answer, CALL, TITLE)
        assert (lines, stats.annotated) == ([CALL, TITLE], 0)


def test_an_event_that_has_contid_records_is_left_as_it_is() -> None:
    """Whatever they are called, wherever they stand: the kernel has spoken."""
    for record in (
        said(1, b"9"),
        b"type=UNKNOWN[1334] " + STAMP + b"contid=9",
        b"type=URINGOP " + STAMP + b"record=1 contid=9,^8",
        b"type=CONTAINER_OP " + STAMP + b"op=set opid=5 contid=9 old-contid=-1",
    ):
        for lines in ([record, CALL, TITLE], [CALL, TITLE, record]):
            written, stats = write(inside(box(7)), *lines)
            assert written == lines
            assert (stats.already, stats.annotated, stats.passed) == (1, 0, 2)


def test_without_room_for_the_link_there_is_no_record() -> None:
    """A record that nothing is linked to would speak for another: both are left out, and counted."""
    long = CALL.replace(b'"sig"', b"6" * (MAX_LINE - len(CALL) - 1))
    lines, stats = write(inside(box(7), targets=(aimed(5, box(3)),)), long, target_line(5))
    assert lines == [long, said(1, b"3"), target_line(5) + b" record=1"]
    assert stats.left_out_fields == 1


def test_targets_that_cannot_be_told_apart_have_none() -> None:
    """An OBJ_PID that cannot be read has no answer, and the others cannot be counted off any more."""
    broken = target_line(5).replace(b"opid=5", b"opid=x")
    lines, _ = write(Attribution(Status.HOST, targets=(aimed(6, box(3)),)), CALL, broken, target_line(6))
    assert lines in ([CALL, broken, target_line(6)], [CALL, broken, said(1, b"3"), target_line(6) + b" record=1"])


def run(lines: list[bytes]) -> tuple[list[bytes], Stats, list[tuple[Event, Attribution]]]:
    """Lines through a pipeline that writes this form."""
    stats = Stats()
    backend = Linux()
    answers: list[tuple[Event, Attribution]] = []
    pipeline = Pipeline(
        backend,
        Record(backend, stats),
        stats,
        watch=lambda event, reading, life, answer: answers.append((event, answer)),
    )
    out = pipeline.feed(lines) + pipeline.finish()
    return out.split(b"\n")[:-1], stats, answers


@given(damaged())
def test_taking_the_records_and_links_away_gives_the_input_back(lines: list[bytes]) -> None:
    """Conservation, for this form: nothing but whole records and links is added."""
    out, stats, _ = run(lines)
    assert stats.check() == []
    rest = iter(lines)
    line = next(rest, None)
    for written in out:
        if line is not None and (written == line or _unlinked(written) == _unlinked(line) == line.rstrip(b"\r")):
            line = next(rest, None)
        elif line is not None and b" record=" in written and b"type=CONTAINER_ID" not in written:
            assert _unlinked(written) == line
            line = next(rest, None)
        else:
            assert b"type=CONTAINER_ID msg=audit(" in written
    assert line is None


def _unlinked(line: bytes) -> bytes:
    """A line without the link at the end of its body."""
    body, mark, rest = line.partition(b"\x1d")
    cr = b"\r" if body.endswith(b"\r") else b""
    head, found, number = body.removesuffix(b"\r").rpartition(b" record=")
    return (head if found and number.isdigit() else body.removesuffix(b"\r")) + cr + mark + rest


@given(WORLDS)
def test_what_is_written_is_read_back_as_it_was_meant(world: World) -> None:
    """A reader of v11 records finds each event's containers, and a second run changes nothing."""
    out, _, answers = run(lines_of(world.told))
    again, stats, found = run(out)
    assert again == out
    assert stats.annotated == 0
    records = {event.key: [split(line) for line in event.lines] for event, _ in found}
    for event, answer in answers:
        links = link.link(records[event.key])
        if answer.status is Status.CONTAINER:
            assert links.actor == tuple(tuple(one.contid for one in chain) for chain in answer.chains)
        else:
            assert not links.actor
