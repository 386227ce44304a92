"""What of a machine is in its log, what perturbations leave of it, and how answers are judged."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.model.calls import Host
from tests.model.display import Truth
from tests.model.history import Plan, write
from tests.model.judge import Answer, verdict
from tests.model.perturb import PERTURBATIONS, closed, interleave
from tests.model.render import render
from tests.model.rules import LEVELS

if TYPE_CHECKING:
    from tests.model.kernel import Task


def machine(**more: object) -> Host:
    """A machine without delays of its own."""
    return Host(rng=Random(1), pid_max=400, late=0.0, **more)  # type: ignore[arg-type]


def calls(m: Host) -> list[str]:
    """What is in the log."""
    return [event.call for event in m.log]


def test_a_vforks_record_is_there_when_the_child_has_run_its_program_or_ended() -> None:
    """And never later than the next thing that the parent does."""
    for seed in range(20):
        m = Host(rng=Random(seed), late=0.0)
        shell = m.fork(m.kernel.init)
        child = m.fork(shell, 0x4111)
        assert calls(m) == ["clone"]
        m.exec(child, "/bin/true", ["true"])
        m.works(shell)
        assert sorted(calls(m)[1:3]) == ["clone", "execve"]
        gone = m.fork(shell, 0x4111)
        m.exit(gone)
        while m.step():
            pass
        assert calls(m)[-1] == "clone"
        assert m.log[-1].child == gone.pid


def test_levels_of_rules() -> None:
    """What no rule asks for takes no serial."""
    for level, expected in {
        "minimal": ["execve"],
        "lineage": ["clone", "execve", "exit_group"],
        "namespaces": ["clone", "execve", "unshare", "exit_group"],
        "live": ["execve", "unshare"],
        "all": ["clone", "execve", "unshare", "kill", "setns", "exit_group"],
    }.items():
        m = machine(rules=LEVELS[level])
        task = m.fork(m.kernel.init)
        m.exec(task, "/bin/true", ["true"])
        m.unshare(task, 0x20000)
        m.kill(task, task.pid, 0)
        m.call(task, "setns", exit=-1, ok=False)
        m.exit(task)
        assert calls(m) == expected
        assert [event.serial for event in m.log] == list(range(101, 101 + len(expected)))


def test_a_history_is_the_same_each_time_and_serials_run_on() -> None:
    """The seed is all that decides."""
    first, second = (render(write(Plan(7, events=400))).text() for _ in range(2))
    assert first == second
    events = write(Plan(7, events=400))
    assert [event.serial for event in events] == list(range(101, 501))


def test_who_acts_lives_and_so_does_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the record of a fork that was under way when its process was killed."""
    seen = 0
    call = Host.call

    def watched(m: Host, task: Task, name: str, *args: object, **more: object) -> None:
        nonlocal seen
        seen += 1
        assert task.alive or name in ("clone", "clone3", "vfork", "fork")
        if task.alive:
            assert task.number.owner is task
            assert m.kernel.root.used[task.pid] is task.number
            assert task.parent is None or (task.parent.alive and task in task.parent.children)
            assert task.namespace.init is not None
            assert task.namespace.init.alive
        call(m, task, name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Host, "call", watched)
    for seed in range(12):
        write(Plan(seed, events=1200, boots=seed & 1))
    assert seen > 9_000


def test_small_machines_use_numbers_again() -> None:
    """With few numbers, most histories see a pid in two places."""
    again = 0
    for seed in range(20):
        born: list[int] = [event.child for event in write(Plan(seed, events=1500)) if event.child]
        again += len(born) != len(set(born))
    assert again >= 10


def test_perturbations_keep_each_events_truth() -> None:
    """What is left of an event is told apart from others, and its records are its own."""
    events = write(Plan(4, events=600))
    texts = {body: event.truth for event in events for _, body in event.records}
    for name, perturb in PERTURBATIONS.items():
        for seed in range(5):
            found = perturb(list(events), Random(seed))
            assert found, name
            for event in found:
                assert event.truth is None or all(body in texts for _, body in event.records)


def test_a_full_queue_leaves_no_hole() -> None:
    """The kernel drops before it gives serials."""
    events = write(Plan(4, events=600))
    left = closed(events[:100] + events[300:])
    assert [event.serial for event in left] == list(range(101, 501))
    found = PERTURBATIONS["queue"](events, Random(3))
    assert len(found) < len(events)
    assert [event.serial for event in found] == list(range(101, 101 + len(found)))


def test_interleaving_keeps_each_event_and_each_process_in_order() -> None:
    """Nothing is lost."""
    written = render(write(Plan(4, events=600)))
    before = list(written.lines)
    interleave(written, Random(1))
    assert sorted(before) == sorted(written.lines)
    assert before != written.lines
    for n in range(600):
        assert [line for line in before if line[0] == n] == [line for line in written.lines if line[0] == n]


@pytest.mark.parametrize(
    ("truth", "answer", "expected"),
    [
        (Truth(), Answer("host"), "host"),
        (Truth(), Answer("container", "a"), "false"),
        (Truth(("a",)), Answer("host"), "host-claimed"),
        (Truth(("a",)), Answer("container", "a"), "named"),
        (Truth(("a",)), Answer("container", "b", flags=("assumed",)), "wrong"),
        (Truth(("b", "a")), Answer("container", "a"), "wrong"),
        (Truth(("b", "a")), Answer("container", "a", flags=("at-least",)), "at-least"),
        (Truth((), "a", "stage"), Answer("container", "a"), "named"),
        (Truth((), "a", "stage"), Answer("host"), "host"),
        (Truth(("a",)), Answer("unknown", reason="gap"), "unknown"),
        (Truth(("~1",)), Answer("host"), "host"),
        (Truth(("~1",)), Answer("container", "mnt:5"), "named"),
        (Truth(("~2",)), Answer("container", "mnt:7"), "wrong"),
    ],
)
def test_verdicts(truth: Truth, answer: Answer, expected: str) -> None:
    """One word on each kind of answer."""
    assert verdict(truth, answer, {"mnt:7": "~1"}) == expected
