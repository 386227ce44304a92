"""What happens when more comes than can be annotated: nothing is lost in silence, whatever the policy."""

from __future__ import annotations

import os
import resource
import signal
import struct
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.plugin.reader.disk_queue import MAGIC, DiskQueue
from annotator.plugin.reader.queue import Queue
from annotator.plugin.reader.reader import GATHERED, Reader
from tests.plugin.driver import Plugin, configure, content, plugin, records, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

MIB = 1 << 20


def drained(queue: Queue) -> bytes:
    """All that waits; it leaves at once."""
    out = b""
    while (batch := queue.take()) is not None:
        out += batch[0]
        queue.hand_on()
        queue.leave()
    return out


@pytest.mark.parametrize("policy", ["block", "spill", "pass"])
@given(sizes=st.lists(st.one_of(st.integers(1, 400), st.none()), max_size=60))
def test_what_goes_in_comes_out_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, policy: str, sizes: list[int | None]
) -> None:
    """Any mixture of putting and taking, with a queue of 1000 bytes; what is left goes to the next run."""
    directory = tmp_path_factory.mktemp("backlog")
    queue = Queue()
    queue.configure(1000, policy, 5000, str(directory))
    came, went = b"", b""
    for at, size in enumerate(sizes):
        if size is None:
            batch = queue.take()
            went += batch[0] if batch is not None else b""
            queue.hand_on()
            queue.leave()
        elif not queue.is_full(0):
            chunk = b"%d" % (at % 10) * size + b"\n"
            came += chunk
            queue.put(chunk)
        assert queue.size < (6500 if policy == "spill" else 1500)
    assert queue.leave_to_next_run([]) == 0
    later = Queue()
    later.configure(1000, policy, 5000, str(directory))
    later.inherit(clean=True)
    assert went + drained(later) == came
    assert later.waiting == 0


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90)), max_size=120), clean=st.booleans())
def test_what_is_moved_to_the_front_is_what_has_not_left(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], clean: bool
) -> None:
    """Nothing is lost or comes twice, now and after a kill, however often it is moved."""
    path = tmp_path_factory.mktemp("spool") / "backlog-1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotator.plugin.reader.disk_queue.ROOM", 300)
        patch.setattr("annotator.plugin.reader.disk_queue.SHARE", 2)
        one = DiskQueue(str(path), create=True)
        came, taken, left, places = b"", b"", 0, []
        for at, (step, size) in enumerate(steps):
            if step == 0 or one.size == 0:
                chunk = b"%d" % (at % 10) * size + b"\n"
                one.put(chunk)
                came += chunk
            elif step == 1 and (batch := one.take(most=50)) is not None:
                taken += batch[0]
                places.append((batch[1], len(taken)))
            elif places:
                place, left = places.pop(0)
                one.hand_on(place)
                one.leave(place)
            assert came.startswith(taken)
        handed = places[0] if clean and places else None
        if handed is not None:
            one.hand_on(handed[0])
        os.close(one.fd)
        two = DiskQueue(str(path), create=False, clean=clean)
        rest = b""
        while (batch := two.take()) is not None:
            rest += batch[0]
        os.close(two.fd)
        assert rest == came[handed[1] if handed is not None else left :]


def test_a_stream_without_a_pause_keeps_the_file_short(tmp_path: Path) -> None:
    """Something waits at every moment, for a hundred times what an empty file keeps."""
    path = tmp_path / "backlog-1"
    one = DiskQueue(str(path), create=True)
    one.put(b"a" * 9999 + b"\n")
    for at in range(10_000):
        one.put(b"%d" % (at % 10) * 9999 + b"\n")
        batch = one.take(most=10_000)
        assert batch is not None
        one.hand_on(batch[1])
        one.leave(batch[1])
        assert path.stat().st_size < 2 * MIB
    assert one.take() == (b"9" * 9999 + b"\n", one._end + one._moved)
    os.close(one.fd)


def opened(directory: Path, *, clean: bool = True) -> Queue:
    """The backlog of a run that starts."""
    one = Queue()
    one.configure(1000, "block", 0, str(directory))
    one.inherit(clean=clean)
    return one


def killed(one: Queue) -> None:
    """Without any farewell: only its files are closed."""
    for fd in one.descriptors:
        os.close(fd)


def test_what_was_unfinished_comes_before_what_waited(tmp_path: Path) -> None:
    """The next run reads first what the worker had not finished, then what waited, each once and in its order."""
    one = opened(tmp_path)
    one.put(b"a\n")
    assert one.take() == (b"a\n", False)
    one.put(b"b\n")
    assert one.leave_to_next_run([b"a\n"]) == 0
    two = opened(tmp_path)
    two.put(b"c\n")
    assert two.take() == (b"a\nb\n", False)
    two.put(b"d\n")
    assert two.take() == (b"c\nd\n", False)
    two.hand_on()
    two.leave()
    assert two.leave_to_next_run([b"c\nd\n"]) == 0
    three = opened(tmp_path)
    three.put(b"e\n")
    assert drained(three) == b"c\nd\ne\n"
    assert three.leave_to_next_run([]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("clean", "rest"), [(True, b"c\n"), (False, b"b\nc\n")])
def test_a_killed_reader_leaves_what_was_not_handed_on(tmp_path: Path, clean: bool, rest: bytes) -> None:
    """Without any farewell: what the worker had is its own if it ended well; else it comes again."""
    one = opened(tmp_path)
    for at, chunk in enumerate((b"a\n", b"b\n", b"c\n")):
        one.put(chunk)
        assert one.take() == (chunk, False)
        if at < 2:
            one.hand_on()
    one.leave()
    two = opened(tmp_path, clean=clean)
    assert not two.inherit(clean=clean), "it is in use"
    killed(one)
    assert two.inherit(clean=clean)
    assert two.inherit(clean=clean)
    two.put(b"d\n")
    assert drained(two) == rest + b"d\n"


def test_what_came_before_the_directory_was_known_is_kept_too(tmp_path: Path) -> None:
    """The settings come some tens of milliseconds after the first records."""
    one = Queue()
    one.put(b"a\n")
    one.configure(1000, "block", 0, str(tmp_path))
    one.put(b"b\n")
    killed(one)
    assert drained(opened(tmp_path)) == b"a\nb\n"


def test_another_worker_is_given_the_same_again(tmp_path: Path) -> None:
    """What a dead worker had is handed on again by the same reader, and leaves once."""
    one = opened(tmp_path)
    one.put(b"a\n")
    one.take()
    one.put(b"b\n")
    one.take()
    one.hand_on()
    one.hand_on()
    one.restart()
    one.hand_on()
    one.leave()
    killed(one)
    assert drained(opened(tmp_path, clean=False)) == b"b\n"


def test_an_empty_file_starts_anew(tmp_path: Path) -> None:
    """However much goes through, it keeps at most a mebibyte while nothing waits."""
    one = opened(tmp_path)
    for _ in range(40):
        one.put(b"x" * 99_999 + b"\n")
        assert len(drained(one)) == 100_000
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 200_000
    for _ in range(40):
        one.put(b"x" * 99_999 + b"\n")
    assert path.stat().st_size > 4_000_000
    assert len(drained(one)) == 4_000_000
    assert path.stat().st_size == MIB


def test_a_chunk_longer_than_a_batch(tmp_path: Path) -> None:
    """A line without end comes in pieces of a mebibyte."""
    one = opened(tmp_path)
    chunks = [b"a\n", b"x" * 3 * MIB, b"b\n"]
    for chunk in chunks:
        one.put(chunk)
    assert drained(one) == b"".join(chunks)


def test_a_backlog_others_may_write_or_that_is_none_is_refused(tmp_path: Path) -> None:
    """It is said and left alone."""
    for name, data, mode in (("backlog-1", b"x", 0o600), ("backlog-2", b"", 0o600), ("backlog-3", b"x" * 99, 0o666)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(mode)
    (tmp_path / "backlog-4").symlink_to("/etc/passwd")
    (tmp_path / "backlog-x").mkdir()
    queue = Queue()
    queue.configure(1000, "block", 0, str(tmp_path))
    queue.inherit(clean=True)
    assert len(queue.refused) == 4
    assert drained(queue) == b""
    assert len(list(tmp_path.iterdir())) == 5


@given(st.binary(max_size=100), st.integers(0, 200))
def test_a_damaged_file_gives_chunks_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, claimed: int
) -> None:
    """Any bytes after the first chunk, and any place that the head calls the end: it ends, and gives no more than that.

    What waits is whole lines, and a torn chunk is none.
    """
    path = tmp_path_factory.mktemp("x") / "backlog-1"
    file = DiskQueue(str(path), create=True)
    file.put(b"whole\n")
    os.close(file.fd)
    size = path.stat().st_size
    with path.open("r+b") as end:
        end.write(MAGIC + struct.pack("!QQQ", size - 10, size - 10, size + claimed))
        end.seek(size)
        end.write(tail)
    again = DiskQueue(str(path), create=False)
    found = b""
    while (taken := again.take()) is not None:
        found += taken[0]
        again.leave(taken[1])
    assert found.startswith(b"whole\n")
    assert len(found) - 6 <= len(tail)
    assert again.is_empty


def test_pass_marks_from_half_full_until_a_quarter() -> None:
    """Marking has a hysteresis, so that it does not flutter."""
    queue = Queue(1000, "pass")
    chunk = b"x" * 99 + b"\n"
    for _ in range(9):
        queue.put(chunk)
    first = queue.take()
    assert first is not None
    assert first[1]


def slow_worker(one: Plugin) -> int:
    """Stop the worker, so that all that comes must wait."""
    until("a worker that is ready", 10, lambda: "event=rights" in one.log() and one.workers())
    time.sleep(0.5)
    (worker,) = one.workers()
    os.kill(worker, signal.SIGSTOP)
    return worker


def push(one: Plugin, data: bytes, seconds: float = 1.0) -> int:
    """How many bytes of it are taken before the stream is full for so long."""
    one.stream.settimeout(seconds)
    done = 0
    try:
        while done < len(data):
            done += one.stream.send(data[done : done + 65536])
    except TimeoutError:
        pass
    one.stream.settimeout(None)
    return done


def test_block_holds_auditd_up_and_loses_nothing(tmp_path: Path) -> None:
    """The queue is bounded: what does not fit stays with auditd, and all of it arrives once the worker goes on."""
    data = records(1, 8000)
    assert len(data) > 3 * MIB
    with plugin(configure(tmp_path, more="[queue]\nmemory_mib = 1")) as one:
        worker = slow_worker(one)
        done = push(one, data)
        assert MIB < done < len(data)
        os.kill(worker, signal.SIGCONT)
        one.stream.sendall(data[done:])
        assert one.stop_3() == 0
    assert content(tmp_path / "out.log") == data
    assert "queue_full=0 " not in one.log()


def test_spill_goes_on_reading_and_keeps_the_order(tmp_path: Path) -> None:
    """What does not fit into memory is on disk; it comes back in its order."""
    data = records(1, 8000)
    more = '[queue]\nmemory_mib = 1\nwhen_full = "spill"'
    with plugin(configure(tmp_path, more=more)) as one:
        worker = slow_worker(one)
        assert push(one, data) == len(data)
        spilled = sum(path.stat().st_size for path in (tmp_path / "state").glob("backlog-*"))
        assert spilled > MIB
        os.kill(worker, signal.SIGCONT)
        assert one.stop_3() == 0
    assert content(tmp_path / "out.log") == data
    assert list((tmp_path / "state").glob("backlog-*")) == []


def test_pass_lets_lines_go_unlooked_at_with_a_mark(tmp_path: Path) -> None:
    """Above half full, events leave with `unknown:overload`; every line leaves once and is counted."""
    data = records(1, 8000)
    more = '[queue]\nmemory_mib = 4\nwhen_full = "pass"'
    with plugin(configure(tmp_path, more=more)) as one:
        worker = slow_worker(one)
        assert push(one, data) == len(data)
        os.kill(worker, signal.SIGCONT)
        assert one.stop_3() == 0
    found = content(tmp_path / "out.log")
    mark = b' cont_how="unknown:overload"'
    assert 1000 < found.count(mark) < 8000
    assert found.replace(mark, b"") == data
    assert f"unknown_overload={found.count(mark)}" in one.log()


def test_what_could_not_be_handed_on_in_time_is_the_next_runs_first(tmp_path: Path) -> None:
    """SIGTERM with a worker that hangs: the deadline holds, and the lines wait in the state directory."""
    more = "[process]\ndrain_s = 0.3"
    config = configure(tmp_path, more=more)
    data = records(1, 3000)
    with plugin(config) as one:
        slow_worker(one)
        assert push(one, data) == len(data)
        start = time.monotonic()
        assert one.stop_3() == 1
        assert time.monotonic() - start < 6
    assert "left_bytes=" in one.log()
    with plugin(config) as two:
        until("the rest is out", 10, lambda: set(content(tmp_path / "out.log").splitlines()) == set(data.splitlines()))
        two.send(records(3001, 10))
        assert two.stop_3() == 0
    assert content(tmp_path / "out.log").endswith(records(3001, 10))


def test_a_disk_that_is_full_blocks_and_keeps_the_order(tmp_path: Path) -> None:
    """What the disk does not take stands behind what is there; nothing more is read until it has gone."""
    queue = Queue()
    queue.configure(100, "spill", 10_000, str(tmp_path))
    chunks = [b"%d" % at * 60 + b"\n" for at in range(6)]
    for chunk in chunks[:4]:
        assert not queue.is_full(0)
        queue.put(chunk)
    (path,) = tmp_path.iterdir()
    limit = path.stat().st_size + 10
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        queue.put(chunks[4])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert queue.spill_failures == 1
    assert queue.is_full(0)
    assert drained(queue) == b"".join(chunks[:5])
    assert not queue.is_full(0)
    queue.put(chunks[5])
    assert drained(queue) == chunks[5]


def test_the_disk_holds_no_more_than_it_may(tmp_path: Path) -> None:
    """spill_max is a bound, also while memory has room again."""
    queue = Queue()
    queue.configure(100, "spill", 300, str(tmp_path))
    came = b""
    for at in range(50):
        chunk = b"%d" % (at % 10) * 60 + b"\n"
        if not queue.is_full(0):
            queue.put(chunk)
            came += chunk
    assert queue.waiting < 700
    taken = queue.take()
    assert taken is not None
    assert queue.is_full(len(taken[0])), "the worker has not finished it"


@pytest.mark.parametrize("both", [False, True], ids=["reader", "both"])
def test_what_waits_survives_kill_9(tmp_path: Path, both: bool) -> None:
    """What was read and not handed on is the next run's first, in its order, and then what comes: nothing is missing.

    With the reader alone killed nothing comes twice either: its worker ends well. The records wait since the worker is
    stopped; killed while it is, it leaves behind what it was given, and that comes again.
    """
    config = configure(tmp_path)
    data = records(1, 8000)
    with plugin(config) as one:
        worker = slow_worker(one)
        assert push(one, data) == len(data)
        files = (tmp_path / "state").glob
        until("all is read", 10, lambda: any(records(8000, 1) in content(path) for path in files("backlog-*")))
        one.process.kill()
        one.process.wait(10)
        os.kill(worker, signal.SIGKILL if both else signal.SIGCONT)
    with plugin(config, restarted=True) as two:
        two.send(records(8001, 100))
        until("the last is out", 20, lambda: records(8100, 1) in content(tmp_path / "out.log"))
        assert two.stop_3() == 0
    found = content(tmp_path / "out.log").splitlines()
    wanted = [*data.splitlines(), *records(8001, 100).splitlines()]
    assert found == wanted if not both else sorted(set(found)) == sorted(wanted)
    assert list(files("backlog-*")) == []


def test_what_keeps_coming_is_handed_on_together() -> None:
    """A single record goes on at once; those right behind it wait for each other, unless they are many or the last."""
    reader = Reader("")
    reader.queue.put(b"a\n")
    assert not reader._is_gathering(100.0)
    reader._handed_at = 100.0
    assert reader._is_gathering(100.001)
    assert not reader._is_gathering(100.1)
    reader._stop_at = 1.0
    assert not reader._is_gathering(100.001)
    reader._stop_at = 0.0
    reader._reload_wanted = True  # nothing is to wait then, so that it is done soon
    assert not reader._is_gathering(100.001)
    reader._reload_wanted = False
    reader.queue.put(b"b" * GATHERED + b"\n")
    assert not reader._is_gathering(100.001)
