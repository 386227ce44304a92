"""Generated inputs of the golden data: made once and kept, so that they never change with what makes them.

    .venv/bin/python scripts/golden_logs.py    make those that are not there yet

The events are those of the small machine in tests/streams.py and of the simulated AIX in scripts/aix_sim.py, by fixed
seeds. An input that is there is left alone: the stored bytes count, and not what this program would make today.
"""

from __future__ import annotations

import lzma
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "samples" / "golden"
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import aix_sim  # noqa: E402

from tests.streams import ONE, TWO, Dialect, World, annotate, joined, lines_of, live, riffled  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOISE = (
    b"", b" ", b"----", b"time->Fri Nov 20 21:51:38 2026", b"type=SYSCALL", b"type=SYSCALL msg=audit(", b"\0\0\0\0",
    b"type=UNKNOWN[1020] msg=lost", b"type=SYSCALL msg=audit(1700000000:5): a", b"\xff\xfe\x80\r", b"x contid=7",
    b"type=SYSCALL msg=audit(1700000000.000:18446744073709551616): pid=5", b"node= type=EOE msg=audit(1.000:1): ",
    b"type=A msg=audit(99999999999.999:1): ppid=1 pid=2", b"Nov 22 10:00:00 web1 sshd[411]: session opened",
    b'{"kind": "foreign", "pid": 5}', b"type=EOE msg=audit(1.0:1",
)  # fmt: skip
DEEDS = (*ONE, *TWO, *TWO, "execs", "pause", "contains", "enters", "exits", "execs")


def world(
    seed: int, count: int = 220, *, patched: bool = False, dialect: Dialect | None = None,
    ms: int = 1_700_000_000_000, serial: int = 100,
) -> World:  # fmt: skip
    """A machine on which that many things happen."""
    chance = random.Random(seed)  # noqa: S311  (the same for the same seed)
    deeds = [(chance.choice(DEEDS), chance.randrange(100), chance.randrange(100)) for _ in range(count)]
    return live(World(dialect or Dialect(), patched, ms, serial), deeds)


def mixed(made: World, seed: int) -> list[bytes]:
    """The lines of up to four events at a time mixed, as several processors write them."""
    chance = random.Random(seed)  # noqa: S311
    return riffled(made.told, [chance.randrange(4) for _ in range(97)])


def damaged(lines: Iterable[bytes], seed: int, share: float = 0.04) -> list[bytes]:
    """Some lines lost, cut, doubled, spoilt, and noise between them."""
    chance = random.Random(seed)  # noqa: S311
    out: list[bytes] = []
    for line in lines:
        at = chance.randrange(len(line) + 1)
        kind = chance.randrange(5) if chance.random() < share else -1
        if kind == 0:
            continue
        if kind == 1:
            out.append(line[:at])
        elif kind == 2:
            out += [line, line]
        elif kind == 3:
            out.append(line[:at] + bytes([chance.choice((0, 7, 13, 29, 34, 128, 255))]) + line[at + 1 :])
        else:
            out += [chance.choice(NOISE), line] if kind == 4 else [line]
    return out


def late(lines: list[bytes], seed: int) -> list[bytes]:
    """Some lines come later than they should: by a few lines, or long after their event is over."""
    chance = random.Random(seed)  # noqa: S311
    places = []
    for number, line in enumerate(lines):
        by = chance.choice((2, 5, 12, 60, 400)) if chance.random() < 0.05 else 0
        places.append((number + by, number, line))
    return [line for _, _, line in sorted(places)]


def gaps(seed: int, *, patched: bool = False) -> list[bytes]:
    """Runs of whole events are missing: the kernel or the daemon has lost them."""
    chance = random.Random(seed)  # noqa: S311
    told, out = world(seed, patched=patched).told, []
    skip = 0
    for one in told:
        if skip == 0 and chance.random() < 0.03:
            skip = chance.choice((1, 2, 7, 20))
        if skip:
            skip -= 1
        else:
            out.append(one)
    return lines_of(out)


def boots() -> list[bytes]:
    """Three boots of one machine, whose serials begin anew and whose pids come again, with auditd's own records."""
    out: list[bytes] = []
    for boot, start in enumerate((1_700_000_000_000, 1_700_003_600_000, 1_700_090_000_000)):
        made = world(50 + boot, 120, ms=start, serial=1 + boot)
        said = b"op=start ver=3.0.9 format=raw kernel=6.1.0 auid=4294967295 pid=500 uid=0 ses=4294967295 res=success"
        end = b"op=terminate auid=0 pid=1 uid=0 ses=4294967295 res=success"
        out.append(b"type=DAEMON_START msg=audit(%d.000:%d): %s" % (start // 1000, 7000 + boot, said))
        out += lines_of(made.told)
        if boot == 0:  # the second end is a crash
            out.append(b"type=DAEMON_END msg=audit(%d.999:%d): %s" % (made.ms // 1000, 8000 + boot, end))
    return out


def nodes() -> list[bytes]:
    """Three machines in one log, one of them with contid patches, and each with its own dialect."""
    chance = random.Random(60)  # noqa: S311
    queues = [
        lines_of(world(61, 100, dialect=Dialect(b"web1")).told),
        lines_of(world(62, 100, dialect=Dialect(b"db.example", enriched=True, eoe=True)).told),
        lines_of(world(63, 100, patched=True, dialect=Dialect(b"10.0.0.3", cr=True, proctitle=False)).told),
    ]
    out = []
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        out.append(queue.pop(0))
    return out


def arguments() -> list[bytes]:
    """Programs with very many and with very long arguments, in and out of containers, whose records are several."""
    made = world(70, 40)
    for number, who in enumerate(list(made.alive[1:9])):
        made.execs(who, "/usr/bin/find", *(f"arg{number}-{at}" for at in range(5 + 60 * number)))
        text = ("%02X" % (65 + number)) * 4000
        first = f'argc=3 a0="x" a1_len=8000 a1[0]={text[:4000]}'
        made.tell(
            "execve", who, 0, made.record("EXECVE", first), made.record("EXECVE", f"a1[1]={text[4000:]}"),
            made.record("EXECVE", 'a2="--root=/run/runc"'), made.record("CWD", 'cwd="/"'),
        )  # fmt: skip
        made.opens(who)
    return lines_of(made.told)


def sample(name: str) -> list[bytes]:
    """The lines of a sample of ours."""
    return (ROOT / "samples" / "linux" / name / "input.log").read_bytes().split(b"\n")[:-1]


LINUX: dict[str, Callable[[], list[bytes]]] = {
    "stock": lambda: lines_of(world(1, 500).told),
    "stock-mixed": lambda: mixed(world(2, 300), 2),
    "stock-enriched": lambda: lines_of(world(3, dialect=Dialect(b"web1", enriched=True, eoe=True)).told),
    "stock-cr": lambda: mixed(world(4, dialect=Dialect(cr=True, eoe=True)), 4),
    "stock-no-proctitle": lambda: mixed(world(5, dialect=Dialect(proctitle=False)), 5),
    "stock-damaged": lambda: damaged(mixed(world(6, 300), 6), 6),
    "stock-late": lambda: late(lines_of(world(7, 300).told), 7),
    "stock-gaps": lambda: gaps(8),
    "patched": lambda: lines_of(world(11, 400, patched=True).told),
    "patched-mixed": lambda: mixed(world(12, 300, patched=True), 12),
    "patched-enriched": lambda: mixed(world(13, patched=True, dialect=Dialect(b"web1", enriched=True, eoe=True)), 13),
    "patched-no-proctitle": lambda: mixed(world(14, patched=True, dialect=Dialect(proctitle=False)), 14),
    "patched-damaged": lambda: damaged(mixed(world(16, 300, patched=True), 16), 16),
    "patched-late": lambda: late(lines_of(world(17, 300, patched=True).told), 17),
    "patched-gaps": lambda: gaps(18, patched=True),
    "v5-damaged": lambda: damaged(sample("contid-g02-v5"), 21, 0.1),
    "v6-damaged-late": lambda: late(damaged(sample("contid-g06-v6"), 22), 22),
    "v9-damaged": lambda: damaged(sample("contid-constructed-v9"), 23, 0.1),
    "v9-late": lambda: late(sample("contid-g06-v9"), 24),
    "annotated": lambda: annotate([mixed(world(31, 120), 31)]).out.split(b"\n")[:-1],
    "annotated-patched": lambda: annotate([mixed(world(32, 120, patched=True), 32)]).out.split(b"\n")[:-1],
    "boots": boots,
    "nodes": nodes,
    "arguments": arguments,
}


def aix() -> dict[str, bytes]:
    """The trails of the simulated AIX machine's day, and one listing of its WPARs."""
    machine = aix_sim.scenario()
    return {
        "aix-default.txt.xz": machine.auditpr(),
        "aix-numeric-all.txt.xz": machine.auditpr("elrRtpPTcW", numeric=True),
        "aix-no-wpar.txt.xz": machine.auditpr("elRtcp"),
        "aix-titles-each.txt.xz": machine.auditpr(titles=2),
        "aix-one-line.txt.xz": machine.auditpr(one_line=True),
        "aix-wrapped80.txt.xz": machine.auditpr(wrap=80),
        "aix-relayed.txt.xz": machine.relayed(),
        "aix-stream-v3.bin.xz": machine.trail(),
        "aix-bins64.bin.xz": machine.trail(bins="64"),
        "aix-bins32.bin.xz": machine.trail(kernel64=False, bins="32"),
        "aix-compressed.bin.xz": machine.trail(bins="compressed"),
        "aix-v5-made-up.bin.xz": machine.trail(version=5),
        "lswpar.txt": machine.lswpar().encode(),
    }


def main() -> int:
    """Write what is not there."""
    GOLDEN.mkdir(exist_ok=True)
    made = {f"{name}.log.xz": joined(make()) for name, make in LINUX.items()} | aix()
    for name, data in sorted(made.items()):
        path = GOLDEN / f"input-{name}"
        if not path.exists():
            path.write_bytes(lzma.compress(data, preset=9) if path.suffix == ".xz" else data)
            print(f"{path.relative_to(ROOT)}: {len(data)} bytes, {path.stat().st_size} stored")
    return 0


if __name__ == "__main__":
    sys.exit(main())
