"""Journal and state: what was flushed is there after any kill, and what is broken is noticed and never believed."""

from __future__ import annotations

import dataclasses
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core import model
from annotator.core.contracts import HostProcess
from annotator.core.errors import FormatError, StoreError
from annotator.core.model import Booted, Container, ContId, EngineCommand, Evidence, Forked, NetnsId, Ns, Reason, Role
from annotator.storage.codec import frame
from annotator.storage.facts import decode_fact, encode_fact
from annotator.storage.format import MAGIC, Entry, Header, read_journal, write_entry, write_header
from annotator.storage.journal import Journal, journal_files
from annotator.storage.serialize import Nouns, kind_of
from annotator.storage.state import load_state, save_state

if TYPE_CHECKING:
    from pathlib import Path

HEADER = Header(b"web1", "0f1e2d3c-0000-4000-8000-000000000001", 1_700_000_000_000_000_000, 100, {"pid": 4026531836})
ENTRIES = [
    Entry(1_700_000_000_000_000_000 + n, 10 + n, "forked", {"parent": n, "child": n + 1, "exe": b"\xff" * n})
    for n in range(6)
]


def write(path: Path, entries: list[Entry], **limits: int) -> None:
    """A journal with these entries."""
    with Journal(path, HEADER, **limits) as journal:
        for entry in entries:
            journal.append(entry)


def read(path: Path) -> list[Entry]:
    """All entries of one file."""
    return list(read_journal(path)[1])


def head(path: Path) -> Header:
    """The header of one file."""
    header, entries = read_journal(path)
    entries.close()
    return header


# --- the journal ----------------------------------------------------------------------------------------------------


def test_a_journal_gives_back_what_was_appended(tmp_path: Path) -> None:
    """Header and entries are read as they were written, and no damage is reported."""
    write(tmp_path / "j", ENTRIES)
    header, entries = read_journal(tmp_path / "j")
    assert header == HEADER
    assert list(entries) == ENTRIES
    assert (entries.damage, entries.lost, entries.skipped) == ("", 0, 0)
    assert entries.end == (tmp_path / "j").stat().st_size


def test_a_journal_is_ours_alone(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, for the journal and for the state."""
    old = os.umask(0)
    try:
        write(tmp_path / "j", [])
        save_state(tmp_path / "s", HEADER, [])
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


def test_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    """Opening again appends, with nothing to report, also when the clock was stepped in between."""
    path = tmp_path / "j"
    write(path, ENTRIES[:3])
    with Journal(path, dataclasses.replace(HEADER, offset_ns=5)) as journal:
        assert (journal.cut, journal.notice) == (0, "")
        journal.append(ENTRIES[3])
    assert read(path) == ENTRIES[:4]
    assert journal_files(path) == [path]


def test_cut_at_every_byte_a_journal_gives_a_prefix(tmp_path: Path) -> None:
    """Cut anywhere: reading gives whole entries from the start or says StoreError, and says what was lost."""
    path, cut = tmp_path / "j", tmp_path / "cut"
    write(path, ENTRIES)
    data = path.read_bytes()
    ends = [len(data) - sum(len(write_entry(e)) for e in ENTRIES[n:]) for n in range(len(ENTRIES) + 1)]
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        if size < ends[0]:
            with pytest.raises(StoreError):
                read_journal(cut)
            continue
        _, entries = read_journal(cut)
        whole = sum(end <= size for end in ends) - 1
        assert list(entries) == ENTRIES[:whole]
        assert entries.lost == size - ends[whole]
        assert bool(entries.damage) == (size not in ends)


def test_cut_at_every_byte_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    """Whatever a kill left: opening cuts the unfinished frame, says so, and what comes then can be read."""
    path, cut = tmp_path / "j", tmp_path / "cut"
    write(path, ENTRIES[:2])
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        cut.chmod(0o600)
        with Journal(cut, HEADER) as journal:
            assert (journal.cut > 0) == bool(journal.notice)
            journal.append(ENTRIES[5])
        found = read(cut)
        assert found[-1] == ENTRIES[5]
        assert found[:-1] == ENTRIES[: len(found) - 1]
    assert journal_files(cut) == [cut]


def test_flipped_bytes_give_a_prefix_or_our_error(tmp_path: Path) -> None:
    """Damage anywhere in a file is found by the checksum: no entry is ever changed, and none after it is given."""
    path, bad = tmp_path / "j", tmp_path / "bad"
    write(path, ENTRIES)
    data, dice = path.read_bytes(), random.Random(7)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= dice.randrange(1, 256)
        bad.write_bytes(changed)
        try:
            _, entries = read_journal(bad)
        except StoreError:
            continue
        found = list(entries)
        assert found == ENTRIES[: len(found)]
        assert len(found) < len(ENTRIES)
        assert entries.damage.startswith(f"{bad}: byte {entries.end}: ")


@given(st.binary(max_size=200), st.sampled_from([b"", MAGIC, write_header(HEADER)]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, before: bytes) -> None:
    """Whatever a file holds: StoreError, or entries."""
    path = tmp_path_factory.getbasetemp() / "a-store-of-any-bytes"
    path.write_bytes(before + data)
    path.chmod(0o600)
    try:
        read(path)
    except StoreError:
        pass
    try:
        load_state(path)
    except StoreError:
        pass


def test_a_tail_of_zeros_is_no_entry(tmp_path: Path) -> None:
    """A power cut can leave zeros where data should be: they are damage, not empty frames."""
    path = tmp_path / "j"
    write(path, ENTRIES)
    with path.open("ab") as file:
        file.write(bytes(64))
    _, entries = read_journal(path)
    assert list(entries) == ENTRIES
    assert entries.lost == 64


@pytest.mark.parametrize("at", [3, 12, 30, -60], ids=["magic", "header length", "header", "entries"])
def test_a_damaged_journal_is_kept_and_a_new_one_begun(tmp_path: Path, at: int) -> None:
    """What is damaged within is not cut but rotated away whole, and the notice says what and where."""
    path = tmp_path / "j"
    write(path, ENTRIES)
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0x40
    path.write_bytes(damaged)
    with Journal(path, HEADER) as journal:
        journal.append(ENTRIES[0])
    assert str(path) in journal.notice
    assert journal.cut == 0
    assert read(path) == ENTRIES[:1]
    assert (tmp_path / "j.1").read_bytes() == damaged


def test_a_length_that_was_damaged_costs_no_sound_entries(tmp_path: Path) -> None:
    """A frame that claims more than the file has, with much behind it, is damage and not an unfinished write."""
    path = tmp_path / "j"
    write(path, [Entry(1, 1, "x", {"fill": b"f" * 40_000}) for _ in range(4)])
    data = bytearray(path.read_bytes())
    data[len(write_header(HEADER)) + 2] = 0x0F
    path.write_bytes(data)
    Journal(path, HEADER).close()
    assert (tmp_path / "j.1").read_bytes() == data


@pytest.mark.parametrize(
    "other",
    [{"node": b"web2"}, {"boot": "another"}, {"ticks_per_second": 250}, {"namespaces": {"pid": 1}}],
    ids=lambda other: next(iter(other)),
)
def test_a_journal_of_another_host_or_boot_is_rotated(tmp_path: Path, other: dict[str, Any]) -> None:
    """Facts of two boots, nodes or hosts never share a file."""
    path = tmp_path / "j"
    write(path, ENTRIES)
    with Journal(path, dataclasses.replace(HEADER, **other)) as journal:
        journal.append(ENTRIES[0])
    assert "another boot" in journal.notice
    assert read(path) == ENTRIES[:1]
    assert read(tmp_path / "j.1") == ENTRIES


def test_a_newer_version_is_refused_by_name_and_kept(tmp_path: Path) -> None:
    """A file of a later format is not guessed at: reading says which version, writing rotates it away."""
    path = tmp_path / "j"
    path.write_bytes(write_header(dataclasses.replace(HEADER, version=2)))
    path.chmod(0o600)
    with pytest.raises(StoreError, match="version 2 is newer"):
        read_journal(path)
    with pytest.raises(StoreError, match="version 2 is newer"):
        load_state(path)
    write(path, ENTRIES)
    assert (tmp_path / "j.1").exists()
    assert read(path) == ENTRIES


@pytest.mark.parametrize("limits", [{"max_bytes": 300}, {"max_entries": 2}], ids=["bytes", "entries"])
def test_a_full_journal_is_rotated(tmp_path: Path, limits: dict[str, int]) -> None:
    """By size or count; `append` says so; each file has its header; the files together have all, in order."""
    path = tmp_path / "j"
    with Journal(path, HEADER, **limits) as journal:
        begun = [journal.append(entry) for entry in ENTRIES]
        journal.header = HEADER
    files = journal_files(path)
    assert len(files) == 1 + sum(begun) >= 3
    assert not begun[0]
    assert [entry for one in files for entry in read(one)] == ENTRIES
    assert [head(one) for one in files] == [HEADER] * len(files)
    for one in files:
        assert one.stat().st_size <= limits.get("max_bytes", 10_000)


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    """`keep` rotated files, then the oldest goes."""
    path = tmp_path / "j"
    write(path, ENTRIES, max_entries=1, keep=2)
    assert [one.name for one in journal_files(path)] == ["j.2", "j.1", "j"]
    assert [entry for one in journal_files(path) for entry in read(one)] == ENTRIES[-3:]


def test_a_new_header_heads_the_next_file(tmp_path: Path) -> None:
    """After the clock was stepped the next file says so."""
    stepped = dataclasses.replace(HEADER, offset_ns=7)
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.append(ENTRIES[0])
        journal.header = stepped
        journal.rotate()
    assert head(tmp_path / "j.1") == HEADER
    assert head(tmp_path / "j") == stepped


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Facts are believed, so a journal or a state that anyone else may write is not used, and advice is given."""
    path = tmp_path / "f"
    save_state(path, HEADER, ENTRIES)
    path.chmod(mode)
    with pytest.raises(StoreError, match="others may write it") as caught:
        Journal(path, HEADER)
    assert caught.value.advice
    with pytest.raises(StoreError, match="others may write it"):
        load_state(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_owns_is_refused(tmp_path: Path) -> None:
    """The owner may write it, whatever the mode says."""
    path = tmp_path / "f"
    save_state(path, HEADER, ENTRIES)
    os.chown(path, 12345, 12345)
    with pytest.raises(StoreError, match="owner 12345"):
        load_state(path)


def test_links_pipes_and_directories_are_refused(tmp_path: Path) -> None:
    """Writing never goes through a link, and a pipe or directory in the place of a file does not hang."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir()
    for name in ("link", "pipe", "directory"):
        with pytest.raises(StoreError, match=name):
            Journal(tmp_path / name, HEADER)
        with pytest.raises(StoreError, match=name):
            load_state(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_a_journal_can_be_read_from_a_pipe(tmp_path: Path) -> None:
    """Old journals are compressed: `--journal <(zstd -dc …)` works."""
    write(tmp_path / "j", ENTRIES)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes((tmp_path / "j").read_bytes()))
    writer.start()
    assert read(tmp_path / "pipe") == ENTRIES
    writer.join()


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    """A second program with the same journal is told so, and harms nothing."""
    with Journal(tmp_path / "j", HEADER) as journal:
        with pytest.raises(StoreError, match="another process"):
            Journal(tmp_path / "j", HEADER)
        journal.append(ENTRIES[0])
    assert read(tmp_path / "j") == ENTRIES[:1]


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """Closing twice does nothing; flushing after it is our error."""
    journal = Journal(tmp_path / "j", HEADER)
    journal.close()
    journal.close()
    journal.append(ENTRIES[0])
    with pytest.raises(StoreError, match="closed"):
        journal.flush()


def test_a_reader_can_stop_early(tmp_path: Path) -> None:
    """Whoever wants the header only closes the entries."""
    write(tmp_path / "j", ENTRIES)
    assert head(tmp_path / "j") == HEADER


def test_an_entry_too_large_is_refused_alone(tmp_path: Path) -> None:
    """What could not be read again is not written; the journal goes on."""
    with Journal(tmp_path / "j", HEADER) as journal:
        for body in ({"exe": b"x" * (1 << 21)}, {"n": 2**64}, {"args": [0] * 100_000}):
            with pytest.raises(StoreError, match="cannot be stored"):
                journal.append(Entry(1, 1, "executed", body))
        journal.append(ENTRIES[0])
    assert read(tmp_path / "j") == ENTRIES[:1]


def test_a_full_disk_leaves_a_journal_that_can_be_read(tmp_path: Path) -> None:
    """When the system takes half of a write, the half is taken back, and later entries can be read."""
    path = tmp_path / "j"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path, HEADER) as journal:
        journal.append(ENTRIES[0])
        journal.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
        try:
            journal.append(ENTRIES[1])
            with pytest.raises(StoreError, match="File too large"):
                journal.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.append(ENTRIES[2])
    assert read(path) == [ENTRIES[0], ENTRIES[2]]


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """Without a flush the journal writes by itself, long before a megabyte waits."""
    with Journal(tmp_path / "j", HEADER) as journal:
        for _ in range(20):
            journal.append(Entry(1, 1, "x", {"fill": b"f" * 50_000}))
        assert (tmp_path / "j").stat().st_size > 600_000


WRITER = """
import sys
from pathlib import Path
from annotator.storage.format import Entry, Header
from annotator.storage.journal import Journal
journal = Journal(Path(sys.argv[1]), Header(b"n", "b", 0, 100))
for n in range(10**9):
    journal.append(Entry(n, n, "k", {"fill": b"f" * (n % 997)}))
    if n % 10 == 9:
        journal.flush()
        sys.stdout.write(f"{n + 1}\\n")
        sys.stdout.flush()
"""


def test_kill_9_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    """A real process, really killed in the middle of writing: every entry before its last flush is there."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer, writer.stdout as told:
        for _ in range(50):
            flushed = told.readline()
        writer.send_signal(signal.SIGKILL)
        flushed = (told.read() or flushed).split()[-1]
    found = [entry.realtime_ns for entry in read(tmp_path / "j")]
    assert found == list(range(len(found)))
    assert len(found) >= int(flushed) >= 500


# --- the state ------------------------------------------------------------------------------------------------------


def test_state_is_what_was_saved_last(tmp_path: Path) -> None:
    """None at first, then what was saved, with no other file left."""
    path = tmp_path / "s"
    assert load_state(path) is None
    save_state(path, HEADER, ENTRIES)
    save_state(path, HEADER, iter(ENTRIES[:2]))
    assert load_state(path) == (HEADER, ENTRIES[:2])
    assert list(tmp_path.iterdir()) == [path]


def test_state_is_all_or_nothing(tmp_path: Path) -> None:
    """Half a state is never given out: cut at any byte, also between two entries, it is a StoreError with advice."""
    path = tmp_path / "s"
    save_state(path, HEADER, ENTRIES)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(StoreError, match="s: ") as caught:
            load_state(path)
        assert "Start without it" in caught.value.advice


def test_damaged_state_is_refused(tmp_path: Path) -> None:
    """One byte changed anywhere is noticed."""
    path, dice = tmp_path / "s", random.Random(3)
    save_state(path, HEADER, ENTRIES)
    data = path.read_bytes()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= dice.randrange(1, 256)
        path.write_bytes(changed)
        with pytest.raises(StoreError):
            load_state(path)


def test_a_save_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    """An entry that cannot be stored, or a full disk: the old state is untouched and nothing is left lying about."""
    path = tmp_path / "s"
    save_state(path, HEADER, ENTRIES)
    with pytest.raises(StoreError):
        save_state(path, HEADER, [*ENTRIES, Entry(1, 1, "x", {"n": 2**64})])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(StoreError, match="File too large"):
            save_state(path, HEADER, ENTRIES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_state(path) == (HEADER, ENTRIES)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_save_left_is_replaced(tmp_path: Path) -> None:
    """A half-written new state, or a link planted in its place, is removed and never written through."""
    path = tmp_path / "s"
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "s.new").symlink_to(tmp_path / "victim")
    save_state(path, HEADER, ENTRIES)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert load_state(path) == (HEADER, ENTRIES)


def test_no_directory_is_our_error(tmp_path: Path) -> None:
    """A path that cannot be is named in the error, with advice."""
    with pytest.raises(StoreError, match="No such file") as caught:
        save_state(tmp_path / "no" / "s", HEADER, [])
    assert caught.value.advice
    with pytest.raises(StoreError, match="No such file"):
        Journal(tmp_path / "no" / "j", HEADER)
    with pytest.raises(StoreError, match="No such file"):
        read_journal(tmp_path / "no" / "j")


# --- facts ----------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec=None), max_size=8)  # lone surrogates too: names Python read from a disk have them
CONTAINERS = st.recursive(
    st.builds(
        Container, st.none() | st.integers(0, 2**64 - 1).map(ContId), id=NAMES, name=NAMES, node=st.binary(max_size=4),
        labels=st.dictionaries(NAMES, NAMES, max_size=2), start_ms=st.none() | st.integers(0, 2**60),
        late_name=st.booleans(), identifiers=st.dictionaries(NAMES, NAMES, max_size=2),
    ),
    lambda outer: st.builds(Container, st.integers(0, 9).map(ContId), parent=outer),
    max_leaves=4,
)  # fmt: skip
INTEGERS = st.integers(-1, 2**64 - 1)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; integers of the 64 bits that a file holds, as all of ours are."""
    args = get_args(hint)
    if get_origin(hint) is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if args:
        return st.one_of(*map(values, args))
    known = {int: INTEGERS, ContId: INTEGERS, str: NAMES}
    return known[hint] if hint in known else st.from_type(hint)


FACTS = st.one_of(
    *(st.builds(cls, *map(values, get_type_hints(cls).values())) for cls in get_args(model.Fact)),
    CONTAINERS,
    st.builds(
        HostProcess, INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, st.none() | CONTAINERS,
        st.none() | st.sampled_from(Evidence), reason=st.none() | st.sampled_from(Reason),
        place=st.none() | CONTAINERS, own=st.none() | st.sampled_from(Ns) | st.just(Ns.MNT | Ns.NET),
        netns=st.none() | st.builds(NetnsId, INTEGERS, INTEGERS, INTEGERS), vpid=st.none() | INTEGERS,
        uid=INTEGERS, exe=st.binary(max_size=8), comm=st.binary(max_size=8),
    ),
)  # fmt: skip


def told(noun: Any) -> Any:
    """What a noun says: containers are equal by identity only, so they are compared as their fields."""
    return dataclasses.asdict(noun) if dataclasses.is_dataclass(noun) and not isinstance(noun, type) else noun


@given(FACTS)
@settings(max_examples=100, deadline=None)
def test_every_fact_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, fact: Any) -> None:
    """Through a file and back: all facts of the model, host processes and containers, names of any text."""
    path = tmp_path_factory.getbasetemp() / "facts"
    save_state(path, HEADER, [Entry(1, 2, *encode_fact(fact))])
    state = load_state(path)
    assert state is not None
    back = decode_fact(state[1][0].kind, state[1][0].body)
    assert type(back) is type(fact)
    assert told(back) == told(fact)


def test_every_fact_of_the_model_has_a_kind() -> None:
    """A fact that is added to the model can be stored without a change here; kinds are all different."""
    kinds = {kind_of(cls) for cls in get_args(model.Fact)}
    assert len(kinds) == len(get_args(model.Fact))
    assert encode_fact(Booted("b")) == ("booted", {"boot": "b"})
    assert encode_fact(EngineCommand(1, Role.ENTER, "docker", "c1")) == (
        "engine-command", {"pid": 1, "role": "enter", "engine": "docker", "id": "c1"},
    )  # fmt: skip


def test_a_newer_version_may_say_more() -> None:
    """Unknown kinds are None, to be counted; unknown fields are ignored; absent ones have their default."""
    assert decode_fact("teleported", {"pid": 1}) is None
    assert decode_fact("forked", {"parent": 1, "child": 2, "mood": "glad"}) == Forked(1, 2)
    assert decode_fact("forked", {"parent": 1, "child": 2, "ns": int(Ns.NET) | 1}) == Forked(1, 2, ns=Ns.NET | Ns(1))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("forked", {}),
        ("forked", {"parent": 1}),
        ("forked", {"parent": "1", "child": 2}),
        ("forked", {"parent": True, "child": 2}),
        ("forked", {"parent": 1, "child": 2, "ns": -1}),
        ("forked", {"parent": 1, "child": 2, "ns": "net"}),
        ("executed", {"pid": 1, "exe": "text"}),
        ("executed", {"pid": 1, "exe": b"x", "args": b"x"}),
        ("executed", {"pid": 1, "exe": b"x", "args": [1]}),
        ("engine-command", {"pid": 1, "role": "rule", "engine": "e", "id": "i"}),
        ("registered", {"pid": 1, "by": 2, "contid": None}),
        ("registered", {"pid": 1, "by": 2, "contid": 3, "ok": 1}),
        ("container", {"contid": 1, "parent": []}),
        ("registered", {"pid": 1, "by": 2, "contid": 3, "outer": [-1, "x"]}),
        ("observed", {"pid": 1}),
        ("container", {"contid": 1, "parent": 5}),
        ("container", {"contid": 1, "labels": {"a": 1}}),
        ("container", {"contid": 1, "labels": []}),
    ],
)
def test_a_body_that_does_not_fit_is_no_fact(kind: str, body: dict[str, Any]) -> None:
    """Missing fields and wrong types give None, never half a fact and never another exception."""
    assert decode_fact(kind, body) is None


def test_containers_nested_without_end_are_refused() -> None:
    """A container in itself is our error on writing; endless nesting is no fact on reading."""
    loop = Container(ContId(1))
    loop.parent = loop
    with pytest.raises(StoreError):
        encode_fact(loop)
    body: dict[str, Any] = {"contid": 1}
    for _ in range(900):
        body = {"contid": 1, "parent": body}
    assert decode_fact("container", body) is None


def test_frames_that_are_no_entries_are_skipped_and_counted(tmp_path: Path) -> None:
    """A sound frame of unknown content is passed over; what follows is read."""
    (tmp_path / "j").write_bytes(write_header(HEADER) + frame({"new": 1}) + write_entry(ENTRIES[0]))
    _, entries = read_journal(tmp_path / "j")
    assert list(entries) == ENTRIES[:1]
    assert entries.skipped == 1


def test_a_header_must_have_what_it_needs(tmp_path: Path) -> None:
    """A sound frame that is no header is refused; an unknown field in a header is not."""
    whole = {"version": 1, "node": b"n", "boot": "", "offset_ns": 0, "ticks_per_second": 100, "namespaces": {}}
    path = tmp_path / "j"
    path.write_bytes(MAGIC + frame(whole | {"new": 1}) + write_entry(ENTRIES[0]))
    _, entries = read_journal(path)
    assert list(entries) == ENTRIES[:1]
    assert entries.end == path.stat().st_size
    for change in ({"version": 0}, {"ticks_per_second": 0}, {"node": "n"}, {"namespaces": {"p": "x"}}, {"boot": None}):
        path.write_bytes(MAGIC + frame(whole | change))
        with pytest.raises(StoreError):
            read_journal(path)


def test_an_unknown_noun_is_a_format_error() -> None:
    """`Nouns` itself says what it does not know; an error of ours, with the kind shortened."""
    with pytest.raises(FormatError, match="is not known"):
        Nouns({}, {}).restore("x" * 1000, {})
