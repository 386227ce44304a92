"""Outputs side by side: each gets what it should, and none holds up another."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from annotator.storage import codec
from tests.mock_broker import mock_broker
from tests.plugin.driver import PROGRAM, configure, content, plugin, records, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

CONTAINER = "ab" * 32


def registered(serial: int) -> bytes:
    """A kernel's own CONTAINER_ID makes an event that is in a container without any history."""
    stamp = f"msg=audit(1700000100.000:{serial}):"
    return (
        f"type=CONTAINER_ID {stamp} record=1 contid=7\n"
        f"type=SYSCALL {stamp} arch=c000003e syscall=2 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=0 ppid=1 pid=9000 "
        f"auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=3 "
        f'comm="x" exe="/x" key=(null) record=1\n'
        f"type=PROCTITLE {stamp} proctitle=78\n"
        f"type=EOE {stamp}\n"
    ).encode()


def test_each_output_has_its_form_and_its_filter(tmp_path: Path) -> None:
    """One attribution, five outputs: raw, raw of containers only, record, JSON, msgpack of containers only.

    The serials have no hole: after one, an unknown place is a gap's, and no longer one that was merely not seen.
    """
    after = "".join(
        f'[[output]]\ntype = "file"\nname = "{name}"\npath = "{tmp_path}/{name}"\n{more}\n'
        for name, more in {
            "inside": "only_containers = true",
            "record": 'format = "record"',
            "json": 'format = "json"',
            "pack": 'format = "msgpack"\nonly_containers = true',
            "marked": "mark_unknown = true",
        }.items()
    )
    data = records(1, 20) + registered(21) + records(22, 20)
    with plugin(configure(tmp_path, after=after)) as one:
        one.send(data)
        assert one.stop_3() == 0
    raw = content(tmp_path / "out.log")
    assert raw.count(b"\n") == data.count(b"\n")
    assert raw.replace(b' contid=7 cont_how="record"', b"") == data
    assert content(tmp_path / "inside") == b"".join(line for line in raw.splitlines(keepends=True) if b":21)" in line)
    assert content(tmp_path / "record") == data
    marked = content(tmp_path / "marked")
    assert marked.count(b' cont_how="unknown:not-seen"') == 40
    assert marked.count(b" contid=7") == raw.count(b" contid=7")
    found = [json.loads(line) for line in content(tmp_path / "json").splitlines()]
    assert [one["event"]["sequence"] for one in found] == list(range(1, 42))
    assert found[20]["provenance"]["chains"] == [["7"]]
    assert "contid" not in json.dumps(found[20]["auditd"]["records"][1])
    packed = codec.unpack(content(tmp_path / "pack"))
    assert packed["event"]["sequence"] == 21


def test_a_dead_reader_of_a_socket_stops_nobody(tmp_path: Path) -> None:
    """A client that connects and never reads: the file has everything, and what the client missed is counted."""
    data = records(1, 6000)
    after = f'[[output]]\ntype = "socket"\nname = "sock"\npath = "{tmp_path}/sock"\nqueue_mib = 1\n'
    with plugin(configure(tmp_path, after=after)) as one:
        until("the socket", 10, lambda: (tmp_path / "sock").exists())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(tmp_path / "sock"))
            time.sleep(0.3)
            one.send(data)
            until("the file has it all", 15, lambda: content(tmp_path / "out.log") == data)
            log = one.wait_for("event=output-dropped")
        assert "output=sock" in log
        assert one.stop_3() == 0


def test_a_client_gets_the_stream_as_from_auditd(tmp_path: Path) -> None:
    """Whole lines from where it connected on; after it another one may come."""
    after = f'[[output]]\ntype = "socket"\npath = "{tmp_path}/sock"\n'
    with plugin(configure(tmp_path, after=after)) as one:
        until("the socket", 10, lambda: (tmp_path / "sock").exists())
        for first in (1, 101):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(tmp_path / "sock"))
                client.settimeout(10)
                time.sleep(0.4)
                one.send(records(first, 50))
                got = b""
                while got.count(b"\n") < 200:
                    got += client.recv(65536)
                assert got == records(first, 50)
            time.sleep(0.3)
        assert one.stop_3() == 0


def test_standard_output_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    """A pipe that is full: the others go on, the plugin still ends in time, and the loss is counted."""
    config = configure(
        tmp_path,
        more="[process]\ndrain_s = 0.5",
        after='[[output]]\ntype = "stdout"\nname = "pipe"\nqueue_mib = 1\n',
    )
    data = records(1, 6000)
    process = subprocess.Popen([PROGRAM, config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()
    until("the file has it all", 15, lambda: content(tmp_path / "out.log") == data)
    process.stdin.close()
    process.stdin = None
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < 8:
        time.sleep(0.05)
    took = time.monotonic() - start
    _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert took < 4
    assert b"event=output-dropped part=worker output=pipe" in log


def test_wait_keeps_everything_up_rather_than_drop(tmp_path: Path) -> None:
    """when_full = "wait": a slow reader of standard output gets every line."""
    config = configure(
        tmp_path,
        more="[process]\ndrain_s = 20",
        after='[[output]]\ntype = "stdout"\nqueue_mib = 1\nwhen_full = "wait"\n',
    )
    data = records(1, 6000)
    process = subprocess.Popen(
        [PROGRAM, config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))  # type: ignore[union-attr]
    feeder.start()
    time.sleep(1)
    got = process.stdout.read()
    feeder.join()
    assert process.wait(10) == 0
    process.stdout.close()
    assert got == data


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    path.mkdir()
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["/usr/bin/umount", "-l", path], check=True)


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_full_disk_is_survived_and_recovered_from(tmp_path: Path) -> None:
    """Whole lines are dropped and counted while it is full; with room again, writing goes on at a line."""
    with small_disk(tmp_path / "disk") as disk:
        after = f'[[output]]\ntype = "file"\nname = "small"\npath = "{disk}/small.log"\n'
        with plugin(configure(tmp_path, after=after)) as one:
            until("the file", 10, lambda: (disk / "small.log").exists())
            (disk / "ballast").write_bytes(b"x" * 700_000)
            data = records(1, 3000)
            one.send(data)
            until("the other file has it all", 15, lambda: content(tmp_path / "out.log") == data)
            assert "output=small" in one.wait_for("event=output-dropped")
            time.sleep(0.3)
            (disk / "ballast").unlink()
            more = records(3001, 500)
            one.send(more)
            assert one.stop_3() == 0
        found = (disk / "small.log").read_bytes()
    assert found.endswith(more)
    assert len(found) < len(data)
    assert set(found.splitlines()) <= set((data + more).splitlines())


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_full_disk_below_the_state_is_survived_and_recovered_from(tmp_path: Path) -> None:
    """What is read waits in memory then, and every line leaves; it is said, and with room again the state is saved."""
    with small_disk(tmp_path / "state") as disk:
        (disk / "ballast").write_bytes(b"x" * (1 << 20))
        config = configure(tmp_path, more=f'[metrics]\nfile = "{tmp_path}/m.prom"\ninterval_s = 0.2')
        config.write_text(config.read_text("utf-8").replace("[host]", "save_interval_s = 1\n[host]"), "utf-8")
        with plugin(config) as one:
            data = records(1, 3000)
            one.send(data)
            until("all of it is out", 15, lambda: content(tmp_path / "out.log") == data)
            one.wait_for("event=state-not-saved")
            failures = "annotator_plugin_spill_failures_total "
            until("it is counted", 10, lambda: re.search(failures + "[1-9]", content(tmp_path / "m.prom").decode()))
            (disk / "ballast").unlink()
            one.send(records(3001, 500))
            until("the state is saved", 10, lambda: (disk / "state").exists() and (disk / "state").stat().st_size)
            assert one.stop_3() == 0
        assert "lost_bytes=0" in one.log()
        assert list(disk.glob("backlog-*")) == []
    assert content(tmp_path / "out.log") == records(1, 3500)


def test_an_output_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    """A directory that is not there yet is no reason to stop; the lines wait for it."""
    after = f'[[output]]\ntype = "file"\nname = "late"\npath = "{tmp_path}/late/x.log"\n'
    with plugin(configure(tmp_path, after=after)) as one:
        one.send(records(1, 50))
        assert "output=late" in one.wait_for("output-failed")
        (tmp_path / "late").mkdir()
        until("it is written", 10, lambda: content(tmp_path / "late" / "x.log") == records(1, 50))
        assert one.stop_3() == 0


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("relief", ["room", "restart"])
def test_wait_on_a_full_disk_waits(tmp_path: Path, relief: str) -> None:
    """when_full = "wait": nothing is dropped while there is no room, and all is written when there is again."""
    with small_disk(tmp_path / "disk") as disk:
        (disk / "ballast").write_bytes(b"x" * 800_000)
        config = configure(tmp_path, more="[process]\ndrain_s = 0.5", after=WAITING.format(path=disk / "small.log"))
        data = records(1, 1000)
        with plugin(config) as one:
            one.send(data)
            assert "no room on the disk" in one.wait_for("output-failed")
            if relief == "room":
                (disk / "ballast").unlink()
                until("it is written", 20, lambda: content(disk / "small.log") == data)
            assert one.stop_3() == 0
        if relief == "restart":
            assert content(disk / "small.log") != data
            (disk / "ballast").unlink()
            with plugin(config) as one:
                until("it is written", 20, lambda: content(disk / "small.log") == data)
                assert one.stop_3() == 0
        assert content(disk / "small.log") == data
    assert content(tmp_path / "out.log") == data


WAITING = '[[output]]\ntype = "file"\nname = "kept"\npath = "{path}"\nwhen_full = "wait"\nqueue_mib = 1\n'


@pytest.mark.parametrize("obstacle", ["no directory", "symbolic link", "hard link"])
def test_wait_keeps_what_cannot_be_written_for_the_next_run(tmp_path: Path, obstacle: str) -> None:
    """More than all queues hold, and an output that cannot be opened: the next run has every line, once."""
    path = tmp_path / "late" / "x.log"
    if obstacle != "no directory":
        path.parent.mkdir()
        (tmp_path / "other").write_bytes(b"")
        (path.symlink_to if obstacle == "symbolic link" else path.hardlink_to)(tmp_path / "other")
    config = configure(tmp_path, more="[process]\ndrain_s = 0.5", after=WAITING.format(path=path))
    data = records(1, 6000)
    with plugin(config) as one:
        feeder = threading.Thread(target=one.stream.sendall, args=(data,))
        feeder.start()
        feeder.join()
        assert "output=kept" in one.wait_for("output-failed")
        time.sleep(1)
        assert one.stop_3() == 0
    assert (tmp_path / "other").exists() == (obstacle != "no directory")
    assert content(tmp_path / "other") == b""
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    with plugin(config) as one:
        until("it is written", 20, lambda: content(path).count(b"\n") >= data.count(b"\n"))
        assert one.stop_3() == 0
    assert content(path) == data
    assert content(tmp_path / "out.log") == data


def test_syslog_messages_are_rfc_5424(tmp_path: Path) -> None:
    """One message a line, over a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        server.settimeout(10)
        after = f'[[output]]\ntype = "syslog"\naddress = "unix:{tmp_path}/log"\nfacility = "local3"\n'
        with plugin(configure(tmp_path, more='[input]\nnode = "web 1"', after=after)) as one:
            one.send(records(1, 3))
            got = [server.recv(65536) for _ in range(12)]
            assert one.stop_3() == 0
    heads = {each.partition(b" - type=")[0].split(b" ")[0] for each in got}
    assert heads == {b"<158>1"}
    fields = got[0].split(b" ", 7)
    assert fields[2:4] == [b"web?1", b"audisp-contid"]
    assert [b"type=" + each.partition(b" - type=")[2] for each in got] == records(1, 3).splitlines()


def test_a_killed_worker_keeps_the_rotated_file_whole(tmp_path: Path) -> None:
    """Rotation and kill -9 together: every line is in one of the files, and no file has half a line."""
    with plugin(configure(tmp_path, output="max_mib = 1\nkeep = 20")) as one:
        data = records(1, 12000)
        half = len(data) // 2
        one.stream.sendall(data[:half])
        until("a worker", 10, lambda: one.workers())
        os.kill(one.workers()[0], signal.SIGKILL)
        one.stream.sendall(data[half:])
        until("the last line is out", 20, lambda: b":12000)" in content(tmp_path / "out.log"))
        assert one.stop_3() == 0
    found = [line for path in tmp_path.glob("out.log*") for line in path.read_bytes().splitlines()]
    assert set(found) == set(data.splitlines())
    assert len(list(tmp_path.glob("out.log*"))) > 3


def test_metrics_and_heartbeats_tell_the_counts(tmp_path: Path) -> None:
    """node_exporter's file is replaced as a whole, readable by all; JSON outputs can carry a heartbeat."""
    more = f'[metrics]\nfile = "{tmp_path}/m.prom"\ninterval_s = 0.2'
    after = f'[[output]]\ntype = "file"\nname = "j"\npath = "{tmp_path}/j"\nformat = "json"\nheartbeat_s = 0.2\n'
    with plugin(configure(tmp_path, more=more, after=after)) as one:
        one.send(records(1, 100))
        until("the counts", 10, lambda: b"annotator_lines_total 400\n" in content(tmp_path / "m.prom"))
        until("the reader's counts", 10, lambda: b"plugin_read_lines_total 400\n" in content(tmp_path / "m.prom"))
        until("a heartbeat", 10, lambda: b'"heartbeat"' in content(tmp_path / "j"))
        assert (tmp_path / "m.prom").stat().st_mode & 0o777 == 0o644
        assert one.stop_3() == 0
    text = content(tmp_path / "m.prom").decode()
    assert 'annotator_output_written_bytes_total{output="main"} ' + str(len(records(1, 100))) in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    beat = next(json.loads(line) for line in content(tmp_path / "j").splitlines() if b"heartbeat" in line)
    assert beat["event"]["kind"] == "metric"


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_file_can_be_given_to_a_group_and_to_readers(tmp_path: Path) -> None:
    """group, mode and read_users hold for the file and for what it is rotated to."""
    output = 'mode = "0640"\ngroup = "adm"\nread_users = ["nobody"]\nmax_mib = 1\nkeep = 9\ncompress = "gz"'
    with plugin(configure(tmp_path, output=output)) as one:
        one.stream.sendall(records(1, 6000))
        until("the last line is out", 20, lambda: b":6000)" in content(tmp_path / "out.log"))
        assert one.stop_3() == 0
    import grp

    files = sorted(tmp_path.glob("out.log*"))
    assert len(files) > 2
    for path in files:
        info = path.stat()
        assert (info.st_gid, info.st_mode & 0o777) == (grp.getgrnam("adm").gr_gid, 0o640), path
        acl = os.getxattr(path, "system.posix_acl_access")
        assert (65534).to_bytes(4, "little") in acl, path


def test_kafka_gets_each_line_as_a_message(tmp_path: Path) -> None:
    """The real client in the real plugin, against a mock of a broker; one that comes late is waited for."""
    pytest.importorskip("kafka")
    with mock_broker("audit") as broker:
        after = (
            f'[[output]]\ntype = "kafka"\nname = "bus"\nbrokers = ["127.0.0.1:{broker.port}"]\n'
            'topic = "audit"\nformat = "json"\n'
        )
        with plugin(configure(tmp_path, after=after)) as one:
            one.send(records(1, 50))
            until("the last is there", 15, lambda: b'"sequence":50' in b"".join(broker.batches))
            assert one.stop_3() == 0
        got = b"".join(broker.batches)
    assert [got.count(b'"sequence":%d}' % at) + got.count(b'"sequence":%d,' % at) for at in range(1, 51)] == [1] * 50
    assert "output-failed" not in one.log()


def test_a_slow_kafka_holds_nobody_up(tmp_path: Path) -> None:
    """A broker that answers late: the file has everything at once, what the bus missed is counted, the rest arrives."""
    pytest.importorskip("kafka")
    with mock_broker("audit") as broker:
        broker.slow_s = 0.3
        after = (
            f'[[output]]\ntype = "kafka"\nname = "bus"\nbrokers = ["127.0.0.1:{broker.port}"]\n'
            'topic = "audit"\nqueue_mib = 1\n'
        )
        data = records(1, 6000)
        with plugin(configure(tmp_path, after=after)) as one:
            one.send(data)
            until("the file has it all", 15, lambda: content(tmp_path / "out.log") == data)
            assert "output=bus" in one.wait_for("event=output-dropped")
            broker.slow_s = 0.0
            serials = iter(range(10_000, 11_000))

            def arrives() -> bool:
                """Whether an event that is sent now comes through the bus."""
                serial = next(serials)
                one.send(records(serial, 1))
                time.sleep(0.3)
                return b":%d)" % serial in b"".join(broker.batches)

            until("it is as fast again", 30, arrives)
            assert one.stop_3(20) == 0
        dropped = sum(map(int, re.findall(r"output=bus queue_dropped_lines=(\d+)", one.log())))
    assert 0 < dropped < data.count(b"\n")
