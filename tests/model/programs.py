"""What programs do, on the host and in containers alike: shells, daemons, crashes, signals, double forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.display import SANDBOX
from tests.model.kernel import CLONE_PARENT, NEWNS, SIGCHLD, SIGKILL, SIGTERM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.model.calls import Host
    from tests.model.kernel import Task

    Action = Callable[[Host, Task], Iterator[float]]

PROGRAMS = ("ls", "id", "date", "cat", "sleep", "grep", "tar", "python3.11", "curl", "hostname", "sed", "awk")
FORK = 0x1200000 | SIGCHLD
VFORK = 0x4100 | SIGCHLD


def child(m: Host, sh: Task) -> Task:
    """A child by one of the calls that C libraries use; posix_spawn's clone3 sleeps as vfork does."""
    pick = m.rng.random()
    if pick < 0.6:
        return m.fork(sh, FORK)
    if pick < 0.75:
        return m.fork(sh, VFORK)
    if pick < 0.85:
        return m.fork(sh, call="vfork", flags=VFORK)
    if pick < 0.95:
        return m.fork(sh, VFORK, call="clone3")
    return m.fork(sh, SIGCHLD, call="fork")


def program(m: Host, task: Task) -> None:
    """Any program: a file of its own on the host, busybox in a container."""
    name = m.rng.choice(PROGRAMS)
    argv = [name] if m.rng.random() < 0.5 else [name, "-c", "echo a b"]
    chain = task.display.truth.chain
    if chain and not chain[0].startswith(SANDBOX):
        m.exec(task, "/bin/busybox", argv, comm=name)
    else:
        m.exec(task, f"/usr/bin/{name}", argv, misses=m.rng.choice((0, 0, 0, 1)))


def runs(m: Host, sh: Task) -> Iterator[float]:
    """A program, started and waited for."""
    task = child(m, sh)
    yield m.rng.expovariate(1 / 3)
    program(m, task)
    for _ in range(m.rng.randrange(3)):
        yield m.rng.expovariate(1 / 6)
        m.works(task)
    yield m.rng.expovariate(1 / 15)
    m.exit(task)


def subshell(m: Host, sh: Task) -> Iterator[float]:
    """A fork that runs no program of its own, but has children."""
    task = m.fork(sh)
    yield m.rng.expovariate(1 / 3)
    m.works(task)
    for _ in range(m.rng.randrange(3)):
        yield from runs(m, task)
    m.exit(task)


def pipeline(m: Host, sh: Task) -> Iterator[float]:
    """Two programs at once, in a group of their own."""
    tasks = [m.fork(sh), m.fork(sh)]
    m.kernel.setpgid(tasks[0])
    for task in tasks:
        yield m.rng.expovariate(1 / 2)
        if m.rng.random() < 0.8:
            program(m, task)
    for task in reversed(tasks):
        yield m.rng.expovariate(1 / 8)
        m.works(task)
        m.exit(task)


def daemon(m: Host, sh: Task) -> Iterator[float]:
    """A double fork: the orphan goes to a subreaper or an init, and lives on."""
    first = m.fork(sh)
    m.kernel.setsid(first)
    yield m.rng.expovariate(1 / 3)
    task = m.fork(first)
    m.keep(task)
    m.start(_daemon(m, task))
    if m.rng.random() < 0.3:
        yield m.rng.expovariate(1 / 10)
    m.exit(first)


def _daemon(m: Host, task: Task) -> Iterator[float]:
    """Its life: long silences, then something; mostly its end is a signal's."""
    yield m.rng.expovariate(1 / 10)
    if m.rng.random() < 0.6:
        program(m, task)
    for _ in range(m.rng.randrange(5)):
        yield m.rng.expovariate(1 / m.rng.choice((20, 200, 900)))
        m.settle(task)
        yield from m.rng.choice((runs, runs, subshell))(m, task)
        m.works(task)
    yield m.rng.expovariate(1 / 300)
    if m.rng.random() < 0.5:
        m.oom(task)
    elif task.alive:
        m.exit(task)


def killed(m: Host, sh: Task) -> Iterator[float]:
    """A program that its shell kills: no record of an end, but the signal's where those are recorded."""
    task = child(m, sh)
    yield m.rng.expovariate(1 / 2)
    program(m, task)
    task.handles_term = m.rng.random() < 0.2
    yield m.rng.expovariate(1 / 20)
    number = task.number.within(sh.namespace)
    signal = m.rng.choice((SIGKILL, SIGTERM, 0))
    if m.rng.random() < 0.2:
        m.oom(task)
    elif number:
        m.kill(sh, number, signal, m.rng.choice(("kill", "kill", "tgkill", "pidfd_send_signal")))
    if task.alive:
        yield m.rng.expovariate(1 / 5)
        m.exit(task, 143)


def crashes(m: Host, sh: Task) -> Iterator[float]:
    """A program that dumps core."""
    task = child(m, sh)
    yield m.rng.expovariate(1 / 3)
    program(m, task)
    yield m.rng.expovariate(1 / 10)
    m.crash(task, m.rng.choice((6, 11, 7, 8)))


def group(m: Host, sh: Task) -> Iterator[float]:
    """A job is ended by its group: kill(-pgid)."""
    task = m.fork(sh)
    m.kernel.setpgid(task)
    yield m.rng.expovariate(1 / 3)
    program(m, task)
    for _ in range(2):
        m.fork(task)
        yield m.rng.expovariate(1 / 3)
    number = task.number.within(sh.namespace)
    if number > 1:
        m.kill(sh, -number, m.rng.choice((SIGTERM, SIGKILL)))
    yield 1.0


def all_signalled(m: Host, sh: Task) -> Iterator[float]:
    """A kill(-1): everyone that the caller may signal and can see, but for itself and the init."""
    yield 1.0
    m.kill(sh, -1, m.rng.choice((0, 0, SIGTERM, SIGKILL)) if sh.namespace.level or sh.uid else 0)


def init_signalled(m: Host, sh: Task) -> Iterator[float]:
    """A kill of process 1 of its own namespace: the call succeeds, and the init lives on."""
    yield 1.0
    m.kill(sh, 1, SIGKILL)


def siblings(m: Host, sh: Task) -> Iterator[float]:
    """Children with CLONE_PARENT: their parent is the caller's. They end soon; their numbers come again."""
    if sh.is_init:
        return
    for _ in range(m.rng.choice((1, 2, 6))):
        task = m.fork(sh, CLONE_PARENT | SIGCHLD)
        yield m.rng.expovariate(1 / 2)
        if m.rng.random() < 0.3:
            program(m, task)
            yield m.rng.expovariate(1 / 20)
        m.exit(task)


def threads(m: Host, sh: Task) -> Iterator[float]:
    """A program with threads."""
    task = child(m, sh)
    yield 1.0
    program(m, task)
    for _ in range(m.rng.randrange(1, 6)):
        m.thread(task, m.rng.choice(("clone3", "clone3", "clone")))
        yield m.rng.expovariate(1 / 2)
    m.works(task)
    m.exit(task)


def private_mounts(m: Host, sh: Task) -> Iterator[float]:
    """The `unshare -m` of util-linux: mounts of its own make no container."""
    if sh.uid or sh.user != 1:
        return
    task = child(m, sh)
    yield 1.0
    m.exec(task, "/usr/bin/unshare", ["unshare", "-m", "sh"])
    m.unshare(task, NEWNS)
    m.mount(task)
    yield m.rng.expovariate(1 / 3)
    program(m, task)
    yield from runs(m, task)
    m.exit(task)


def adopts(m: Host, sh: Task) -> Iterator[float]:
    """A supervisor that becomes a subreaper, and whose grandchildren are orphaned."""
    task = child(m, sh)
    yield 1.0
    m.exec(task, "/usr/bin/dumb-init", ["dumb-init", "sh"])
    m.subreaper(task)
    for _ in range(m.rng.randrange(1, 4)):
        yield from daemon(m, task)
        yield m.rng.expovariate(1 / 30)
    yield from runs(m, task)
    m.exit(task)


def su(m: Host, sh: Task) -> Iterator[float]:
    """Another user's rights: PAM's records, which a container may send too, unless it is in a user namespace."""
    if sh.uid or sh.user != 1:
        return
    task = child(m, sh)
    yield 1.0
    m.exec(task, "/usr/bin/su", ["su", "nobody", "-c", "id"])
    m.pam(task, "USER_AUTH", "authentication", "nobody")
    m.pam(task, "USER_ACCT", "accounting", "nobody")
    m.pam(task, "USER_START", "session_open", "nobody")
    other = m.fork(task)
    m.become(other, 65534)
    yield m.rng.expovariate(1 / 5)
    program(m, other)
    m.exit(other)
    m.pam(task, "USER_END", "session_close", "nobody")
    m.exit(task)


ACTIONS: tuple[tuple[Action, int], ...] = (
    (runs, 40), (subshell, 10), (pipeline, 8), (daemon, 8), (killed, 8), (crashes, 2), (group, 2), (all_signalled, 1),
    (init_signalled, 1), (siblings, 3), (threads, 5), (private_mounts, 2), (adopts, 2), (su, 2),
)  # fmt: skip
_NAMES = [action for action, _ in ACTIONS]
_WEIGHTS = [weight for _, weight in ACTIONS]


def shell(m: Host, sh: Task, steps: int, pause: float = 20.0) -> Iterator[float]:
    """A shell that lives, and does one thing after the other; some of it goes on while the next begins."""
    for _ in range(steps):
        m.settle(sh)
        action = m.rng.choices(_NAMES, _WEIGHTS)[0](m, sh)
        if m.rng.random() < 0.3:
            m.start(action)
        else:
            yield from action
        yield m.rng.expovariate(1 / pause)
