"""Sessions of what was seen of a machine: a log that has only the starts of programs, and the births beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import annotator
from annotator.core.contracts import HostProcess
from annotator.core.model import UNSET_ID, Container, Evidence, Ns
from annotator.core.registry import derive_contid
from annotator.core.stats import Stats
from annotator.engine.factory import Options, form_of
from annotator.engine.pipeline import Pipeline, Tables
from annotator.history import Observations
from annotator.linux.backend import Linux
from annotator.linux.engines.programs import KINDS

SAMPLES = Path(__file__).parent.parent.parent / "samples" / "linux"
ID = "c" * 64
T0 = 1_700_000_000_000
OWN = Ns.MNT | Ns.PID


class Machine:
    """A log and its follower. Times are ms since the start; everything is seen at once, in its order."""

    def __init__(self, **more: str) -> None:
        self.tables = Tables()
        self.observations = Observations(self.tables.registry, processes=self.tables.processes, programs=KINDS)
        self.tables.observations = self.observations
        stats, backend = Stats(), Linux()
        self.pipeline = Pipeline(backend, form_of(Options(format="json"), backend, stats), stats, tables=self.tables)
        self.container = Container(derive_contid(ID), ID, engine="podman", name="web", **more)
        self.ms, self.serial = 0, 100
        self.births: dict[int, int] = {}

    def look(self, pid: int, ppid: int, born: int, *, inside: bool, vpid: int | None = None, exe: str = "/bin/sh",
             own: Ns = OWN, place: bool = True) -> None:  # fmt: skip
        """The process is read now."""
        c = self.container if inside else None
        self.observations.observed(b"", HostProcess(
            pid, ppid, T0 + born, born // 10 + 1, T0 + self.ms, c, Evidence.CGROUP if inside else Evidence.HOST_VIEW,
            place=c if place else None, own=own if inside else Ns.NONE, vpid=vpid, exe=exe.encode(),
        ))  # fmt: skip

    def fork(self, parent: int, child: int) -> int:
        """A birth; when it was."""
        self.ms += 30
        self.observations.forked(b"", parent, child, T0 + self.ms)
        self.births[child] = self.ms
        return self.ms

    def run(self, pid: int, ppid: int, *args: str, exe: str = "", auid: int = UNSET_ID, tty: str = "(none)",
            uid: int = 0) -> dict[str, Any]:  # fmt: skip
        """The process begins a program: its answer."""
        self.ms += 30
        self.serial += 1
        stamp = f"msg=audit({(T0 + self.ms) // 1000}.{(T0 + self.ms) % 1000:03d}:{self.serial}):"
        words = " ".join(f'a{at}="{arg}"' for at, arg in enumerate(args))
        path = exe or f"/usr/bin/{args[0]}"
        lines = [
            f"type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 items=1 ppid={ppid} "
            f"pid={pid} auid={auid} uid={uid} gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty={tty} ses={auid} "
            f'comm="{args[0]}" exe="{path}" key=(null)',
            f"type=EXECVE {stamp} argc={len(args)} {words}",
            f"type=PROCTITLE {stamp} proctitle=78",
            f"type=EOE {stamp}",
        ]
        self.observations.executed(b"", pid, T0 + self.ms)
        out = self.pipeline.feed([line.encode() for line in lines]) + self.pipeline.idle(50)
        provenance: dict[str, Any] = json.loads(out.splitlines()[-1])["provenance"]
        return provenance

    def entered(self, parent: int, pid: int, *args: str, tty: str = "(none)", **more: Any) -> dict[str, Any]:
        """A process that its runtime put into the container begins its program: the session."""
        born = self.fork(parent, pid)
        self.look(pid, parent, born, inside=True, vpid=40, exe="/usr/sbin/runc", **more)
        self.ms += 5
        found = self.program(pid, parent, *args, tty=tty, **more)
        session: dict[str, Any] = found.get("session", {})
        return session

    def program(self, pid: int, ppid: int, *args: str, tty: str = "(none)", own: Ns = OWN,
                vpid: int = 40) -> dict[str, Any]:  # fmt: skip
        """A program inside that is read after its beginning."""
        self.look(pid, ppid, self.births[pid], inside=True, vpid=vpid, exe=f"/usr/bin/{args[0]}", own=own)
        return self.run(pid, ppid, *args, tty=tty)


@pytest.fixture
def machine() -> Machine:
    """A shell (50) on the host, and a shim (60) above the container's init (70)."""
    machine = Machine()
    machine.look(50, 1, -5000, inside=False, exe="/usr/bin/bash")
    machine.look(60, 1, -5000, inside=False, exe="/usr/bin/containerd-shim-runc-v2")
    born = machine.fork(60, 70)
    machine.look(70, 60, born, inside=True, vpid=1)
    return machine


def test_what_the_init_started_is_session_0(machine: Machine) -> None:
    """Children and grandchildren, also of those that nobody looked at."""
    machine.fork(70, 71)
    machine.fork(71, 72)
    assert machine.run(72, 71, "id")["session"] == {"id": "0"}
    assert machine.run(71, 70, "cat")["session"] == {"id": "0"}


def test_runc_exec_begins_a_session_that_its_children_have(machine: Machine) -> None:
    """By the runtime's command, of whose process the entered one was born; each exec is one of its own."""
    ids = set()
    for turn, child in ((80, 90), (81, 92)):
        born = machine.fork(50, turn)
        machine.run(turn, 50, "runc", "exec", ID, "sh", exe="/usr/sbin/runc", auid=1000, tty="pts3")
        machine.look(turn, 50, born, inside=False, exe="/usr/sbin/runc")
        session = machine.entered(turn, child, "sh")
        assert session["how"] == "runc exec"
        assert session["by"] == {"auid": "1000", "ses": "1000", "uid": "0", "tty": "pts3", "exe": "/usr/sbin/runc"}
        machine.fork(child, child + 1)
        assert machine.run(child + 1, child, "cat")["session"] == session
        ids.add(session["id"])
    assert len(ids - {"0"}) == 2


def test_podman_exec_is_by_the_client(machine: Machine) -> None:
    """Conmon is no child of podman's any more when it starts the runtime; but it was born of it."""
    for pid, parent, *args in (
        (51, 50, "podman", "exec", "web", "sh"),
        (52, 51, "conmon", "--api-version", "1", "-c", ID, "-e", "-n", "web"),
    ):
        born = machine.fork(parent, pid)  # type: ignore[arg-type]
        machine.run(pid, parent, *args, auid=1000, tty="pts1")  # type: ignore[arg-type]
        machine.look(pid, parent, born, inside=False, exe=f"/usr/bin/{args[0]}")  # type: ignore[arg-type]
    machine.fork(52, 53)
    born = machine.fork(53, 54)
    machine.run(54, 53, "runc", "exec", "--pid-file", "/p", ID, exe="/usr/sbin/runc", auid=1000)
    machine.look(54, 53, born, inside=False, exe="/usr/sbin/runc")
    session = machine.entered(54, 90, "sh")
    assert (session["how"], session["by"]["exe"], session["by"]["tty"]) == ("podman exec", "/usr/bin/podman", "pts1")


def daemons_exec(machine: Machine, runtime: int, pid: int, *words: str, tty: str = "(none)") -> dict[str, Any]:
    """What a shim does for a client that no record names."""
    born = machine.fork(60, runtime)
    machine.run(runtime, 60, "runc", "exec", "--process", "/tmp/p", "--detach", ID, exe="/usr/sbin/runc")
    machine.look(runtime, 60, born, inside=False, exe="/usr/sbin/runc")
    return machine.entered(runtime, pid, *words, tty=tty)


def client(machine: Machine, pid: int, auid: int, *words: str) -> None:
    """Somebody types `docker exec`."""
    machine.fork(50, pid)
    machine.run(pid, 50, "docker", "exec", "-it", "web", *words, auid=auid, uid=auid, tty="pts7")


def test_docker_exec_names_the_client_and_says_that_it_is_inferred(machine: Machine) -> None:
    """The one client whose words run; the next exec of the same words has another, or none."""
    client(machine, 55, 1000, "sh", "-c", "id")
    session = daemons_exec(machine, 80, 90, "sh", "-c", "id", tty="pts0")
    assert session["how"] == "runc exec"
    assert session["by"] == {
        "auid": "1000", "ses": "1000", "uid": "1000", "tty": "pts7", "exe": "/usr/bin/docker",
        "inferred": "command line",
    }  # fmt: skip
    machine.fork(90, 91)
    assert machine.run(91, 90, "id")["session"] == session
    assert "auid" not in daemons_exec(machine, 81, 93, "sh", "-c", "id")["by"]


def test_of_two_clients_that_fit_none_is_named(machine: Machine) -> None:
    """Nor one whose words differ, nor one that asked for another container."""
    client(machine, 55, 1000, "sh")
    client(machine, 56, 1002, "sh")
    client(machine, 57, 1003, "bash")
    machine.fork(50, 58)
    machine.run(58, 50, "docker", "exec", "other", "ls", auid=1004, uid=1004)
    for runtime, pid, word in ((80, 90, "sh"), (81, 93, "ls")):
        session = daemons_exec(machine, runtime, pid, word)
        assert "auid" not in session["by"]
        assert "inferred" not in session["by"]


@pytest.mark.parametrize(("tty", "unattended"), [("(none)", True), ("pts0", False)])
def test_a_probe_is_told_from_a_person(tty: str, unattended: bool) -> None:
    """In a pod, for nobody's login, without a terminal."""
    machine = Machine(pod_name="web-0", namespace="default")
    machine.look(60, 1, -5000, inside=False, exe="/usr/bin/containerd-shim-runc-v2")
    machine.look(70, 60, machine.fork(60, 70), inside=True, vpid=1)
    session = daemons_exec(machine, 80, 90, "cat", tty=tty)
    assert session["by"].get("unattended", False) == unattended
    assert session["by"].get("tty", "(none)") == tty


def test_nsenter_is_a_session_with_its_command(machine: Machine) -> None:
    """Its children have the same one."""
    born = machine.fork(50, 80)
    machine.run(80, 50, "nsenter", "-t", "70", "-a", "sh", auid=1000)
    machine.fork(80, 90)
    machine.container.name = ""
    host = machine.container
    look = HostProcess(90, 80, T0 + machine.ms, 9, T0 + machine.ms + 5, None, Evidence.HOST_VIEW, place=host, own=OWN,
                       auid=1000, exe=b"/usr/bin/nsenter")  # fmt: skip
    assert born
    machine.observations.observed(b"", look)
    found = machine.run(90, 80, "sh", auid=1000)
    assert (found["session"]["how"], found["session"]["by"]["auid"]) == ("nsenter", "1000")
    machine.fork(90, 91)
    assert machine.run(91, 90, "id", auid=1000)["session"] == found["session"]


def test_births_that_nobody_saw_prove_no_session(machine: Machine) -> None:
    """What was there before may have been adopted by the init; its own children are in the same case."""
    machine.look(75, 70, -100, inside=True, vpid=9)
    assert "session" not in machine.run(75, 70, "id")


@pytest.mark.parametrize(("case", "auids"), [("user", ["1000"]), ("two-alike", [])])
def test_a_log_alone_names_the_client_of_docker_exec(case: str, auids: list[str]) -> None:
    """With births in the log, and no host: one client is named, of two alike none."""
    log = annotator.open(SAMPLES / f"session-docker-exec-{case}" / "input.log")
    sessions = [one.session for one in log.sessions()]
    assert sessions
    assert {one.how for one in sessions} == {"runc exec"}
    assert [str(one.auid) for one in sessions if one.auid is not None] == auids
    assert [one.inferred for one in sessions if one.auid is not None] == ["command line" for _ in auids]


@pytest.fixture
def bare() -> Machine:
    """A log alone, of the default rules: starts of programs and changes of namespaces, no births."""
    machine = Machine()
    machine.tables.observations = None
    return machine


def joined(machine: Machine, pid: int, ppid: int) -> None:
    """A stage of the runtime joins the container's namespaces."""
    machine.ms += 10
    machine.serial += 1
    stamp = f"msg=audit({(T0 + machine.ms) // 1000}.{(T0 + machine.ms) % 1000:03d}:{machine.serial}):"
    machine.pipeline.feed([line.encode() for line in (
        f"type=SYSCALL {stamp} arch=c000003e syscall=308 success=yes exit=0 a0=c a1=20000 a2=0 a3=0 items=0 "
        f"ppid={ppid} pid={pid} auid={UNSET_ID} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) "
        f'ses={UNSET_ID} comm="runc:[1:CHILD]" exe="/" key=(null)',
        f"type=PROCTITLE {stamp} proctitle=78",
        f"type=EOE {stamp}",
    )])  # fmt: skip


def test_without_births_the_runtimes_child_is_what_entered(bare: Machine) -> None:
    """Its first program, soon after the runtime joined the container; not the runtime's own, and not later."""
    bare.run(80, 60, "runc", "exec", ID, "sh", exe="/usr/sbin/runc")
    joined(bare, 81, 80)
    assert bare.run(82, 80, "exe", exe="/")["status"] == "unknown"
    found = bare.run(83, 80, "sh")
    assert found["status"] == "container"
    assert found["session"]["how"] == "runc exec"
    assert bare.run(84, 83, "id")["session"] == found["session"]
    bare.ms += 300
    assert bare.run(85, 80, "sh")["status"] == "unknown"


def test_a_childs_program_before_the_runtime_joined_proves_nothing(bare: Machine) -> None:
    """Nor that of somebody else's child."""
    bare.run(80, 60, "runc", "exec", ID, "sh", exe="/usr/sbin/runc")
    assert bare.run(83, 80, "sh")["status"] == "unknown"
    joined(bare, 81, 80)
    assert bare.run(84, 60, "sh")["status"] == "unknown"
