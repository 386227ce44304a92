"""Live on AIX: the pipe is run and watched over, the same is read from standard input, WPARs are looked at in time."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.admin import doctor_aix
from annotator.admin.check_result import Level
from annotator.aix import layouts, live
from annotator.aix.host import AixHost
from annotator.aix.inventory import Sighting
from annotator.core.errors import ExitCode, SourceError, UsageError
from annotator.core.model import Container
from annotator.formats.raw import tail_start
from annotator.io.control import ask
from annotator.io.log import Log
from annotator.plugin import config_load
from annotator.plugin.aix.auditstream import AuditStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
LETTERS = "elrRtpPTcW"
CTYPES = {"B": ctypes.c_uint8, "h": ctypes.c_int16, "H": ctypes.c_uint16, "i": ctypes.c_int32, "I": ctypes.c_uint32,
          "q": ctypes.c_int64, "Q": ctypes.c_uint64}  # fmt: skip
PROGRAM = Path(sys.executable).with_name("annotator")

CONFIG = """
[aix]
auditstream = "{directory}/auditstream"
auditpr = "{directory}/auditpr"
{aix}
[state]
directory = ""
[host]
live = false
[control]
socket = "{directory}/run/control"
[log]
syslog = ""
stderr = true
[metrics]
file = "{directory}/metrics.prom"
interval_s = 0.1
[process]
event_timeout_ms = 300
{more}
[[output]]
name = "main"
type = "file"
path = "{directory}/out"
format = "{form}"
"""


def configured(directory: Path, form: str = "raw", aix: str = "", more: str = "") -> Path:
    """A configuration with one file, whose pipe is the two scripts of this directory."""
    path = directory / "annotator.toml"
    path.write_text(CONFIG.format(directory=directory, form=form, aix=aix, more=more), "utf-8")
    path.chmod(0o600)
    return path


def script(path: Path, text: str) -> None:
    """An executable shell script."""
    path.write_text("#!/bin/sh\n" + text, "utf-8")
    path.chmod(0o755)


PRINTER = r"""exec sed -u -e '1{h;d}' -e '2{H;d}' -e '/^[A-Z][A-Za-z]*_.* [0-9:]\{8\} [0-9]\{4\} /{
i '"$nonce"'
x;p;x
}' -e 's/^forged//'"""
"""Prints what it reads as auditpr -t2 -m does: message, titles and dashes before each record.

A line that begins with `forged` is one of a tail, which looks as a record does.
"""


def fake(directory: Path, stream: str = "cat trail; exec sleep 600", printer: str = PRINTER) -> None:
    """The two programs: the first gives what the simulator printed, the second hands it on."""
    script(directory / "auditstream", f"cd {directory}\necho start >> starts\n{stream}\n")
    take = 'echo "$@" > arguments\nwhile [ $# -gt 0 ]; do [ "$1" = -m ] && nonce=$2; shift; done\n'
    script(directory / "auditpr", f"cd {directory}\n{take}env > environment\n{printer}\n")


def until(what: str, true: Callable[[], object], seconds: float = 15) -> None:
    """Wait until a call is true."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"never: {what}"
        time.sleep(0.02)


def content(path: Path) -> bytes:
    """A file's bytes; nothing when it is not there yet."""
    return path.read_bytes() if path.exists() else b""


def stripped(annotated: bytes) -> bytes:
    """The lines without our fields."""
    lines = annotated.split(b"\n")
    starts = (tail_start(line) if line[:1] != b" " else -1 for line in lines)
    return b"\n".join(line[:at] if at > 0 else line for line, at in zip(lines, starts, strict=True))


class LivePlugin:
    """The plugin as its own process. `stdin` is our end of its standard input."""

    def __init__(self, directory: Path, config: Path, source: str = "auditstream") -> None:
        self.directory = directory
        self.errors = directory / "stderr"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [PROGRAM, "plugin", "--source", source, "--config", config], stdin=subprocess.PIPE, stderr=errors
            )
        assert self.process.stdin is not None
        self.stdin = self.process.stdin

    def out(self) -> bytes:
        """What it has written."""
        return content(self.directory / "out")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def __enter__(self) -> LivePlugin:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def trail(sim: Any) -> bytes:
    """What auditpr prints of the scenario, with titles."""
    return bytes(sim.scenario().auditpr(LETTERS, numeric=True))


def test_elsewhere_it_says_so(tmp_path: Path) -> None:
    """Where there is no auditstream the plugin ends at once: exit code 2, and what is missing."""
    done = subprocess.run(
        [PROGRAM, "plugin", "--source", "auditstream", "--config", configured(tmp_path)],
        capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert b"auditstream is not on this system" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_recommended_pipe(tmp_path: Path) -> None:
    """The arguments are those of IBM's pages: titles once, tails, numbers, and the columns an answer needs."""
    fake(tmp_path)
    programs = (str(tmp_path / "auditstream"), str(tmp_path / "auditpr"))
    first, second = live.commands(*programs, ("general", "kernel"))
    assert first[1:] == ["-c", "general,kernel"]
    assert second[1:] == ["-t2", "-v", "-r", "-h", "e,l,r,R,t,p,P,T,c,W"]
    assert live.commands(*programs, numeric=False)[0][1:] == []
    (tmp_path / "auditpr").unlink()
    with pytest.raises(UsageError, match="auditpr is not on this system"):
        live.commands(*programs)


def test_the_pipe_is_run_and_annotated(tmp_path: Path, trail: bytes) -> None:
    """Each line leaves as it came, records of WPARs with their name; children have the C locale and UTC."""
    fake(tmp_path)
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path, aix='classes = ["general"]')) as one:
        until("everything written", lambda: stripped(one.out()) == trail)
        assert one.stop() == 0
    assert b'container_name="webapp_prod"' in one.out()
    assert one.out().count(b"container_name=") > 10
    environment = (tmp_path / "environment").read_text()
    assert "LC_ALL=C\n" in environment
    assert "TZ=UTC0\n" in environment
    assert "AIX_AUDITBUFSZ" not in environment
    assert re.fullmatch(r"-t2 -v -r -h e,l,r,R,t,p,P,T,c,W -m [0-9a-f]{32}\n", (tmp_path / "arguments").read_text())


@pytest.mark.parametrize("victim", ["auditstream", "auditpr"])
def test_whichever_dies_both_are_started_again(tmp_path: Path, trail: bytes, victim: str) -> None:
    """Kill one: both are started anew after a pause, titles are learnt anew, the death is counted, nothing remains."""
    fake(
        tmp_path,
        'echo $$ > auditstream.pid\nif [ "$(wc -l < starts)" -eq 1 ]; then cat trail; fi; exec sleep 600',
        f"echo $$ > auditpr.pid\n{PRINTER}",
    )
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path)) as one:
        until("the first run", lambda: stripped(one.out()) == trail)
        pids = {name: int((tmp_path / f"{name}.pid").read_text()) for name in ("auditstream", "auditpr")}
        os.kill(pids[victim], signal.SIGKILL)
        until("a second start", lambda: content(tmp_path / "starts").count(b"start") == 2)
        until("the count", lambda: b"annotator_plugin_pipe_deaths_total 1" in content(tmp_path / "metrics.prom"))
        assert f"{victim} ended with -9" in one.errors.read_text()
        for pid in pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert one.stop() == 0
    assert b"annotator_plugin_pipe_starts_total 2" in content(tmp_path / "metrics.prom")


def test_a_second_run_is_read_as_the_first(tmp_path: Path, trail: bytes) -> None:
    """A pipe that ends by itself after half a line: that leaves as a line, and the next run is read from its titles."""
    half = trail[: trail.rindex(b"\n", 0, -200) + 60]
    fake(tmp_path, 'if [ "$(wc -l < starts)" -eq 1 ]; then cat half; else cat trail; exec sleep 600; fi')
    (tmp_path / "trail").write_bytes(trail)
    (tmp_path / "half").write_bytes(half)
    with LivePlugin(tmp_path, configured(tmp_path)) as one:
        until("both runs", lambda: stripped(one.out()) == half + b"\n" + trail)
        assert one.stop() == 0


def test_the_pipe_waits_longer_each_time(tmp_path: Path) -> None:
    """Half a second, then twice as long up to 30 s; a run of a minute makes the next wait short again."""
    fake(tmp_path, "exit 3", "exec cat")
    pipe = live.Pipe([str(tmp_path / "auditstream")], [str(tmp_path / "auditpr")])
    now_s, waits = 1000.0, []
    for _ in range(9):
        fd = pipe.start(now_s)
        assert os.read(fd, 1) == b""
        os.close(fd)
        said = pipe.ended(now_s)
        waits.append(pipe.retry_at_s - now_s)
        now_s = pipe.retry_at_s
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert "auditstream ended with 3" in said
    os.close(pipe.start(now_s))
    pipe.ended(now_s + 61)
    assert pipe.retry_at_s == now_s + 61.5
    assert (pipe.starts, pipe.deaths) == (10, 10)


def test_half_a_pipe_is_ended(tmp_path: Path) -> None:
    """A printer that goes on when its stream is dead, or that cannot be started, does not stay."""
    fake(tmp_path, "exit 0", "exec sleep 600")
    pipe = live.Pipe([str(tmp_path / "auditstream")], [str(tmp_path / "auditpr")])
    fd = pipe.start(0.0)
    until("its end seen", lambda: pipe.is_over(1.0) or pipe._alone_s is not None)
    assert not pipe.is_over(1.0 + live.GRACE_S / 2)
    assert pipe.is_over(1.0 + live.GRACE_S)
    assert pipe.ended(5.0) == "auditstream ended with 0, auditpr was ended"
    assert os.read(fd, 1) == b""
    os.close(fd)
    gone = live.Pipe([str(tmp_path / "auditstream")], [str(tmp_path / "nothing")])
    with pytest.raises(SourceError, match="nothing: No such file"):
        gone.start(0.0)
    assert (gone.deaths, gone.retry_at_s) == (1, 0.5)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_standard_input_however_it_is_cut(tmp_path: Path, sim: Any, size: int) -> None:
    """What such a pipe prints is read from standard input in the same way, whatever the pieces it comes in."""
    data = b"\n".join(sim.scenario().auditpr(LETTERS, numeric=True).split(b"\n")[:40]) + b"\n"
    with LivePlugin(tmp_path, configured(tmp_path), "auditpr") as one:
        for at in range(0, len(data), size):
            one.stdin.write(data[at : at + size])
            one.stdin.flush()
        one.stdin.close()
        assert one.process.wait(20) == 0
    assert stripped(one.out()) == data
    assert b"container_name=" in one.out()


def test_the_last_record_does_not_wait(tmp_path: Path, trail: bytes) -> None:
    """A pause lets the open record go; what is held of half a line is not taken for a whole one."""
    cut = trail.index(b"\n", 2000) + 30
    with LivePlugin(tmp_path, configured(tmp_path), "auditpr") as one:
        one.stdin.write(trail[:cut])
        one.stdin.flush()
        time.sleep(0.8)
        one.stdin.write(trail[cut:])
        one.stdin.flush()
        until("all but nothing", lambda: stripped(one.out()) == trail)
        one.stdin.close()
        assert one.process.wait(20) == 0


FORGED = "x\nforgedUSER_Login     root     OK          Mon Mar 02 10:15:09 2026 sshd                            Global"
"""A file name: behind its newline stands a record that claims to be of Global."""


def hostile(sim: Any) -> Any:
    """A machine in whose WPAR somebody made such a file."""
    machine = sim.Machine()
    machine.make("web")
    init = machine.start("web", 7)
    machine.record(init, "FILE_Unlink", FORGED)
    machine.record(init, "FS_Chdir", "/home")
    return machine


@pytest.mark.parametrize("records", ["printed", "binary"])
def test_a_name_with_a_newline_makes_no_record(tmp_path: Path, sim: Any, records: str) -> None:
    """Neither printed, where each record has its heading, nor in what the kernel wrote: what follows is its tail."""
    machine = hostile(sim)
    trail = machine.auditpr("elRtcW", numeric=True) if records == "printed" else machine.trail(version=5)
    fake(tmp_path)
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path, "json", f'records = "{records}"')) as one:
        until("all records", lambda: one.out().count(b"\n") >= len(machine.records))
        assert one.stop() == 0
    documents = [json.loads(line) for line in one.out().splitlines()]
    assert [one["event"]["action"] for one in documents] == [one.event for one in machine.records]
    assert b"USER_Login" in one.out(), "it is in the tail"
    assert (tmp_path / "arguments").exists() is (records == "printed")
    if records == "printed":
        by_name = [one.get("container", {}).get("name") for one in documents]
        assert by_name == [one.wpar.name if one.wpar else None for one in machine.records]


def test_without_headings_it_is_said_and_no_wpar_is_proof(tmp_path: Path, trail: bytes) -> None:
    """A release whose auditpr knows no -m with -t2: everything is read, and each WPAR is `inferred`."""
    fake(tmp_path, printer="exec cat")
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path)) as one:
        until("everything written", lambda: stripped(one.out()) == trail)
        assert one.stop() == 0
    assert "event=no-headings" in one.errors.read_text()
    assert one.out().count(b'cont_how="inferred') > 10
    assert b'cont_how="trail' not in one.out()


def test_a_binary_stream_that_cannot_be_read_is_printed(tmp_path: Path, trail: bytes) -> None:
    """Another form than the one that is public: said, and read as auditpr prints it."""
    fake(tmp_path, 'if [ "$(wc -l < starts)" -eq 1 ]; then head -c 4096 /dev/zero; else cat trail; fi; exec sleep 600')
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path, "json", 'records = "binary"')) as one:
        until("records", lambda: one.out().count(b"\n") >= 30)
        assert one.stop() == 0
    assert "event=binary-not-readable" in one.errors.read_text()


def test_json_of_a_live_trail(tmp_path: Path, trail: bytes) -> None:
    """The other forms are made of it too; forms of Linux are refused."""
    fake(tmp_path)
    (tmp_path / "trail").write_bytes(trail)
    with LivePlugin(tmp_path, configured(tmp_path, "json")) as one:
        until("all records", lambda: one.out().count(b'"module":"aix') >= 30 or one.out().count(b"\n") >= 30)
        assert one.stop() == 0
    assert b'"name":"webapp_prod"' in one.out()
    refused = subprocess.run(
        [PROGRAM, "plugin", "--source", "auditpr", "--config", configured(tmp_path, "record")],
        capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert refused.returncode == ExitCode.USAGE
    assert b"AIX has no CONTAINER_ID records" in refused.stderr


# --- asked and changed while it runs ----------------------------------------------------------------------------------


def test_it_is_asked_as_on_linux(tmp_path: Path, trail: bytes) -> None:
    """The socket answers status with the pipe's counts; `annotator status` and `top` show them; nobody registers."""
    fake(tmp_path)
    (tmp_path / "trail").write_bytes(trail)
    config, control = configured(tmp_path), str(tmp_path / "run" / "control")
    with LivePlugin(tmp_path, config) as one:
        until("everything written", lambda: stripped(one.out()) == trail)
        found = ask(control, {"op": "status"})
        assert found["pid"] == one.process.pid
        assert found["counts"]["container"] > 10
        assert (found["reader"]["pipe_starts"], found["registrations"]) == (1, {})
        assert found["outputs"]["main"]["written_bytes"] == len(one.out())
        assert ask(control, {"op": "register", "pid": os.getpid(), "id": "x"})["error"] == "EOPNOTSUPP"
        said = subprocess.run([PROGRAM, "status", "--config", config], capture_output=True, text=True, check=True)
        assert f"running, process {one.process.pid}" in said.stdout
        top = subprocess.run(
            [PROGRAM, "top", "--config", config, "--times", "1"], capture_output=True, text=True, check=True
        )
        assert re.search(r"^container +[1-9]", top.stdout, re.MULTILINE)
        assert one.stop() == 0
    assert not Path(control).exists()


def test_the_wpars_are_told(stream: Any) -> None:
    """Those of the machine, by name; the CID of one that runs."""
    _, one = stream
    assert [(found.name, found.contid) for found in one.service.containers()] == [("web", 7)]


def test_a_reload_changes_outputs_and_not_the_pipe(tmp_path: Path, trail: bytes) -> None:
    """SIGHUP in the middle: what came before is in the old file, what comes after in the new one, nothing twice.

    The pipe goes on, and so do its titles: they are printed once.
    """
    wait = "while [ ! -e {} ]; do sleep 0.02; done; cat {}"
    fake(tmp_path, "; ".join((wait.format("go", "first"), wait.format("on", "rest"), "exec sleep 600")))
    cut = trail.index(b"\n", len(trail) // 2) + 1
    while trail[cut : cut + 1] == b" ":  # a record's tail belongs to it
        cut = trail.index(b"\n", cut) + 1
    (tmp_path / "first").write_bytes(trail[:cut])
    (tmp_path / "rest").write_bytes(trail[cut:])
    config = configured(tmp_path)
    with LivePlugin(tmp_path, config) as one:
        (tmp_path / "go").touch()
        until("the first half", lambda: stripped(one.out()) == trail[:cut])
        text = config.read_text("utf-8")
        config.write_text(
            text.replace(f"{tmp_path}/out", f"{tmp_path}/new").replace("/run/control", "/run/other"), "utf-8"
        )
        one.process.send_signal(signal.SIGHUP)
        until("the reload", lambda: "event=reloaded" in one.errors.read_text())
        (tmp_path / "on").touch()
        until("the rest", lambda: stripped(content(tmp_path / "new")) == trail[cut:])
        assert ask(str(tmp_path / "run" / "other"), {"op": "status"})["reader"]["pipe_starts"] == 1
        assert not (tmp_path / "run" / "control").exists()
        config.write_text(text.replace('format = "raw"', 'format = "record"'), "utf-8")
        one.process.send_signal(signal.SIGHUP)
        until("the refusal", lambda: "event=bad-configuration" in one.errors.read_text())
        assert ask(str(tmp_path / "run" / "other"), {"op": "status"})["ok"]
        assert one.stop() == 0
    assert stripped(one.out()) == trail[:cut]
    assert b"container_name=" in content(tmp_path / "new")


def test_a_reload_of_what_is_read_starts_the_pipe_anew(tmp_path: Path, trail: bytes) -> None:
    """Other classes: the old pipe ends with all it held, a new one runs with them; SIGTERM still ends it all."""
    fake(tmp_path, 'echo "$@" >> classes\ncat trail; exec sleep 600')
    (tmp_path / "trail").write_bytes(trail)
    config = configured(tmp_path)
    with LivePlugin(tmp_path, config) as one:
        until("the first run", lambda: stripped(one.out()) == trail)
        config.write_text(config.read_text("utf-8").replace("[aix]", '[aix]\nclasses = ["files"]'), "utf-8")
        one.process.send_signal(signal.SIGHUP)
        until("the second", lambda: stripped(one.out()) == trail + trail)
        assert (tmp_path / "classes").read_text() == "\n-c files\n"
        assert one.stop() == 0


@pytest.mark.parametrize("bad", ['tz = "Nowhere/Bad"', 'origin = "web"', 'auditpr = "/nowhere"'])
def test_a_reload_that_cannot_be_meant_changes_nothing(tmp_path: Path, trail: bytes, bad: str) -> None:
    """The pipe goes on as it was, and what is wrong is said."""
    fake(tmp_path, "cat trail; while [ ! -e on ]; do sleep 0.02; done; cat trail; exec sleep 600")
    (tmp_path / "trail").write_bytes(trail)
    config = configured(tmp_path)
    with LivePlugin(tmp_path, config) as one:
        until("the first half", lambda: stripped(one.out()) == trail)
        lines = [line for line in config.read_text("utf-8").splitlines() if line.split(" ")[0] != bad.split(" ")[0]]
        config.write_text("\n".join(lines).replace("[aix]", f"[aix]\n{bad}"), "utf-8")
        one.process.send_signal(signal.SIGHUP)
        until("the refusal", lambda: "event=bad-configuration" in one.errors.read_text())
        (tmp_path / "on").touch()
        until("the rest", lambda: stripped(one.out()) == trail + trail)
        assert one.stop() == 0


def test_a_reload_keeps_how_standard_input_is_read(tmp_path: Path, trail: bytes) -> None:
    """Titles came once and the zone is theirs: another one is for the next start, and that is said."""
    config = configured(tmp_path)
    with LivePlugin(tmp_path, config, "auditpr") as one:
        half = trail.index(b"\n", len(trail) // 2) + 1
        one.stdin.write(trail[:half])
        one.stdin.flush()
        until("half", lambda: len(stripped(one.out())) > half - 2000)
        config.write_text(config.read_text("utf-8").replace("[aix]", '[aix]\ntz = "Asia/Tokyo"'), "utf-8")
        one.process.send_signal(signal.SIGHUP)
        until("it is said", lambda: "event=reload-partial" in one.errors.read_text())
        one.stdin.write(trail[half:])
        one.stdin.close()
        assert one.process.wait(20) == 0
    assert stripped(one.out()) == trail


# --- the machine's WPARs ----------------------------------------------------------------------------------------------


class Site:
    """A simulated machine whose clock is moved by hand."""

    def __init__(self, machine: Any, root: Path) -> None:
        self.machine, self.root = machine, root
        self.show()

    def show(self) -> None:
        """Its processes, as they are now."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.machine.write_tree(self.root)

    def run(self, argv: Sequence[str]) -> bytes:
        """Run a simulated command."""
        return bytes(self.machine.run(tuple(argv)))

    def now(self) -> int:
        """The simulated clock."""
        return int(self.machine.seconds * 1000)

    def host(self) -> AixHost:
        """The view of it."""
        shell = self.machine.processes[self.machine.shell]
        total = self.machine.perfstat_wpar_total()
        return AixHost(self.root, self.now, (shell.pid, shell.ppid), run=self.run, total=total, node=b"host1")


def cid_of(host: AixHost, name: str) -> int | None:
    """The contid that a record of now with this name would get."""
    found = host.inventory.container_for(name, host.now())
    assert isinstance(found, Container)
    return found.contid


@pytest.fixture
def stream(sim: Any, tmp_path: Path) -> Any:
    """A live run over a simulated machine, whose steps the test takes; with its site."""
    machine = sim.Machine()
    machine.make("web")
    machine.start("web", 7)
    machine.tick(60)
    site = Site(machine, tmp_path / "root")
    config = config_load.load(configured(tmp_path, "json"))
    one = AuditStream(config, Log("", stderr=False), None, site.host())
    one._attach_host()
    yield site, one
    one._finish()
    one.service.close()


def test_a_restart_changes_the_cid_in_time(stream: Any) -> None:
    """After a restart told by the trail the old CID is not believed, the new one once it has settled."""
    site, one = stream
    host, machine = one.scans.host, site.machine
    assert cid_of(host, "web") == 7
    machine.records.clear()
    machine.stop("web")
    machine.start("web", 9)
    site.show()
    one.pipeline.feed(machine.auditpr(LETTERS, numeric=True).split(b"\n"))
    one.pipeline.idle()
    assert cid_of(host, "web") is None
    machine.tick(2)
    assert one.scans.tick()
    assert cid_of(host, "web") is None, "a look within the doubtful time decides nothing"
    for _ in range(12):
        machine.tick(5)
        one.scans.tick()
    assert cid_of(host, "web") == 9
    assert not host.inventory.stale


def test_a_restart_that_no_record_tells_is_noticed_at_once(stream: Any) -> None:
    """PROC_Execute is not audited everywhere: what shows that a CID still is the WPAR's is a process under it."""
    site, one = stream
    host, machine = one.scans.host, site.machine
    machine.tick(1)
    assert cid_of(host, "web") == 7
    machine.make("db")
    machine.stop("web")
    machine.start("db", 7)
    machine.start("web", 9)
    site.show()
    assert cid_of(host, "web") is None
    found = host.inventory.for_cid(7, host.now())
    assert (found.name, found.contid) == ("", 7), "who has it now is not known"
    assert host.inventory.stale
    machine.tick(1)
    assert one.scans.tick()
    assert (cid_of(host, "web"), cid_of(host, "db")) == (9, 7)


def test_looks_come_when_they_are_asked_for(stream: Any) -> None:
    """On a timer; sooner for a name nobody knows, but ever more seldom while nothing comes of it."""
    site, one = stream
    scans, machine = one.scans, site.machine
    machine.tick(29)
    assert not scans.tick()
    machine.tick(1)
    assert scans.tick()
    times = []
    for _ in range(120):
        scans.host.inventory.container_for("never_seen", site.now())
        machine.tick(1)
        if scans.tick():
            times.append(site.now())
    gaps = [(after - before) // 1000 for before, after in itertools.pairwise(times)]
    assert gaps == [2, 4, 8, 16, 30, 30]


def test_a_record_without_a_name_is_asked_of_the_machine(stream: Any) -> None:
    """Where the trail has no WPAR column the process is looked at: psinfo says where it runs."""
    site, one = stream
    machine = site.machine
    machine.records.clear()
    shell = machine.fork(machine.wpars["web"].init, record=False)
    machine.write_tree(site.root)
    machine.record(shell, "FS_Chdir", "/home")
    one.pipeline.feed(machine.auditpr("elrRtpPTc", numeric=True).split(b"\n"))
    one.pipeline.idle()
    assert (one.stats.container, one.stats.unknown) == (1, 0)
    one._finish()
    one.close()
    said = json.loads(content(site.root.parent / "out").splitlines()[-1])
    assert said["container"]["name"] == "web"
    assert said["provenance"]["chains"] == [["web"]], "the name, as in a trail that tells the WPAR"
    assert said["provenance"]["aix"]["cid"] == "7"
    assert said["provenance"]["aix"]["cid"] == "7"


def test_contradictions_are_said_once(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources say two keys of one WPAR: which stands, and whose it is; not again at each look."""
    site, one = stream
    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(one.log, "warning", lambda event, **values: said.append((event, values)))
    one.scans.host.inventory.observe([Sighting("lswpar", "web", ckey=9), Sighting("index", "web", ckey=1)], site.now())
    for _ in range(3):
        site.machine.tick(60)
        one._read_inventory()
    told = [values for event, values in said if event == "wpar-sources-differ"]
    assert len({str(values) for values in told}) == len(told) >= 1
    assert {"name": "web", "attribute": "ckey", "kept": "9", "kept_source": "lswpar"}.items() <= told[0].items()


def test_strategies_are_reported(sim: Any, tmp_path: Path) -> None:
    """Each way in its order, whether it is used, and why not; a doctor shows them."""
    site = Site(sim.scenario(), tmp_path)
    found = live.strategies(site.host())
    assert [one.name for one in found[:5]] == ["psinfo", "getprocs64", "ps", "parent", "uname -W"]
    assert {one.name: one.used for one in found if not one.used} == {"getprocs64": False}
    assert {"WPARs by perfstat", "WPARs by lswpar -c", "WPARs by index"} <= {one.name for one in found}
    site.machine.inside = 6
    assert ("uname -W", False, "inside the WPAR with key 6") in live.strategies(site.host())
    elsewhere = live.this_host(tmp_path / "none", site.now)
    reasons = {one.name: one.why for one in live.strategies(elsewhere)}
    assert "library of AIX" in reasons["perfstat"] if "perfstat" in reasons else reasons["WPARs by perfstat"]


def test_stopping_leaves_nothing_running(tmp_path: Path, trail: bytes) -> None:
    """SIGTERM ends the stream, what the printer holds is read, and neither of them stays."""
    fake(tmp_path, "echo $$ > auditstream.pid\ncat trail; exec sleep 600", "echo $$ > auditpr.pid\nsleep 1; exec cat")
    (tmp_path / "trail").write_bytes(trail[:20_000])
    with LivePlugin(tmp_path, configured(tmp_path)) as one:
        until("both run", lambda: content(tmp_path / "auditpr.pid") and content(tmp_path / "auditstream.pid"))
        assert one.stop() == 0
    for name in ("auditstream", "auditpr"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / f"{name}.pid").read_text()), 0)
    assert stripped(one.out()).rstrip(b"\n") == trail[:20_000].rstrip(b"\n")


# --- the page for the first real machine ------------------------------------------------------------------------------

PAGE = (ROOT / "annotator" / "data" / "first-day-aix.md").read_text("utf-8")
MARK = re.compile(
    r"\binferred\b|\bunverified\b|not (?:yet )?(?:verified|confirmed|public|proven)|from memory|seen nowhere"
    r"|offsets (?:are )?computed|was seen on a real system"
)

READS = {
    "oslevel": r"-s",
    "uname": r"-W",
    "lparstat": r"-W",
    "lslpp": r"-L [\w.]+( [\w.]+)*",
    "grep": r"(-[nip] |-A \d+ |-e \w+ )*(\"[\w ]+\"|\w+)?( ?/[\w./]+)*",
    "lswpar": r"(-[cqLN] ?)*(-a [\w,]+)?",
    "cat": r"/etc/(corrals|security/audit)/\w+",
    "ls": r"-l( /[\w/]+)+",
    "ps": r"-ef@|-e -o pid,wpar",
    "od": r"-A [dn] -t (x1|u2)( -j \d+)? -N \d+ /(proc/G?PID/psinfo|audit/\w+)",
    "head": r"-\d+",
    "audit": r"query",
    "auditpr": r"(-t1|-t2 -m annotator-test) -[vw]( -[rX])?( -h [\w,]+)? -i /audit/trail",
    "netstat": r"(-@ (NAME|Global) )?-Aan",
    "annotator": r"doctor|replay --system aix --format json -",
}
"""The programs that may be asked for on somebody's machine, each with the arguments with which it only reads."""


def commands_of(page: str) -> list[str]:
    """Every command of the fenced blocks, pipes cut into their programs."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [part.strip() for block in blocks for line in block.splitlines() for part in line.split("|")]


def changes(command: str) -> bool:
    """Whether a command is not known to only read."""
    program, _, arguments = command.partition(" ")
    return program not in READS or not re.fullmatch(READS[program], arguments)


def test_every_command_of_the_page_only_reads() -> None:
    """Nothing on the page changes a machine: each program and its arguments are on the list of those that read."""
    found = commands_of(PAGE)
    assert len(found) > 40
    assert not [command for command in found if changes(command)]


@pytest.mark.parametrize(
    "command",
    ["rmsock f1000 tcpcb", "audit start", "audit shutdown", "auditpr -i /audit/trail -m x", "cat /etc/passwd > /x",
     "lswpar; rmwpar a", "grep -n x $(reboot)", "od -A d -t x1 -N 9 /dev/audit", "annotator install", "ls -l `x`",
     "chwpar -n a", "auditstream", "sh -c ls"],
)  # fmt: skip
def test_what_changes_something_is_seen(command: str) -> None:
    """The list lets nothing pass that writes, starts, stops, or holds another command."""
    assert changes(command)


def rows() -> list[list[str]]:
    """The table of assumptions: what, module, words, numbers."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def plain(module: Path) -> str:
    """A module's text in one line, with texts that are broken over lines joined."""
    return re.sub(r"\s+", " ", module.read_text("utf-8"))


def test_each_assumption_of_the_page_is_marked_in_the_code() -> None:
    """A row names the module, words of its mark, and a part of the page whose commands show it."""
    parts = set(re.findall(r"^### (\d)\. ", PAGE, re.MULTILINE))
    assert len(rows()) > 20
    for _, module, words, numbers in rows():
        assert words in plain(ROOT / "annotator" / "aix" / f"{module}.py"), (module, words)
        assert set(numbers.split(", ")) <= parts


def test_each_mark_of_the_code_is_on_the_page() -> None:
    """A module with a mark has a row, and a layout that is not verified is named."""
    named = {row[1] for row in rows()}
    marked = {path.stem for path in (ROOT / "annotator" / "aix").glob("*.py") if MARK.search(plain(path))}
    assert marked - named <= {"record"}, "record only says what the marks of the others mean"
    for layout in layouts.ALL:
        assert layout.verified or f"`{layout.name}`" in PAGE, layout.name


# --- structures -----------------------------------------------------------------------------------------------------


def native(layout: layouts.Layout) -> Any:
    """The structure as a big-endian compiler lays it out: members at their natural places, what is padding as bytes.

    In 64-bit mode every member of AIX's ABI is aligned to its size.
    """
    members: list[tuple[str, Any]] = []
    at = 0
    for field in layout.fields:
        if field.offset > at:
            members.append((f"_gap{at}", ctypes.c_uint8 * (field.offset - at)))
        width = struct.calcsize(">" + field.code)
        kind = CTYPES.get(field.code) or ctypes.c_uint8 * width
        members.append((field.name, kind))
        at = field.offset + width
    if layout.size > at:
        members.append((f"_gap{at}", ctypes.c_uint8 * (layout.size - at)))
    return type("Native", (ctypes.BigEndianStructure,), {"_fields_": members})


@pytest.mark.parametrize("layout", layouts.ALL, ids=lambda layout: layout.name)
def test_layouts_are_those_of_a_big_endian_compiler(layout: layouts.Layout) -> None:
    """Without packing: ctypes adds no byte of its own, so all offsets are aligned, and sizes are the documented ones.

    The bin header with an unaligned time is the one that no compiler makes of itself: it is there as the other reading.
    """
    structure = native(layout)
    offsets = {field.name: getattr(structure, field.name).offset for field in layout.fields}
    if layout is layouts.BIN_64_PACKED:
        assert (offsets["time"], ctypes.sizeof(structure)) == (16, layouts.BIN_64.size)
        return
    assert offsets == {field.name: field.offset for field in layout.fields}
    beginning = layout is layouts.LWPSINFO  # of a structure that goes on: nothing says what it is padded to here
    assert ctypes.sizeof(structure) == layout.size + (4 if beginning else 0)
    data = bytes((at * 11 + 5) % 256 for at in range(ctypes.sizeof(structure)))
    there = structure.from_buffer_copy(data)
    for name, value in layouts.unpack(layout, data).items():
        other = getattr(there, name)
        assert value == (bytes(other) if isinstance(value, bytes) else other), name


def test_documented_totals() -> None:
    """The totals that headers and public programs state."""
    stated = {"struct aud_rec": 84, "psinfo_t": 328, "perfstat_wpar_total_t (AIX 7.1)": 72,
              "perfstat_wpar_total_t (AIX 6.1)": 64, "struct procentry64 (AIX 5.3)": 4944,
              "perfstat_id_wpar_t (64-bit)": 104, "perfstat_id_wpar_t (32-bit)": 96,
              "struct aud_bin (32-bit time)": 24}  # fmt: skip
    sizes = {layout.name: ctypes.sizeof(native(layout)) for layout in layouts.ALL}
    assert {name: sizes[name] for name in stated} == stated


@pytest.mark.parametrize(
    ("shown", "level"), [(b"auditing on\n[no events audited]\n", Level.OK), (b"auditing off\n", Level.BAD)]
)
def test_doctor_says_whether_auditing_is_on(shown: bytes, level: Level) -> None:
    """By the words of `audit query`; where it cannot be asked nothing is claimed."""
    (finding,) = doctor_aix.auditing(lambda _: shown)
    assert finding.level is level

    def fails(argv: Sequence[str]) -> bytes:
        raise SourceError(f"{argv[0]}: not found")

    (finding,) = doctor_aix.auditing(fails)
    assert finding.level is Level.NOTE


def test_doctor_shows_the_ways(sim: Any, tmp_path: Path) -> None:
    """One finding for each way: used, or why not; inside a WPAR, and without any way, it says what to do."""
    site = Site(sim.scenario(), tmp_path)
    found = {one.topic: one for one in doctor_aix.results(live.strategies(site.host()))}
    assert found["way psinfo"].level is Level.OK
    assert (found["way getprocs64"].level, found["way getprocs64"].advice) == (Level.NOTE, "")
    site.machine.inside = 6
    inside = {one.topic: one for one in doctor_aix.results(live.strategies(site.host()))}
    assert inside["way uname -W"].level is Level.BAD
    nothing = [live.Strategy(name, used=False, why="gone") for name in ("psinfo", "getprocs64", "ps")]
    assert [one.level for one in doctor_aix.results(nothing)][-1] is Level.WARNING
