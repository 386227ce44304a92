"""Days of a simulated machine whose WPARs come, go, and hand their CIDs on; and what answers get wrong of them."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from annotator.core.stats import Stats
from annotator.engine.replay import Replay
from annotator.io.sources import Block

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from annotator.engine.factory import Options

NAMES = ("alpha", "beta", "gamma")
CIDS = (1, 2, 3, 40000)


@dataclass
class Day:
    """A machine, and the listings that were taken of it: (file name, what it held, when in ms)."""

    machine: Any
    seed: int
    listings: list[tuple[str, bytes, int]] = field(default_factory=list)
    inside: dict[int, str] = field(default_factory=dict)
    """Pid to the session it must have: the stamp of the `clogin`, without the ordinal."""

    def now_ms(self) -> int:
        """The machine's clock."""
        return int(self.machine.seconds * 1000 + self.machine.nanos // 1_000_000)

    def look(self) -> None:
        """Take both listings: keys, types and CIDs; UUIDs."""
        at = len(self.listings)
        self.listings.append((f"index{at}", self.machine.index().encode(), self.now_ms()))
        self.listings.append((f"long{at}", self.machine.lswpar("-L").encode(), self.now_ms()))


def quiet(sim: Any) -> Any:
    """The simulator, but nobody audits what programs Global runs: of starts and stops there is no record."""

    class Machine(sim.Machine):  # type: ignore[misc]
        """One that says nothing of its commands."""

        def _command(self, *words: str) -> None:
            before = len(self.records)
            super()._command(*words)
            del self.records[before:]

    return SimpleNamespace(Machine=Machine)


def day(sim: Any, seed: int, steps: int = 120, beside: Callable[[Day], None] = lambda _: None) -> Day:
    """Whatever happens, by chance: starts, stops, restarts, removals, CIDs used again, forks, exits, clogins, looks.

    `beside` is called after each step, and every few seconds while nothing happens: for what runs on the machine.
    """
    random = Random(seed)
    made = Day(sim.Machine(), seed)
    machine = made.machine
    for name in NAMES:
        machine.make(name)
    made.look()
    for _ in range(steps):
        _step(made, random)
        beside(made)
        if random.random() < 0.1:
            for passed in range(0, random.choice((1, 30, 400)), 5):
                machine.tick(1 if not passed else 5)
                beside(made)
    return made


def _step(made: Day, random: Random) -> None:
    machine = made.machine
    name = random.choice(NAMES)
    wpar = machine.wpars.get(name)
    action = random.choice(("start", "start", "restart", "stop", "act", "act", "act", "fork", "exit", "clogin", "look"))
    if action == "look":
        made.look()
    elif wpar is None:
        machine.make(name)  # the same name, another WPAR
    elif action in ("stop", "restart") and wpar.cid:
        machine.stop(name)
        if action == "restart":
            _start(machine, name, random)
        elif random.random() < 0.2:
            machine.remove(name)
    elif action == "start" and not wpar.cid:
        _start(machine, name, random)
    elif action == "clogin" and wpar.cid:
        _enter(made, wpar)
    else:
        _act(made, action, random)


def _start(machine: Any, name: str, random: Random) -> None:
    taken = {wpar.cid for wpar in machine.wpars.values()}
    machine.start(name, random.choice([cid for cid in CIDS if cid not in taken]))


def _enter(made: Day, wpar: Any) -> None:
    """`clogin`: a process of Global runs it and is then inside, with whoever it starts there."""
    machine = made.machine
    pid = machine.fork(machine.shell)
    machine.processes[pid].luid = 301
    machine.execute(pid, "/usr/sbin/clogin", wpar.name, "/usr/bin/ksh")
    clogin = machine.records[-1]
    machine.processes[pid].wpar, machine.processes[pid].cid = wpar, wpar.cid
    machine.execute(pid, "/usr/bin/ksh")
    made.inside[pid] = f"{clogin.seconds}."
    made.inside[machine.fork(pid)] = made.inside[pid]


def _act(made: Day, action: str, random: Random) -> None:
    machine = made.machine
    pid = random.choice(sorted(machine.processes))
    if action == "fork" and len(machine.processes) < 60:
        child = machine.fork(pid)
        if pid in made.inside:
            made.inside[child] = made.inside[pid]
    elif action == "exit" and pid not in (1, machine.shell) and pid not in {w.init for w in machine.wpars.values()}:
        machine.exit(pid)
    elif random.random() < 0.3:
        machine.record(pid, "PROC_Kill", random.choice(sorted(machine.processes)), 15)
    else:
        machine.record(pid, "FILE_Open", 2, 0o644, 3, "/etc/hosts")


def renew(machine: Any, root: Path, before: dict[str, bytes]) -> dict[str, bytes]:
    """Bring the machine's tree up to date: what differs from `before` is written, who is gone is removed."""
    files = {f"proc/{pid}/psinfo": machine.psinfo(pid) for pid in machine.processes}
    files |= {f"proc/{pid}/as": b"" for pid in machine.processes}
    files |= {"etc/corrals/index": machine.index().encode(), "etc/filesystems": machine.filesystems().encode()}
    for name, data in files.items():
        if before.get(name) != data:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
    for name in before.keys() - files.keys():
        (root / name).unlink()
        if name.endswith("as"):
            continue
        with contextlib.suppress(OSError):
            (root / name).parent.rmdir()
    for pid in {name.split("/")[1] for name in before.keys() - files.keys()}:
        with contextlib.suppress(OSError):
            (root / "proc" / pid).rmdir()
    return files


HOSTILE = (
    "x\n        y",
    "two\n\n",
    "event login status time command wpar name\n----- ----- ------ ---- ------- ---------",
    "x\nFILE_Open",
    "x\n\tMon Mar  2 10:15:09 2026",
    "auditpr: x",
    "x" * 5000,
    "blank ",
    "frompath: a topath: b",
)
"""Names of files that look like parts of a trail, but not like a whole record."""

_WHEN = "OK          Mon Mar  2 10:15:09 2026"
FORGED = (
    f"x\nFILE_Open       root     {_WHEN} {'vi':31} {'Global':25} ",
    f"x\nFILE_Open       0        0        {_WHEN} 3473726  1        6947453  {'vi':31} {'Global':25} \n"
    "        flags: 2 mode: 644 fd: 3 filename /etc/passwd",
    "x\nUSER_SU root OK Mon Mar 02 10:15:03 2026 su beta",
)
"""Names of files behind whose newline stands a whole record, of somebody else."""


def spiced(random: Random, names: tuple[str, ...]) -> Callable[[Day], None]:
    """What goes on beside a day: files with such names, login ids and threads too wide for their columns."""

    def beside(made: Day) -> None:
        machine = made.machine
        pid = random.choice(sorted(machine.processes))
        if random.random() < 0.3:
            machine.record(pid, "FILE_Unlink", random.choice(names))
        if random.random() < 0.1:
            machine.processes[pid].luid = 2**32 - 1
        if random.random() < 0.3:
            record = machine.record(pid, "FS_Chdir", "/")
            record.tid = 1_234_567_891

    return beside


def late(records: list[Any], random: Random, far: int = 4) -> list[Any]:
    """The records, some of them a few places after their turn."""
    places = [(at + (random.randrange(1, far) + 0.5 if random.random() < 0.1 else 0), at) for at in range(len(records))]
    return [records[at] for _, at in sorted(places)]


def replayed(data: bytes, options: Options, sizes: int = 1 << 20) -> tuple[list[dict[str, Any]], Stats]:
    """The documents of a trail, given in blocks of so many lines."""
    stats = Stats()
    out = run(data, options, stats, sizes)
    return [json.loads(line) for line in out.splitlines()], stats


def run(data: bytes, options: Options, stats: Stats, sizes: int = 1 << 20, origin: str = "trail") -> bytes:
    """The output for one file, fed in blocks of so many lines."""
    replay = Replay(options, stats=stats)
    whole = data.endswith(b"\n")
    lines = (data[:-1] if whole else data).split(b"\n")
    out = b""
    for at in range(0, len(lines), sizes):
        last = at + sizes >= len(lines)
        out += replay.feed(Block(b"\n".join(lines[at : at + sizes]), origin, 0, whole or not last))
    return out + replay.finish()


def wpars_of(made: Day, folder: Path) -> tuple[tuple[str, int | None], ...]:
    """The day's listings as files, with their times."""
    for name, data, _ in made.listings:
        (folder / name).write_bytes(data)
    return tuple((str(folder / name), at) for name, data, at in made.listings if data.strip())


def judge(truth: list[Any], documents: list[dict[str, Any]]) -> Counter[str]:
    """What was right, what was not said, and what was wrong: each answer against its record's truth."""
    found: Counter[str] = Counter()
    for record, said in zip(truth, documents, strict=True):
        answer = said["provenance"]
        if answer["status"] == "unknown":
            found[f"unknown {answer['reason']}"] += 1
            continue
        true = record.truth
        if answer["status"] == "host":
            found["right host" if true["wpar"] == "Global" else "WRONG host"] += 1
            continue
        container, aix = said["container"], answer.get("aix", {})
        if "name" in container:
            found["right name" if container["name"] == true["wpar"] else "WRONG name"] += 1
        else:
            found["WRONG container" if true["wpar"] == "Global" else "no name"] += 1
        for key in ("cid", "ckey", "uuid"):
            if key not in aix:
                found[f"no {key}"] += 1
            else:
                late_name = "late-name" in answer.get("flags", ()) and key != "cid"
                verdict = "right" if aix[key] == str(true.get(key)) else "late" if late_name else "WRONG"
                found[f"{verdict} {key}"] += 1
    return found


def judge_sessions(made: Day, truth: list[Any], documents: list[dict[str, Any]]) -> Counter[str]:
    """Who is said to have entered, against who did.

    Whose parent ended before its own first record is counted apart: init adopted it, so no record ties it to its birth,
    and its pid may have been given again since.
    """
    found: Counter[str] = Counter()
    with_parent: set[int] = set()
    for record, said in zip(truth, documents, strict=True):
        session = said["provenance"].get("session", {})
        expected = made.inside.get(record.pid) if record.wpar else None
        if record.ppid != 1:
            with_parent.add(record.pid)
        if not session:
            missing = "no session" if record.pid in with_parent else "no session of an orphan"
            found[missing if expected else "right none"] += 1
        elif expected and session["id"].startswith(expected) and session["by"]["auid"] == "301":
            found["right session"] += 1
        else:
            found["WRONG session"] += 1
    return found
