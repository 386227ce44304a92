"""Streams of audit lines with their truth: a small machine that forks, runs containers and dies, and what damages logs.

`World` writes what auditd would have written of it, in the words of a 6.1 kernel, runc 1.1, and the v11 contid patches,
and knows of each event which process it was of, and where that process was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline, run
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Attribution, Event, Translation

UNSET = 2**32 - 1
NEW_CONTAINER = 0x6C020000  # NEWNS NEWUTS NEWIPC NEWPID NEWNET, as runc asks for
NEW_MOUNTS = 0x20000
CALLS = {"clone": 56, "fork": 57, "execve": 59, "exit_group": 231, "unshare": 272, "setns": 308, "openat": 257,
         "kill": 62, "write": 1}  # fmt: skip
"""System calls of x86-64 (asm/unistd_64.h)."""


class Dialect(NamedTuple):
    """How the log was written."""

    node: bytes = b""
    enriched: bool = False
    eoe: bool = False
    cr: bool = False
    proctitle: bool = True


@dataclass(eq=False)
class Process:
    """One process, once. `where` are the ids of its containers, nearest first; () on the host."""

    pid: int
    parent: Process | None
    where: tuple[str, ...] = ()
    ses: int = 1
    exe: str = "/usr/bin/bash"
    alive: bool = True
    waits: bool = False
    """An engine that does nothing but wait for what it started."""
    host_pids: bool = False
    """It is in a container but in the host's pid namespace: it, or one above it, entered by the mounts alone."""

    @property
    def number(self) -> int:
        """Of its container: it has a root device and a pair of categories of its own."""
        return int(re.sub("[^0-9]", "", self.where[0])) % 200 if self.where else 0

    @property
    def label(self) -> str:
        """Its security context."""
        return f"u:r:container_t:s0:c1,c{2 + self.number}" if self.where else "unconfined"

    @property
    def auid(self) -> int:
        """The login's user; unset where there is no login."""
        return UNSET if self.ses == UNSET else 1000

    @property
    def ppid(self) -> int:
        """The pid of the parent, or of who took the orphan: the nearest that lives, pid 1 at the last."""
        return 0 if self.parent is None else self.reaper(self.parent).pid

    @staticmethod
    def reaper(parent: Process) -> Process:
        """The parent, if it lives; else its container's first process, or pid 1."""
        at = parent
        while not at.alive and at.parent is not None:
            at = at.parent
            while at.parent is not None and at.parent.where == at.where:
                at = at.parent
        return at


class Told(NamedTuple):
    """One event of the log, and the truth: whose it is, and where that process was when it happened."""

    key: bytes
    lines: list[bytes]
    process: Process
    where: tuple[str, ...]
    child: Process | None = None


@dataclass(eq=False)
class World:
    """The machine. Each method is one thing that happens, and adds its events to `told`."""

    dialect: Dialect = field(default_factory=Dialect)
    patched: bool = False
    ms: int = 1_700_000_000_000
    serial: int = 100
    told: list[Told] = field(default_factory=list)
    inits: dict[Process, str] = field(default_factory=dict)
    made: int = 0
    local: int = 1
    low: int = 1000
    high: int = 1030

    def __post_init__(self) -> None:
        """Process 1 does what shows that the rules have such calls, and starts a shell."""
        self.init = Process(1, None, ses=UNSET, exe="/usr/lib/systemd/systemd")
        self.alive = [self.init]
        self._next = self.low
        self.tell("unshare", self.init, a0=0x10000000)
        self.born(self.init, ses=1)

    # --- what the log says ----------------------------------------------------------------------------------------

    def step(self, ms: int = 30) -> None:
        """Time goes on."""
        self.ms += ms
        self.serial += 1

    def record(self, kind: str, body: str) -> bytes:
        """One line of the present event."""
        node = b"node=" + self.dialect.node + b" " if self.dialect.node else b""
        stamp = f"{self.ms // 1000}.{self.ms % 1000:03d}:{self.serial}"
        tail = '\x1dARCH=x86_64 AUID="unset" UID="root"' if self.dialect.enriched and kind == "SYSCALL" else ""
        cr = b"\r" if self.dialect.cr else b""
        said = f" {body}{tail}" if body else ""  # auditd hands EOE on without the blank
        return node + f"type={kind} msg=audit({stamp}):{said}".encode() + cr

    def syscall(
        self, name: str, who: Process, result: int = 0, *, ok: bool = True, end: str = "", **args: int
    ) -> bytes:
        """A SYSCALL record."""
        values = " ".join(f"a{n}={args.get(f'a{n}', 0):x}" for n in range(4))
        ids = "gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0"
        return self.record(
            "SYSCALL",
            f"arch=c000003e syscall={CALLS[name]} success={'yes' if ok else 'no'} exit={result} {values} items=0 "
            f"ppid={who.ppid} pid={who.pid} auid={who.auid} uid=0 {ids} tty=(none) "
            f'ses={who.ses} comm="{who.exe.rpartition("/")[2][:15]}" exe="{who.exe}" subj={who.label} key=(null){end}',
        )

    def note(self, who: Process, lines: list[bytes], child: Process | None = None) -> None:
        """The present event is complete."""
        stamp = f"{self.ms // 1000}.{self.ms % 1000:03d}:{self.serial}".encode()
        key = self.dialect.node + b" " + stamp if self.dialect.node else stamp
        self.told.append(Told(key, lines, who, who.where, child))
        self.step()

    def tell(
        self, name: str, who: Process, result: int = 0, *more: bytes, ok: bool = True, child: Process | None = None,
        targets: Sequence[Process] = (), **args: int,
    ) -> None:  # fmt: skip
        """A system call's event; on a patched kernel with the CONTAINER_ID records of its actor and targets."""
        lines: list[bytes] = []
        number = 0
        link = ""
        if self.patched and who.where:
            number += 1
            link = f" record={number}"
            lines.append(self.record("CONTAINER_ID", f"record={number} contid={',^'.join(who.where)}"))
        lines += [self.syscall(name, who, result, ok=ok, end=link, **args), *more]
        for target in targets:
            link = ""
            if self.patched and target.where:
                number += 1
                link = f" record={number}"
                lines.append(self.record("CONTAINER_ID", f"record={number} contid={',^'.join(target.where)}"))
            said = f'opid={target.pid} oauid=1000 ouid=0 oses={target.ses} obj=unconfined ocomm="x"{link}'
            lines.append(self.record("OBJ_PID", said))
        if self.dialect.proctitle:
            lines.append(self.record("PROCTITLE", "proctitle=" + who.exe.encode().hex().upper()))
        if self.dialect.eoe:
            lines.append(self.record("EOE", ""))
        self.note(who, lines, child)

    # --- what happens -----------------------------------------------------------------------------------------------

    def born(self, parent: Process, *, flags: int = 0, ses: int | None = None) -> Process:
        """A fork. Inside a container of runc `exit=` is the number of the container's own pid namespace."""
        used = {one.pid for one in self.alive}
        self.high = max(self.high, self.low + 2 * len(used))
        while self._next in used:
            self._next = self.low + (self._next + 1 - self.low) % (self.high - self.low)
        child = Process(self._next, parent, parent.where, parent.ses if ses is None else ses, parent.exe)
        self._next = self.low + (self._next + 1 - self.low) % (self.high - self.low)
        child.host_pids = parent.host_pids
        self.alive.append(child)
        number = child.pid
        if parent.where and not self.patched and not parent.host_pids:
            self.local = number = 2 + self.local % 900
        self.tell("clone", parent, number, child=child, a0=flags | 17)
        if child.ses != parent.ses:
            self.logs_in(child)
        return child

    def logs_in(self, who: Process) -> None:
        """Its login is written down: without that record another session is in doubt."""
        said = f"pid={who.pid} uid=0 old-auid={UNSET} auid={who.auid} tty=(none) old-ses={UNSET} ses={who.ses} res=1"
        login = self.record("LOGIN", said)
        self.tell("openat", who, 3)
        self.told[-1].lines.insert(0, login)

    def execs(self, who: Process, exe: str, *args: str) -> None:
        """It runs another program."""
        who.exe = exe
        said = " ".join(f'a{n}="{arg}"' for n, arg in enumerate(args))
        dev = f"00:{0x20 + who.number:02x}" if who.where else "fe:01"
        path = f'item=0 name="x" inode=7 dev={dev} mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL'
        self.tell(
            "execve", who, 0,
            self.record("EXECVE", f"argc={len(args)} {said}"), self.record("CWD", 'cwd="/"'), self.record("PATH", path),
        )  # fmt: skip

    def exits(self, who: Process) -> None:
        """It is gone. With a container's first process the others in it are killed, which no record tells."""
        if who is self.init:
            return
        self.tell("exit_group", who)
        name = self.inits.pop(who, None)
        for one in [one for one in self.alive if one is who or name in one.where]:
            one.alive = False
            self.alive.remove(one)
            self.inits.pop(one, None)
        if name is not None and who.parent is not None and who.parent.alive:
            self.exits(who.parent)

    def opens(self, who: Process) -> None:
        """A system call that changes nothing."""
        self.tell("openat", who, 3)

    def fails(self, who: Process) -> None:
        """Calls that would change much, had they succeeded."""
        self.tell("setns", who, -1, ok=False, a0=3, a1=NEW_MOUNTS)
        self.tell("clone", who, -11, ok=False, a0=NEW_CONTAINER | 17)

    def speaks(self, who: Process) -> None:
        """A record of user space, whose text tells of others."""
        said = f'op=PAM:session_open acct="root" exe="{who.exe}" hostname=? addr=? terminal=cron res=success'
        lines = [
            self.record("USER_START", f"pid={who.pid} uid=0 auid={who.auid} ses={who.ses} subj=x msg='{said} pid=1'")
        ]
        if self.patched and who.where:
            lines.append(self.record("CONTAINER_ID", f"record=1 contid={',^'.join(who.where)}"))
        self.note(who, lines)

    def denied(self, who: Process) -> None:
        """An AVC in front of its SYSCALL."""
        avc = self.record("AVC", f'avc:  denied  {{ read }} for  pid={who.pid} comm="x" name="f" tclass=file')
        self.tell("openat", who, -13, ok=False)
        self.told[-1].lines.insert(0, avc)

    def signals(self, who: Process, target: Process) -> None:
        """A kill."""
        self.tell("kill", who, targets=[target], a0=target.pid, a1=15)

    def unshares(self, who: Process) -> None:
        """It takes mounts of its own, as a service does: that makes no container."""
        self.tell("unshare", who, a0=NEW_MOUNTS)

    def contains(self, who: Process) -> None:
        """A new container below `who`: runc's on a stock kernel, a registered child on a patched one."""
        self.made += 1
        child = self.born(who)
        if self.patched:
            name = str(7000 + self.made)
            old = who.where[0] if who.where else "-1"
            said = self.record("CONTAINER_OP", f"op=set opid={child.pid} contid={name} old-contid={old}")
            self.tell("write", who, 5)
            self.told[-1].lines.insert(0, said)
            child.where = (name, *who.where)
            self.execs(child, "/usr/bin/sh", "sh")
            return
        name = f"box{self.made}"
        self.execs(child, "/usr/sbin/runc", "runc", "--root", "/run/runc", "run", name)
        init = self.born(child, flags=NEW_CONTAINER)
        init.where = (name, *who.where)
        self.inits[init] = name
        child.waits = True
        self.execs(init, "/usr/bin/sh", "sh")

    def enters(self, who: Process, target: Process) -> None:
        """`runc exec` by a host process into the container that `target` is in."""
        if self.patched or who.where or len(target.where) != 1:
            return
        child = self.born(who)
        self.execs(child, "/usr/sbin/runc", "runc", "exec", target.where[0], "id")
        self.tell("setns", child, a0=7, a1=NEW_MOUNTS)
        child.where = target.where
        child.host_pids = True
        self.execs(child, "/usr/bin/id", "id")


ONE = ("born", "exits", "opens", "fails", "speaks", "denied", "unshares", "contains")
TWO = ("signals", "enters")

DIALECTS = st.builds(
    Dialect, st.sampled_from([b"", b"web1"]), st.booleans(), st.booleans(), st.booleans(), st.just(True)
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from((*ONE, *TWO, "execs", "pause", "contains", "enters", "exits")),
        st.integers(0, 99),
        st.integers(0, 99),
    ),
    min_size=8,
    max_size=60,
)


def live(world: World, deeds: Iterable[tuple[str, int, int]]) -> World:
    """Let it all happen; numbers pick among the processes that live then, the youngest first."""
    for deed, first, second in deeds:
        mortal = [one for one in world.alive[:0:-1] if not one.waits] or [world.init]
        who, other = mortal[first % len(mortal)], mortal[second % len(mortal)]
        if deed == "pause":
            world.ms += 400
        elif deed == "execs":
            world.execs(who, "/usr/bin/sleep", "sleep", "1")
        elif deed in TWO:
            getattr(world, deed)(who, other)
        else:
            getattr(world, deed)(who)
    return world


WORLDS = st.builds(lambda dialect, patched, deeds: live(World(dialect, patched), deeds), DIALECTS, st.booleans(), DEEDS)
STOCK = st.builds(lambda dialect, deeds: live(World(dialect), deeds), DIALECTS, DEEDS)


def lines_of(told: Iterable[Told]) -> list[bytes]:
    """Their lines, one event after the other."""
    return [line for one in told for line in one.lines]


def needs(told: Sequence[Told]) -> list[set[int]]:
    """Which events must be over before each one can begin.

    Those of the same process, those of the same pid, its fork, and the exit that made it an orphan.
    """
    before: list[set[int]] = []
    last: dict[int, int] = {}
    gone: dict[Process, int] = {}
    for at, one in enumerate(told):
        pids = {one.process.pid, *([one.child.pid] if one.child is not None else [])}
        before.append({last[pid] for pid in pids if pid in last})
        last.update(dict.fromkeys(pids, at))
        older = one.process.parent
        while older is not None:
            if older in gone:
                before[at].add(gone[older])
            older = older.parent
        if any(b" syscall=231 " in line for line in one.lines):
            gone[one.process] = at
    return before


def riffled(told: Sequence[Told], picks: Sequence[int]) -> list[bytes]:
    """All lines, with those of up to four events mixed, as several processors write them: see `needs`.

    A record of user space and its CONTAINER_ID stay together: parted, nothing tells that the first is not whole.
    """
    before = needs(told)
    waiting = [(at, list(one.lines)) for at, one in enumerate(told)]
    done: set[int] = set()
    out: list[bytes] = []
    for turn in range(sum(len(one.lines) for one in told)):
        ready = [index for index, (at, _) in enumerate(waiting[:4]) if before[at] <= done]
        index = ready[picks[turn % len(picks)] % len(ready)] if picks else 0
        at, lines = waiting[index]
        out.append(lines.pop(0))
        if b"type=USER" in out[-1]:
            out += lines
            lines.clear()
        if not lines:
            done.add(at)
            del waiting[index]
        if not waiting:
            break
    return out


# --- what damages a log -----------------------------------------------------------------------------------------------

NOISE = st.one_of(
    st.sampled_from([
        b"", b" ", b"----", b"time->Fri Nov 20 21:51:38 2026", b"type=", b"type=SYSCALL", b"type=SYSCALL msg=audit(",
        b"type=UNKNOWN[1020] msg=lost", b"type=SYSCALL msg=audit(1700000000:5): a", b"\0\0\0\0", b"\xff\xfe\x80",
        b"type=SYSCALL msg=audit(1700000000.000:18446744073709551616): pid=5", b"node= type=EOE msg=audit(1.000:1): ",
        b"type=A msg=audit(99999999999.999:1): ppid=1 pid=2", b'x contid=7 container_id="a"',
        b"type=EOE msg=audit(1.0:1",
    ]),
    st.binary(max_size=80).map(lambda data: data.replace(b"\n", b"")),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> list[bytes]:
    """A world's log with lines mixed, cut, doubled, lost, and noise between them."""
    world = draw(WORLDS)
    lines = riffled(world.told, draw(st.lists(st.integers(0, 3), max_size=12)))
    for kind, at, size in draw(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9999), st.integers(0, 400)), max_size=12)
    ):
        if not lines:
            break
        at %= len(lines)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines[at] = lines[at][:size]
        elif kind == 2:
            lines.insert((at + size) % len(lines), lines[at])
        elif kind == 3:
            lines[at] = lines[at][:size] + bytes([size % 256]).replace(b"\n", b"") + lines[at][size + 1 :]
        else:
            lines.insert(at, draw(NOISE))
    return lines


# --- running it -------------------------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """One run: what came out, what was counted, and the answer to each event."""

    out: bytes
    stats: Stats
    answers: list[tuple[Event, ProcessLifetime | None, Attribution]]
    pipeline: Pipeline


def annotate(blocks: Iterable[list[bytes]], **options: bool) -> Ran:
    """Blocks of lines through a raw pipeline, all with their newline."""
    stats = Stats()
    backend = Linux()
    out: list[bytes] = []
    answers: list[tuple[Event, ProcessLifetime | None, Attribution]] = []

    def watch(event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:
        answers.append((event, life, answer))

    pipeline = Pipeline(backend, Raw(backend, stats, **options), stats, watch=watch)
    run(pipeline, ((block, True) for block in blocks), out.append)
    return Ran(b"".join(out), stats, answers, pipeline)


def joined(lines: Iterable[bytes]) -> bytes:
    """Lines as the file they came from."""
    return b"".join(line + b"\n" for line in lines)


_CHAIN = rb"(?:-1|(?:\d+|\?)(?:\^(?:\d+|\?))*)"
_LIST = b"=" + _CHAIN + b"(?:," + _CHAIN + b")*"
_TEXT = rb'=(?:"[\x21\x23-\x7e]{0,256}"|(?:[0-9A-F]{2}){1,256})'
FIELDS = re.compile(
    rb"(?! ?\Z)(?: contid" + _LIST + rb")?"
    + b"".join(
        b"(?: %s%s)?" % (name, _TEXT)
        for name in (b"container_id", b"container_name", b"container_image", b"container_engine", b"cont_session",
                     b"cont_how", b"cont_flags")
    )
    + b"".join(b"(?: %s%s)?" % (name, _LIST) for name in (b"cont_target", b"cont_src", b"cont_dst"))
)  # fmt: skip
"""The grammar of what the raw form appends, written a second time."""


def appended(before: bytes, after: bytes) -> bytes | None:
    """What `after` has more than `before`, when that is fields and nothing else has changed: b"" for nothing."""
    if before == after:
        return b""
    more = len(after) - len(before)
    separators = [at for at, byte in enumerate(before) if byte == 0x1D]  # a user's text may hold one before auditd's
    for end in (*separators, len(before), len(before) - 1, before.find(b" data=")):
        chunk = after[end : end + more]
        if end >= 0 and more > 0 and after == before[:end] + chunk + before[end:] and FIELDS.fullmatch(chunk):
            return chunk
    return None
