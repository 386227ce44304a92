"""The look-ups on this very machine: ourselves, a port in a namespace made here, a file in a container made here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.cli.lookup import answer
from annotator.core.model import Ns
from annotator.linux.host.namespaces import INITIAL
from tests.lookup.conftest import VALID

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE = f"pid:[{INITIAL[Ns.PID]}]" == os.readlink("/proc/self/ns/pid")  # noqa: PTH115  (the text of a magic link)
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or not OUTSIDE, reason="needs root in the first pid namespace"),
]
SERVER = (
    "import socket,sys,time\ns = socket.socket()\ns.bind(('127.0.0.1', int(sys.argv[1])))\ns.listen()\n"
    "print('ready', flush=True)\ntime.sleep(60)\n"
)


def ask(kind: str, value: object) -> dict[str, Any]:
    """The document, as its schema says."""
    found, _ = answer(kind, str(value), root=Path("/"), system="linux", now=lambda: time.time_ns() // 1_000_000)
    VALID.validate(json.loads(json.dumps(found)))
    return found


def test_ourselves() -> None:
    """Our pid, parent, arguments and birth; and gone is gone."""
    found = ask("process", os.getpid())["process"]
    assert (found["pid"], found["ppid"], found["uid"]) == (os.getpid(), os.getppid(), str(os.getuid()))
    assert found["args"] == [sys.orig_argv[0], *sys.orig_argv[1:]]
    child = subprocess.Popen(["true"])
    child.wait()
    assert ask("process", child.pid)["errors"][0]["code"] == "gone"


def test_our_own_port() -> None:
    """A socket of ours: we hold it, in our namespace."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        (found,) = ask("port", f"{server.getsockname()[1]}/tcp")["ports"]
    assert (found["pids"], found["local"], found["state"]) == ([os.getpid()], "127.0.0.1", "listen")


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with a name and nobody in it."""
    name = f"annotator-{os.getpid()}"
    if shutil.which("ip") is None or subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        pytest.skip("no network namespace can be made here")
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_a_port_in_a_named_namespace(namespace: str) -> None:
    """The socket is found there, with the namespace's name and its holder; on the host the port stays free."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", SERVER, "17171"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        (found,) = ask("port", "17171/tcp")["ports"]
        assert (found["netns"]["name"], found["netns"]["host"], found["pids"]) == (namespace, False, [child.pid])
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@pytest.fixture
def busybox(tmp_path: Path) -> Iterator[Path]:
    """A container of runc, its network its own, that waits on 7777; its bundle."""
    if shutil.which("runc") is None or shutil.which("busybox") is None:
        pytest.skip("needs runc and busybox")
    root = tmp_path / "rootfs"
    for name in ("bin", "proc", "dev", "sys", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
    (root / "etc/passwd").write_text("of the container\n")
    (root / "etc/link").symlink_to("/etc/passwd")
    subprocess.run(["runc", "spec"], cwd=tmp_path, check=True)
    spec = json.loads((tmp_path / "config.json").read_text())
    spec["process"] |= {"terminal": False, "args": ["/bin/busybox", "nc", "-ll", "-p", "7777", "-e", "/bin/busybox"]}
    spec["mounts"] = [one for one in spec["mounts"] if one["type"] != "cgroup"]
    (tmp_path / "config.json").write_text(json.dumps(spec))
    name = f"annotator-{os.getpid()}"
    ran = subprocess.run(["runc", "run", "-d", name], cwd=tmp_path, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
    if ran.returncode:
        pytest.skip("runc makes no containers here")
    yield tmp_path
    subprocess.run(["runc", "delete", "-f", name], check=False)


def test_a_container_of_this_machine(busybox: Path) -> None:
    """Its process, its port, its file, its link and itself: all name it."""
    name = f"annotator-{os.getpid()}"
    found = ask("container", name)["container"]
    assert (found["state"], found["engine"], found["rootfs"]) == ("running", "runc", str(busybox / "rootfs"))
    pid = found["init_pid"]
    for kind, value in (
        ("process", pid),
        ("file", busybox / "rootfs/etc/link"),
        ("file", f"/proc/{pid}/root/etc/link"),
    ):
        one = ask(kind, value)
        assert one["container"]["id"] == name, (kind, value)
        if kind == "file":
            assert one["file"]["resolved"].removesuffix("/etc/passwd").endswith(("rootfs", "root"))
            assert one["file"]["stat"]["size"] == len("of the container\n")
    for _ in range(100):  # nc may not have come so far
        port = ask("port", "7777/tcp")
        if "ports" in port:
            break
        time.sleep(0.05)
    assert (port["container"]["id"], port["ports"][0]["pids"]) == (name, [pid])
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("kind", "value"), [("process", "1"), ("file", "/etc/passwd"), ("port", "1"), ("container", "x")]
)
def test_an_ordinary_user_is_told_what_is_denied(kind: str, value: str) -> None:
    """Never host, and never gone, for want of rights: the error says to ask as root."""
    command = [sys.executable, "-m", "annotator", "lookup", kind, value, "--output", "json"]
    ran = subprocess.run(command, user=65534, group=65534, extra_groups=[], capture_output=True, check=False)
    if not ran.stdout:
        pytest.skip("the program cannot be read by an ordinary user here")
    found = json.loads(ran.stdout)
    VALID.validate(found)
    if kind == "process":  # pid 1 is the host's by what it is
        assert (found["status"], "exe" in found["process"]) == ("host", False)
        return
    assert (found["status"], found["reason"], found["errors"][0]["code"]) == ("unknown", "denied", "denied")
    assert ran.returncode == (0 if kind == "file" else 1)
