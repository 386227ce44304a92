"""Answers held against the truth of a laboratory: per scenario right, wrong, unknown and why, for us and for laurel.

The truth of an event is, in this order: the mark that its process, or the one it descends from, was started with; what
the witness read of its cgroup and mount namespace. Where the two of these differ, or change around the event (an engine
is at work), either counts: those events are `setup`, and only a third answer is wrong.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SLACK_MS = 15
"""How far a stamp may lie before what it is the stamp of."""

ENGINES = (
    "runc",
    "crun",
    "podman",
    "conmon",
    "bwrap",
    "nsenter",
    "unshare",
    "lxc-",
    "systemd-nspawn",
    "containerd",
    "3",
    "reuse",
    "exe",
    "memfd:",
)
MARK = re.compile(rb' mark=([0-9a-z.-]+)|"mark=([0-9a-z.-]+)"')
ENTRY = re.compile(rb' entry=([0-9a-z.-]+)|"entry=([0-9a-z.-]+)"')
STAMP = re.compile(rb"msg=audit\((\d+)\.(\d\d\d):(\d+)\)")


@dataclass
class Known:
    """A container of a scenario."""

    name: str
    tokens: tuple[str, ...]
    ids: set[str]
    outer: str


class State(NamedTuple):
    """Where the witness saw a process: the container of its cgroup, and that of its mount namespace."""

    ms: float
    cgroup: str | None
    mnt: int


@dataclass
class ProcessLifetime:
    """One process, once."""

    pid: int
    ppid: int
    born: float
    parent: ProcessLifetime | None
    end: float = float("inf")
    states: list[State] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    kin: set[str] = field(default_factory=set)
    over: bool = False
    entry: str = ""

    def entered(self, depth: int = 0) -> str:
        """The entry from outside that it, or the one it descends from, was started by; "" for none."""
        if self.entry or self.parent is None or depth > 40:
            return self.entry
        return self.parent.entered(depth + 1)

    def mark(self, ms: float, depth: int = 0) -> str | None:
        """The mark it runs under at a time."""
        for at, name in reversed(self.marks):
            if at <= ms:
                return name
        return self.parent.mark(self.born, depth + 1) if self.parent is not None and depth < 40 else None


@dataclass
class Record:
    """One event of the log."""

    ms: int
    serial: int
    pid: int = -1
    ppid: int = -1
    syscall: str = ""
    ok: bool = True
    comm: str = ""
    exe: str = ""
    mark: str = ""
    entry: str = ""
    targets: list[int] = field(default_factory=list)
    life: ProcessLifetime | None = None


class Truth:
    """What the witness and the scenarios know."""

    def __init__(self, folder: Path, notes: Iterable[dict[str, Any]]) -> None:
        self.containers: dict[str, Known] = {}
        self.lives: dict[int, list[ProcessLifetime]] = defaultdict(list)
        self.mounts: dict[int, str] = {}
        self.lost = 0
        self._cgroups: dict[str, str | None] = {}
        self.host_mnts: set[int] = set()
        inits: dict[int, str] = {}
        for note in notes:
            if note["ev"] == "container":
                self._container(note)
            elif note["ev"] == "init":
                inits[note["pid"]] = note["name"]
        with (folder / "witness.jsonl").open() as lines:
            told = [json.loads(line) for line in lines]
        told.sort(key=lambda one: one["t"])
        births: dict[int, list[int]] = defaultdict(list)
        for one in told:
            if one["ev"] == "fork":
                births[one["pid"]].append(one["t"])
        for one in told:
            born = births[one["pid"]] if "read" in one else []
            if bisect_right(born, one["t"]) == bisect_right(born, one.get("read", 0)):
                self._tell(one)
            else:  # its pid was given away while the witness read
                self._tell({name: one[name] for name in ("t", "ev", "pid", "ppid") if name in one})
        for pid, name in inits.items():
            for life in self.lives[pid]:
                self.mounts.update({state.mnt: name for state in life.states[-1:] if state.mnt not in self.host_mnts})
                self.kindred(life, name)

    def _container(self, note: dict[str, Any]) -> None:
        def filled(text: str) -> str:
            from pathlib import Path

            before, at, path = text.partition("@")
            if not at:
                return text
            return before + (Path(path).read_text().strip() if Path(path).exists() else "none")

        ids = {filled(one) for one in note["ids"]}
        token = filled(note["cgroup"]) if note["cgroup"] else ""
        self.containers[note["name"]] = Known(note["name"], (token,) if token else (), ids, note["outer"])

    def _tell(self, one: dict[str, Any]) -> None:
        ms, pid, kind = one["t"] / 1e6, one.get("pid", 0), one["ev"]
        if kind == "end":
            self.lost = one["lost"]
        if kind == "ready":
            self.host_mnts.add(one["host"])
        if kind in ("fork", "there"):
            above = self.lives[one["ppid"]]
            parent = above[-1] if above else None
            life = ProcessLifetime(pid, one["ppid"], ms if kind == "fork" else 0, parent)
            if self.lives[pid] and self.lives[pid][-1].end == float("inf"):
                self.lives[pid][-1].end = ms
            self.lives[pid].append(life)
            if kind == "there" and pid == 1:
                self.host_mnts.add(one["mnt"])
            if kind == "fork" and parent is not None and parent.states:  # what was read of it may be of later
                life.states.append(parent.states[-1]._replace(ms=ms))
        if not self.lives[pid]:
            return
        life = self.lives[pid][-1]
        if kind == "exit":
            life.end = ms
        elif "mnt" in one:
            life.states.append(State(one["read"] / 1e6, self.cgroup(one["cgroup"]), one["mnt"]))
            life.end = float("inf") if kind == "exec" else life.end
            args = one.get("args") or [""]
            if kind != "fork" and args[0].startswith("/bin/"):
                for arg in args:
                    life.entry = arg[6:] if arg.startswith("entry=") else life.entry
                    if arg.startswith("mark=") and arg[5:] in self.containers:
                        self.marked(life, ms, arg[5:], one["mnt"])

    def marked(self, life: ProcessLifetime, ms: float, name: str, mnt: int | None) -> None:
        """A program started with a mark: it, what it bears, and whoever shares its mount namespace, are inside."""
        life.marks.append((ms, name))
        life.marks.sort()
        if mnt is not None and mnt not in self.host_mnts:
            self.mounts[mnt] = name
        self.kindred(life, name)

    @staticmethod
    def kindred(life: ProcessLifetime, name: str) -> None:
        """Those it descends from had a hand in making, or entering, that container."""
        at: ProcessLifetime | None = life
        for _ in range(6):
            if at is None:
                break
            at.kin.add(name)
            at = at.parent

    def cgroup(self, text: str) -> str | None:
        """The container whose cgroup that is: the last of those named in any path."""
        if text not in self._cgroups:
            best, found = -1, None
            for line in text.splitlines():
                path = line.split(":", 2)[2]
                for one in self.containers.values():
                    for token in one.tokens:
                        at = max((m.start() for m in re.finditer(re.escape(token) + r"(?![\w-])", path)), default=-1)
                        if at > best:
                            best, found = at, one.name
            self._cgroups[text] = found
        return self._cgroups[text]

    def life(self, record: Record) -> ProcessLifetime | None:
        """Whose event it is: of those who can have had the pid then, the first that is not over."""
        near = [
            one
            for one in self.lives.get(record.pid, ())
            if one.born <= record.ms + SLACK_MS and record.ms <= one.end + 3 and not one.over
        ]
        same = [one for one in near if one.ppid == record.ppid] or near
        return same[0] if same else None

    def names(self, record: Record) -> tuple[set[str], bool]:
        """The containers an answer may name; whether an engine is at work (then none is right as well)."""
        life = record.life
        assert life is not None
        engine = (
            record.comm.startswith(ENGINES) or record.exe.rpartition("/")[2].startswith(ENGINES) or record.exe == "/"
        )
        mark = life.mark(record.ms + (0 if record.syscall == "execve" or engine else SLACK_MS))
        if record.mark in self.containers and record.ok:
            return {record.mark}, False  # a payload begins: by then its engine has put it where it belongs
        if mark is not None and engine:
            return {mark} | life.kin | (life.parent.kin if life.parent is not None else set()), True
        if mark is not None:
            return {mark}, False
        times = [state.ms for state in life.states]
        low = max(0, bisect_right(times, record.ms - SLACK_MS) - 1)
        states = life.states[low : bisect_right(times, record.ms + SLACK_MS) + 1]
        said = {(one.cgroup, self.mounts.get(one.mnt)) for one in states}
        names = {each for pair in said for each in pair if each is not None}
        mixed = len({each for pair in said for each in pair}) > 1 or not said
        kin = life.kin or (life.parent.kin if life.parent is not None else set())
        if engine and (names or kin):
            return names | kin, True
        return names, mixed


def read_log(path: Path) -> Iterator[Record]:
    """The events of a log, by serial."""
    found: dict[int, Record] = {}
    with path.open("rb") as lines:
        for line in lines:
            stamp = STAMP.search(line)
            if stamp is None or line.startswith(b"type=DAEMON_"):
                continue
            serial = int(stamp[3])
            record = found.get(serial)
            if record is None:
                record = found[serial] = Record(int(stamp[1]) * 1000 + int(stamp[2]), serial)
            if line.startswith(b"type=SYSCALL"):
                fields = dict(one.split(b"=", 1) for one in line.replace(b"\x1d", b" ").split() if b"=" in one)
                record.pid, record.ppid = int(fields[b"pid"]), int(fields[b"ppid"])
                record.syscall = fields.get(b"SYSCALL", b"").decode()
                record.ok = fields.get(b"success") != b"no"
                record.comm = _text(fields[b"comm"])
                record.exe = _text(fields[b"exe"])
            elif line.startswith(b"type=EXECVE") and b' a0="/bin/' in line:
                mark = MARK.search(line)
                record.mark = (mark[1] or mark[2]).decode() if mark else ""
                entry = ENTRY.search(line)
                record.entry = (entry[1] or entry[2]).decode() if entry else ""
            elif line.startswith(b"type=OBJ_PID"):
                opid = re.search(rb" opid=(\d+)", line)
                record.targets += [int(opid[1])] if opid else []
    yield from sorted(found.values(), key=lambda one: one.serial)


def _text(value: bytes) -> str:
    if value.startswith(b'"'):
        return value.strip(b'"').decode("utf-8", "replace")
    try:
        return bytes.fromhex(value.decode()).decode("utf-8", "replace")
    except ValueError:
        return value.decode("utf-8", "replace")


class Answer(NamedTuple):
    """What a program said of an event. `ids` () and no reason: on the host."""

    ids: tuple[str, ...]
    reason: str = ""
    targets: tuple[tuple[int, tuple[str, ...], str], ...] = ()
    session: str = ""
    how: str = ""


def ours(path: Path) -> dict[tuple[int, int], Answer]:
    """Our answers, from the JSON output."""
    from datetime import datetime

    found: dict[tuple[int, int], Answer] = {}
    names: dict[str, tuple[str, ...]] = {}
    with path.open("rb") as lines:
        for line in lines:
            one = json.loads(line)
            said = one["provenance"]
            if said["status"] == "none":
                continue
            ms = round(datetime.fromisoformat(one["@timestamp"]).timestamp() * 1000)
            inside = one.get("container") or {}
            ids = tuple(inside[key] for key in ("id", "name") if inside.get(key))
            if said["status"] == "container" and said.get("chains"):
                names[said["chains"][0][0]] = ids
            targets = tuple(
                (each["pid"], names.get((each.get("chains") or [[""]])[0][0], ()), each["status"])
                for each in said.get("targets", ())
            )
            reason = said.get("reason", "") if said["status"] == "unknown" else ""
            session = said.get("session", {})
            known = session.get("id", ""), session.get("how", "")
            found[ms, one["event"]["sequence"]] = Answer(ids, reason, targets, *known)
    return found


def laurel(path: Path) -> dict[tuple[int, int], Answer]:
    """Those of laurel: it knows a container, or nothing."""
    found: dict[tuple[int, int], Answer] = {}
    with path.open("rb") as lines:
        for line in lines:
            one = json.loads(line)
            if "SYSCALL" not in one:
                continue
            seconds, _, serial = one["ID"].partition(":")
            container = one.get("CONTAINER_INFO") or one["SYSCALL"].get("CONTAINER_INFO") or {}
            ids = (container["ID"],) if container.get("ID") else ()
            found[round(float(seconds) * 1000), int(serial)] = Answer(ids)
    return found


@dataclass
class Sessions:
    """The sessions of one scenario's events, by entry; `wrong` names events, at most five."""

    entries: dict[str, Counter[str]] = field(default_factory=dict)
    hows: dict[str, set[str]] = field(default_factory=dict)
    own: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def take(self, entry: str, answer: Answer, event: str) -> None:
        """One event in a container, by a process that entered (`entry`) or by the container's own."""
        if entry:
            self.entries.setdefault(entry, Counter())[answer.session] += 1
            self.hows.setdefault(entry, set()).add(answer.how)
        else:
            self.own["own" if answer.session == "0" else "none" if not answer.session else "another's"] += 1
        if (entry == "") != (answer.session == "0") and len(self.wrong) < 5:
            self.wrong.append(f"{event} entry={entry!r} session={answer.session!r} {answer.how!r}")

    @property
    def found(self) -> int:
        """How many entries have a session of their own."""
        users = Counter(session for count in self.entries.values() for session in count)
        return sum(
            len(count) == 1 and not {"", "0"} & count.keys() and all(users[session] == 1 for session in count)
            for count in self.entries.values()
        )

    def line(self) -> str:
        """For people."""
        hows = sorted({how for each in self.hows.values() for how in each})
        own = ", ".join(f"{name} {count}" for name, count in sorted(self.own.items()))
        return f"entries {self.found} of {len(self.entries)} ({', '.join(hows)}); events of others: {own}"


class Judge:
    """Verdicts over one laboratory."""

    def __init__(self, folder: Path, runs: list[dict[str, Any]]) -> None:
        self.runs = runs
        self.truth = Truth(folder, [note for run in runs for note in run["notes"]])
        self.records = list(read_log(folder / "audit.log"))
        for record in self.records:
            if record.pid > 0:
                record.life = self.truth.life(record)
                if record.life is not None and record.mark and record.ok and record.mark in self.truth.containers:
                    known = any(name == record.mark for _, name in record.life.marks)
                    if not known:
                        self.truth.marked(record.life, record.ms, record.mark, None)
                if record.life is not None and record.entry and record.ok:
                    record.life.entry = record.entry
                if record.life is not None and record.syscall == "exit_group":
                    record.life.over = True
        self.sandboxes: dict[str, str] = {}
        self.examples: dict[tuple[str, str], list[str]] = defaultdict(list)

    def scenario_of(self, record: Record) -> str | None:
        """During which scenario it happened."""
        for run in self.runs:
            if run["began"] * 1000 - 5 <= record.ms <= run["settled"] * 1000:
                return str(run["name"])
        return None

    def score(self, given: dict[tuple[int, int], Answer], who: str = "ours") -> dict[str, Counter[str]]:
        """Verdicts by scenario."""
        found: dict[str, Counter[str]] = {str(run["name"]): Counter() for run in self.runs}
        for record in self.records:
            scenario = self.scenario_of(record)
            if scenario is None or record.pid < 0:
                continue
            count = found[scenario]
            count["events"] += 1
            if record.life is None:
                count["untold"] += 1
                continue
            names, setup = self.truth.names(record)
            answer = given.get((record.ms, record.serial))
            verdict = self.verdict(names, setup, answer, laurel=who != "ours")
            if not setup:
                count["inside" if names else "host"] += 1
            count[verdict] += 1
            if verdict.startswith(("wrong", "false", "claimed", "unknown", "absent")):
                kept = self.examples[scenario, f"{who} {verdict}"]
                if len(kept) < 5:
                    event = f"{record.ms}:{record.serial} {record.syscall} {record.pid} {record.comm}"
                    kept.append(f"{event} truth={names} said={answer}")
            self._targets(record, answer, count, who)
        return found

    def sessions(self, given: dict[tuple[int, int], Answer]) -> dict[str, Sessions]:
        """By scenario: the entries, and what their events, and those of the containers' own programs, have as session.

        An entry is found where all its events that are named have one session, which nobody else has.
        """
        found = {str(run["name"]): Sessions() for run in self.runs}
        for record in self.records:
            scenario, answer = self.scenario_of(record), given.get((record.ms, record.serial))
            if scenario is None or record.life is None or answer is None or not answer.ids:
                continue
            if record.life.mark(record.ms) is None and not record.mark:
                continue  # an engine is at work
            entry = record.life.entered() or record.entry
            found[scenario].take(
                entry, answer, f"{record.ms}:{record.serial} {record.syscall} {record.pid} {record.comm}"
            )
        return found

    def verdict(self, names: set[str], setup: bool, answer: Answer | None, *, laurel: bool) -> str:
        """One event."""
        if answer is None:
            return "absent"
        if answer.ids:
            right = any(self.means(answer.ids, name) for name in names)
            if right:
                return "setup" if setup else "right"
            return "wrong" if names else "false"
        if answer.reason:
            return "setup" if setup and not names else f"unknown {answer.reason}" if not setup else "setup unknown"
        if setup:
            return "setup"
        if not names:
            return "host right"
        return "missed" if laurel else "claimed host"

    def means(self, ids: tuple[str, ...], name: str) -> bool:
        """Whether an answer means that container. One without an engine may be called anything, but always the same."""
        known = self.truth.containers[name]
        if not known.tokens:
            return self.sandboxes.setdefault(ids[0], name) == name
        return bool(known.ids & set(ids))

    def _targets(self, record: Record, answer: Answer | None, count: Counter[str], who: str) -> None:
        if answer is None or who != "ours":
            return
        for pid, ids, status in answer.targets:
            life = self.truth.life(Record(record.ms, record.serial, pid))
            name = life.mark(record.ms + SLACK_MS) if life is not None else None
            if life is None or (name is None and (len({(s.cgroup, s.mnt) for s in life.states}) > 1)):
                continue
            if name is None and life.states:
                name = life.states[-1].cgroup or self.truth.mounts.get(life.states[-1].mnt)
            if status == "unknown":
                count["target unknown"] += 1
            elif (status == "container") != (name is not None) or (name and ids and not self.means(ids, name)):
                count["target wrong"] += 1
            else:
                count["target right"] += 1


def table(found: dict[str, Counter[str]], other: dict[str, Counter[str]]) -> str:
    """As text, one line a scenario."""
    lines = [
        "| scenario | events | inside | right | wrong | unknown | host | host named | setup "
        "| targets: right / wrong / unknown | laurel: right / wrong / missed / host named |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    total: Counter[str] = Counter()
    their: Counter[str] = Counter()
    for name, count in found.items():
        lines.append(_line(name, count, other.get(name, Counter())))
        total += count
        their += other.get(name, Counter())
    lines.append(_line("**all**", total, their))
    return "\n".join(lines)


def unknown(count: Counter[str]) -> int:
    """How many have no answer."""
    return sum(number for name, number in count.items() if name.startswith("unknown")) + count["absent"]


def wrong(count: Counter[str]) -> int:
    """How many have an untrue one."""
    return count["wrong"] + count["false"] + count["claimed host"] + count["target wrong"]


def _line(name: str, count: Counter[str], other: Counter[str]) -> str:
    reasons = ", ".join(f"{key[8:]} {number}" for key, number in sorted(count.items()) if key.startswith("unknown "))
    aims = f"{count['target right']} / {count['target wrong']} / {count['target unknown']}"
    theirs = f"{other['right']} / {other['wrong']} / {other['missed']} / {other['false']}" if other else "-"
    bad = count["wrong"] + count["claimed host"]
    known = f"{count['host']} | {count['false']} | {count['setup']}"
    return (
        f"| {name} | {count['events']} | {count['inside']} | {count['right']} | {bad} | {unknown(count)}"
        f"{f' ({reasons})' if reasons else ''} | {known} | {aims} | {theirs} |"
    )
