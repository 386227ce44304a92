"""The raw form: its grammar to the byte, where the fields go, and what is never changed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import (
    OWN_SESSION,
    UNSET_ID,
    Attribution,
    Chain,
    Container,
    ContId,
    Event,
    Evidence,
    Flag,
    Reason,
    Session,
    Stamp,
    Status,
    Target,
)
from annotator.core.stats import Stats
from annotator.formats.raw import MAX_LINE, NAMES, Raw, fields_of, tail_start
from annotator.formats.values import quoted
from annotator.linux.backend import Linux
from tests.streams import FIELDS, WORLDS, World, annotate, appended, damaged, joined, lines_of

HEX = "0123456789abcdef" * 4
KEY = b"1700000000.123:42"
CALL = (
    b"type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e syscall=257 success=yes exit=3 a0=0 a1=0 a2=0 a3=0 "
    b"items=1 ppid=1 pid=77 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 "
    b'comm="a" exe="/bin/a" subj=unconfined key=(null)'
)
TITLE = b"type=PROCTITLE msg=audit(1700000000.123:42): proctitle=61"


def box(number: int | None, parent: Container | None = None, **names: str) -> Container:
    """A container."""
    return Container(None if number is None else ContId(number), parent=parent, **names)  # type: ignore[arg-type]


def inside(*containers: Container, **more: object) -> Attribution:
    """An answer: in these containers, one chain each."""
    return Attribution(Status.CONTAINER, tuple(one.chain() for one in containers), **more)  # type: ignore[arg-type]


def text(answer: Attribution, *, mark_unknown: bool = False) -> str:
    """The fields as one text."""
    return b"".join(fields_of(answer, mark_unknown=mark_unknown)).decode()


def write(answer: Attribution, *lines: bytes, reannotate: bool = False) -> tuple[list[bytes], Stats]:
    """One event with these lines, written."""
    stats = Stats(lines=len(lines))
    backend = Linux()
    event = Event(KEY, b"", Stamp(1_700_000_000_123, 42), lines[0])
    event.lines += lines[1:]
    backend.read(event)
    Raw(backend, stats, reannotate=reannotate).write(event, answer)
    assert stats.annotated + stats.already + stats.passed == len(lines)
    return event.lines, stats


# --- the fields -------------------------------------------------------------------------------------------------------


def test_all_fields_in_their_order() -> None:
    """The order is the grammar's, whatever is known."""
    web = box(5, box(4), id=HEX, name="web", image="nginx:1.25", engine="docker")
    host = Target(9, Status.HOST)
    answer = inside(
        web, evidence=(Evidence.COMMAND, Evidence.LINEAGE), session=OWN_SESSION, flags=(Flag.ENTERED, Flag.CROSSED),
        targets=(host,), src=(box(8).chain(),), dst=(box(9).chain(), box(10).chain()),
    )  # fmt: skip
    assert text(answer) == (
        f' contid=5^4 container_id="{HEX}" container_name="web" container_image="nginx:1.25"'
        ' container_engine="docker" cont_session="0" cont_how="command" cont_flags="entered+crossed" cont_target=-1'
        " cont_src=8 cont_dst=9,10"
    )
    assert re.findall(r" ([a-z_]+)=", text(answer)) == list(NAMES)
    assert FIELDS.fullmatch(text(answer).encode())


def test_only_what_is_known() -> None:
    """No field stands for nothing: a contid of the kernel's has no names, a name alone has no contid."""
    assert text(inside(box(7), evidence=(Evidence.RECORD,))) == ' contid=7 cont_how="record"'
    assert text(inside(box(None, name="wp", engine="wpar"))) == ' container_name="wp" container_engine="wpar"'
    assert text(inside(box(0))) == " contid=0"


def test_a_session_says_how_it_was_entered_by_its_stamp() -> None:
    """The stamp of the entering event, for finding it."""
    session = Session("1700000000.123:42", "runc exec", 1000, 3, 0, "pts0", "/usr/bin/docker")
    assert text(inside(box(7), session=session)) == ' contid=7 cont_session="1700000000.123:42"'


def test_host_and_unknown_have_no_fields() -> None:
    """They leave byte for byte as they came; unknown is only marked when asked for."""
    unknown = Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN)
    for answer in (Attribution(Status.HOST, evidence=(Evidence.INIT,)), unknown, Attribution(Status.NONE)):
        assert text(answer) == ""
    assert text(unknown, mark_unknown=True) == ' cont_how="unknown:not-seen"'
    assert text(Attribution(Status.HOST), mark_unknown=True) == ""


def test_several_chains_have_no_names() -> None:
    """A shared network namespace: every container is in `contid`, and none is described."""
    answer = inside(box(3, id="a", name="x"), box(2, box(1), name="y"), evidence=(Evidence.RECORD,))
    assert text(answer) == ' contid=3,2^1 cont_how="record"'


def test_targets_are_said_only_when_one_is_not_where_the_actor_is() -> None:
    """Each target's list in the order of the event; host is -1, unknown is `?`."""
    web, db = box(7), box(8)
    in_web, in_db = Target(5, Status.CONTAINER, (web.chain(),)), Target(6, Status.CONTAINER, (db.chain(),))
    host, unknown = Target(1, Status.HOST), Target(2, Status.UNKNOWN, reason=Reason.NOT_SEEN)
    assert "cont_target" not in text(inside(web, targets=(in_web,)))
    assert "cont_target" not in text(inside(web, targets=(in_web, in_web)))
    assert text(inside(web, targets=(in_web, in_db))).endswith(" cont_target=7,8")
    assert text(inside(web, targets=(host,))).endswith(" cont_target=-1")
    assert text(inside(web, targets=(unknown, in_web))).endswith(" cont_target=?,7")
    nested = Target(5, Status.CONTAINER, (box(9, web).chain(),))
    assert text(inside(web, targets=(nested,))).endswith(" cont_target=9^7")


def test_a_host_actor_with_a_container_s_target_has_only_the_target() -> None:
    """Nothing else of the host is said; host to host, and to the unknown, is nothing."""
    target = Target(5, Status.CONTAINER, (box(7).chain(),))
    host = Target(6, Status.HOST)
    assert text(Attribution(Status.HOST, targets=(host, target))) == " cont_target=-1,7"
    assert text(Attribution(Status.UNKNOWN, reason=Reason.GAP, targets=(target,))) == " cont_target=7"
    assert text(Attribution(Status.HOST, targets=(host,))) == ""
    assert text(Attribution(Status.HOST, targets=(Target(6, Status.UNKNOWN),))) == ""


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("web", b'"web"'),
        ("", b'""'),
        ("a'b=,:)", b'"a\'b=,:)"'),
        ("AB12", b'"AB12"'),
        ("a b", b"612062"),
        ('a"b', b"612262"),
        ("\t", b"09"),
        ("\x7f", b"7F"),
        ("\x1d", b"1D"),
        ("é", b"C3A9"),
        (b"\xff", b"FF"),
        ("\udcff", b"FF"),
        ("x" * 300, b'"' + b"x" * 256 + b'"'),
        ("é" * 200, b"C3A9" * 128),
    ],
)
def test_values_are_quoted_or_hex(value: str | bytes, written: bytes) -> None:
    """Quoted when every byte is 0x21-0x7e and no quote, else upper-case hex; 256 bytes at most."""
    assert quoted(value) == written


@given(st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_a_value_never_breaks_the_line(value: str | bytes) -> None:
    """Whatever an engine calls its container: no blank, no quote within, no separator, and it can be read back."""
    try:
        written = quoted(value)
    except UnicodeEncodeError:
        assert re.search("[\ud800-\udc7f\udd00-\udfff]", str(value))  # half a pair: JSON may hold it, no name does
        return
    data = (value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)[:256]
    back = written[1:-1] if written[:1] == b'"' else bytes.fromhex(written.decode())
    assert back == data
    assert not re.search(rb"[^\x21-\x7e]", written)


# --- the place --------------------------------------------------------------------------------------------------------


def test_the_syscall_record_carries_the_fields() -> None:
    """Wherever it stands among the others; no other line changes."""
    avc = b'type=AVC msg=audit(1700000000.123:42): avc:  denied  { read } for  pid=77 comm="a" tclass=file'
    lines, stats = write(inside(box(7)), avc, CALL, TITLE)
    assert lines == [avc, CALL + b" contid=7", TITLE]
    assert (stats.annotated, stats.passed) == (1, 2)


@pytest.mark.parametrize(
    ("line", "offset"),
    [
        (CALL + b"\r", -1),
        (CALL + b"\x1dARCH=x86_64 SYSCALL=openat", len(CALL)),
        (CALL + b"\x1d", len(CALL)),
        (CALL + b"\x1dARCH=x86_64\r", len(CALL)),
        (b"node=web1 " + CALL, None),
        (b"type=USER_AUTH msg=audit(1700000000.123:42): pid=77 uid=0 msg='op=x acct=\"y\" res=success'", None),
        (b"type=USER_AUTH msg=audit(1700000000.123:42): pid=77 uid=0 msg='op=x res=success'\x1dUID=\"root\"", -11),
        (b"type=ANOM_ABEND msg=audit(1700000000.123:42): auid=0 uid=0 ses=1 pid=77 comm=\"a\" sig=11 res=1", None),
        (b"type=AVC msg=audit(1700000000.123:42): avc:  denied  { read } for  pid=77 comm=\"a\" tclass=file", None),
        (b"type=USER_TTY msg=audit(1700000000.123:42): pid=77 uid=0 auid=0 ses=1 data=\"ls -l\" data=\"2\"", -22),
    ],
    ids=["crlf", "enriched", "empty enriched", "enriched crlf", "node", "user", "user enriched", "abend", "avc",
         "user tty"],
)  # fmt: skip
def test_fields_stand_at_the_end_of_the_body(line: bytes, offset: int | None) -> None:
    """Before 0x1D, before the CR; in TTY records before ` data=`, which readers take to the end of the line."""
    (written,), stats = write(inside(box(7)), line)
    at = len(line) if offset is None else offset if offset >= 0 else len(line) + offset
    assert written == line[:at] + b" contid=7" + line[at:]
    assert stats.annotated == 1


@pytest.mark.parametrize(
    "line", [TITLE, b'type=CWD msg=audit(1700000000.123:42): cwd="/"', b"type=EOE msg=audit(1700000000.123:42): "]
)
def test_without_a_record_of_a_process_nothing_is_added(line: bytes) -> None:
    """Records that describe a part of an event carry nothing: no reader looks there."""
    lines, stats = write(inside(box(7)), line)
    assert (lines, stats.passed) == ([line], 1)


# --- the limit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (9, 0), (10, 1), (30, 1), (31, 2), (48, 2), (49, 3)])
def test_no_line_grows_beyond_the_limit(room: int, kept: int) -> None:
    """Fields are left out from the end and counted: ausearch cuts a longer line. The newline counts."""
    fields = [b" contid=77", b' container_id="b1234"', b' cont_how="record"'][:kept]
    line = CALL.replace(b"(null)", b'"' + b"k" * (MAX_LINE - 1 - room - len(CALL) + 4) + b'"')
    (written,), stats = write(inside(box(77, id="b1234"), evidence=(Evidence.RECORD,)), line)
    assert len(b"".join(fields)) <= room
    assert written == line + b"".join(fields)
    assert len(written) <= MAX_LINE - 1
    assert (stats.left_out_fields, stats.annotated) == (3 - kept, kept > 0)


def test_a_longer_line_leaves_as_it_came() -> None:
    """64 KiB of a record are not our business."""
    line = CALL.replace(b"(null)", b'"' + b"k" * 65_536 + b'"')
    (written,), stats = write(inside(box(7)), line)
    assert (written, stats.left_out_fields) == (line, 1)


# --- what is there already --------------------------------------------------------------------------------------------


TAIL = b' contid=9,^8 container_name="old" cont_session="0" cont_how="command"'


@pytest.mark.parametrize("answer", [inside(box(7)), Attribution(Status.HOST), Attribution(Status.UNKNOWN)], ids=str)
@pytest.mark.parametrize("end", [b"", b"\x1dARCH=x86_64", b"\r"])
def test_a_tail_that_is_there_stays_and_is_counted(answer: Attribution, end: bytes) -> None:
    """Fields are neither doubled nor corrected, whatever is known now."""
    lines, stats = write(answer, CALL + TAIL + end, TITLE)
    assert lines == [CALL + TAIL + end, TITLE]
    assert (stats.already, stats.annotated, stats.passed) == (1, 0, 1)


@pytest.mark.parametrize("end", [b"", b"\x1dARCH=x86_64", b"\r"])
def test_reannotate_replaces_a_tail(end: bytes) -> None:
    """The old fields go, for an event of the host too, and the new ones come."""
    lines, stats = write(inside(box(7)), CALL + TAIL + end, reannotate=True)
    assert (lines, stats.already, stats.annotated) == ([CALL + b" contid=7" + end], 0, 1)
    lines, stats = write(Attribution(Status.HOST), CALL + TAIL + end, reannotate=True)
    assert lines == [CALL + end]


@pytest.mark.parametrize(
    "tail",
    [b" contid=x", b" contid=7 other=1", b" contid=", b' container_name="a b"',
     b" container_name=abc", b" container_name=ab12", b" cont_how=", b" contid=7 "],
)  # fmt: skip
def test_what_is_not_of_the_grammar_is_no_tail(tail: bytes) -> None:
    """Other order, other values, other words: that is somebody else's text, and ours comes behind it."""
    (written,), stats = write(inside(box(7)), CALL + tail)
    assert (written, stats.annotated) == (CALL + tail + b" contid=7", 1)


@pytest.mark.parametrize("line", [CALL[:-14], CALL[:-1], CALL + b"contid=7"], ids=["label", "key", "more"])
def test_a_record_without_its_end_leaves_as_it_came(line: bytes) -> None:
    """Fields behind a text that was cut off would be a part of it, and doubled by a second run, which cannot tell."""
    (written,), stats = write(inside(box(7)), line)
    assert (written, stats.annotated, stats.left_out_fields) == (line, 0, 1)


def test_a_tail_is_never_evidence() -> None:
    """Who can write into a log could say anything: the answer is what it would be without."""
    world = World()
    world.opens(world.alive[1])
    lines = lines_of(world.told)
    forged = [line + b' contid=7 cont_how="record"' if b"type=SYSCALL" in line else line for line in lines]
    said = [(answer.status, answer.reason) for _, _, answer in annotate([forged]).answers]
    assert said == [(answer.status, answer.reason) for _, _, answer in annotate([lines]).answers]


@given(st.binary(max_size=200), st.sampled_from([b"", b" contid=1", b' cont_how="a"', b" container_id=AB", b" cont"]))
def test_any_bytes_before_a_tail(body: bytes, tail: bytes) -> None:
    """Where a tail begins is an answer for any bytes, and what is found matches the grammar."""
    part = body.replace(b"\n", b"") + tail
    start = tail_start(part)
    if start >= 0:
        assert FIELDS.fullmatch(part[start:].removesuffix(b"\r").replace(b'""', b'"_"')) or len(part) > 256
    if tail not in (b"", b" cont"):
        assert 0 <= start <= len(part) - len(tail)


def test_a_body_full_of_beginnings_is_read_quickly() -> None:
    """` cont` a thousand times over costs no more than reading the line some times."""
    assert tail_start(b" container_id=AA" * 600 + b" ") == -1
    assert tail_start(b" cont" * 1700 + b"x") == -1


# --- twice is once ----------------------------------------------------------------------------------------------------


@given(WORLDS, st.booleans())
def test_annotating_twice_gives_the_same_bytes(world: World, mark_unknown: bool) -> None:
    """And every line that had fields is counted as such."""
    once = annotate([lines_of(world.told)], mark_unknown=mark_unknown)
    twice = annotate([once.out.split(b"\n")[:-1]], mark_unknown=mark_unknown)
    assert twice.out == once.out
    assert (twice.stats.already, twice.stats.annotated) == (once.stats.annotated, 0)
    assert [fields_of(answer) for *_, answer in twice.answers] == [fields_of(answer) for *_, answer in once.answers]


@given(WORLDS)
def test_reannotating_gives_what_annotating_gives(world: World) -> None:
    """Old fields, even false ones, leave no trace."""
    once = annotate([lines_of(world.told)])
    again = annotate([once.out.split(b"\n")[:-1]], reannotate=True)
    assert again.out == once.out
    marked = annotate([lines_of(world.told)], mark_unknown=True)
    assert annotate([marked.out.split(b"\n")[:-1]], reannotate=True).out == once.out


@given(damaged())
def test_twice_is_once_for_damaged_logs(lines: list[bytes]) -> None:
    """Whatever the input was."""
    once = annotate([lines]).out
    assert annotate([once.split(b"\n")[:-1]]).out == once


@given(damaged())
def test_marks_of_the_unknown_are_fields_too(lines: list[bytes]) -> None:
    """They are of the grammar, can be taken away again, and each says a reason."""
    ran = annotate([lines], mark_unknown=True)
    left = ran.out.split(b"\n")[:-1]
    added = [appended(before, after) for before, after in zip(lines, left, strict=True)]
    assert None not in added
    marks = [fields for fields in added if fields and b"unknown:" in fields]
    assert all(re.search(rb' cont_how="unknown:[a-z-]+"', fields) for fields in marks)
    assert len(marks) <= ran.stats.unknown


def test_the_names_of_a_container_may_come_late() -> None:
    """What was rendered is rendered anew when the container's names have changed."""
    web = box(7)
    chain: Chain = web.chain()
    answer = Attribution(Status.CONTAINER, (chain,))
    stats = Stats()
    backend = Linux()
    raw = Raw(backend, stats)
    out = []
    for name in ("", "web"):
        if name:
            web.name, web.version = name, web.version + 1
        event = Event(KEY, b"", Stamp(1_700_000_000_123, 42), CALL)
        backend.read(event)
        raw.write(event, answer)
        out += event.lines
    assert joined(out) == joined([CALL + b" contid=7", CALL + b' contid=7 container_name="web"'])


def test_unset_ids_are_not_rendered() -> None:
    """A session of nobody known is still a session."""
    session = Session("5@77", auid=UNSET_ID)
    assert text(inside(box(7), session=session)) == ' contid=7 cont_session="5@77"'
