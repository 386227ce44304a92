"""The plugin's life under each auditd: every contract is driven against the real process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.plugin.driver import PROGRAM, configure, content, plugin, records, until

pytestmark = pytest.mark.system


def status(pid: int, name: str) -> str:
    """A line of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.partition(":")[2].strip() for line in file if line.startswith(name + ":"))


@pytest.mark.parametrize("restarted", [False, True], ids=["first", "restarted"])
@pytest.mark.parametrize("stop", ["stop_3", "stop_4_2"])
def test_what_was_written_before_the_stop_is_in_the_output(tmp_path: Path, stop: str, restarted: bool) -> None:
    """Empty environment, all signals ignored, TERM blocked in a restarted plugin: nothing is lost, the code is 0."""
    data = records(1, 700)
    with plugin(configure(tmp_path), restarted=restarted) as one:
        one.send(data)
        start = time.monotonic()
        assert getattr(one, stop)() == 0
        assert time.monotonic() - start < 3
    assert (tmp_path / "out.log").read_bytes() == data
    assert "read_lines=2800" in one.log()


def test_records_written_after_sigterm_are_taken(tmp_path: Path) -> None:
    """Systemd may signal the plugin before auditd has written all: it reads until the end of its input."""
    first, second = records(1, 10), records(11, 10)
    with plugin(configure(tmp_path)) as one:
        one.send(first)
        until("it is out, so the reader has its settings", 20, lambda: content(tmp_path / "out.log") == first)
        one.process.send_signal(signal.SIGTERM)
        one.wait_for("event=stopping")
        one.send(second)
        one.stream.close()
        assert one.process.wait(10) == 0
    assert (tmp_path / "out.log").read_bytes() == first + second


def test_sigterm_without_an_end_of_input_has_a_deadline(tmp_path: Path) -> None:
    """An auditd that does not close its end is waited for as long as configured, no longer."""
    config = configure(tmp_path, more="[process]\ndrain_s = 0.5")
    with plugin(config) as one:
        one.send(records(1, 10))
        until("it is out, so the reader has its settings", 20, lambda: content(tmp_path / "out.log"))
        start = time.monotonic()
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(10) == 0
        assert 0.4 < time.monotonic() - start < 2.5
    assert (tmp_path / "out.log").read_bytes() == records(1, 10)


def test_sighup_takes_the_new_configuration_and_loses_nothing(tmp_path: Path) -> None:
    """Before 4.2 auditd says HUP to mean: read your configuration. A worker ends, another starts."""
    config = configure(tmp_path)
    with plugin(config) as one:
        one.send(records(1, 200))
        until("the first lines are out", 10, lambda: (tmp_path / "out.log").exists())
        before = one.workers()
        configure(tmp_path, after=f'[[output]]\ntype = "file"\npath = "{tmp_path}/second.json"\nformat = "json"\n')
        one.process.send_signal(signal.SIGHUP)
        one.send(records(201, 200))
        one.wait_for("event=reloaded")
        until("another worker", 10, lambda: one.workers() not in ([], before))
        one.send(records(401, 200))
        assert one.stop_3() == 0
    assert (tmp_path / "out.log").read_bytes() == records(1, 600)
    assert (tmp_path / "second.json").read_bytes().count(b"\n") >= 200


def test_sighup_goes_on_in_a_new_file_after_logrotate(tmp_path: Path) -> None:
    """The file was moved: lines after SIGHUP are in a new one, and none is missing."""
    out, moved = tmp_path / "out.log", tmp_path / "out.log.1"
    with plugin(configure(tmp_path)) as one:
        one.send(records(1, 20))
        until("the first lines are out", 10, lambda: content(out) == records(1, 20))
        out.rename(moved)
        one.process.send_signal(signal.SIGHUP)
        one.wait_for("event=reloaded")
        one.send(records(21, 20))
        until("a new file", 10, lambda: content(out).count(b"\n") >= 79)
        assert one.stop_3() == 0
    assert moved.read_bytes() + out.read_bytes() == records(1, 40)
    assert moved.read_bytes() == records(1, 20)


def test_sighup_with_a_broken_configuration_changes_nothing(tmp_path: Path) -> None:
    """The error is said, and the plugin goes on as it was."""
    config = configure(tmp_path)
    with plugin(config) as one:
        one.send(records(1, 5))
        one.wait_for("event=rights")
        until("the output", 10, lambda: (tmp_path / "out.log").exists())
        config.write_text("[que]\n", "utf-8")
        one.process.send_signal(signal.SIGHUP)
        assert "unknown key `que`" in one.wait_for("bad-configuration")
        one.send(records(6, 5))
        assert one.stop_3() == 0
    assert (tmp_path / "out.log").read_bytes() == records(1, 10)


def test_a_broken_configuration_at_start_is_exit_code_2(tmp_path: Path) -> None:
    """The plugin ends and says why: auditd logs that it died."""
    config = configure(tmp_path)
    config.write_text("[que]\n", "utf-8")
    errors = tmp_path / "stderr"
    with plugin(config) as one:
        assert one.process.wait(10) == 2
    assert "Did you mean `queue`?" in errors.read_text("utf-8")


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_missing(tmp_path: Path) -> None:
    """Kill -9 of the worker: auditd sees nothing of it, no line is missing, and none is there twice.

    What two workers died with is passed with a mark.
    """
    with plugin(configure(tmp_path)) as one:
        for at in range(5):
            if at:  # four that die without any progress are believed to die of what they read
                last = records(300 * at, 1).splitlines()[0]
                until("some progress", 20, lambda last=last: last in content(tmp_path / "out.log"))
            one.send(records(1 + 300 * at, 300))
            until("a worker", 10, lambda: one.workers())
            before = one.workers()
            time.sleep(0.1 * at)
            os.kill(before[0], signal.SIGKILL)
            until("the next worker", 10, lambda before=before: one.workers() not in ([], before))
        one.send(records(1501, 100))
        until("all is out", 10, lambda: records(1600, 1)[-100:] in content(tmp_path / "out.log"))
        assert one.stop_3() == 0
    found = (tmp_path / "out.log").read_bytes().replace(b' cont_how="unknown:overload"', b"").splitlines()
    wanted = records(1, 1600).splitlines()
    assert found == wanted


@pytest.mark.parametrize("kept", [True, False], ids=["state", "no state"])
def test_a_worker_killed_in_a_storm_writes_nothing_twice(tmp_path: Path, kept: bool) -> None:
    """Kill -9 while it writes: the next one finds in the files what it need not write again, whatever their form."""
    after = "".join(
        f'[[output]]\ntype = "file"\npath = "{tmp_path}/{name}"\n{more}\n'
        for name, more in {
            "record": 'format = "record"',
            "json": 'format = "json"',
            "marked": "mark_unknown = true\nmax_mib = 1\nkeep = 30",
        }.items()
    )
    config = configure(tmp_path, after=after)
    if not kept:
        config.write_text(config.read_text("utf-8").replace(f'"{tmp_path}/state"', '""'), "utf-8")
    count = 8000
    with plugin(config) as one:
        feeder = threading.Thread(target=one.stream.sendall, args=(records(1, count),))
        feeder.start()
        for part in range(1, 4):
            enough = part * 60_000
            until("some are out", 20, lambda enough=enough: len(content(tmp_path / "record")) > enough)
            os.kill(one.workers()[0], signal.SIGKILL)
            until("the next one", 20, lambda: one.workers())
        feeder.join()
        until("all is out", 30, lambda: content(tmp_path / "record").count(b"\n") >= 4 * count)
        assert one.stop_3() == 0
    wanted = records(1, count)
    marked = sorted(tmp_path.glob("marked*"), key=lambda path: -int(path.suffix[1:] or 0))
    marks = re.compile(rb' cont_how="[^"]*"')
    assert (tmp_path / "out.log").read_bytes() == wanted
    assert (tmp_path / "record").read_bytes() == wanted
    assert marks.sub(b"", b"".join(path.read_bytes() for path in marked)) == wanted
    serials = [json.loads(line)["event"]["sequence"] for line in (tmp_path / "json").read_bytes().splitlines()]
    assert serials == list(range(1, count + 1))


def test_a_stop_waits_for_what_was_learnt(tmp_path: Path) -> None:
    """A worker that is slow to save, as on a loaded machine, is not killed: the next one has what it learnt."""
    with plugin(configure(tmp_path, more="[process]\ndrain_s = 0.1")) as one:
        one.send(records(1, 50))
        until("it is out", 20, lambda: content(tmp_path / "out.log") == records(1, 50))
        (worker,) = one.workers()
        one.process.send_signal(signal.SIGTERM)
        one.stream.close()
        os.kill(worker, signal.SIGSTOP)
        time.sleep(3)
        os.kill(worker, signal.SIGCONT)
        assert one.process.wait(20) == 0
    assert (tmp_path / "state" / "state").exists()
    assert "worker-died" not in one.log()


def test_when_the_reader_is_killed_the_worker_lets_everything_out(tmp_path: Path) -> None:
    """Kill -9 of the plugin: auditd starts it again; what had reached the worker is written by then."""
    config = configure(tmp_path)
    with plugin(config) as one:
        one.send(records(1, 300))
        until("the lines are out", 10, lambda: b":290)" in content(tmp_path / "out.log"))
        one.process.kill()
        one.process.wait(10)
        with plugin(config, restarted=True) as two:
            two.send(records(301, 300))
            assert two.stop_3() == 0
    assert set((tmp_path / "out.log").read_bytes().splitlines()) == set(records(1, 600).splitlines())


def test_what_was_learnt_survives_a_restart(tmp_path: Path) -> None:
    """SIGHUP of auditd 4.2 is a stop and a start: the state file is there and is used."""
    config = configure(tmp_path)
    for at in range(3):
        with plugin(config, restarted=at > 0) as one:
            one.send(records(1 + 50 * at, 50))
            assert one.stop_4_2() == 0
        assert (tmp_path / "state" / "state").stat().st_mode & 0o777 == 0o600
    assert "state-unused" not in one.log()
    assert (tmp_path / "out.log").read_bytes() == records(1, 150)


def test_a_state_others_may_write_is_not_believed(tmp_path: Path) -> None:
    """It is refused with a reason, and the plugin works without it."""
    config = configure(tmp_path)
    with plugin(config) as one:
        one.send(records(1, 5))
        one.stop_3()
    (tmp_path / "state" / "state").chmod(0o666)
    with plugin(config) as one:
        one.send(records(6, 5))
        assert one.stop_3() == 0
    assert "others may write it" in one.log()
    assert (tmp_path / "out.log").read_bytes() == records(1, 10)


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_keeps_no_right_it_does_not_need(tmp_path: Path) -> None:
    """Reader and worker: no capabilities, no new privileges, and a place in the out-of-memory killer's list."""
    config = configure(tmp_path, more="[process]\noom_score_adj = 100")
    with plugin(config, restarted=True) as one:
        one.send(records(1, 5))
        until("the output", 10, lambda: (tmp_path / "out.log").exists())
        until("the reader's rights", 10, lambda: int(status(one.process.pid, "CapEff"), 16) == 0)
        (worker,) = one.workers()
        for pid in (one.process.pid, worker):
            for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
                assert int(status(pid, name), 16) == 0, name
            assert status(pid, "NoNewPrivs") == "1"
            assert int(status(pid, "SigBlk"), 16) == 0
            assert status(pid, "Umask") == "0077"
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
                assert file.read().strip() == "100"
        assert (tmp_path / "out.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_worker_can_be_another_user(tmp_path: Path) -> None:
    """process.user: the worker has that user's ids and no capabilities; a second one can still be started."""
    top = Path(tempfile.gettempdir())
    for folder in (tmp_path, *tmp_path.parents):
        if top in folder.parents:  # pytest makes all of them for its own user
            folder.chmod(0o755)
    (tmp_path / "logs").mkdir()
    os.chown(tmp_path / "logs", 65534, -1)
    text = configure(tmp_path, more='[process]\nuser = "nobody"').read_text("utf-8")
    config = tmp_path / "annotator.toml"
    config.write_text(text.replace("/out.log", "/logs/out.log"), "utf-8")
    config.chmod(0o644)
    with plugin(config) as one:
        one.send(records(1, 50))
        until("the output", 10, lambda: (tmp_path / "logs" / "out.log").exists())
        assert status(one.workers()[0], "Uid").split()[0] == "65534"
        assert int(status(one.workers()[0], "CapEff"), 16) == 0
        os.kill(one.workers()[0], signal.SIGKILL)
        one.wait_for("worker-died")
        one.send(records(51, 50))
        assert one.stop_3() == 0
    assert set((tmp_path / "logs" / "out.log").read_bytes().splitlines()) == set(records(1, 100).splitlines())


def test_the_first_bytes_are_read_within_150_ms(tmp_path: Path) -> None:
    """Whatever the worker has to import and to scan, auditd's socket is emptied at once. Best of five."""
    times = []
    for _ in range(5):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        line = b"x" * 299 + b"\n"
        with pytest.raises(BlockingIOError):
            while True:
                ours.send(line)
        config = configure(tmp_path)
        start = time.monotonic()
        process = subprocess.Popen([PROGRAM, config], stdin=theirs, stderr=subprocess.DEVNULL, env={})
        theirs.close()
        ours.setblocking(True)
        ours.send(line)  # as soon as there is room
        times.append(time.monotonic() - start)
        ours.close()
        process.wait(10)
    assert min(times) < 0.15, times


def test_as_a_child_of_audisp_filter(tmp_path: Path) -> None:
    """Its children have a pipe for their input, and its environment."""
    config = configure(tmp_path)
    data = records(1, 300)
    done = subprocess.run([PROGRAM, config], input=data, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0
    assert (tmp_path / "out.log").read_bytes() == data


def test_as_client_of_audispd_events(tmp_path: Path) -> None:
    """Auditd's own socket as input: connected to again when auditd was restarted; SIGTERM ends."""
    path = tmp_path / "events"
    data = [records(1, 100), records(101, 100)]
    config = configure(tmp_path, more=f'[input]\nsocket = "{path}"')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(10)
        with plugin(config) as one:
            one.stream.shutdown(socket.SHUT_WR)  # whatever its standard input is
            for part in data:
                client, _ = listener.accept()
                client.sendall(part)
                client.close()
            until("all is out", 10, lambda: content(tmp_path / "out.log") == b"".join(data))
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(10) == 0
    assert "event=disconnected" in one.log()


def test_a_plugin_that_is_told_nothing_stays(tmp_path: Path) -> None:
    """No input is no reason to end or to be busy."""
    with plugin(configure(tmp_path)) as one:
        one.wait_for("event=rights")
        time.sleep(1.0)
        fields = []
        for pid in (one.process.pid, *one.workers()):
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                fields.append(sum(map(int, file.read().rpartition(")")[2].split()[11:13])))
        assert one.process.poll() is None
        assert one.stop_4_2() == 0
    assert sum(fields) < 150, "ticks of a hundredth of a second"


def test_after_the_end_of_input_it_is_gone_at_once(tmp_path: Path) -> None:
    """Auditd 4.2 waits for its plugins: flushed and ended within tens of milliseconds. Best of three."""
    took = []
    for at in range(3):
        with plugin(configure(tmp_path)) as one:
            one.send(records(1 + at, 1))
            until("it is out", 10, lambda at=at: records(1 + at, 1) in content(tmp_path / "out.log"))
            start = time.monotonic()
            one.stream.close()
            assert one.process.wait(10) == 0
            took.append(time.monotonic() - start)
    assert min(took) < 0.1, took
