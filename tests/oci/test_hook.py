"""The hook as a runtime starts it: its exit code decides over the container, its standard output is nobody's."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.core.registry import derive_contid
from annotator.io.control import ControlSocket
from annotator.linux.netlink.user_messages import RegistrationMessage
from annotator.oci.hook import Options
from annotator.oci.register import Outcome, register

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOK = Path(sys.executable).with_name("annotator-oci-hook")
STATE = json.dumps({"ociVersion": "1.0.2", "id": "web", "status": "created", "pid": 7, "bundle": "/b"}).encode()


def run(socket: str, *arguments: str, state: bytes = STATE) -> subprocess.CompletedProcess[bytes]:
    """The hook, without a word in this machine's audit log."""
    command = [str(HOOK), "--no-log", "--socket", socket, *arguments]
    return subprocess.run(command, input=state, capture_output=True, check=False, timeout=30, env={})


class Plugin:
    """Answers on a socket, in a thread of its own."""

    def __init__(self, path: Path, reply: dict[str, Any] | None) -> None:
        self.path = str(path)
        self.reply = reply
        self.asked: list[dict[str, Any]] = []
        self._over = False
        self._server = ControlSocket(self.path, lambda _, request: self._answer(request))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self.reply is None:
            time.sleep(3)
        return self.reply or {}

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._server.fileno(), select.POLLIN)
        while not self._over:
            poll.poll(20)
            self._server.serve(0)
        self._server.close()

    def close(self) -> None:
        """No more."""
        self._over = True
        self._thread.join()


WEB = derive_contid("web")
GRANTED = {"ok": True, "contid": str(WEB), "id": "web"}
REFUSED = {"ok": False, "error": "EEXIST", "why": "it is in another"}


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Plugin]:
    """One with the answer of the test."""
    made = Plugin(tmp_path / "control", request.param)
    yield made
    made.close()


@pytest.mark.parametrize("plugin", [GRANTED], indirect=True)
def test_a_granted_container_starts(plugin: Plugin) -> None:
    """The plugin is asked once, with what the state says; nothing is printed."""
    done = run(plugin.path, "--required", "--engine", "docker")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert plugin.asked == [{"op": "register", "id": "web", "pid": 7, "engine": "docker"}]


@pytest.mark.parametrize("plugin", [REFUSED], indirect=True)
def test_a_refused_container_starts_unless_it_must_be_registered(plugin: Plugin) -> None:
    """Why it was refused is on standard error, which a runtime shows when the hook fails."""
    for more, code in ((), 0), (("--required",), 1):
        done = run(plugin.path, *more)
        assert (done.returncode, done.stdout) == (code, b"")
        assert b"EEXIST: it is in another" in done.stderr


@pytest.mark.parametrize("plugin", [None], indirect=True)
def test_a_plugin_that_hangs_holds_nothing_up(plugin: Plugin) -> None:
    """Two seconds, then the container starts."""
    started = time.monotonic()
    done = run(plugin.path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no plugin answers: timed out" in done.stderr
    assert 1.9 < time.monotonic() - started < 2.9


@pytest.mark.parametrize(
    ("arguments", "state"),
    [((), STATE), ((), b""), ((), b"{" * 9999), ((), b"x" * (3 << 20)), (("--what",), STATE), (("--engine",), STATE)],
)
def test_whatever_is_wrong_stops_no_container(tmp_path: Path, arguments: tuple[str, ...], state: bytes) -> None:
    """No plugin, no state, a state of megabytes, an option it does not know; with `--required` each fails."""
    socket = str(tmp_path / "none")
    for more, code in ((), 0), (("--required",), 1):
        done = run(socket, *more, *arguments, state=state)
        assert (done.returncode, done.stdout) == (code, b"")
        assert done.stderr.startswith(b"annotator-oci-hook: ")
        assert b"Traceback" not in done.stderr


def test_a_closed_standard_input_stops_no_container(tmp_path: Path) -> None:
    """Nor does a socket whose path no socket can have."""
    done = subprocess.run(
        ["sh", "-c", f"exec {HOOK} --no-log --socket {tmp_path}/none <&-"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert run("x" * 300).returncode == 0


def test_it_starts_fast(tmp_path: Path) -> None:
    """What it imports is little: no click, no msgpack, nothing of the plugin; the best of five is below 100 ms."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run(str(tmp_path / "none"))
        times.append(time.perf_counter() - started)
    code = "import sys; from annotator.oci.hook import main; main(['--no-log']); print(*sys.modules)"
    names = (
        subprocess.run([sys.executable, "-c", code], input=STATE, capture_output=True, check=True)
        .stdout.decode()
        .split()
    )
    heavy = {name for name in names if name.partition(".")[0] in {"click", "msgpack", "orjson", "pyroute2", "rich"}}
    ours = {
        name
        for name in names
        if name.startswith(("annotator.plugin", "annotator.engine.pipeline", "annotator.io.sources"))
    }
    assert not heavy | ours
    assert min(times) < (0.1 if (os.cpu_count() or 1) > 1 and os.getloadavg()[0] < 2 else 1.0)


def test_options() -> None:
    """Values behind a blank or an equals sign."""
    found = Options(["--required", "--engine=podman", "--socket", "/x", "--no-log"])
    assert (found.required, found.engine, found.socket, found.log) == (True, "podman", "/x", False)


@pytest.mark.parametrize(
    ("plugin", "outcome", "said"),
    [
        (GRANTED, Outcome(WEB), RegistrationMessage(7, WEB, "web", "w", "e")),
        (
            REFUSED,
            Outcome(None, "EEXIST", "it is in another"),
            RegistrationMessage(7, WEB, "web", "w", "e", refused="EEXIST"),
        ),
        ({"ok": True}, Outcome(None, "None", "None"), RegistrationMessage(7, WEB, "web", "w", "e", refused="None")),
    ],
    indirect=["plugin"],
)  # fmt: skip
def test_the_log_says_what_came_of_it(plugin: Plugin, outcome: Outcome, said: RegistrationMessage) -> None:
    """Granted or refused; and without a plugin what was asked for."""
    sent: list[RegistrationMessage] = []

    def send(one: RegistrationMessage) -> str:
        sent.append(one)
        return "no log" if len(sent) > 1 else ""

    request = {"pid": 7, "id": "web", "name": "w", "engine": "e"}
    assert register(request, plugin.path, send) == outcome
    assert sent == [said]
    found = register(request, f"{plugin.path}.none", send)
    assert (found.contid, found.error, found.log) == (None, "", "no log")
    assert found.plugin
    assert sent[1] == said._replace(refused="")
