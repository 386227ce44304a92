"""The text trail, in every shape that auditpr prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix.auditpr import MAX_BYTES, AuditprParser
from annotator.aix.record import Form, Passed, Record
from annotator.core.errors import AnnotatorError, FormError, UsageError
from annotator.core.model import Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.aix.record import Piece

UTC = ZoneInfo("UTC")
HEAD = (
    b"event           login    status      time                     command                         "
    b"wpar name                 "
)
DASH = (
    b"--------------- -------- ----------- ------------------------ ------------------------------- " + b"-" * 25 + b" "
)


def line(
    event: str = "FS_Chdir",
    when: str = "Sat Aug 26 19:31:37 2017",
    wpar: str = "Global",
    command: str = "ps",
    status: str = "OK",
    login: str = "root",
) -> bytes:
    """One record line of the default layout, 120 bytes."""
    return f"{event:15} {login:8} {status:11} {when:24} {command:31} {wpar:25} ".encode()


def parse(data: bytes | list[bytes], **options: Any) -> list[Piece]:
    """All pieces of a trail, with conservation checked: each line came out once, in order."""
    lines = data.split(b"\n")[:-1] if isinstance(data, bytes) else data
    parser = AuditprParser(options.pop("zone", UTC), **options)
    pieces = parser.feed(lines) + parser.flush()
    assert [raw for piece in pieces for raw in piece.lines] == lines
    return pieces


def records(data: bytes | list[bytes], **options: Any) -> list[Record]:
    """The records of a trail."""
    return [piece for piece in parse(data, **options) if isinstance(piece, Record)]


def test_the_default_layout(samples: Path) -> None:
    """A real listing: columns by its dashes, tails without their indent, the record's own statement of its WPAR."""
    found = records((samples / "auditpr-default/input.txt").read_bytes())
    assert [one.event for one in found] == [b"FS_Chdir"] * 2 + [b"S_PASSWD_READ"] * 2 + [b"CRON_Start", b"FS_Chdir"]
    last = found[4]
    assert (last.login, last.status, last.command, last.wpar) == (b"root", b"OK", b"cron", b"Global")
    assert last.tail == (
        b"event = start cron job cmd = /usr/sbin/dumpctrl -k >/dev/null 2>/dev/null time = Sat Aug 26 19:35:00 2017"
    )
    assert last.time_ms == 1503776100000
    assert all(one.wpar_evidence is Evidence.TRAIL and one.pid is None and one.ruser is None for one in found)
    assert [one.ordinal for one in found] == [1, 2, 3, 4, 5, 6]


def test_wrapped_is_the_same(samples: Path) -> None:
    """What a terminal of 80 columns broke gives the same records as what it did not, trailing blanks or not."""

    def values(data: bytes) -> list[tuple[object, ...]]:
        return [(one.event, one.time_ms, one.command, one.wpar, one.wpar_evidence, one.tail) for one in records(data)]

    whole = values((samples / "auditpr-default/input.txt").read_bytes())
    wrapped = (samples / "auditpr-wrapped/input.txt").read_bytes()
    assert values(wrapped) == whole
    assert values(re.sub(rb" +\n", b"\n", wrapped)) == whole


def test_wrapped_without_titles(samples: Path) -> None:
    """Without titles a record of exactly 80 bytes that ends in a blank shows the terminal."""
    lines = (samples / "auditpr-wrapped/input.txt").read_bytes().split(b"\n")[4:-1]
    found = records(lines)
    assert len(found) == 6
    assert {one.wpar for one in found} == {b"Global"}


def test_process_column(samples: Path) -> None:
    """A real `-helRtcp` listing: a pid for each record, and no WPAR, which is None and never Global."""
    found = records((samples / "auditpr-process/input.txt").read_bytes())
    assert [one.pid for one in found] == [9437656, 12255562, 12976466, 9437658]
    assert all(one.wpar is None and one.wpar_evidence is None for one in found)


def test_wpar_names(samples: Path) -> None:
    """Every WPAR name, all status words, and tails with blanks come out as they stand."""
    found = records((samples / "auditpr-wpars/input.txt").read_bytes())
    assert [one.wpar for one in found][:4] == [b"webapp_prod"] * 4
    assert found[7].wpar == b"wpar_name_of_25_chars_xxx"[:25]
    assert found[5].tail == b"filename /tmp/a file with spaces"
    assert [one.ok for one in found].count(False) == 3


def test_relayed_lines(samples: Path) -> None:
    """One record per line with collapsed blanks is read as best effort, and is never proof of anything."""
    data = (samples / "auditpr-relayed/input.txt").read_bytes()
    found = records(data)
    assert len(found) == data.count(b"\n")
    assert all(one.form is Form.LOOSE and one.wpar is None for one in found)
    by_event = {one.event: one for one in found}
    assert by_event[b"AUD_It"].role == b"No associated roles"
    assert (by_event[b"FILE_Read"].command, by_event[b"FILE_Read"].login) == (b"tar", b"appusr")
    assert by_event[b"TCP_klisten"].role == b"0"
    assert found[5].tail == b"filename /bin/cdax/ksh"  # the relay had moved it before the event


SHAPES = [
    (titles, wrap, strip)
    for titles in (0, 1, 2)
    for wrap in (0, 80)
    for strip in (False, True)
    if titles or not (wrap and strip)
]


@pytest.mark.parametrize(("titles", "wrap", "strip"), SHAPES)
def test_shapes_against_truth(sim: Any, titles: int, wrap: int, strip: bool) -> None:
    """-t 0, 1, 2, broken by a terminal or not, with or without trailing blanks: the simulator's truth comes out."""
    machine = sim.scenario()
    found = records(machine.auditpr(titles=titles, wrap=wrap, strip=strip))
    assert [(one.event.decode(), (one.wpar or b"").decode()) for one in found] == [
        (record.event, record.truth["wpar"]) for record in machine.records
    ]
    if not wrap and not strip:
        assert [one.tail for one in found] == [record.tail for record in machine.records]


def test_a_broken_listing_that_does_not_show_it(sim: Any) -> None:
    """Without titles and without trailing blanks nothing shows that a terminal broke the lines.

    Every record is found, at its time; but its WPAR stands where a tail does, so it is taken for the tail, and the
    record has no WPAR.
    """
    machine = sim.scenario()
    found = records(machine.auditpr(titles=0, wrap=80, strip=True))
    assert [one.event.decode() for one in found] == [record.event for record in machine.records]
    assert [one.time_ms // 1000 for one in found] == [record.seconds for record in machine.records]
    assert {one.wpar for one in found} == {None}
    names = [record.truth["wpar"] for record in machine.records]
    assert [one.tail.split()[0].decode() for one in found] == names


@pytest.mark.parametrize("letters", ["elrRtpPTcW", "pPTceRtWl", "WdRecp", "celRtW"])
def test_any_order_of_columns(sim: Any, letters: str) -> None:
    """-h in any order, learnt from titles and dashes; the letters may be said by the caller too."""
    machine = sim.scenario()
    for option in ("", letters):
        found = records(machine.auditpr(letters, numeric=True), columns_option=option)
        assert [one.event.decode() for one in found] == [record.event for record in machine.records]
        assert [one.wpar for one in found] == [record.truth["wpar"].encode() for record in machine.records]
        if "p" in letters:
            assert [one.pid for one in found] == [record.pid for record in machine.records]
        if "r" in letters:
            assert [one.ruser for one in found] == [b"%d" % record.uid for record in machine.records]


def test_tail_on_the_same_line(sim: Any) -> None:
    """-w: what follows the columns is the tail."""
    machine = sim.scenario()
    found = records(machine.auditpr(one_line=True))
    assert [one.tail for one in found] == [record.tail for record in machine.records]
    assert [one.wpar for one in found] == [record.truth["wpar"].encode() for record in machine.records]


def test_long_user_names() -> None:
    """-X: the login name stands last and may be wider than its column."""
    title = b"event           status      time                     command                         "
    dashes = b"--------------- ----------- ------------------------ ------------------------------- "
    data = [
        title + b"wpar name                 login    ",
        dashes + b"-" * 25 + b" -------- ",
        b"FS_Chdir        OK          Sat Aug 26 19:31:37 2017 ps                              "
        b"web                       a_very_long_user_name",
        b"        change current directory to: /",
    ]
    for found in (records(data), records(data[2:])):
        assert (found[0].login, found[0].wpar) == (b"a_very_long_user_name", b"web")


def test_collapsed_blanks() -> None:
    """A collapsed default line gives its WPAR, but only as inferred: a command name may hold a blank."""
    found = records([b"USER_SU root OK Thu Jan 22 14:11:38 2026 su Global"])
    assert (found[0].login, found[0].command, found[0].wpar) == (b"root", b"su", b"Global")
    assert found[0].wpar_evidence is Evidence.INFERRED


def test_a_short_line_is_not_proof() -> None:
    """Without titles, what stands in the WPAR's place of a shortened line may be a tail: inferred only."""
    assert records([line().rstrip()])[0].wpar_evidence is Evidence.INFERRED
    assert records([line()])[0].wpar_evidence is Evidence.TRAIL


def test_tails_are_kept_to_the_byte() -> None:
    """Newlines, blanks, bytes that are no text, and lines that look half like records stay in the tail."""
    tail = [b"        filename \xff\x00 a  ", b"", b"  cont", b"time = Sat Aug 26 19:35:00 2017", b"---- ----"]
    found = records([HEAD, DASH, line("FILE_Unlink"), *tail, line("FS_Chdir")])
    assert len(found) == 2
    assert found[0].tail == b"filename \xff\x00 a  \n\n  cont\ntime = Sat Aug 26 19:35:00 2017\n---- ----"


def test_started_in_the_middle() -> None:
    """What stands before the first record belongs to none and passes through."""
    pieces = parse([b"rest of a path", b"        exited child process 4", line()])
    assert [type(piece) for piece in pieces] == [Passed, Passed, Record]


def test_titles_between_records() -> None:
    """New titles between records change the columns, and are part of no tail."""
    pieces = parse([HEAD, DASH, line(), b"        a", b"event           time                     process  ",
                    b"--------------- ------------------------ -------- ",
                    b"FS_Chdir        Sat Aug 26 19:31:37 2017 4194306  "])  # fmt: skip
    found = [piece for piece in pieces if isinstance(piece, Record)]
    assert (found[0].tail, found[1].pid, found[1].wpar) == (b"a", 4194306, None)


def test_foreign_month_is_refused() -> None:
    """A month that is not English is refused with advice; later in a trail it passes through and is counted."""
    with pytest.raises(FormError) as caught:
        records([line(when="Sam Aoû 26 19:31:37 2017")])
    assert "LC_ALL=C" in str(caught.value)
    parser = AuditprParser(UTC)
    pieces = parser.feed([line(), line(when="Sam Aou 26 19:31:37 2017"), line()]) + parser.flush()
    assert [type(piece) for piece in pieces] == [Record, Passed, Record]
    assert parser.foreign == 1


def test_local_time() -> None:
    """Times are local: the zone turns them into UTC, and the hour that is repeated is said to be ambiguous."""
    berlin = ZoneInfo("Europe/Berlin")
    summer, twice, once, never = (
        records([line(when=when)], zone=berlin)[0]
        for when in (
            "Sat Aug 26 19:31:37 2017",
            "Sun Oct 29 02:30:00 2017",
            "Sun Oct 29 03:30:00 2017",
            "Sun Mar 26 02:30:00 2017",
        )
    )
    assert summer.time_ms == 1503768697000
    assert (summer.ambiguous, twice.ambiguous, once.ambiguous, never.ambiguous) == (False, True, False, True)


def test_options_that_cannot_be_meant() -> None:
    """A column list without event or time, with a letter that does not exist, or a letter twice, is a usage error."""
    for option in ("l,R", "e,t,z", "e,e,t"):
        with pytest.raises(UsageError):
            AuditprParser(UTC, option)


def test_trail_without_time_is_refused() -> None:
    """Titles without a time: records could not be told from tails, so it says what to print instead."""
    with pytest.raises(FormError):
        records([b"event           login    status      ", b"--------------- -------- ----------- "])


def test_an_endless_tail_is_bounded() -> None:
    """A tail larger than the limit ends its record; the rest passes through."""
    chunk = b"x" * (MAX_BYTES // 4)
    pieces = parse([line(), *[chunk] * 6, line()])
    assert [type(piece) for piece in pieces] == [Record, Passed, Passed, Passed, Record]


PIECES = st.sampled_from(
    [HEAD, DASH, line(), line(wpar="web"), line("FILE_Unlink"), line()[:80], line()[80:], HEAD[:80], HEAD[80:],
     DASH[:80], DASH[80:], b"        tail", b"", b"x" * 80, b"USER_SU root OK Thu Jan 22 14:11:38 2026 su Global",
     line(when="Sam Aou 26 19:31:37 2017"), b"---- ----", b"event time"]
)  # fmt: skip
TRAILS = st.lists(st.one_of(PIECES, st.binary(max_size=130).map(lambda raw: raw.replace(b"\n", b""))), max_size=30)


@settings(max_examples=100, deadline=None)
@given(TRAILS, st.lists(st.integers(1, 5), max_size=12), st.sampled_from(["", "elRtcW", "elrRtpPTcW"]))
def test_any_lines_in_any_portions(lines: list[bytes], portions: list[int], option: str) -> None:
    """Any lines give pieces or our own error; each line comes out once; portions change nothing."""

    def run(sizes: list[int]) -> list[Piece] | str:
        parser = AuditprParser(UTC, option)
        pieces: list[Piece] = []
        rest = list(lines)
        try:
            for size in [*sizes, len(rest) or 1]:
                pieces += parser.feed(rest[:size])
                rest = rest[size:]
            return pieces + parser.flush()
        except AnnotatorError as error:
            return str(error)

    whole = run([])
    assert run(portions) == whole
    if not isinstance(whole, str):
        assert [raw for piece in whole for raw in piece.lines] == lines
