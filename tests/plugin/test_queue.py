"""What happens when more comes than can be annotated: nothing is lost in silence, whatever the policy."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.plugin.backlog import Backlog, Overflow
from tests.plugin.driver import Plugin, configure, content, plugin, records, until

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def drained(backlog: Backlog) -> bytes:
    """All that waits."""
    out = b""
    while (batch := backlog.take()) is not None:
        out += batch[0]
    return out


@pytest.mark.parametrize("policy", ["block", "spill", "pass"])
@given(sizes=st.lists(st.one_of(st.integers(1, 400), st.none()), max_size=60))
def test_what_goes_in_comes_out_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, policy: str, sizes: list[int | None]
) -> None:
    """Any mixture of putting and taking, with a queue of 1000 bytes; what is left goes to the next run."""
    directory = tmp_path_factory.mktemp("backlog")
    backlog = Backlog()
    backlog.configure(1000, policy, 5000, str(directory))
    came, went = b"", b""
    for at, size in enumerate(sizes):
        if size is None:
            batch = backlog.take()
            went += batch[0] if batch is not None else b""
        elif not backlog.is_full(0):
            chunk = b"%d" % (at % 10) * size + b"\n"
            came += chunk
            backlog.put(chunk)
        assert backlog.size < 2000
    assert backlog.keep([]) == 0
    later = Backlog()
    later.configure(1000, policy, 5000, str(directory))
    assert went + drained(later) == came
    assert later.waiting == 0


def test_what_was_unfinished_comes_before_what_waited(tmp_path: Path) -> None:
    """The next run reads first what the worker had not finished, then the older files, then memory."""
    one = Backlog()
    one.configure(1000, "block", 0, str(tmp_path))
    one.put(b"b\n")
    assert one.keep([b"a\n"]) == 0
    two = Backlog()
    two.configure(1000, "block", 0, str(tmp_path))
    two.put(b"d\n")
    assert two.take() == (b"a\n", False)
    two.put(b"e\n")
    assert two.keep([b"a\n"]) == 0
    three = Backlog()
    three.configure(1000, "block", 0, str(tmp_path))
    assert drained(three) == b"a\nb\nd\ne\n"
    assert list(tmp_path.iterdir()) == []


def test_a_backlog_others_may_write_or_that_is_none_is_refused(tmp_path: Path) -> None:
    """It is said and left alone."""
    for name, data, mode in (("backlog-1", b"x", 0o600), ("backlog-2", b"", 0o600), ("backlog-3", b"x" * 99, 0o666)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(mode)
    (tmp_path / "backlog-4").symlink_to("/etc/passwd")
    (tmp_path / "backlog-x").mkdir()
    backlog = Backlog()
    backlog.configure(1000, "block", 0, str(tmp_path))
    assert len(backlog.refused) == 4
    assert drained(backlog) == b""
    assert len(list(tmp_path.iterdir())) == 5


@given(st.binary(max_size=100))
def test_a_damaged_file_gives_chunks_or_nothing(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    """Any bytes after the head: it ends, and what is given was in it."""
    path = tmp_path_factory.mktemp("x") / "backlog-1"
    file = Overflow(str(path), create=True)
    file.put(b"whole\n")
    with path.open("ab") as end:
        end.write(tail)
    again = Overflow(str(path), create=False)
    assert again.take() == b"whole\n"
    while (chunk := again.take()) is not None:
        assert chunk in tail


def test_pass_marks_from_half_full_until_a_quarter() -> None:
    """Marking has a hysteresis, so that it does not flutter."""
    backlog = Backlog(1000, "pass")
    chunk = b"x" * 99 + b"\n"
    for _ in range(9):
        backlog.put(chunk)
    first = backlog.take()
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
    backlog = Backlog()
    backlog.configure(100, "spill", 10_000, str(tmp_path))
    chunks = [b"%d" % at * 60 + b"\n" for at in range(6)]
    for chunk in chunks[:4]:
        assert not backlog.is_full(0)
        backlog.put(chunk)
    (path,) = tmp_path.iterdir()
    limit = path.stat().st_size + 10
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        backlog.put(chunks[4])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert backlog.spill_failures == 1
    assert backlog.is_full(0)
    assert drained(backlog) == b"".join(chunks[:5])
    assert not backlog.is_full(0)
    backlog.put(chunks[5])
    assert drained(backlog) == chunks[5]


def test_the_disk_holds_no_more_than_it_may(tmp_path: Path) -> None:
    """spill_max is a bound, also while memory has room again."""
    backlog = Backlog()
    backlog.configure(100, "spill", 300, str(tmp_path))
    came = b""
    for at in range(50):
        chunk = b"%d" % (at % 10) * 60 + b"\n"
        if not backlog.is_full(0):
            backlog.put(chunk)
            came += chunk
    assert backlog.waiting < 700
    assert backlog.take() is not None
    assert backlog.is_full(0)


def test_what_was_spilled_survives_kill_9_of_all(tmp_path: Path) -> None:
    """Reader and worker killed: what was on disk is the next run's first, once, in its order, and then what comes."""
    config = configure(tmp_path, more='[queue]\nmemory_mib = 1\nwhen_full = "spill"')
    data = records(1, 8000)
    with plugin(config) as one:
        worker = slow_worker(one)
        assert push(one, data) == len(data)
        files = (tmp_path / "state").glob
        until("all is read", 10, lambda: any(records(8000, 1) in content(path) for path in files("backlog-*")))
        one.process.kill()
        os.kill(worker, signal.SIGKILL)
        one.process.wait(10)
    written = content(tmp_path / "out.log")
    with plugin(config, restarted=True) as two:
        two.send(records(8001, 100))
        assert two.stop_3() == 0
    found = content(tmp_path / "out.log")[len(written) :].splitlines()
    wanted = [*data.splitlines(), *records(8001, 100).splitlines()]
    assert found == wanted[-len(found) :], "what memory held is gone, nothing behind it"
    assert len(found) > len(wanted) // 3
