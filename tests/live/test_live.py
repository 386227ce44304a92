"""Live attribution, end to end, held against the truth: a private auditd, our plugin on its stream, real containers.

A short run is part of every check; the whole of it, with daemons, storms and laurel beside us, is `slow`. Either prints
its table: what is wrong or unknown is there to be read, not hidden by an average.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import judge
from tests.live.lab import CALLS, Lab, Refused, scenario, text

OUTSIDE = os.geteuid() == 0 and os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"  # noqa: PTH115
TOOLS = ("auditd", "auditctl", "runc", "bwrap", "busybox", "unshare", "nsenter")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not OUTSIDE, reason="needs root in the first pid namespace"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="scripts/setup --dev installs what this needs"),
]

SHORT = ("host", "runc", "bubblewrap", "entered", "roots", "nested", "across", "before")
ENTERED = (
    *("runc", "crun", "podman", "pod", "rootless", "docker", "containerd", "lxc", "nspawn", "entered", "nested"),
    "across",
)
WHOLE = (
    *("host", "runc", "crun", "podman", "pod", "rootless", "docker", "containerd", "lxc", "nspawn", "bubblewrap"),
    *("entered", "roots", "storm", "forks", "reused", "nested", "across", "before"),
)
NEEDS = {
    "crun": "crun", "podman": "podman", "pod": "catatonit", "rootless": "newuidmap", "docker": "dockerd",
    "containerd": "ctr", "lxc": "lxc-start", "nspawn": "systemd-nspawn",
}  # fmt: skip

HARD = {"reused": 0.15, "nspawn": 0.05}
"""Share of events that may be unknown: of processes that live for a millisecond under one number, hundreds a second,
and of machines whose cgroup says nothing. Everywhere else it is what a loaded machine of two processors may miss."""

SHARE = 0.02

REST_S = 0.6
"""What the laboratory waits of itself when it settles."""


class Run:
    """What one laboratory gave."""

    def __init__(self, folder: Path, names: tuple[str, ...], *, calls: str = CALLS) -> None:
        self.runs = []
        lab = Lab(folder, calls=calls)
        first = scenario(lab, "early") if "before" in names else None
        try:
            with lab:
                for name in names:
                    self.runs.append(scenario(lab, name))
                self.lost = lab.lost()
                self.memory = lab.metric("queue_deepest_bytes")
        finally:
            if first is not None and not any(run["name"] == "before" for run in self.runs):
                scenario(lab, "before")  # ends what `early` began
        if first is not None:
            self.runs[-1]["notes"] = [*first["notes"], *self.runs[-1]["notes"]]
        (folder / "runs.json").write_text(json.dumps(self.runs))
        self.judge = judge.Judge(folder, self.runs)
        self.folder = folder
        self.answers = judge.ours(folder / "ours.json")
        self.ours = self.judge.score(self.answers)
        self.sessions = self.judge.sessions(self.answers)
        log = folder / "laurel/audit.log"
        self.laurel = self.judge.score(judge.laurel(log), "laurel") if log.exists() else {}
        self.notes = text(folder / "plugin.err")

    def table(self) -> str:
        """For people."""
        sessions = "".join(f"Sessions of {name}: {found.line()}\n" for name, found in self.sessions.items())
        behind = [f"{run['name']} {max(0.0, run['settled'] - run['ended'] - REST_S):.1f} s" for run in self.runs]
        return (
            f"{judge.table(self.ours, self.laurel)}\n{sessions}"
            f"Our queue at its deepest: {self.memory / 1024:.0f} KiB; records the kernel lost: {self.lost}.\n"
            f"From the end of a scenario until its last event was written: {', '.join(behind)}."
        )


def made(factory: pytest.TempPathFactory, names: tuple[str, ...], *, calls: str = CALLS) -> Run:
    """A laboratory in a folder of its own."""
    names = tuple(name for name in names if name not in NEEDS or shutil.which(NEEDS[name]))
    try:
        found = Run(factory.mktemp("lab"), names, calls=calls)
    except Refused as why:
        pytest.skip(f"this machine's audit cannot be used: {why}")
    sys.__stdout__.write(f"\n{found.table()}\n") if sys.__stdout__ is not None else None
    return found


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenarios of every check."""
    return made(tmp_path_factory, SHORT)


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything that is entered, with the rules that `annotator install` loads."""
    return made(tmp_path_factory, ENTERED, calls="")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All of them."""
    return made(tmp_path_factory, WHOLE)


def check(run: Run) -> None:
    """Nothing untrue; what is unknown is rare; the scenarios did what they are for."""
    assert [(one["name"], one["out"]) for one in run.runs if one["code"]] == []
    untrue = {name: judge.wrong(count) for name, count in run.ours.items() if judge.wrong(count)}
    examples = {
        key: said for key, said in run.judge.examples.items() if key[1].split()[1] in ("wrong", "false", "claimed")
    }
    assert not untrue, (untrue, {key: said for key, said in examples.items() if key[1].startswith("ours")})
    for name, count in run.ours.items():
        assert count["events"] > 20, name
        assert judge.unknown(count) <= count["events"] * HARD.get(name, SHARE) + 1, (name, count)
    assert run.judge.truth.lost == 0, "the witness lost events"


def test_a_short_run_names_everything_rightly(short: Run) -> None:
    """No container is named wrongly, none claimed to be host, no host event named; what is unknown is rare."""
    check(short)


def test_every_exec_is_a_session_with_the_default_rules(default: Run) -> None:
    """Each entry has its own; what the containers' own programs do is in none of them."""
    check_sessions(default, default.sessions)


def check_sessions(run: Run, sessions: dict[str, judge.Sessions]) -> None:
    """An entry may be missed where nothing was seen of it in a loaded machine; none is anybody else's."""
    entries = sum(len(one.entries) for one in sessions.values())
    assert entries >= 12, run.table()
    assert sum(one.found for one in sessions.values()) >= entries - entries // 30, run.table()
    assert [one.wrong for one in sessions.values() if one.own["another's"]] == []


def test_a_replay_with_the_journal_is_the_live_answer(default: Run) -> None:
    """Event by event, with sessions: where both know, they say the same; the journal knows nearly all."""
    given = from_journal(default)
    contrary = [
        (key, live, given[key])
        for key, live in default.answers.items()
        if live.ids and given[key].ids and live.ids[0] != given[key].ids[0]
    ]
    assert contrary == []
    lost = [(key, live) for key, live in default.answers.items() if live.ids and not given[key].ids]
    assert len(lost) <= len(default.answers) * 0.002 + 1, lost[:5]
    check_sessions(default, default.judge.sessions(given))


def from_journal(run: Run) -> dict[tuple[int, int], judge.Answer]:
    """The answers of a replay of auditd's own log with the plugin's journal."""
    program = Path(sys.executable).with_name("annotator")
    replayed = run.folder / "replayed.json"
    with replayed.open("wb") as out:
        subprocess.run(
            [program, "replay", run.folder / "audit.log", "--journal", run.folder / "journal", "--format", "json"],
            stdout=out,
            check=True,
        )
    return judge.ours(replayed)


def test_targets_are_named_rightly(short: Run) -> None:
    """Who is signalled or traced, across containers, has its own answer."""
    count = short.ours["across"]
    assert count["target right"] > 10
    assert count["target wrong"] == 0


def test_nothing_is_left_behind(short: Run) -> None:
    """No rule, no daemon; and the plugin ended well, with every line it read."""
    from tests.live.lab import running, sh

    assert sh("auditctl", "-l").strip() == "No rules"
    assert not running("auditd")
    assert "event=stopped" in short.notes
    assert "lost_bytes=0" in short.notes


@pytest.mark.slow
def test_the_whole_run_names_everything_rightly(whole: Run) -> None:
    """All engines that are installed, storms, a pid that is used again and again, nested and entered containers."""
    check(whole)


@pytest.mark.slow
def test_a_storm_does_not_leave_us_behind(whole: Run) -> None:
    """Ten thousand forks: the kernel lost nothing, and the queue before our worker stayed small."""
    assert whole.lost == 0
    assert whole.memory < 16 << 20
