"""How runc and crun make a container and enter one, step by step as recorded logs show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model.display import Truth
from tests.model.kernel import NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS, SIGCHLD
from tests.model.programs import VFORK, program, runs, shell

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from tests.model.calls import Host
    from tests.model.kernel import Task

NEW = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
SIBLING = 0x8000 | SIGCHLD
SEALED = ("/", "/memfd:runc_cloned:/proc/self/exe (deleted)")


@dataclass(eq=False, slots=True)
class Container:
    """A container: `chain` is its id and those it is nested in, nearest first."""

    id: str
    outer: tuple[str, ...] = ()
    engine: str = "runc"
    name: str = ""
    init: Task | None = None
    device: str = "fe:00"
    manager: Task | None = None
    """The shim or conmon that stays with it."""
    flags: int = NEW
    pod: Container | None = None
    fresh: bool = True
    runs: int = 0

    @property
    def inside(self) -> Truth:
        """The truth of its processes."""
        return Truth((self.id, *self.outer), "", "nested" if self.outer else "container")

    @property
    def stage(self) -> Truth:
        """The truth of an engine's process on its way in."""
        return Truth(self.outer, self.id, "stage")

    @property
    def lives(self) -> bool:
        """Whether its init does."""
        return self.init is not None and self.init.alive


def go_threads(m: Host, task: Task, count: int) -> None:
    """A Go program has several threads from its first moment on."""
    for _ in range(count):
        m.thread(task)


def rooted(m: Host, c: Container, init: Task) -> None:
    """A container of an engine with images has an overlay of its own, each time that it runs."""
    if c.device != "fe:00":
        c.device = m.overlay()
        m.overlays[c.device] = init


def runc_stages(m: Host, runc: Task, c: Container, join: Task | None) -> Generator[float, None, Task]:
    """Runc's [0:PARENT], [1:CHILD] and [2:INIT] (libcontainer/nsenter/nsexec.c): the last is in the container.

    The first is a vforked `runc init`, the other two are born with CLONE_PARENT, so that runc itself is their parent.
    """
    creates = c.init is None
    go_threads(m, runc, m.rng.randrange(2, 5))
    yield m.rng.uniform(1, 10)
    parent = m.fork(runc, VFORK)
    yield m.rng.uniform(0, 4)
    m.exec(parent, runc.display.exe, ["runc", "init"], comm="exe")
    yield m.rng.uniform(5, 20)
    if m.rng.random() < 0.8:
        m.mount(parent, 2)
        m.exec(parent, SEALED[m.boot & 1], ["runc", "init"], call="execveat", comm="runc")
        yield m.rng.uniform(2, 20)
    m.moves(parent, c.stage)
    m.named(parent, "runc:[0:PARENT]")
    child = m.fork(parent, SIBLING)
    m.named(child, "runc:[1:CHILD]")
    if join is not None:
        for flag in _joined(c, entering=not creates):
            m.setns(child, join, flag)
        yield m.rng.uniform(0, 3)
    if creates:
        if c.flags & NEWUSER:  # the others belong to it, so it comes first; who is root in it is nobody on the host
            m.unshare(child, NEWUSER)
            m.become(child, 100_000)
        m.unshare(child, c.flags & ~NEWUSER)
    else:
        if c.flags & NEWUSER:
            m.become(child, 100_000)
        m.unshare(child, 0)
    yield m.rng.uniform(0, 10)
    init = m.fork(child, SIBLING, truth=c.inside)
    if creates:
        rooted(m, c, init)
    init.display.device = c.device
    m.named(init, "runc:[2:INIT]")
    m.exit(child)
    yield m.rng.uniform(0, 4)
    if creates:
        m.unshare(init, NEWCGROUP)
    m.exit(parent)
    yield m.rng.uniform(0, 4)
    go_threads(m, init, m.rng.randrange(2, 5))
    return init


def _joined(c: Container, *, entering: bool) -> Sequence[int]:
    """Namespaces that [1:CHILD] joins: all of a container that it enters; those that a pod's containers share."""
    if entering:
        pid = (NEWPID,) if c.flags & NEWPID or c.pod is not None else ()
        user = (NEWUSER,) if c.flags & NEWUSER else ()
        return (*user, NEWIPC, NEWUTS, NEWNET, *pid, NEWNS, NEWCGROUP)
    shared = (NEWIPC, NEWUTS, NEWNET)
    return shared if c.flags & NEWPID else (*shared, NEWPID)


def runc_create(m: Host, runc: Task, c: Container, hooks: int = 0) -> Iterator[float]:
    """A container up to its last step, the program of its own: mounts, another root; hooks run beside it."""
    c.init = None
    c.runs += 1
    pod = c.pod.init if c.pod is not None else None
    init = yield from runc_stages(m, runc, c, pod)
    c.init = init
    m.keep(init)
    m.mount(init, m.rng.randrange(3, 9))
    yield m.rng.uniform(1, 20)
    for _ in range(hooks):
        yield from hook(m, runc)
    m.pivot(init)
    m.mount(init, 3)
    yield m.rng.uniform(1, 20)


def crun_create(m: Host, crun: Task, c: Container, hooks: int = 0, verb: str = "create") -> Iterator[float]:
    """Crun clones once, with all flags; what bears is crun's sealed copy of itself."""
    c.init = None
    c.runs += 1
    argv = ["/usr/bin/crun", verb, c.id]
    m.mount(crun, 2)
    m.exec(crun, SEALED[m.boot & 1].replace("runc_cloned", "crun_cloned"), argv, call="execveat", comm="crun")
    yield m.rng.uniform(5, 30)
    pod = c.pod.init if c.pod is not None else None
    if pod is not None and not c.flags & NEWPID:
        m.setns(crun, pod, NEWPID, typed=False)  # its children only are in it
    init = m.fork(crun, c.flags | SIGCHLD, truth=c.inside)
    m.keep(init)
    c.init = init
    rooted(m, c, init)
    init.display.device = c.device
    yield m.rng.uniform(1, 20)
    if pod is not None:
        for flag in (NEWIPC, NEWUTS, NEWNET):
            m.setns(init, pod, flag, typed=False)
    m.unshare(init, NEWCGROUP)
    m.mount(init, m.rng.randrange(3, 9))
    for _ in range(hooks):
        yield from hook(m, crun)
    m.pivot(init)
    m.mount(init, 2)
    yield m.rng.uniform(1, 20)


def begins(m: Host, c: Container) -> Iterator[float]:
    """The container's own program begins, and lives on in a job of its own."""
    init = c.init
    if init is None:
        return
    if m.rng.random() < 0.6:
        m.exec(init, "/bin/busybox", ["sh", "-c", "while :; do ls; done"], comm="sh", device=c.device)
    else:
        m.exec(init, "/usr/sbin/nginx", ["nginx", "-g", "daemon off;"], device=c.device)
        init.handles_term = True
    m.start(works(m, c, init))
    yield 0.0


def works(m: Host, c: Container, init: Task) -> Iterator[float]:
    """What goes on in a container; a process of it here and there is what works, not only the init."""
    workers = [init]
    for _ in range(m.rng.randrange(2, 14)):
        yield m.rng.expovariate(1 / 30)
        m.settle(init)
        workers = [one for one in workers if one.alive]
        yield from shell(m, m.rng.choice(workers), m.rng.randrange(1, 4))
        if len(workers) < 4 and m.rng.random() < 0.4:
            worker = m.fork(init)
            m.keep(worker)
            if m.rng.random() < 0.7:
                yield m.rng.uniform(0, 4)
                program(m, worker)
            if m.rng.random() < 0.3:
                m.become(worker, 33)
            workers.append(worker)
    yield m.rng.expovariate(1 / 400)
    m.settle(init)
    if m.rng.random() < 0.5:
        m.exit(init, m.rng.choice((0, 1)))
    else:
        yield m.rng.expovariate(1 / 3000)
        m.oom(init)


def hook(m: Host, engine: Task) -> Iterator[float]:
    """A createRuntime hook: it is where the engine is, whatever namespaces it makes for itself."""
    task = m.fork(engine, VFORK, truth=Truth(engine.display.truth.chain, "", "hook"))
    yield m.rng.uniform(0, 3)
    pick = m.rng.randrange(3)
    if pick == 0:
        m.exec(task, "/usr/bin/unshare", ["unshare", "-m", "/opt/hook"])
        m.unshare(task, NEWNS)
        m.mount(task)
        m.exec(task, "/opt/hook", ["/opt/hook"])
    elif pick == 1:
        m.exec(task, "/usr/sbin/ip", ["ip", "netns", "exec", "blue", "ip", "link"])
        m.call(task, "setns", (5, NEWNET, 0, 0))
        m.unshare(task, NEWNS)
        m.mount(task, 2)
        m.exec(task, "/usr/sbin/ip", ["ip", "link"])
    else:
        m.exec(task, "/usr/bin/bash", ["/opt/hook.sh"])
        yield from runs(m, task)
    yield m.rng.uniform(1, 10)
    m.exit(task)


def runc_exec(m: Host, runc: Task, c: Container) -> Iterator[float]:
    """Another process in a container that runs: setns into each of its namespaces, then the last clone."""
    if not c.lives:
        m.exit(runc, 1)
        return
    task = yield from runc_stages(m, runc, c, c.init)
    m.keep(task)
    if m.rng.random() < 0.3:
        m.kill(runc, task.number.within(runc.namespace), 0)
    m.exec(task, "/bin/busybox", ["sh", "-c", "id; ls"], comm="sh", device=c.device)
    m.start(_entered(m, task))
    yield m.rng.uniform(0, 5)


def crun_exec(m: Host, crun: Task, c: Container) -> Iterator[float]:
    """Crun forks into the cgroup (clone3), joins all namespaces with no type said; a child of that is the process."""
    if not c.lives or c.init is None:
        m.exit(crun, 1)
        return
    sealed = SEALED[m.boot & 1].replace("runc_cloned", "crun_cloned")
    m.exec(crun, sealed, ["/usr/bin/crun", "exec", c.id], call="execveat", comm="crun")
    yield m.rng.uniform(2, 20)
    first = m.fork(crun, SIGCHLD, call="clone3", truth=c.stage)
    for flag in _joined(c, entering=True):
        m.setns(first, c.init, flag, typed=False)
    task = m.fork(first, truth=c.inside)
    m.keep(task)
    m.exit(first)
    yield m.rng.uniform(0, 5)
    m.exec(task, "/bin/busybox", ["sh", "-c", "id; ls"], comm="sh", device=c.device)
    m.start(_entered(m, task))
    yield m.rng.uniform(0, 5)


def _entered(m: Host, task: Task) -> Iterator[float]:
    """Who was brought in works there for a while."""
    yield from shell(m, task, m.rng.randrange(0, 4), 10)
    yield m.rng.expovariate(1 / 20)
    if task.alive:
        m.exit(task)
