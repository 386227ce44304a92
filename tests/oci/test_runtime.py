"""The runtime for a patched kernel, against a model of its rules: real processes, made-up `/proc` files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import UsageError
from annotator.core.model import ContId
from annotator.core.registry import derive_contid
from annotator.oci.runtime import Task, options, task
from tests.kernel_rules import Refused, Rules, Version, parse
from tests.kernel_rules import Task as KernelTask

DRIVER = """
import json, os, sys
from pathlib import Path
from annotator.oci.runtime import main

root, results = sys.argv[1], sys.argv[2]
from tests.oci.test_runtime import Kernel
kernel = Kernel()

def write(root, pid, contid):
    kernel.write(pid, str(contid).encode())

def say(text):
    with open(results, "a", encoding="utf-8") as file:
        file.write(text + chr(10))

raise SystemExit(main(sys.argv[3:], root=root, write=write, log=say))
"""


class Kernel:
    """Answers writes by the model's rules; what stands in /proc tells the tasks: parents, threads, children."""

    def __init__(self, version: Version = Version.V11) -> None:
        self.rules = Rules(version)

    def write(self, pid: int, text: bytes) -> None:
        """What this process writes to `/proc/PID/audit_containerid`. Raises OSError."""
        contid = parse(text)
        if isinstance(contid, Refused):
            raise OSError(contid.errno, "refused")
        writer = KernelTask(os.getpid())
        target = self.rules.fork(writer, pid)
        if self._parent(pid) != writer.pid:
            target.parent = KernelTask(1)
        for _ in range(len(list(Path(f"/proc/{pid}/task").iterdir())) - 1):
            self.rules.fork(target, 0, thread=True)
        if Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").strip():
            self.rules.fork(target, 0)
        if os.environ.get("IN_USE"):
            other = KernelTask(2)
            self.rules.register(other, self.rules.fork(other, 3), contid)
        said = self.rules.register(writer, target, contid)
        if isinstance(said, Refused):
            raise OSError(said.errno, "refused")

    @staticmethod
    def _parent(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])


class Machine:
    """A root with or without contid files, and a runtime that tells how it was started."""

    def __init__(self, folder: Path, *, patched: bool = True) -> None:
        self.root = folder
        (folder / "proc/self").mkdir(parents=True)
        if patched:
            (folder / "proc/self/audit_containerid").touch()
        self.notes = folder / "notes"
        self.runtime = folder / "runc"
        self.told = folder / "told"
        self.runtime.write_text(
            "#!/bin/sh\n"
            f'echo "$$ $PPID $LISTEN_PID $*" >> {self.told}\n'
            'case "$*" in *signals*) trap "exit 9" TERM; echo ready; while :; do sleep 0.02; done;; esac\n'
            'case "$*" in *killed*) kill -KILL $$;; esac\n{ cat <&3; } 2>/dev/null\nexit 4\n',
            "ascii",
        )
        self.runtime.chmod(0o755)

    def command(self, *arguments: str) -> list[str]:
        """Our program over that root."""
        own = [f"--annotator-runtime={self.runtime}"]
        return [sys.executable, "-c", DRIVER, str(self.root), str(self.notes), *own, *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """To its end."""
        env = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], **environment}
        return subprocess.run(
            self.command(*arguments), capture_output=True, check=False, env=env, stdin=subprocess.DEVNULL
        )

    def started(self) -> list[list[str]]:
        """pid, parent, LISTEN_PID, arguments of each runtime."""
        lines = self.told.read_text("ascii").splitlines() if self.told.exists() else []
        return [line.split(" ", 3) for line in lines]

    def said(self) -> str:
        """What went to syslog."""
        return self.notes.read_text("utf-8") if self.notes.exists() else ""


def test_the_child_is_registered_before_it_becomes_the_runtime(tmp_path: Path) -> None:
    """By its parent, one thread, no children: granted; arguments and exit code are the runtime's."""
    machine = Machine(tmp_path)
    done = machine.run("--root", "/r", "create", "--bundle", "/b", "--no-pivot", "web")
    assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"")
    ((pid, _, _, arguments),) = machine.started()
    assert arguments == "--root /r create --bundle /b --no-pivot web"
    assert machine.said() == f"event=registered pid={pid} contid={derive_contid('web')} id='web'\n"


def test_a_refusal_is_logged_and_stops_nothing_unless_told_so(tmp_path: Path) -> None:
    """The kernel's errno; with `--annotator-required` the runtime is never started."""
    machine = Machine(tmp_path)
    assert machine.run("run", "web", IN_USE="1").returncode == 4
    assert f"event=not-registered pid={machine.started()[0][0]}" in machine.said()
    assert "error=ENOTUNIQ" in machine.said()
    done = machine.run("--annotator-required", "run", "web", IN_USE="1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"was refused: ENOTUNIQ" in done.stderr
    assert len(machine.started()) == 1


@pytest.mark.parametrize("arguments", [("start", "web"), ("delete", "--force", "web"), ("--version",), ("create",), ()])
def test_what_makes_nothing_goes_through(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The runtime is run in our place: no process is between it and the engine."""
    machine = Machine(tmp_path)
    assert machine.run(*arguments).returncode == 4
    assert machine.started()[0][3:] == [" ".join(arguments)]
    assert machine.said() == ""


def test_a_later_exec_is_logged_and_goes_through(tmp_path: Path) -> None:
    """It cannot be put into the container: its runtime is no descendant of the owner."""
    machine = Machine(tmp_path)
    assert machine.run("exec", "--process", "/p", "web").returncode == 4
    assert machine.said().startswith("event=exec-not-registered id='web'")


def test_on_a_stock_kernel_nothing_happens(tmp_path: Path) -> None:
    """Unless it is required, and then no container is made."""
    machine = Machine(tmp_path, patched=False)
    assert machine.run("create", "web").returncode == 4
    assert machine.said() == ""
    done = machine.run("--annotator-required", "create", "web")
    assert (done.returncode, done.stdout) == (1, b"")
    assert "this kernel has no contid" in machine.said()
    assert machine.run("--annotator-required", "start", "web").returncode == 4


def test_descriptors_and_socket_activation_are_the_runtimes(tmp_path: Path) -> None:
    """What the engine left open is open; LISTEN_PID names the runtime, not us."""
    machine = Machine(tmp_path)
    command = " ".join(f"'{word}'" if "'" not in word else f'"{word}"' for word in machine.command("create", "web")[3:])
    text = tmp_path / "text"
    text.write_text("hello", "ascii")
    script = f'LISTEN_PID=$$; export LISTEN_PID; exec "{sys.executable}" -c "$DRIVER" {command} 3<{text}'
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], "DRIVER": DRIVER}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (4, b"hello"), done.stderr
    pid, parent, listen, _ = machine.started()[0]
    assert listen == pid != parent


def test_signals_and_ends_go_through(tmp_path: Path) -> None:
    """SIGTERM reaches the runtime; its death by a signal is told as a shell tells it; ours takes it along."""
    machine = Machine(tmp_path)
    assert machine.run("create", "killed").returncode == 128 + signal.SIGKILL
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    for number, code in ((signal.SIGTERM, 9), (signal.SIGKILL, -signal.SIGKILL)):
        with subprocess.Popen(machine.command("run", "signals"), stdout=subprocess.PIPE, env=env) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == b"ready\n"
            running.send_signal(number)
            assert running.wait(10) == code
        pid = int(machine.started()[-1][0])
        limit = time.monotonic() + 5
        while Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z":
            assert time.monotonic() < limit, "the runtime lives on"
            time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("create web", Task("create", "web")),
        ("--root /r --log=/l --systemd-cgroup run -d --bundle /b web", Task("run", "web")),
        ("--log /l create --console-socket /c --pid-file /p -- web", Task("create", "web")),
        ("exec -e A=B -u 0:0 web sh -c x", Task("exec", "web")),
        ("features", Task("features", "")),
        ("--version", Task("", "")),
        ("", Task("", "")),
    ],
)
def test_the_command_and_the_id_are_found(line: str, want: Task) -> None:
    """As runc 1.1 and crun 1.8 take their options."""
    assert task(tuple(line.split())) == want


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_command_line_is_understood_or_left_alone(arguments: list[str]) -> None:
    """Words of the engine, whatever they are."""
    found = task(tuple(arguments))
    assert not found.id or found.id in arguments


def test_our_own_options_come_first(tmp_path: Path) -> None:
    """Anything behind the first word that is not ours is the runtime's."""
    runtime = tmp_path / "crun"
    runtime.touch(0o755)
    env = {"PATH": f"/nowhere:{tmp_path}"}
    found = options(["--annotator-required", "--root", "--annotator-required"], env)
    assert (found.runtime, found.required, found.arguments) == (str(runtime), True, ("--root", "--annotator-required"))
    assert options([], {**env, "ANNOTATOR_OCI_RUNTIME": str(runtime)}).runtime == str(runtime)
    for wrong in (
        ["--annotator-what"],
        ["--annotator-runtime"],
        ["--annotator-required=1"],
        ["--annotator-runtime=/no"],
    ):
        with pytest.raises(UsageError):
            options(wrong, env)
    with pytest.raises(UsageError):
        options([], {"PATH": "/nowhere"})


def test_the_model_refuses_what_a_hook_would_write(tmp_path: Path) -> None:
    """Why there is this program: a process with children, or of another parent, is refused."""
    kernel = Kernel()
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo ready; wait"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        child = int(Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text("ascii"))
        found: dict[int, Any] = {}
        for pid in (shell.pid, child):
            with pytest.raises(OSError, match="refused") as error:
                kernel.write(pid, b"7")
            found[pid] = error.value.errno
        os.kill(child, signal.SIGKILL)
    assert json.dumps(list(found.values())) == json.dumps([errno.EBUSY, errno.EXDEV])
    assert kernel.rules.numbers.get(ContId(7)) is None
