"""Contid records: every version's grammar, the links between them, and the recorded samples with their truth."""

from __future__ import annotations

import json
import lzma
import re
import timeit
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.model import CONTID_UNSET, NO_PID, ContId
from annotator.linux.contid.link import AMBIGUOUS, LOST, Links, link
from annotator.linux.contid.records import (
    MAX_IDS,
    MAX_LIST,
    CapContid,
    ContainerId,
    ContainerOp,
    NamespaceRecord,
    is_lost,
    parse_list,
    read,
)

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
LINE = re.compile(rb"(?:node=[^ ]+ )?type=([^ ]+) msg=audit\(([0-9]+)\.([0-9]{3}):([0-9]+)\): ?([^\x1d]*)")
ID = st.integers(0, CONTID_UNSET - 1).map(ContId)
CHAINS = st.lists(st.lists(ID, min_size=1, max_size=6).map(tuple), max_size=6).map(tuple)
FRAGMENTS = st.sampled_from(
    [
        *(
            b"op=set ",
            b"op=drop ",
            b"op=task ",
            b"ref=x ",
            b"record=1 ",
            b" record=",
            b"opid=",
            b"contid=",
            b"old-contid=",
        ),
        *(
            b"capcontid=",
            b"mnt=1 ",
            b" ",
            b"3",
            b"^",
            b",^",
            b",",
            b"-1",
            b"unset",
            b"%d" % (2**64 - 1),
            b"%d" % (2**64 - 2),
        ),
        *(
            b" pid=7",
            b" uid=root",
            b" comm=",
            b"(null)",
            b" res=1",
            b" res=success",
            b" contid=4",
            b"\x00",
            b"\xff",
            b"=",
        ),
    ]
)
HOSTILE = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=24).map(b"".join)
TYPES = st.sampled_from(
    [b"SYSCALL", b"OBJ_PID", b"NETFILTER_PKT", b"URINGOP", b"PROCTITLE", b"CWD", b"USER_AUTH", b"EOE"]
)

Key = tuple[int, int]
Records = list[tuple[bytes, bytes]]


def lines(case: Path, name: str = "input.log") -> list[bytes]:
    """The lines of a sample's file, compressed or not."""
    plain = case / name
    return (plain.read_bytes() if plain.exists() else lzma.decompress((case / f"{name}.xz").read_bytes())).splitlines()


def events(case: Path) -> dict[Key, Records]:
    """The records of a sample by (milliseconds, serial)."""
    found: dict[Key, Records] = {}
    for line in lines(case):
        if record := LINE.match(line):
            key = (int(record[2]) * 1000 + int(record[3]), int(record[4]))
            found.setdefault(key, []).append((record[1], record[5]))
    return found


def truths(case: Path) -> dict[Key, dict[str, Any]]:
    """The truth of a sample by (milliseconds, serial)."""
    rows = [json.loads(line) for line in lines(case, "truth-events.jsonl")]
    return {(round(row["t"] * 1000), row["serial"]): row for row in rows}


def ids(*numbers: int) -> tuple[ContId, ...]:
    """One chain."""
    return tuple(ContId(number) for number in numbers)


def cases(pattern: str) -> list[Any]:
    """Sample folders as named parameters."""
    return [pytest.param(case, id=case.name) for case in sorted(SAMPLES.glob(pattern)) if case.is_dir()]


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "chains"),
    [
        (b"3^2^1", [(3, 2, 1)]),
        (b"3,^2,^1", [(3, 2, 1)]),
        (b"3,^2^1,7", [(3, 2, 1), (7,)]),
        (b"2,^1,3,^1", [(2, 1), (3, 1)]),
        (b"2,1", [(2,), (1,)]),
        (b"0", [(0,)]),
        (b"18446744073709551614", [(2**64 - 2,)]),
        (b"18446744073709551615", []),
        (b"-1", []),
        (b"unset", []),
    ],
)
def test_both_notations_and_all_spellings_of_unset_are_read(value: bytes, chains: list[tuple[int, ...]]) -> None:
    """Commas part containers, carets and `,^` go outward; unset has three spellings and no chain; 0 is valid."""
    assert parse_list(value) == tuple(ids(*chain) for chain in chains)


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b",",
            b"^",
            b"^1",
            b"1,",
            b"1^",
            b"1,^",
            b"1,,2",
            b"1^^2",
            b"1 ,2",
            b" 1",
            b"+1",
            b"0x10",
            b"1_0",
            b"-2",
        ),
        *(b"18446744073709551616", b"99999999999999999999", b"1^18446744073709551615", b"1,-1", b"root", b"\xd9\xa1"),
        *(b"1" * 21, b",".join([b"1"] * (MAX_IDS + 1)), b",".join([b"18446744073709551614"] * 200)),
    ],
)
def test_what_is_no_list_is_none(value: bytes) -> None:
    """Empty places, signs, other bases, numbers beyond u64 and lists beyond the bounds are no lists."""
    assert parse_list(value) is None


def format_list(chains: tuple[tuple[ContId, ...], ...]) -> bytes:
    """Chains in the new notation, nearest first: `4,^2,^1,3`. No chain at all is unset, `-1`."""
    return b",".join(b",^".join(b"%d" % contid for contid in chain) for chain in chains) or b"-1"


@given(CHAINS)
@settings(max_examples=100)
def test_a_list_written_is_the_list_read(chains: tuple[tuple[ContId, ...], ...]) -> None:
    """Writing (new notation) and reading give the same; the old notation means the same as the new."""
    text = format_list(chains)
    assert parse_list(text) == chains
    assert parse_list(text.replace(b",^", b"^")) == chains


def test_the_bounds_of_a_list_are_exact() -> None:
    """MAX_IDS identifiers are read, one more is not; a value of MAX_LIST bytes is read, one byte more is not."""
    assert len(parse_list(b",".join([b"1"] * MAX_IDS)) or ()) == MAX_IDS
    longest = b",".join([b"18446744073709551614"] * 195) + b",1"
    assert len(longest) == MAX_LIST
    assert parse_list(longest) is not None
    assert parse_list(longest + b"1") is None


# --- one record -------------------------------------------------------------------------------------------------------

SUBJECT = b' pid=628 uid=0 auid=1000 tty=(none) ses=1 subj=docker-default (enforce) comm="bash" exe=2F62696E2F6120'
OLD = b"18446744073709551615"


@pytest.mark.parametrize(
    ("body", "contid", "old", "outer", "versions"),
    [
        (b"op=set opid=9 old-contid=" + OLD + b" contid=5" + SUBJECT + b" res=1", (5,), (), (), (2, 5)),
        (b"op=set opid=9 contid=5 old-contid=" + OLD + SUBJECT + b" res=1", (5,), (), (), (6, 7)),
        (b"op=set opid=9 contid=3^2^1 old-contid=2^1" + SUBJECT + b" res=1", (3, 2, 1), (2, 1), (2, 1), (7, 7)),
        (b"op=set opid=9 contid=3^2^1 old-contid=2^1", (3, 2, 1), (2, 1), (2, 1), (8, 8)),
        (b"op=set opid=9 contid=3 old-contid=2,^1", (3,), (2, 1), (2, 1), (9, 11)),
        (b"op=set opid=9 contid=3 old-contid=-1", (3,), (), (), (9, 11)),
        (b"op=set opid=9 contid=3 old-contid=unset ", (3,), (), (), (8, 11)),
        (b"op=set opid=9 contid=" + OLD + b" old-contid=-1", (), (), (), (9, 11)),
    ],
)
def test_a_set_is_read_in_every_version(
    body: bytes, contid: tuple[int, ...], old: tuple[int, ...], outer: tuple[int, ...], versions: tuple[int, int]
) -> None:
    """The order of fields, the notation and the ancestors differ; what is asked for, and inside what, comes out."""
    record = read(b"UNKNOWN[1020]", body)
    assert isinstance(record, ContainerOp)
    assert (record.op, record.opid) == ("set", 9)
    assert (record.contid, record.old, record.outer, record.versions) == (
        ids(*contid),
        ids(*old),
        ids(*outer),
        versions,
    )


@pytest.mark.parametrize(
    ("body", "versions"),
    [
        (b"op=drop opid=9 contid=" + OLD + b" old-contid=3^2" + SUBJECT + b" res=1", (7, 7)),
        (b"op=drop opid=9 contid=" + OLD + b" old-contid=3^2", (8, 8)),
        (b"op=drop opid=9 contid=" + OLD + b" old-contid=3,^2", (9, 9)),
        (b"op=drop opid=9 contid=-1 old-contid=3,^2", (10, 11)),
    ],
)
def test_a_drop_is_read_in_every_version(body: bytes, versions: tuple[int, int]) -> None:
    """What is gone stands in `old`, whichever way unset is printed."""
    record = read(b"CONTAINER_OP", body)
    assert isinstance(record, ContainerOp)
    assert (record.op, record.contid, record.old, record.versions) == ("drop", (), ids(3, 2), versions)


def test_the_writer_is_read_until_v7_and_the_result_with_it() -> None:
    """Names come quoted or in hex; an AppArmor label with a blank in it does not shift the fields behind it."""
    record = read(b"CONTAINER_ID", b"op=set opid=9 contid=5 old-contid=-1" + SUBJECT + b" res=0")
    assert isinstance(record, ContainerOp)
    assert record.res is False
    assert record.writer is not None
    assert (record.writer.pid, record.writer.ppid, record.writer.auid, record.writer.uid) == (628, NO_PID, 1000, 0)
    assert (record.writer.ses, record.writer.comm, record.writer.exe) == (1, b"bash", b"/bin/a ")
    newer = read(b"CONTAINER_OP", b"op=set opid=9 contid=5 old-contid=-1")
    assert isinstance(newer, ContainerOp)
    assert (newer.res, newer.writer) == (None, None)


def test_text_behind_the_fields_cannot_replace_them() -> None:
    """The first field of a name counts: our own tail, or a label someone chose, is never evidence."""
    record = read(b"CONTAINER_OP", b"op=set opid=9 contid=5 old-contid=-1 subj=x contid=6 opid=1 old-contid=7")
    assert isinstance(record, ContainerOp)
    assert (record.opid, record.contid, record.old) == (9, ids(5), ())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"op=task contid=7", ContainerId((ids(7),), None, b"task", (2, 3))),
        (b"op=set contid=7", ContainerId((ids(7),), None, b"set", (2, 3))),
        (b"ref=signal contid=7", ContainerId((ids(7),), None, b"signal", (4, 4))),
        (b"contid=7", ContainerId((ids(7),), None, None, (5, 9))),
        (b"contid=7,8 ", ContainerId((ids(7), ids(8)), None, None, (5, 9))),
        (b"contid=7^6", ContainerId((ids(7, 6),), None, None, (7, 8))),
        (b"contid=7,^6", ContainerId((ids(7, 6),), None, None, (9, 9))),
        (b"record=2 contid=7,^6", ContainerId((ids(7, 6),), 2, None, (10, 11))),
        (b"record=1 contid=unset", ContainerId((), 1, None, (10, 11))),
    ],
)
def test_an_auxiliary_record_is_read_in_every_version(body: bytes, said: ContainerId) -> None:
    """The word of V2 to V4, the bare list, and the number of v10 come out of any type, also one with a known name."""
    for name in (b"CONTAINER_ID", b"UNKNOWN[1336]", b"URINGOP", b"TIME_INJOFFSET", b"BPF", b"EVENT_LISTENER"):
        assert read(name, body) == said


def test_capcontid_and_the_record_of_2013_are_read() -> None:
    """SET_CAPCONTID with and without the writer, and the namespace inodes behind a USER record."""
    short = read(b"UNKNOWN[1022]", b"opid=23 capcontid=1 old-capcontid=0")
    assert short == CapContid(23, 1, 0, None, None)
    long = read(b"UNKNOWN[1028]", b"opid=23 capcontid=4294967295 old-capcontid=0" + SUBJECT + b" res=1")
    assert isinstance(long, CapContid)
    assert (long.capcontid, long.res, long.writer and long.writer.pid) == (4294967295, True, 628)
    inodes = read(b"UNKNOWN[1327]", b"mnt=4026531840 net=4026531956 uts=3 ipc=4 pid=5 user=6")
    assert inodes == NamespaceRecord(4026531840, 4026531956, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"CONFIG_CHANGE", b"op=set audit_enabled=1 old=1 auid=4294967295 ses=4294967295 res=1"),
        (b"CONFIG_CHANGE", b'auid=0 ses=1 subj=u op=add_rule key="contid=5" list=4 res=1'),
        (b"BPF", b"prog-id=45 op=UNLOAD"),
        (b"TIME_INJOFFSET", b"sec=-3 nsec=0"),
        (b"TIME_ADJNTPVAL", b"op=freq old=0 new=1"),
        (
            b"EVENT_LISTENER",
            b'pid=1 uid=0 auid=0 tty=(none) ses=1 subj=u comm="a" exe="/a" nl-mcgrp=1 op=connect res=1',
        ),
        (b"URINGOP", b"uring_op=18 success=yes exit=0 items=0 ppid=1 pid=2 uid=0 gid=0 subj=u key=(null)"),
        (b"PROCTITLE", b"proctitle=636F6E7469643D35"),
        (b"PROCTITLE", b'proctitle="contid=5"'),
        (b"OBJ_PID", b'opid=12 oauid=0 ouid=0 oses=1 obj=u ocomm="contid=5" record=1'),
        (b"USER_CMD", b"pid=1 uid=0 auid=0 ses=1 msg='op=set opid=1 contid=5 old-contid=-1'"),
        (b"DAEMON_CONFIG", b"op=set opid=1 contid=5 old-contid=-1"),
        (b"CONTAINER_ID", b"contid=5 container_name=x"),
        (b"CONTAINER_ID", b"record=1 contid=5 contid=6"),
        (b"CONTAINER_ID", b"record=1 contid="),
        (b"CONTAINER_OP", b"op=set opid=1 contid=5,6 old-contid=-1"),
        (b"CONTAINER_OP", b"op=set opid=1 contid=5"),
        (b"CONTAINER_OP", b"op=set opid=-1 contid=5 old-contid=-1"),
        (
            b"CONTAINER_OP",
            b"op=set opid=1 contid=5 old-contid=-1 pid=2 auid=root uid=root comm=bash exe=/bin/bash res=yes",
        ),
        (b"CONTAINER_OP", b"op=set opid=1 contid=5 old-contid=-1 pid=2 auid=0 uid=0 ses=1 comm=bash res=1"),
        (b"CONTAINER_OP", b"op=set opid=1 contid=5 old-contid=-1 subj=" + b"x" * 9000),
        (b"EOE", b""),
    ],
)
def test_no_other_record_is_taken_for_one(name: bytes, body: bytes) -> None:
    """Records of a mainline kernel with the same numbers, names in values, and interpreted text are none of ours."""
    assert read(name, body) is None


@given(TYPES, HOSTILE | st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_give_an_answer(name: bytes, body: bytes) -> None:
    """No bytes raise, and what is read keeps the bounds of its types."""
    record = read(name, body)
    if isinstance(record, ContainerOp):
        assert all(0 <= contid < CONTID_UNSET for contid in record.contid + record.old)
    if isinstance(record, ContainerId):
        assert parse_list(format_list(record.chains)) == record.chains
    parse_list(body)
    assert is_lost(body) in (True, False)


def test_an_ordinary_body_is_refused_quickly() -> None:
    """Most records of most logs are none of these: a refusal stays far below a microsecond."""
    body = b"arch=c000003e syscall=59 success=yes exit=0 a0=55dee23049e0 a1=55dee23029f0 a2=55dee2304a50 a3=8 items=2"
    assert min(timeit.repeat(lambda: read(b"SYSCALL", body), number=10_000, repeat=5)) / 10_000 < 1e-6


# --- lost records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        (b"type=UNKNOWN[1020] msg=lost", True),
        (b"node=h.example type=UNKNOWN[1020] msg=lost\n", True),
        (b"type=UNKNOWN[1021] msg=lost", False),
        (b"type=UNKNOWN[1020] msg=lost and found", False),
        (b"type=USER msg=audit(1.000:1): pid=1 msg='type=UNKNOWN[1020] msg=lost'", False),
    ],
)
def test_a_lost_set_is_known_by_its_line(line: bytes, lost: bool) -> None:
    """An unpatched auditd leaves no stamp and no body of a CONTAINER_OP, only this line."""
    assert is_lost(line) is lost


# --- links ------------------------------------------------------------------------------------------------------------

CALL, TITLE, EOE = (b"SYSCALL", b"arch=c000003e syscall=62"), (b"PROCTITLE", b"proctitle=6B"), (b"EOE", b"")
CALL1 = (b"SYSCALL", b'arch=c000003e syscall=62 key="sig" record=1')
TARGET, PACKET = (b"OBJ_PID", b'opid=1 ocomm="s"'), (b"NETFILTER_PKT", b"mark=0x1 saddr=1 daddr=2 proto=1")
SENDER = (b"USER_AUTH", b"pid=1 uid=0 auid=0 ses=1 msg='op=PAM res=success'")


def aux(number: int, record: int | None = None) -> tuple[bytes, bytes]:
    """A CONTAINER_ID."""
    return b"UNKNOWN[1336]", (b"" if record is None else b"record=%d " % record) + b"contid=%d" % number


def numbered(record: tuple[bytes, bytes], number: int) -> tuple[bytes, bytes]:
    """The record with the link field of v10."""
    return record[0], record[1] + b" record=%d" % number


@pytest.mark.parametrize(
    ("records", "actor", "targets", "packet"),
    [
        ([CALL, TITLE], None, {}, None),
        ([CALL, TITLE, aux(5)], 5, {}, None),
        ([CALL, aux(5)], 5, {}, None),
        ([CALL, TARGET, TITLE], None, {1: None}, None),
        ([CALL, TARGET, aux(7), TITLE], None, {1: 7}, None),
        ([CALL, TARGET, aux(7), TITLE, aux(5)], 5, {1: 7}, None),
        ([CALL, TARGET, aux(7), TARGET, TITLE, aux(5)], 5, {1: 7, 3: None}, None),
        ([CALL, TARGET, aux(7), aux(5), EOE], 5, {1: 7}, None),
        ([CALL, TARGET, aux(7), EOE], AMBIGUOUS, {1: AMBIGUOUS}, None),
        ([CALL, TARGET, aux(7), TARGET, aux(8)], AMBIGUOUS, {1: 7, 3: AMBIGUOUS}, None),
        ([CALL, TARGET, (b"CWD", b"cwd=/"), aux(5)], 5, {1: None}, None),
        ([CALL, aux(7), TARGET, TITLE], AMBIGUOUS, {2: None}, None),
        ([CALL, aux(7), TARGET, TITLE, aux(5)], 5, {2: None}, None),
        ([CALL, TITLE, aux(5), aux(6)], AMBIGUOUS, {}, None),
        ([SENDER, aux(5)], 5, {}, None),
        ([PACKET, aux(5)], None, {}, 5),
        ([aux(5), PACKET], None, {}, 5),
        ([aux(5), EOE], AMBIGUOUS, {}, None),
        ([aux(5, 1), CALL1, TITLE], 5, {}, None),
        ([aux(5, 1), CALL1, aux(7, 2), numbered(TARGET, 2), TARGET], 5, {3: 7, 4: None}, None),
        ([CALL, aux(7, 1), numbered(TARGET, 1), TITLE], None, {2: 7}, None),
        ([CALL, aux(7, 1), TITLE], None, {}, None),
        ([CALL1, TITLE, aux(5, 1)], 5, {}, None),
        ([CALL1, TITLE, aux(5, 2)], LOST, {}, None),
        ([CALL1, TITLE], LOST, {}, None),
        ([CALL, numbered(TARGET, 1), TITLE], None, {1: LOST}, None),
        ([aux(5, 1), TITLE], AMBIGUOUS, {}, None),
        ([aux(5, 1), aux(7, 2), numbered(TARGET, 2), TITLE], AMBIGUOUS, {2: 7}, None),
        ([SENDER, aux(5, 1)], 5, {}, None),
        ([aux(5, 1), numbered(PACKET, 1)], None, {}, 5),
        ([aux(5, 1), CALL1, aux(7, 1), numbered(TARGET, 1)], 5, {3: 7}, None),
        ([aux(5, 1), aux(6, 1), TITLE, CALL1], AMBIGUOUS, {}, None),
    ],
)
def test_a_container_id_speaks_for_one_record(
    records: Records, actor: object, targets: dict[int, object], packet: object
) -> None:
    """By its number where there are numbers, else by its place; what cannot be told is said to be ambiguous."""

    def chains(said: Any) -> Any:
        return (ids(said),) if isinstance(said, int) else said

    expected = Links(chains(actor), {at: chains(said) for at, said in targets.items()}, chains(packet))
    assert link(records) == expected
    last = len(records) - 1
    turned = expected._replace(targets={last - at: said for at, said in expected.targets.items()})
    assert link(records[::-1], reversed_order=True) == turned


def test_our_own_fields_do_not_hide_the_link_field_and_nothing_else_makes_one() -> None:
    """An annotated log is read as the plain one; `record=` in the middle of a body is not the link."""
    tail = b' contid=5 container_id="ab" cont_session="0"'
    assert link([aux(5, 1), (CALL1[0], CALL1[1] + tail)]).actor == (ids(5),)
    assert link([aux(5, 1), (b"SYSCALL", b'arch=1 subj=a record=1 key="sig"')]).actor is None


@given(st.lists(st.tuples(TYPES, HOSTILE), max_size=12), st.booleans())
@settings(max_examples=100)
def test_any_event_is_linked(records: Records, reversed_order: bool) -> None:
    """No records raise, and each OBJ_PID, and nothing else, is a target."""
    links = link(records, reversed_order=reversed_order)
    assert sorted(links.targets) == [at for at, (name, _) in enumerate(records) if name == b"OBJ_PID"]


# --- samples ----------------------------------------------------------------------------------------------------------

SHAPE = re.compile(
    rb"op=(?:set|drop) .*\bopid=|(?:(?:record|op|ref)=\S+ )?contid=|opid=[0-9]+ capcontid=|mnt=[0-9]+ net="
)


@pytest.mark.parametrize("case", [*cases("contid-[!f]*"), *cases("contid-forms/*")])
def test_each_contid_record_of_the_samples_is_read_and_no_other(case: Path) -> None:
    """Whatever name the record bears in the log, its body decides."""
    for line in lines(case):
        if is_lost(line):
            continue
        record = LINE.match(line)
        assert record is not None, line
        assert (read(record[1], record[5]) is not None) == (SHAPE.match(record[5]) is not None), line


@pytest.mark.parametrize("case", cases("stock-*"))
def test_a_stock_kernel_writes_no_contid_record(case: Path) -> None:
    """Not one record of an unmodified kernel's log is taken for one of the patches."""
    found = [record for records in events(case).values() for record in records if read(*record)]
    assert found == []


@pytest.mark.parametrize("case", cases("contid-[!f]*"))
def test_the_linked_actor_is_the_true_one(case: Path) -> None:
    """Of the events with a CONTAINER_ID, 99.9 % name as actor's container what the recorder saw."""
    truth = truths(case)
    right = told = 0
    for key, records in events(case).items():
        row = truth.get(key)
        if row is None or row.get("proc") is None or row.get("ambiguous"):
            continue
        if not any(isinstance(read(*record), ContainerId) for record in records):
            continue
        said = link(records).actor
        told += 1
        if "chain" in row:
            right += (said or ()) == (tuple(ids(*map(int, row["chain"]))),) * bool(row["chain"])
        else:
            nearest = said[0][0] if isinstance(said, tuple) and said else None
            right += said is not AMBIGUOUS and nearest == (None if row["contid"] is None else int(row["contid"]))
    assert told > 0
    assert right >= 0.999 * told, f"{right} of {told}"


@pytest.mark.parametrize("case", cases("contid-[!f]*"))
def test_each_linked_target_is_the_true_one(case: Path) -> None:
    """Each OBJ_PID gets the container its process was in, or none if in none. Stamps are good to 20 ms."""
    truth = truths(case)
    sets = [json.loads(line) for line in lines(case, "sets.jsonl")]
    for key, records in events(case).items():
        row = truth.get(key)
        if row is None or "targets" not in row or row.get("proc") is None or row.get("ambiguous"):
            continue
        want = {target["opid"]: target["contid"] for target in row["targets"]}
        for at, said in link(records).targets.items():
            opid = int(records[at][1].split(b" ")[0].removeprefix(b"opid="))
            assert said is not AMBIGUOUS
            if any(done["pid"] == opid and abs(done["t"] / 1e6 - key[0]) < 20 for done in sets):
                continue
            assert (str(said[0][0]) if said else None) == want[opid], (key, opid)


@pytest.mark.parametrize("case", cases("contid-constructed-*"))
def test_the_packet_of_a_sample_names_all_containers_of_its_namespace(case: Path) -> None:
    """A NETFILTER_PKT is in as many containers as share its network namespace, each with its ancestors."""
    truth, found = truths(case), events(case)
    for key, row in truth.items():
        if "packet" in row:
            assert link(found[key]).packet == tuple(ids(*map(int, chain)) for chain in row["packet"])


def test_every_version_has_a_sample() -> None:
    """V2 to v11: each is there as it was recorded, or constructed and said so."""
    names = {case.name for case in SAMPLES.glob("contid-*")}
    for version in range(2, 12):
        own = [name for name in names if name.endswith(f"-v{version}")]
        assert own, version
        for name in own:
            origin = (SAMPLES / name / "ORIGIN.md").read_text()
            assert ("constructed" in origin) == ("constructed" in name)
