"""What is guarded here: lines come out of every source as they are in it, whatever it is packed in or cut into."""

from __future__ import annotations

import gzip
import lzma
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.errors import FormError, SourceError
from annotator.io.sources import (
    LONGEST,
    Block,
    Cutter,
    Form,
    Position,
    connect,
    follow,
    order,
    read_file,
    read_stream,
    recognise,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RAW = b"type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e syscall=59 pid=7\n"
INTERPRETED = b"type=SYSCALL msg=audit(11/21/23 21:55:56.785:32300) : arch=x86_64 syscall=sendto\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
ODD = {
    "empty": b"",
    "crlf": b"a\r\nb\r\n",
    "no last newline": b"a\nb",
    "nul": b"a\0b\n\0\n",
    "not utf-8": b"\xff\xfe\n\xc3\n",
    "64 KiB lines": b"x" * 65536 + b"\n" + b"y" * 65537 + b"\nz\n",
    "blank lines": b"\n\n\n",
    "lone 0x1d": b"type=PROCTITLE msg=audit(1.2:3): proctitle=61\x1d\n",
}


def joined(blocks: Iterable[Block]) -> bytes:
    """The input of these blocks."""
    return b"".join(b"\n".join(block.lines) + (b"\n" if block.newline else b"") for block in blocks)


def lines_of(blocks: Iterable[Block]) -> list[bytes]:
    """All lines, without regard to the blocks."""
    return [line for block in blocks for line in block.lines]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("case", ODD)
def test_odd_input_passes(tmp_path: Path, kind: str, case: str) -> None:
    """CRLF, no last newline, NUL, any bytes, long lines, nothing at all: the bytes come back as they are."""
    path = tmp_path / "audit.log"
    path.write_bytes(PACKERS[kind](ODD[case]))
    blocks = list(read_file(path))
    assert joined(blocks) == ODD[case]
    assert all(block.newline for block in blocks[:-1])
    assert not any(b"\n" in line for line in lines_of(blocks))
    if blocks:
        status = path.stat()
        assert blocks[-1].position == Position(status.st_dev, status.st_ino, len(ODD[case]))


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=400) | st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"xyz"])).map(b"".join),
    cuts=st.lists(st.integers(1, 9)),
)
def test_chunking_is_invisible(data: bytes, cuts: list[int]) -> None:
    """However the input is split into reads, the lines and the offsets at their ends are the same."""
    cutter = Cutter("x")
    blocks: list[Block | None] = []
    at = 0
    for size in cuts:
        blocks.append(cutter.feed(data[at : at + size]))
        at += size
    blocks += [cutter.feed(data[at:]), cutter.end()]
    found = [block for block in blocks if block is not None]
    whole = data.split(b"\n")
    assert lines_of(found) == (whole if whole[-1] else whole[:-1])
    assert joined(found) == data
    at = 0
    for block in found:
        at += len(joined([block]))
        assert block.offset == at


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=3000), kind=st.sampled_from(sorted(PACKERS)), split=st.integers(0, 3000))
def test_packed_files_of_several_members(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str, split: int
) -> None:
    """Members, streams and frames one after the other are one content, for any content."""
    path = tmp_path_factory.mktemp("packed") / "a"
    pack = PACKERS[kind]
    if kind == "plain" and data[:2] in (b"\x1f\x8b", b"\xfd7", b"\x28\xb5"):
        return
    path.write_bytes(pack(data[:split]) + pack(data[split:]))
    assert joined(read_file(path)) == data


@pytest.mark.parametrize("kind", PACKERS)
def test_start_goes_on_at_a_byte_of_the_content(tmp_path: Path, kind: str) -> None:
    """Reading from the offset after any block gives the rest, packed or not; beyond the end is an error."""
    data = RAW * 30000
    path = tmp_path / "audit.log"
    path.write_bytes(PACKERS[kind](data))
    first = next(read_file(path))
    assert 0 < first.offset < len(data)
    assert joined([first]) + joined(read_file(path, start=first.offset)) == data
    assert list(read_file(path, start=len(data))) == []
    with pytest.raises(SourceError, match="before byte"):
        list(read_file(path, start=len(data) + 1))


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_truncated_packed_file_gives_what_is_there(tmp_path: Path, kind: str) -> None:
    """A packed file that ends in the middle gives its beginning, then an error that names file and place."""
    data = b"".join(b"%d %s\n" % (i, os.urandom(40).hex().encode()) for i in range(20000))
    packed = PACKERS[kind](data)
    path = tmp_path / "cut"
    path.write_bytes(packed[: len(packed) // 2])
    blocks: list[Block] = []
    with pytest.raises(SourceError, match=r"cut: damaged .* data in compressed bytes .*ends in the middle"):
        blocks.extend(read_file(path))
    assert data.startswith(joined(blocks))
    assert len(joined(blocks)) > len(data) // 4


@pytest.mark.parametrize("kind", ["gz", "zst", "xz"])
def test_wrong_checksum_loses_nothing_that_was_decoded(tmp_path: Path, kind: str) -> None:
    """When only the end is damaged, all lines come out before the error does."""
    pack = {**PACKERS, "zst": zstandard.ZstdCompressor(write_checksum=True).compress}[kind]
    packed = bytearray(pack(RAW * 5))
    packed[-8 if kind == "gz" else -1] ^= 0xFF
    path = tmp_path / "bad"
    path.write_bytes(packed)
    blocks: list[Block] = []
    with pytest.raises(SourceError, match="damaged"):
        blocks.extend(read_file(path))
    if kind != "zst":  # zstd gives the last block and its checksum together
        assert joined(blocks) == RAW * 5


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["gz", "xz", "zst"]), at=st.integers(0, 10**6), flip=st.integers(1, 255), cut=st.booleans())
def test_damage_anywhere_is_an_answer_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, flip: int, cut: bool
) -> None:
    """Any wrong byte in a packed file ends in lines or in SourceError, never in another exception."""
    packed = bytearray(PACKERS[kind](RAW * 50))
    at %= len(packed)
    packed[at] ^= flip
    path = tmp_path_factory.mktemp("bad") / "x"
    path.write_bytes(packed[:at] if cut else packed)
    errors: list[str] = []
    try:
        list(read_file(path))
    except SourceError as error:
        errors.append(str(error))
    assert all(str(path) in error for error in errors)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    """What unpacks to a line without end is refused when the line is too long, not when memory is."""
    for kind in ("gz", "xz", "zst"):
        path = tmp_path / kind
        path.write_bytes(PACKERS[kind](b"\0" * (LONGEST + 1)))
        with pytest.raises(SourceError, match=f"line at byte 0 is longer than {LONGEST}"):
            list(read_file(path))


def test_longest_line_is_kept_whole(tmp_path: Path) -> None:
    """A line of exactly the bound passes."""
    path = tmp_path / "x"
    path.write_bytes(b"a\n" + b"x" * LONGEST + b"\nb\n")
    assert [len(line) for line in lines_of(read_file(path))] == [1, LONGEST, 1]


def test_unreadable_files_say_so(tmp_path: Path) -> None:
    """A missing file and a directory are errors for a person."""
    with pytest.raises(SourceError, match="gone: cannot be read"):
        list(read_file(tmp_path / "gone"))
    with pytest.raises(SourceError, match="Name the files"):
        list(read_file(tmp_path))


@pytest.mark.parametrize("kind", PACKERS)
def test_named_pipes_can_be_files(tmp_path: Path, kind: str) -> None:
    """`replay <(ssh host cat audit.log.gz)`: what cannot seek is recognised and read."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PACKERS[kind](RAW * 9),))
    writer.start()
    assert joined(read_file(path)) == RAW * 9
    writer.join()


def test_rotated_sets_run_oldest_first() -> None:
    """Files of one stem run oldest first in the place of the first of them, all others as given."""
    given_order = [
        "z",
        "d/audit.log",
        "d/audit.log.1",
        "other.txt",
        "d/audit.log.10.gz",
        "d/audit.log.2.xz",
        "e/audit.log.1",
        "a",
    ]
    wanted = [
        "z",
        "d/audit.log.10.gz",
        "d/audit.log.2.xz",
        "d/audit.log.1",
        "d/audit.log",
        "other.txt",
        "e/audit.log.1",
        "a",
    ]
    assert order(map(Path, given_order)) == list(map(Path, wanted))
    dated = ["m", "m-20240301", "m-20240115.gz", "m-20240301-1709251200.zst"]
    assert [path.name for path in order(map(Path, dated))] == [
        "m-20240115.gz",
        "m-20240301",
        "m-20240301-1709251200.zst",
        "m",
    ]


@given(st.lists(st.sampled_from(["a", "a.1", "a.2.gz", "b.9", "b", "c-20240101", "c", ".1", "1.1.1"]).map(Path)))
def test_order_keeps_every_path(paths: list[Path]) -> None:
    """Ordering neither adds nor loses a file, and ordering twice is ordering once."""
    assert sorted(order(paths)) == sorted(paths)
    assert order(order(paths)) == order(paths)


# --- streams --------------------------------------------------------------------------------------------------------


def test_stream_gives_lines_as_they_come() -> None:
    """A line that has arrived is given before anything else is written; the unfinished one waits."""
    read, write = os.pipe()
    blocks = read_stream(read)
    os.write(write, b"one\ntw")
    assert next(blocks).lines == [b"one"]
    os.write(write, b"o\n")
    assert next(blocks).lines == [b"two"]
    os.write(write, b"thr")
    os.close(write)
    last = next(blocks)
    assert (last.lines, last.newline, last.offset) == ([b"thr"], False, 11)
    assert list(blocks) == []
    os.close(read)


def test_stream_that_does_not_block() -> None:
    """A non-blocking standard input is waited for, not taken for its end."""
    read, write = os.pipe()
    os.set_blocking(read, False)

    def speak() -> None:
        os.write(write, b"late\n")
        os.close(write)

    late = threading.Timer(0.05, speak)
    late.start()
    assert joined(read_stream(read)) == b"late\n"
    late.join()
    os.close(read)


def test_connect_reads_from_a_socket(tmp_path: Path) -> None:
    """The socket of auditd is read to its end; where nobody listens the error says what to configure."""
    path = tmp_path / "events"
    with pytest.raises(SourceError, match=r"cannot connect.*\n.*af_unix.conf"):
        connect(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with connect(path) as client:
            peer, _ = server.accept()
            peer.sendall(RAW * 3)
            peer.close()
            assert joined(read_stream(client.fileno())) == RAW * 3


# --- follow ---------------------------------------------------------------------------------------------------------


class Script:
    """Does one step whenever the follower sleeps, and stops it some idle looks after the last one."""

    def __init__(self, *steps: Callable[[], object], idle: int = 40) -> None:
        self.steps = list(steps)
        self.idle = idle

    def sleep(self, seconds: float) -> None:
        """The next step."""
        assert seconds > 0
        if self.steps:
            self.steps.pop(0)()
        else:
            self.idle -= 1

    def stop(self) -> bool:
        """Whether the play is over."""
        return self.idle <= 0


def append(path: Path, data: bytes) -> Callable[[], object]:
    """A step that appends to the file that has this name then."""

    def step() -> None:
        with path.open("ab") as file:
            file.write(data)

    return step


def test_follow_survives_rotation(tmp_path: Path) -> None:
    """Every line once and in order over a rename, with a line that the old file gets after it was renamed."""
    log, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    log.write_bytes(b"1\n2\nha")
    script = Script(
        lambda: log.rename(old), append(old, b"lf\n"), append(old, b"3\n"), append(log, b"4\n"), append(log, b"5\n")
    )
    follower = follow(log, sleep=script.sleep, stop=script.stop)
    found = list(follower)
    assert lines_of(block for block in found if block) == [b"1", b"2", b"half", b"3", b"4", b"5"]
    assert None in found
    assert (follower.rotations, follower.truncations, follower.strays) == (1, 0, 0)
    assert follower.position == Position(log.stat().st_dev, log.stat().st_ino, 4)


def test_follow_completes_a_line_after_the_new_file_is_there(tmp_path: Path) -> None:
    """The old file is not left while its last line is open, though the new one already grows."""
    log, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    log.write_bytes(b"ha")

    def rotate() -> None:
        log.rename(old)
        log.write_bytes(b"new\n")

    script = Script(rotate, append(old, b"lf\n"))
    assert lines_of(b for b in follow(log, sleep=script.sleep, stop=script.stop) if b) == [b"half", b"new"]


def test_follow_gives_up_on_a_line_that_is_never_finished(tmp_path: Path) -> None:
    """After a while the open line of a rotated file is given as it is, marked, and the new file is read."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"1\nha")

    def rotate() -> None:
        log.rename(tmp_path / "audit.log.1")
        log.write_bytes(b"new\n")

    script = Script(rotate)
    found = [b for b in follow(log, sleep=script.sleep, stop=script.stop) if b]
    assert [(b.lines, b.newline) for b in found] == [([b"1"], True), ([b"ha"], False), ([b"new"], True)]


def test_follow_reads_the_generations_between(tmp_path: Path) -> None:
    """Two rotations between two looks: the middle file is read too."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"1\n")

    def twice() -> None:
        log.rename(tmp_path / "audit.log.2")
        (tmp_path / "audit.log.1").write_bytes(b"2\n")
        log.write_bytes(b"3\n")

    script = Script(twice)
    follower = follow(log, sleep=script.sleep, stop=script.stop)
    assert lines_of(b for b in follower if b) == [b"1", b"2", b"3"]
    assert follower.rotations == 2


def test_follow_sees_truncation(tmp_path: Path) -> None:
    """copytruncate: the file is read from its start again, and it is counted."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"one\ntwo\n")
    script = Script(lambda: os.truncate(log, 0), append(log, b"3\n"))
    follower = follow(log, sleep=script.sleep, stop=script.stop)
    assert lines_of(b for b in follower if b) == [b"one", b"two", b"3"]
    assert (follower.truncations, follower.position.offset) == (1, 2)


def test_follow_waits_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file may come late, go, and come again; an unfinished line is not given at the stop."""
    log = tmp_path / "audit.log"
    script = Script(lambda: None, append(log, b"1\n"), log.unlink, lambda: None, append(log, b"2\nop"))
    follower = follow(log, sleep=script.sleep, stop=script.stop)
    assert lines_of(b for b in follower if b) == [b"1", b"2"]


def test_follow_goes_on_from_a_saved_position(tmp_path: Path) -> None:
    """A position names a file by inode: rotated since, it is finished first; gone, it is counted as a stray."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"1\n2\n")
    saved = Position(log.stat().st_dev, log.stat().st_ino, 2)
    log.rename(tmp_path / "audit.log.1")
    log.write_bytes(b"3\n")
    script = Script(idle=2)
    follower = follow(log, sleep=script.sleep, stop=script.stop, start=saved)
    assert lines_of(b for b in follower if b) == [b"2", b"3"]
    script = Script(idle=2)
    follower = follow(log, sleep=script.sleep, stop=script.stop, start=Position(1, 2, 3))
    assert lines_of(b for b in follower if b) == [b"3"]
    assert follower.strays == 1


def test_follow_refuses_what_cannot_be_followed(tmp_path: Path) -> None:
    """A directory or a pipe is an error, not an endless wait."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        script = Script()
        with pytest.raises(SourceError):
            list(follow(path, sleep=script.sleep, stop=script.stop))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["write", "open", "rotate"]), max_size=12))
def test_follow_loses_and_repeats_nothing(tmp_path_factory: pytest.TempPathFactory, plan: list[str]) -> None:
    """For any sequence of writes, half lines and rotations every line comes once, in order."""
    folder = tmp_path_factory.mktemp("follow")
    log = folder / "audit.log"
    log.touch()
    count = [0]
    number = iter(range(1000))

    def act(what: str) -> None:
        if what == "rotate":
            for generation in range(count[0], 0, -1):
                (folder / f"audit.log.{generation}").rename(folder / f"audit.log.{generation + 1}")
            log.rename(folder / "audit.log.1")
            count[0] += 1
        append(log, b"" if what == "rotate" else b"line %d" % next(number) + (b"\n" if what == "write" else b""))()

    script = Script(*(lambda what=what: act(what) for what in plan), idle=30 * (len(plan) + 1))
    found = joined(b for b in follow(log, sleep=script.sleep, stop=script.stop) if b)
    files = order(folder.iterdir())
    wanted = b"".join(file.read_bytes() for file in files[:-1]) + files[-1].read_bytes()
    open_tail = len(files[-1].read_bytes()) - (files[-1].read_bytes().rfind(b"\n") + 1)
    assert found == wanted[: len(wanted) - open_tail]


# --- forms ----------------------------------------------------------------------------------------------------------

FORMS = [
    (Form.RECORDS, RAW),
    (Form.RECORDS, b"node=web1 " + RAW),
    (Form.RECORDS, b"# a comment\n\n" + RAW),
    (Form.RECORDS, b"\xef\xbb\xbf" + RAW),
    (Form.RECORDS, RAW.replace(b"\n", b"\r\n")),
    (Form.RECORDS, b"garbage\0\xff\n" * 100 + RAW),
    (Form.RECORDS, b"type=UNKNOWN[1327] msg=audit(1.2:3): proctitle=61\n"),
    (Form.RECORDS, b"type=EOE msg=audit(1700000000.123:42): "),
    (Form.RECORDS, b"Nov 21 10:00:00 host audispd: node=h " + RAW),
    (Form.RECORDS, b"<14>1 2024-01-01T00:00:00Z h audisp-syslog 9 - - " + RAW),
    (Form.RECORDS, b"Nov 21 10:00:00 h kernel: audit: type=1400 audit(1.2:3): x\nNov 21 h audispd: " + RAW),
    (Form.RECORDS, RAW[:-1] + b" key=audit(11/21/23 21:55:56.785:1) :\n"),
    (Form.AUSEARCH, b"----\ntime->Tue Nov 14 22:13:20 2023\n" + RAW),
    (Form.AUSEARCH, b"----\r\ntime->Tue Nov 14 22:13:20 2023\r\n" + RAW),
    (Form.INTERPRETED, b"----\n" + INTERPRETED),
    (Form.INTERPRETED, INTERPRETED[:-1] + b" proctitle=grep " + RAW),
    (Form.INTERPRETED, b"node=a type=USER_CMD msg=audit(21.11.2023 21:55:56.785:9) : pid=1\n"),
    (Form.INTERPRETED, b"type=NETFILTER_CFG msg=audit(2020-05-28 17:46:41.878:162) : table=x\n"),
    (Form.CSV, b"NODE,EVENT,DATE,TIME,SERIAL_NUM,EVENT_KIND,SESSION\n,SYSCALL,11/21/26,21:55:56,1,audit-rule,unset\n"),
    (Form.CSV, b"NODE,EVENT,DATE,TIME,YEAR,MONTH,DAY\n"),
    (Form.CSV, b",DAEMON_START,11/21/26,21:55:56,8207,audit-daemon,unset,system,root\n"),
    (Form.TEXT, b"At 21:55:56 11/21/26 system, acting as root, successfully started-audit using init\n"),
    (Form.TEXT, b"On web1 at 21:55:56 11/21/26 system, acting as root, successfully set\n"),
    (Form.KERNEL, b"[   12.345678] audit: type=1300 audit(1700000000.123:42): arch=c000003e\n"),
    (Form.KERNEL, b'Nov 21 10:00:00 h kernel: [1.2] audit: type=1400 audit(1.2:3): apparmor="STATUS"\n'),
    (Form.KERNEL, b"Nov 21 10:00:00 h audit[123]: SECCOMP auid=1000 uid=1000\n"),
    (Form.KERNEL, b"Nov 21 10:00:00 h kernel: type=1400 audit(1700000000.123:42): avc:  denied\n"),
    (Form.KERNEL, b"kernel: audit(1166045975.667:1128): avc:  denied  { read }\n"),
    (Form.KERNEL, b'{"__CURSOR":"x","_AUDIT_TYPE_NAME":"SECCOMP"}\n'),
    (Form.AIX, b"event           login    status      time                     command                  wpar name\n"),
    (Form.AIX, b"USER_SU         root     OK          Thu Jan 22 14:11:38 2026 su                       Global\n"),
    (Form.AIX, b"AUD_It audit appusr root OK 16 sep 2022 15:42:41.885007 No associated roles cmd: 1\n"),
    (Form.AIX, b"\xf0\xf0\x04\x00" + bytes(20)),
    (Form.AIX, b"\x10\x03\x00\x04PROC_Create" + bytes(60)),
    (Form.EMPTY, b""),
    (Form.EMPTY, b"\r\n\n"),
    (Form.UNKNOWN, b"hello\nworld\n"),
    (Form.UNKNOWN, b'{"message":"type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e"}\n'),
    (Form.UNKNOWN, b"Report made Sat Aug 26 19:31:37 2017 by x\n"),
]


@pytest.mark.parametrize(("form", "head"), FORMS)
def test_forms_are_recognised(form: Form, head: bytes) -> None:
    """Each form is told by its own shapes, and text inside a record decides nothing."""
    assert recognise(head) is form


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([head for _, head in FORMS]) | st.binary(max_size=20)).map(b"".join)
)
def test_any_bytes_have_a_form(head: bytes) -> None:
    """There is an answer for any bytes."""
    assert isinstance(recognise(head), Form)


@given(st.lists(st.sampled_from([head for form, head in FORMS if form is not Form.AIX])))
def test_one_record_makes_it_a_log(heads: list[bytes]) -> None:
    """Whatever stands before a record (but an AIX trail), the input is not refused."""
    assert recognise(b"\n".join([*heads, RAW])) in (Form.RECORDS, Form.AUSEARCH)


def test_the_test_for_aix_can_be_replaced() -> None:
    """The AIX backend may bring its own eyes."""
    assert recognise(RAW, aix=lambda head: head == RAW) is Form.AIX
    assert recognise(b"\xf0\xf0\x04\x00", aix=lambda head: False) is Form.UNKNOWN


@pytest.mark.parametrize("form", Form)
def test_what_lost_its_records_is_refused(form: Form) -> None:
    """A refusal names the input and says what to use instead; everything else passes."""
    if form in (Form.INTERPRETED, Form.CSV, Form.TEXT, Form.KERNEL):
        with pytest.raises(FormError, match=r"^x\.log: this is .*\n.*ausearch --raw"):
            refuse(form, "x.log")
    else:
        refuse(form, "x.log")
