"""Both formats of auditd's stream become the same whole lines, however the reads fall; and cut records are noticed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.plugin import ipc
from annotator.plugin.reader.framing import Binary, Framer, Lines, framer
from annotator.plugin.worker.truncation import ENOUGH, count_cut
from tests.plugin.driver import configure, content, plugin, records

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

DATA = records(1, 6)
KINDS = {b"SYSCALL": 1300, b"EXECVE": 1309, b"PROCTITLE": 1327, b"EOE": 1320}


def binary(data: bytes, version: int, *, padded: bool) -> bytes:
    """The stream auditd sends for these lines with format = binary."""
    out = b""
    for line in data.splitlines():
        kind = KINDS[line[5 : line.index(b" ")]]
        text = line[line.index(b"msg=") + 4 :] if version == 0 else line
        head = struct.pack("=IIII", version, 16, kind, len(text))
        out += head + (text.ljust(8970, b"\0") if padded else text)
    return out


def through(one: Framer, data: bytes, cuts: list[int]) -> bytes:
    """Feed it in pieces."""
    out = b""
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        out += one.feed(data[at:cut])
        at = cut
    return out + one.end()


@given(st.lists(st.integers(0, len(DATA)), max_size=8))
def test_any_reads_of_lines_give_the_same_lines(cuts: list[int]) -> None:
    """String format."""
    assert through(Lines(), DATA, cuts) == DATA


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "exact"])
@pytest.mark.parametrize("version", [0, 1])
@given(cuts=st.lists(st.integers(0, 200_000), max_size=8))
def test_any_reads_of_binary_records_give_the_lines(version: int, padded: bool, cuts: list[int]) -> None:
    """Binary format, of auditd up to 4.1.0 (padded) and after, with bare text and with formatted lines."""
    data = binary(DATA, version, padded=padded)
    one = Binary()
    assert through(one, data, [min(cut, len(data)) for cut in cuts]) == DATA
    assert one.rejected == 0


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_lines_or_rejected(pieces: list[bytes]) -> None:
    """Neither form raises or keeps more than a record; the string form loses no byte."""
    text, packed = Lines(), Binary()
    data = b"".join(pieces)
    assert b"".join(map(text.feed, pieces)) + text.end() == data
    found = b"".join(map(packed.feed, pieces)) + packed.end()
    assert len(found) <= 2 * len(data) + 20 * len(pieces)


def test_after_noise_the_next_record_is_found() -> None:
    """What is no record is counted; reading goes on at the next header."""
    one = Binary()
    data = binary(DATA, 1, padded=False)
    assert through(one, b"\xff" * 37 + data, []) == DATA
    assert one.rejected == 37


def test_a_lone_record_is_given_when_nothing_follows() -> None:
    """Whether a first record is padded shows at the next one, or when none comes."""
    one = Binary()
    line = b"type=EOE msg=audit(1.000:1):\n"
    assert one.feed(binary(line, 1, padded=False)) == b""
    assert one.quiet() == line


def test_the_format_is_seen_at_the_first_bytes() -> None:
    """`auto` tells the two apart; a setting is believed."""
    assert isinstance(framer("auto", DATA), Lines)
    assert isinstance(framer("auto", b"node=x type=EOE"), Lines)
    assert isinstance(framer("auto", binary(DATA, 0, padded=True)), Binary)
    assert isinstance(framer("auto", binary(DATA, 1, padded=False)), Binary)
    assert isinstance(framer("string", binary(DATA, 0, padded=True)), Lines)


@pytest.mark.parametrize(("version", "padded"), [(0, True), (1, True), (1, False)])
def test_the_plugin_takes_the_binary_format(tmp_path: Path, version: int, padded: bool) -> None:
    """As a whole: format = binary in auditd's plugins.d gives the same output as string."""
    with plugin(configure(tmp_path)) as one:
        one.stream.sendall(binary(records(1, 100), version, padded=padded))
        assert one.stop_3() == 0
    assert content(tmp_path / "out.log") == records(1, 100)


RAW = b"".join(line.partition(b"\x1d")[0] + b"\n" for line in DATA.splitlines())
USER = b'type=USER_START msg=audit(1.000:1): pid=1 uid=0 ses=1 msg=\'op=PAM:x acct="root" exe="/bin/su" res=success\''


def test_whole_records_are_not_taken_for_cut_ones() -> None:
    """Records of both log formats, with our fields, and long ones."""
    whole = [
        *DATA.splitlines(),
        *RAW.splitlines(),
        USER,
        USER + b'\x1dUID="root"',
        USER + b' contid=7 cont_how="record"',
    ]
    assert count_cut(whole) == 0
    assert count_cut([b"type=USER_CMD msg=audit(1.000:1): pid=1 msg='cmd=" + b"61" * 4400]) == 0


def test_the_auditd_that_cuts_records_is_reported(tmp_path: Path) -> None:
    """4.2.0 and 4.2.1 with log_format = RAW: said once, counted, and every line still leaves."""
    cut = b"".join(line[:-16] + b"\n" for line in (RAW * ENOUGH).splitlines() + [USER] * 3)
    assert count_cut(cut.splitlines()) == 6 * ENOUGH + 3
    with plugin(configure(tmp_path, more=f'[metrics]\nfile = "{tmp_path}/m"')) as one:
        one.stream.sendall(cut)
        assert one.stop_4_2() == 0
    assert sorted(content(tmp_path / "out.log").splitlines()) == sorted(cut.splitlines())
    assert one.log().count("event=records-cut") == 1
    assert "set ENRICHED" in one.log()
    assert b"annotator_plugin_cut_lines_total 51\n" in content(tmp_path / "m")


@given(st.lists(st.tuples(st.sampled_from([b"L", b"P", b"E"]), st.binary(max_size=50))), st.integers(1, 20))
def test_messages_survive_any_cut(messages: list[tuple[bytes, bytes]], size: int) -> None:
    """Between reader and worker."""
    data = b"".join(ipc.pack(*one) for one in messages)
    buffer = ipc.MessageBuffer()
    found = [one for at in range(0, len(data), size) for one in buffer.feed(data[at : at + size])]
    assert found == messages


def test_a_length_that_no_message_has_is_refused() -> None:
    """A worker that went mad is not given memory."""
    with pytest.raises(ValueError, match="a message of"):
        ipc.MessageBuffer().feed(b"L\xff\xff\xff\xff")
