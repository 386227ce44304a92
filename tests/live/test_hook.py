"""The hook, live: runc and podman make containers, and the bare log alone tells which container that was."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.admin.install_plan import hook as hook_file
from annotator.core.registry import derive_contid
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.replay import Replay
from annotator.io.control import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEEDED = ("auditd", "auditctl", "runc", "busybox")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or bool(MISSING), reason=f"needs root and {', '.join(MISSING or NEEDED)}"),
]

BIN = Path(sys.executable).parent
HOOK = BIN / "annotator-oci-hook"
AUID = 1_870_421_011
"""The login id of what these tests do; nobody has it."""
ID = "5ca1ab1e" * 8

AUDITD = """\
local_events = yes
write_logs = yes
log_file = {dir}/audit.log
log_group = root
log_format = {form}
flush = NONE
max_log_file = 200
num_logs = 2
max_log_file_action = IGNORE
space_left = 2
admin_space_left = 1
space_left_action = IGNORE
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
plugin_dir = {dir}/plugins.d
"""
PLUGIN = "active = yes\ndirection = out\npath = {path}\ntype = always\nargs = {args}\nformat = string\n"
CONFIG = """\
[state]
directory = "{dir}/state"
[control]
socket = "{dir}/control"
[log]
syslog = ""
stderr = true
[[output]]
name = "json"
type = "file"
format = "json"
path = "{dir}/out.json"
"""
RULE = ("-a", "always,exit", "-F", "arch=b64", "-S", "mkdir,mkdirat", "-F", f"auid={AUID}")
"""No program, no birth, no namespace is logged: lineage proves nothing."""


def until(what: str, true: Callable[[], object], seconds: float = 15) -> None:
    """Wait for something."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"never: {what}"
        time.sleep(0.02)


def status() -> dict[str, str]:
    """The kernel's side."""
    out = subprocess.run(["auditctl", "-s"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return dict(line.split(maxsplit=1) for line in out.splitlines() if " " in line)


class Machine:
    """A private auditd, with or without our plugin, and a root file system of busybox."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder
        self.log = folder / "audit.log"
        self.control = folder / "control"
        self.rootfs = folder / "rootfs"
        for name in ("bin", "proc", "tmp", "dev", "sys"):
            (self.rootfs / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "", self.rootfs / "bin/busybox")
        for name in ("sh", "mkdir", "sleep"):
            (self.rootfs / "bin" / name).symlink_to("busybox")

    def configure(self, *, plugin: bool) -> None:
        """Write what auditd and the plugin read."""
        plugins = self.dir / "plugins.d"
        plugins.mkdir(mode=0o750)
        self.dir.chmod(0o700)
        self._write("auditd.conf", AUDITD.format(dir=self.dir, form="RAW"), 0o640)
        if plugin:
            self._write("annotator.toml", CONFIG.format(dir=self.dir), 0o600)
            program = BIN / "audisp-contid"
            start = self._write("plugin", f'#!/bin/sh\nexec {program} "$@" 2>>{self.dir}/plugin.err\n', 0o750)
            self._write("plugins.d/ours.conf", PLUGIN.format(path=start, args=self.dir / "annotator.toml"), 0o640)

    def _write(self, name: str, text: str, mode: int) -> Path:
        path = self.dir / name
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return path

    def runc(
        self, name: str, arguments: list[str], *hook: str, runtime: tuple[str, ...] = ("runc",)
    ) -> subprocess.CompletedProcess[str]:
        """Run a container with the hook in its config.json, when it has arguments."""
        bundle = self.dir / f"bundle-{name}"
        bundle.mkdir()
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        config = json.loads((bundle / "config.json").read_text("utf-8"))
        config["process"].update(terminal=False, args=arguments)
        config["root"] = {"path": str(self.rootfs), "readonly": False}
        if hook:
            config["hooks"] = {"createRuntime": [{"path": str(HOOK), "args": ["annotator-oci-hook", *hook]}]}
        config.setdefault("annotations", {})["io.kubernetes.cri-o.Name"] = "a 'name'"
        (bundle / "config.json").write_text(json.dumps(config), "utf-8")
        return logged(*runtime, "--root", str(self.dir / "runc"), "run", "--bundle", str(bundle), name)

    def lines(self) -> list[str]:
        """Auditd's log so far."""
        return self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []

    def wait_for(self, text: str) -> None:
        """Auditd has written that."""
        until(text, lambda: any(text in line for line in self.lines()))


def logged(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program under our login id, so that the rule sees it and what it starts."""
    code = "import os, sys; open('/proc/self/loginuid', 'w').write(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(AUID), *command],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.contextmanager
def running(machine: Machine, *, plugin: bool) -> Iterator[Machine]:
    """Auditd with our rule; then everything as it was. There is one audit stream in a kernel: tests take turns."""
    turn = os.open("/run/lock/annotator-audit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until("another test's turn ends", lambda: _take(turn), 300)
    before = status()
    if before.get("pid") != "0":
        os.close(turn)
        pytest.skip(f"an auditd runs already (pid {before.get('pid')})")
    machine.configure(plugin=plugin)
    daemon = subprocess.Popen(
        ["auditd", "-n", "-s", "enable", "-c", machine.dir],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until("auditd is registered", lambda: status().get("pid") == str(daemon.pid))
        subprocess.run(["auditctl", *RULE], check=True, stdout=subprocess.DEVNULL)
        if plugin:
            until("the plugin listens", machine.control.exists)
        yield machine
    finally:
        subprocess.run(["auditctl", "-d", *RULE[1:]], check=False, capture_output=True)
        daemon.terminate()
        daemon.wait(20)
        subprocess.run(["auditctl", "-e", before["enabled"]], check=False, capture_output=True)
        os.close(turn)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replayed(path: Path) -> list[dict[str, Any]]:
    """The log, and nothing else, through the replayer: its JSON."""
    run = Replay(Options(format="json"))
    out = b"".join(run.feed(block) for block in blocks_of((str(path),)))
    return [json.loads(line) for line in (out + run.finish()).splitlines()]


def answers(events: list[dict[str, Any]], folder: str) -> list[dict[str, Any]]:
    """The events in which that folder was made: provenance and container together."""
    path = f"/tmp/{folder}"
    found = [one for one in events if one["auditd"].get("summary", {}).get("object", {}).get("primary") == path]
    return [{**one["provenance"], **one.get("container", {})} for one in found]


FORGE = """
import sys
from annotator.linux.netlink.user_messages import RegistrationMessage, send
print(send(RegistrationMessage(int(sys.argv[1]), 7, "liar", "liar", "docker")))
"""


def test_the_bare_log_names_what_the_hook_registered(tmp_path: Path) -> None:
    """No rule gives lineage: the first process and its children are known by the hook's message alone.

    What the same hook did not register, and what a container's process claims, stays unknown.
    """
    with running(Machine(tmp_path), plugin=False) as machine:
        machine.runc(ID, ["/bin/mkdir", "/tmp/mark-one"], "--engine", "test", "--socket", "/nowhere")
        done = machine.runc("web-1", ["/bin/sh", "-c", "mkdir /tmp/mark-a; mkdir /tmp/mark-b; echo in"], "--required")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no plugin answers" in done.stderr
        done = machine.runc("web-2", ["/bin/sh", "-c", "mkdir /tmp/mark-c; mkdir /tmp/mark-d; echo in"], "--no-log")
        assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
        done = machine.runc("web-3", ["/bin/sh", "-c", "mkdir /tmp/mark-e; mkdir /tmp/mark-f; echo in"], "--socket=/no")
        assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "")
        liar = ["sh", "-c", 'unshare -pf --mount-proc "$0" -c "$1" $$; exec mkdir /tmp/mark-g', sys.executable, FORGE]
        done = logged("env", f"PYTHONPATH={':'.join(sys.path)}", *liar)
        shutil.rmtree("/tmp/mark-g")
        assert "does not vouch" in done.stdout
        machine.wait_for("/tmp/mark-g")
        events = replayed(machine.log)
        text = "\n".join(machine.lines())
    one = answers(events, "mark-one")
    assert [(each["id"], each["evidence"], each["name"], each["runtime"]) for each in one] == [
        (ID, ["registered"], "a 'name'", "test")
    ]
    assert one[0]["chains"] == [[str(derive_contid(ID))]]
    for name in ("mark-e", "mark-f"):
        assert [(each["id"], each["evidence"]) for each in answers(events, name)] == [("web-3", ["registered"])]
    for name in ("mark-c", "mark-d", "mark-g"):
        assert [each["status"] for each in answers(events, name)] == ["unknown"]
    assert 'vm="liar" uuid=liar' in text
    assert answers(events, "mark-a") == []
    message = next(line for line in text.splitlines() if f"uuid={ID}" in line)
    expected = rf"msg='virt=test op=start reason=booted vm=[0-9A-F]+ uuid={ID} vm-pid=\d+ contid={derive_contid(ID)} "
    assert re.search(expected, message), message


def test_the_runtime_puts_the_hook_into_the_bundle(tmp_path: Path) -> None:
    """As Docker is set up on a stock kernel: the engine's runtime is ours, which gives the hook and becomes runc."""
    runtime = (str(BIN / "annotator-oci-runtime"), f"--annotator-hook={HOOK}")
    with running(Machine(tmp_path), plugin=False) as machine:
        done = machine.runc(ID, ["/bin/sh", "-c", "mkdir /tmp/mark-r; echo in; exit 5"], runtime=runtime)
        assert (done.returncode, done.stdout) == (5, "in\n"), done.stderr
        machine.wait_for("/tmp/mark-r")
        events = replayed(machine.log)
    assert [(each["id"], each["evidence"]) for each in answers(events, "mark-r")] == [(ID, ["registered"])]


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman")
def test_podman_finds_the_hook_in_its_folder(tmp_path: Path) -> None:
    """The hook file that is installed, in a folder of hooks: the container's processes are named from the bare log."""
    hooks = tmp_path / "hooks.d"
    hooks.mkdir()
    (hooks / "annotator.json").write_bytes(hook_file(str(HOOK)))
    run = tempfile.mkdtemp(prefix="pod", dir="/tmp")  # podman takes at most 50 characters
    store = ["--root", f"{tmp_path}/store", "--runroot", run, "--tmpdir", f"{run}/tmp"]
    store += ["--storage-driver", "vfs", "--events-backend", "none", "--cgroup-manager", "cgroupfs"]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]  # without CAP_SYS_RESOURCE
    with running(Machine(tmp_path), plugin=False) as machine:
        command = [
            "run",
            "--rm",
            "--net",
            "none",
            *limits,
            "--cidfile",
            f"{tmp_path}/cid",
            "--rootfs",
            str(machine.rootfs),
        ]
        done = logged(
            "podman", *store, "--runtime", "runc", "--hooks-dir", str(hooks),
            *command, "sh", "-c", "mkdir /tmp/mark-p; mkdir /tmp/mark-q; echo in",
        )  # fmt: skip
        shutil.rmtree(run)
        assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr
        machine.wait_for("/tmp/mark-q")
        events = replayed(machine.log)
    container = (tmp_path / "cid").read_text("ascii").strip()
    for name in ("mark-p", "mark-q"):
        assert [(each["id"], each["evidence"]) for each in answers(events, name)] == [(container, ["registered"])]


def test_the_plugin_is_told_and_answers(tmp_path: Path) -> None:
    """Over the control socket: granted, refused with the kernel's errno, and counted; the log says the same."""
    with running(Machine(tmp_path), plugin=True) as machine:
        socket = str(machine.control)
        done = machine.runc(ID, ["/bin/mkdir", "/tmp/mark-one"], "--required", "--socket", socket)
        assert (done.returncode, done.stderr) == (0, "")
        child = subprocess.Popen(
            ["sh", "-c", "read x; mkdir /tmp/mark-two; rmdir /tmp/mark-two"], stdin=subprocess.PIPE
        )
        try:
            register = (str(BIN / "annotator"), "register", "--socket", socket, "--name", "by hand")
            ours = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}

            def run(*more: str, before: tuple[str, ...] = ()) -> str:
                made = subprocess.run(
                    [*before, *register, *more], capture_output=True, text=True, check=False, env=ours
                )
                return made.stdout or made.stderr.splitlines()[0].split(":")[1].strip()

            pid = str(child.pid)
            assert run(pid, "--contid", "7", before=("unshare", "-U")) == "EPERM"
            dropped = ("setpriv", "--bounding-set", "-audit_control", "--inh-caps", "-audit_control")
            assert run(pid, "--contid", "7", before=dropped) == "EPERM"
            assert run("4194304", "--contid", "7") == "there is no process 4194304"  # the plugin is not even asked
            assert ask(socket, {"op": "register", "pid": 4194304, "contid": "7"})["error"] == "ESRCH"
            assert json.loads(run(pid, "--contid", "7")) == {"pid": child.pid, "id": "contid-7", "contid": "7"}
            assert run(pid, "--contid", "8") == "EEXIST"
            assert run(str(os.getpid()), "--contid", "7", "--id", "other") == "ENOTUNIQ"
        finally:
            child.communicate(b"\n")
        found = ask(socket, {"op": "status"})
        machine.wait_for("reason=ENOTUNIQ")
        until("it is written", lambda: "mark-one" in (tmp_path / "out.json").read_text("utf-8"))
        names = [one["id"] for one in ask(socket, {"op": "containers"})["containers"]]
    assert found["registrations"] == {"granted": 2, "refused": {"EPERM": 2, "ESRCH": 1, "EEXIST": 1, "ENOTUNIQ": 1}}
    assert "contid-7" in names
    events = [json.loads(line) for line in (tmp_path / "out.json").read_text("utf-8").splitlines()]
    assert [(each["id"], each["evidence"]) for each in answers(events, "mark-one")] == [(ID, ["registered"])]
    notes = (tmp_path / "plugin.err").read_text("utf-8")
    assert "event=registered" in notes
    assert "event=registration-refused" in notes
    assert "error=ENOTUNIQ" in notes
