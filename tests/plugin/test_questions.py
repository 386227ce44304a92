"""What a running plugin answers over its control socket, and that nothing asked there disturbs it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from annotator import __version__
from annotator.io.control import ask
from tests.plugin.driver import configure, content, plugin, records, until

pytestmark = pytest.mark.system


def config(directory: Path) -> tuple[Path, str]:
    """A configuration with a control socket, and its path."""
    path = f"{directory}/run/control"
    return configure(directory, more=f'[control]\nsocket = "{path}"'), path


def test_it_tells_its_counts(tmp_path: Path) -> None:
    """Status: what was read, what each output wrote, what was registered; the socket is its owner's alone."""
    file, path = config(tmp_path)
    with plugin(file) as one:
        one.wait_for("event=rights")
        until("it listens", 10, lambda: Path(path).exists())
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        one.send(records(1, 20))
        until("they are through", 10, lambda: ask(path, {"op": "status"})["counts"]["events"] >= 19)
        found = ask(path, {"op": "status"})
        assert (found["ok"], found["version"], found["pid"]) == (True, __version__, one.workers()[0])
        assert found["registrations"] == {"granted": 0, "refused": {}}
        assert set(found["outputs"]) == {"main"}
        assert found["control"]["answered"] > 1
    assert not Path(path).exists()


@pytest.mark.parametrize("request_", [{}, {"op": None}, {"op": ["status"]}, {"op": "stop"}, {"op": "register"}])
def test_what_it_does_not_know_is_refused(tmp_path: Path, request_: dict[str, object]) -> None:
    """By the errno's name, and it goes on."""
    file, path = config(tmp_path)
    with plugin(file) as one:
        until("it listens", 10, lambda: Path(path).exists())
        assert ask(path, request_)["error"] == "EINVAL"
        one.send(records(1, 5))
        until("it goes on", 10, lambda: content(tmp_path / "out.log").count(b"\n") >= 16)


def test_without_a_look_at_the_machine_nobody_is_proven_host(tmp_path: Path) -> None:
    """With `host.live` off registrations are refused; the containers of the log are listed all the same."""
    file, path = config(tmp_path)
    with plugin(file):
        until("it listens", 10, lambda: Path(path).exists())
        assert ask(path, {"op": "register", "pid": os.getpid(), "id": "web"})["error"] == "EPERM"
        assert ask(path, {"op": "containers"}) == {"ok": True, "total": 0, "from": 0, "containers": []}
        assert ask(path, {"op": "containers", "from": -1})["from"] == 0


def test_many_containers_are_told_in_parts(tmp_path: Path) -> None:
    """An answer has at most what a socket's buffer takes; the rest is asked for `from` there."""
    file, path = config(tmp_path)
    lines = []
    for number in range(600):
        stamp = f"msg=audit(1700000000.{number:03d}:{number + 1}):"
        body = f"op=set opid={1000 + number} contid={number + 5} old-contid=-1"
        call = (
            "arch=c000003e syscall=1 success=yes exit=1 a0=1 a1=2 a2=3 a3=4 items=0 ppid=1 pid=900 auid=0 uid=0 gid=0 "
            'euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="o" exe="/usr/bin/o" key=(null)'
        )
        lines.append(f"type=CONTAINER_OP {stamp} {body}\ntype=SYSCALL {stamp} {call}\ntype=EOE {stamp}\n")
    with plugin(file) as one:
        until("it listens", 10, lambda: Path(path).exists())
        one.send("".join(lines).encode())
        until("all are known", 10, lambda: ask(path, {"op": "containers"})["total"] >= 600)
        seen: list[str] = []
        while len(seen) < 600:
            part = ask(path, {"op": "containers", "from": len(seen)})["containers"]
            assert part
            seen += [row["contid"] for row in part]
        assert sorted(map(int, seen)) == list(range(5, 605))


def test_a_second_plugin_leaves_the_first_its_socket(tmp_path: Path) -> None:
    """It says so, and does all else."""
    file, path = config(tmp_path)
    with plugin(file):
        until("it listens", 10, lambda: Path(path).exists())
        other = tmp_path / "other"
        other.mkdir()
        with plugin(configure(other, more=f'[control]\nsocket = "{path}"')) as second:
            second.wait_for("event=no-control-socket")
            second.send(records(1, 5))
            until("it goes on", 10, lambda: content(other / "out.log").count(b"\n") >= 16)
        assert ask(path, {"op": "status"})["ok"]


def test_who_connects_and_says_nothing_holds_nothing_up(tmp_path: Path) -> None:
    """Records go through meanwhile, and others are answered."""
    file, path = config(tmp_path)
    with plugin(file) as one:
        until("it listens", 10, lambda: Path(path).exists())
        silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(16)]
        for sock in silent:
            sock.connect(path)
        one.send(records(1, 5))
        until("they go through", 2, lambda: content(tmp_path / "out.log").count(b"\n") >= 16)
        assert ask(path, {"op": "status"}, timeout_s=5)["ok"]
        for sock in silent:
            sock.close()
