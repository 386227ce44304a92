"""What happens to a log before somebody reads it: loss, silence, clocks. The truth of what is left stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import records
from tests.model.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.model.machine import Event
    from tests.model.render import Written

    Perturbation = Callable[[list[Event], Random], list[Event]]

HOUR = 3_600_000
UNRULED = frozenset(("write", "sendto"))
"""What is in the log without any rule: records that stand before such a SYSCALL; and user space's."""


def closed(events: list[Event]) -> list[Event]:
    """Serials without holes, boot by boot: what the kernel dropped for want of room never had one."""
    found: list[Event] = []
    serial = boot = -1
    for event in events:
        if event.call.startswith("DAEMON"):
            found.append(event)
            continue
        serial = event.serial if event.boot != boot else serial + 1
        boot = event.boot
        found.append(event if event.serial == serial else replace(event, serial=serial))
    return found


def _thin(event: Event, keep: Callable[[tuple[str, str]], bool]) -> Event | None:
    left = [record for record in event.records if keep(record)]
    if len(left) == len(event.records):
        return event
    return replace(event, records=left) if left else None


def lines(events: list[Event], rng: Random) -> list[Event]:
    """A relay loses lines, each by itself."""
    part = rng.choice((0.01, 0.05, 0.15))
    thinned = [_thin(event, lambda _: rng.random() >= part) for event in events]
    return [event for event in thinned if event is not None]


def holes(events: list[Event], rng: Random) -> list[Event]:
    """Whole events are lost after they had their serials (auditd, a relay, the kernel's rate limit)."""
    part = rng.choice((0.01, 0.05, 0.2))
    return [event for event in events if rng.random() >= part]


def queue(events: list[Event], rng: Random) -> list[Event]:
    """A full queue of the kernel: events vanish without a hole, or lose what comes after their first record."""
    part = rng.choice((0.02, 0.1, 0.3))
    return _full(events, rng, part, 0, len(events))


def bursts(events: list[Event], rng: Random) -> list[Event]:
    """The same for moments: in each, nearly everything is lost; now and then the serials show it."""
    found = events
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(max(1, len(found)))
        size = rng.choice((5, 20, 80, 200))
        if rng.random() < 0.4:
            found = found[:at] + [one for one in found[at : at + size] if rng.random() < 0.1] + found[at + size :]
        else:
            found = _full(found, rng, 0.9, at, at + size)
    return found


def _full(events: list[Event], rng: Random, part: float, low: int, high: int) -> list[Event]:
    found: list[Event] = []
    for n, event in enumerate(events):
        if not low <= n < high or rng.random() >= part or event.call.startswith("DAEMON"):
            found.append(event)
        elif rng.random() < 0.4:
            first = next((n for n, record in enumerate(event.records) if record[0] == "SYSCALL"), 0)
            tail = [one for one in event.records[first + 1 :] if rng.random() < 0.3]
            found.append(replace(event, records=[*event.records[: first + 1], *tail]))
    return closed(found)


def types(events: list[Event], rng: Random) -> list[Event]:
    """One type of record is not kept (an exclude rule), or is lost at random."""
    kind = rng.choice(("PROCTITLE", "EXECVE", "CWD", "PATH", "OBJ_PID", "SYSCALL", "EOE", "LOGIN"))
    part = rng.choice((0.05, 0.5, 1.0)) if kind != "SYSCALL" else 0.05
    thinned = [_thin(event, lambda record: record[0] != kind or rng.random() >= part) for event in events]
    return [event for event in thinned if event is not None]


def late(events: list[Event], rng: Random) -> list[Event]:
    """The log begins when the machine has long been up."""
    return events[int(len(events) * rng.uniform(0.05, 0.7)) :]


def clock(events: list[Event], rng: Random) -> list[Event]:
    """The clock is set, once or more: half a second to an hour, forwards or back."""
    steps = sorted(rng.randrange(len(events) or 1) for _ in range(rng.choice((1, 1, 3))))
    found: list[Event] = []
    moved = 0
    for n, event in enumerate(events):
        while steps and steps[0] <= n:
            steps.pop(0)
            moved += rng.choice((-1, 1)) * rng.choice((500, 15_000, 60_000, HOUR))
        found.append(replace(event, ms=event.ms + moved) if moved else event)
    return found


def _silence(events: list[Event], rng: Random) -> tuple[int, int]:
    """Where nothing was written: from one event up to another."""
    low = rng.randrange(len(events) // 5, max(len(events) // 5 + 1, len(events) * 4 // 5))
    return low, min(len(events), low + rng.choice((20, 100, 300, 600)))


def _after(events: list[Event], ms: int) -> list[Event]:
    return [replace(event, ms=event.ms + ms) for event in events]


def _own(event: Event, ms: int, serial: int, found: list[records.Record], call: str) -> Event:
    return replace(event, ms=ms, serial=serial, records=found, truth=None, call=call)


def daemon(events: list[Event], rng: Random) -> list[Event]:
    """The daemon was off for an hour: its own records around a hole in the kernel's serials; or only restarted."""
    if len(events) < 30:
        return events
    low, high = _silence(events, rng)
    if rng.random() < 0.25:
        high = low
    last = events[low - 1]
    wait = HOUR if high > low else 2_000
    said = [records.daemon(kind, 350, enriched=False) for kind in ("DAEMON_END", "DAEMON_START")]
    end = _own(last, last.ms + 5, rng.randrange(1000, 9000), said[:1], "DAEMON_END")
    start = _own(last, last.ms + wait, end.serial + 1, said[1:], "DAEMON_START")
    marks = [end, start] if rng.random() < 0.8 else [start]
    return [*events[:low], *marks, *_after(events[high:], wait)]


def _auditctl(events: list[Event], at: Event, ms: int, changes: list[str], *, alone: int) -> list[Event]:
    """What auditctl leaves in the log. Its number is one that no record shows otherwise.

    The first `alone` of its records have no SYSCALL: auditing was off, or no rule was loaded, when the call began.
    """
    used = {pid for event in events for pid in (event.pid, event.ppid, event.child)}
    pid = next((pid for pid in range(299, 2, -1) if pid not in used), 0)
    task = Kernel().init
    task.display.exe, task.display.comm = "/usr/sbin/auditctl", "auditctl"
    found: list[Event] = []
    for n, change in enumerate(changes):
        ours = [records.configured(task, change, enriched=False)]
        if n >= alone and pid:
            args = (3, 0x7FFD, 60, 0)
            kind, body = records.syscall(task, "sendto", " success=yes exit=60", args, 0, "(null)", enriched=False)
            ours += [(kind, body.replace("ppid=0 pid=1 ", f"ppid=1 pid={pid} ")), ("PROCTITLE", 'proctitle="auditctl"')]
        found.append(_own(at, ms, at.serial, ours, "CONFIG_CHANGE"))
    return found


def disabled(events: list[Event], rng: Random) -> list[Event]:
    """`auditctl -e 0`, and an hour later `-e 1`: nobody wrote anything, and no serial is missing."""
    if len(events) < 30:
        return events
    low, high = _silence(events, rng)
    last = events[low - 1]
    off = _auditctl(events, last, last.ms + 1, ["op=set audit_enabled=0 old=1"], alone=0)
    on = _auditctl(events, last, last.ms + HOUR, ["op=set audit_enabled=1 old=0"], alone=1)
    return closed([*events[:low], *off, *on, *_after(events[high:], HOUR)])


def reloaded(events: list[Event], rng: Random) -> list[Event]:
    """All rules are taken away, and loaded again a quarter of an hour later; what needs no rule is in the log."""
    if len(events) < 30:
        return events
    low, high = _silence(events, rng)
    wait = rng.choice((40, 900_000))
    last = events[low - 1]
    keys = ("exec", "fork", "exit", "ns")
    gone = [f'op=remove_rule key="{key}" list=4' for key in keys]
    back = [f'op=add_rule key="{key}" list=4' for key in keys]
    off = _auditctl(events, last, last.ms + 1, gone, alone=0)
    on = _auditctl(events, last, events[high - 1].ms + wait, back, alone=1)
    left = [_unruled(one) for one in events[low:high]]
    return closed([*events[:low], *off, *(one for one in left if one), *on, *_after(events[high:], wait)])


def _unruled(event: Event) -> Event | None:
    """What is left of an event where no rule is loaded: records of user space, logins, crashes."""
    if event.call not in UNRULED:
        return None if any(kind == "SYSCALL" for kind, _ in event.records) else event
    return replace(event, records=event.records[:1])


def shuffled(events: list[Event], rng: Random) -> list[Event]:
    """Events come up to 20 ms late; those of one process stay in order, but for a fork and its child.

    An exit is in the queue before anybody is adopted, so nothing behind it comes before it.
    """
    most = rng.choice((2, 8, 20))
    last: dict[int, float] = {}
    floor = 0.0
    keyed: list[tuple[float, int, Event]] = []
    for n, event in enumerate(events):
        at = max(event.ms + rng.uniform(0, most), last.get(event.pid, 0.0), floor)
        if event.call == "exit_group" or not event.pid:
            at = max(event.ms, last.get(event.pid, 0.0), floor)
            floor = at
        last[event.pid] = at
        keyed.append((at, n, event))
    return [event for _, _, event in sorted(keyed, key=lambda one: one[:2])]


PERTURBATIONS: dict[str, Perturbation] = {
    "lines": lines, "holes": holes, "queue": queue, "bursts": bursts, "types": types, "late": late, "clock": clock,
    "daemon": daemon, "disabled": disabled, "reloaded": reloaded, "shuffled": shuffled,
}  # fmt: skip


def interleave(written: Written, rng: Random) -> None:
    """Records of several events stand mixed, as several processors write them.

    Only events that have no process in common are mixed: the kernel writes those of one process one after the other.
    """
    groups: list[list[tuple[int, str]]] = []
    for line in written.lines:
        if groups and groups[-1][0][0] == line[0]:
            groups[-1].append(line)
        else:
            groups.append([line])
    out: list[tuple[int, str]] = []
    at = 0
    while at < len(groups):
        most = rng.choice((1, 2, 3, 6))
        chosen: list[list[tuple[int, str]]] = []
        busy: set[int] = set()
        while at < len(groups) and len(chosen) < most:
            event = written.events[groups[at][0][0]]
            mine = {event.pid, event.ppid, event.child} - {0, 1}
            if chosen and (mine & busy or not event.pid):
                break
            busy |= mine
            chosen.append(list(groups[at]))
            at += 1
        while chosen:
            group = rng.choice(chosen)
            out.append(group.pop(0))
            if not group:
                chosen.remove(group)
    written.lines = out
