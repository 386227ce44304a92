"""A machine: its processes make system calls, and what the rules catch of them becomes events with their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.model import records
from tests.model.display import HOST, Truth
from tests.model.jobs import Gone, Schedule
from tests.model.kernel import CLONE_VFORK, SIGCHLD, SIGKILL, SIGTERM, Kernel, Task
from tests.model.pids import NoNumber
from tests.model.rules import LEVELS, Catch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.model.jobs import Job
    from tests.model.records import Record

NO_ARGS = (0, 0, 0, 0)
PATHS = frozenset(("mkdir", "unlink", "rename", "openat", "mount", "umount2", "pivot_root"))


@dataclass(eq=False, slots=True)
class Event:
    """One event before it is text: perturbations change its stamp, its serial and its records."""

    ms: int
    serial: int
    records: list[Record]
    truth: Truth | None
    pid: int
    ppid: int = 0
    child: int = 0
    call: str = ""
    boot: int = 0


@dataclass(eq=False)
class Machine(Schedule):
    """Calls are methods; each takes the process that makes it, and raises Gone if that has ended."""

    rng: Random = field(kw_only=True)
    pid_max: int = 32768
    rules: Catch = field(default_factory=lambda: LEVELS["all"])
    enriched: bool = False
    eoe: bool = False
    late: float = 0.04
    """How often a fork's record comes after the child has begun to run, though the parent does not wait for it."""
    boot: int = 0
    serial: int = 100
    log: list[Event] = field(default_factory=list)
    kernel: Kernel = field(init=False)

    def __post_init__(self) -> None:
        """The kernel is up."""
        self.kernel = Kernel(self.pid_max)

    # --- events -----------------------------------------------------------------------------------------------------

    def stamp(self) -> int:
        """The coarse clock at the entry of a call: it ticks every 4 ms (CONFIG_HZ=250)."""
        return int(self.now) & ~3 | 1

    def put(
        self, found: list[Record], truth: Truth | None, pid: int, ppid: int, ms: int, call: str, child: int = 0
    ) -> None:
        """One more event; its serial is given now."""
        if self.eoe and len(found) > 1:
            found.append(("EOE", ""))
        self.serial += 1
        self.log.append(Event(ms, self.serial, found, truth, pid, ppid, child, call, self.boot))

    def settle(self, task: Task) -> None:
        """Before a process does anything: it must live, and its last fork's record is written."""
        if not task.alive:
            raise Gone
        pending = task.display.pending
        if pending is not None:
            task.display.pending = None
            pending()

    def call(
        self, task: Task, name: str, args: tuple[int, int, int, int] = NO_ARGS, exit: int = 0, *, ok: bool = True,
        before: Sequence[Record] = (), more: Sequence[Record] = (), paths: Sequence[str] = (), ms: int = 0,
        child: int = 0, truth: Truth | None = None,
    ) -> None:  # fmt: skip
        """One system call of a living process, if the rules catch it, or something is `before` its SYSCALL record."""
        catch = self.rules.get(name)
        if catch is None or (catch[0] and not ok):
            if not before:
                return
            key = "(null)"
        else:
            key = f'"{catch[1]}"'
        returns = name not in ("exit_group", "exit")
        result = f" success={'yes' if ok else 'no'} exit={exit}" if returns else ""
        e = self.enriched
        d = task.display
        found = [*before, records.syscall(task, name, result, args, len(paths), key, enriched=e), *more]
        if paths:
            found.append(("CWD", 'cwd="/"'))
            kind = "NORMAL" if ok or exit != -2 else "UNKNOWN"
            found += [records.path(n, one, d.device, kind, enriched=e) for n, one in enumerate(paths)]
        found.append(("PROCTITLE", f"proctitle={d.title}"))
        self.put(found, truth or d.truth, task.pid, task.ppid, ms or self.stamp(), name, child)

    # --- births -----------------------------------------------------------------------------------------------------

    def fork(
        self, task: Task, flags: int = 0x1200000 | SIGCHLD, call: str = "clone", *, truth: Truth | None = None,
        punctual: bool = False,
    ) -> Task:  # fmt: skip
        """A child. With CLONE_VFORK the record comes when the child runs a program, mostly after the child's own."""
        self.settle(task)
        try:
            child = self.kernel.fork(task, flags)
        except NoNumber:
            self.call(task, call, (flags, 0, 0, 0), -11, ok=False)
            raise Gone from None
        child.display = task.display.copy()
        if truth is not None:
            child.display.truth = truth
        if self.job is not None:
            self.job.tasks.append(child)
        born = partial(self._born, task, child.number.within(task.namespace), child.pid, flags, call, self.stamp())
        if flags & CLONE_VFORK or call == "vfork":
            task.display.pending = born
            child.display.wakes = partial(self._wake, task)
        elif not punctual and self.rng.random() < self.late:
            task.display.pending = born
            self.later(self.rng.uniform(1, 20), partial(self._wake, task))
        else:
            born()
        return child

    def _born(self, task: Task, number: int, child: int, flags: int, call: str, ms: int) -> None:
        """The record of a fork; clone3 hides its flags behind a pointer."""
        args = (0x7FFD_0000_0000 | flags & 0xFFF0, 88, 0, 8) if call == "clone3" else (flags, 0, 0, 0x7F07_0D6F_9A10)
        self.call(task, call, NO_ARGS if call in ("fork", "vfork") else args, number, ms=ms, child=child)

    def _wake(self, task: Task) -> None:
        """A parent's record that was not written yet."""
        pending = task.display.pending
        if pending is not None:
            task.display.pending = None
            pending()

    def thread(self, task: Task, call: str = "clone3") -> None:
        """A thread: it takes a number, and its clone3 record looks like a child's."""
        self.settle(task)
        try:
            number = self.kernel.thread(task)
        except NoNumber:
            raise Gone from None
        flags = 0x3D0F00
        if call == "clone" and self.rules is not LEVELS["all"]:
            return  # CLONE_THREAD is left out by a rule
        args = (0x7FFD_EBE2_0880, 0x58, 0x7F91_9103_4EF0, 8) if call == "clone3" else (flags, 0, 0, 0)
        self.call(task, call, args, number.within(task.namespace))

    # --- programs ---------------------------------------------------------------------------------------------------

    def exec(
        self, task: Task, exe: str, argv: Sequence[str], *, call: str = "execve", comm: str = "", misses: int = 0,
        truth: Truth | None = None, device: str = "", uid: int | None = None,
    ) -> None:  # fmt: skip
        """Another program. `misses` are places of PATH where it was not; a set-uid program changes the user."""
        self.settle(task)
        d = task.display
        for n in range(misses):
            args = (0x7FFC_9D48_8BD0, 0x7FFC_9D48_8F38, 0, 0)
            self.call(task, "execve", args, -2, ok=False, paths=(f"/usr/local/{'s' * n}bin/{argv[0]}",))
        self.kernel.join(task)
        d.exe, d.comm = exe, (comm or exe.rpartition("/")[2])[:15]
        d.title = records.title(tuple(argv))[:256]
        d.device = device or d.device
        d.ident = ""
        if uid is not None:
            task.uid = uid
        wakes, d.wakes = d.wakes, None
        if wakes is not None and self.rng.random() < 0.35:
            wakes()
            wakes = None
        task.handles_term = False
        catch = self.rules.get(call)
        if catch is not None:
            self._executed(task, call, tuple(argv), f'"{catch[1]}"', truth)
        if wakes is not None:
            self.later(self.rng.uniform(0, 4), wakes)

    def _executed(self, task: Task, call: str, argv: tuple[str, ...], key: str, truth: Truth | None) -> None:
        d = task.display
        e = self.enriched
        args = (0x55FF_BE02_EB30, 0x55FF_BE03_0B30, 0x55FF_BE03_2490, 8)
        found = [
            records.syscall(task, call, " success=yes exit=0", args, 2, key, enriched=e),
            records.execve(argv),
            ("CWD", 'cwd="/"'),
            records.path(0, d.exe, d.device, enriched=e),
            records.path(1, "/lib64/ld-linux-x86-64.so.2", d.device, enriched=e),
            ("PROCTITLE", f"proctitle={d.title}"),
        ]
        self.put(found, truth or d.truth, task.pid, task.ppid, self.stamp(), call)

    def named(self, task: Task, comm: str) -> None:
        """It gives itself another name (PR_SET_NAME)."""
        task.display.comm = comm[:15]
        task.display.ident = ""

    # --- ends -------------------------------------------------------------------------------------------------------

    def exit(self, task: Task, code: int = 0) -> None:
        """It ends by itself, which leaves a record; all others of a namespace end with its init, without any."""
        self.settle(task)
        self.call(task, "exit_group", (code, 0xE7, 0x3C, 0x7FFD_CE8A_8C40))
        self.dies(task)

    def dies(self, task: Task) -> None:
        """It is no more. Its parent waits for it at once, or a moment later."""
        if not task.alive:
            return
        self._last(task)
        for other in self.kernel.exit(task):
            self._last(other)
        if self.rng.random() < 0.8:
            self.kernel.reap(task)
        else:
            self.later(self.rng.expovariate(1 / 40), partial(self.kernel.reap, task))

    def _last(self, task: Task) -> None:
        """What was under way when it ended: a call that had begun is recorded still, a sleeping parent wakes."""
        d = task.display
        self._wake(task)
        if d.wakes is not None:
            wakes, d.wakes = d.wakes, None
            self.later(self.rng.uniform(0, 2), wakes)

    def over(self, job: Job) -> None:
        """A job broke off, or is done: who is left of it hangs up, or is killed."""
        for task in job.tasks:
            if task.alive:
                if self.rng.random() < 0.5:
                    self.exit(task, 1)
                else:
                    self.dies(task)
        job.tasks.clear()

    def keep(self, *tasks: Task) -> None:
        """These outlive the job that made them."""
        if self.job is not None:
            self.job.tasks = [one for one in self.job.tasks if one not in tasks]

    def kill(self, task: Task, pid: int, signal: int, call: str = "kill") -> list[Task]:
        """Signals to `pid`, which is a number of the caller's namespace, or -1, or a group. Gives who ended."""
        self.settle(task)
        considered = self.kernel.targets(task, pid)
        allowed = [one for one in considered if self.kernel.permitted(task, one)]
        more = [records.target(one, enriched=self.enriched) for one in [*considered[1:], *considered[:1]][:16]]
        word = 0xFFFF_FFFF if self.rng.random() < 0.5 else 0xFFFF_FFFF_FFFF_FFFF
        args = {
            "kill": (pid & word, signal, 0, 0),
            "tgkill": (pid, pid, signal, 0),
            "tkill": (pid, signal, 0, 0),
            "pidfd_send_signal": (5, signal, 0, 0),
            "rt_sigqueueinfo": (pid, signal, 0x7FFD_0000, 0),
        }[call]
        fails = 0 if allowed else (-1 if considered else -3)
        self.call(task, call, args, fails, ok=not fails, more=more)
        ended = [one for one in allowed if signal and self.kernel.kills(task, one, signal)]
        for one in ended:
            self.dies(one)
        for one in allowed:
            if signal == SIGTERM and one.handles_term and one.alive:
                self.later(self.rng.uniform(1, 30), partial(self._leaves, one))
        return ended

    def _leaves(self, task: Task) -> None:
        """Who handles SIGTERM ends by itself, which leaves a record; an init that has a handler too."""
        if task.alive:
            self.exit(task)

    def crash(self, task: Task, signal: int = 11) -> None:
        """A signal that dumps core, from the kernel itself."""
        self.settle(task)
        self.put([records.dumped(task, signal, enriched=self.enriched)], task.display.truth, task.pid, 0,
                 self.stamp(), "abend")  # fmt: skip
        self.dies(task)

    def oom(self, task: Task) -> None:
        """The kernel kills it, which is in no record."""
        if task.alive and self.kernel.kills(None, task, SIGKILL):
            self.dies(task)

    def host(self, kind: str) -> Truth:
        """The truth of something on the host."""
        return HOST if kind == "host" else Truth((), "", kind)
