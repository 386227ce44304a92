"""Podman with conmon and crun, root's and a user's; and crun alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.engines import hooks, runc_kill, tool
from tests.model.kernel import NEWNS, NEWUSER, SIGCHLD
from tests.model.oci import Container, begins, crun_create, crun_exec, go_threads
from tests.model.programs import FORK

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.model.calls import Host
    from tests.model.kernel import Task

CONMON = "/usr/bin/conmon"


def conmon(m: Host, podman: Task, c: Container, words: list[str]) -> Generator[float, None, Task]:
    """Conmon forks once, and the child becomes the subreaper that stays."""
    argv = [CONMON, "--api-version", "1", "-c", c.id, "-u", c.id, "-r", "/usr/bin/crun", "-n", c.name, *words]
    first = yield from tool(m, podman, CONMON, argv)
    yield m.rng.uniform(1, 20)
    second = m.fork(first)
    m.kernel.setsid(second)
    m.exit(first)
    yield m.rng.uniform(1, 10)
    m.subreaper(second)
    m.keep(second)
    if not words:
        c.manager = second
    yield 1.0
    return (yield from tool(m, second, "/usr/bin/crun", ["/usr/bin/crun", "exec" if words else "create", c.id], FORK))


def podman(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`podman run -d`: conmon, `crun create`, and `crun start` by podman itself; a user's is in his user namespace."""
    c.engine = "podman"
    task = front = yield from tool(m, sh, "/usr/bin/podman", ["podman", "run", "-d", "--name", c.name, "img"], FORK)
    go_threads(m, task, 4)
    yield m.rng.uniform(10, 60)
    if sh.uid:
        task = m.fork(front, NEWUSER | NEWNS | SIGCHLD)
        m.exec(task, "/usr/bin/podman", ["podman", "run", "-d", "--name", c.name, "img"])
        go_threads(m, task, 3)
    crun = yield from conmon(m, task, c, [])
    yield from crun_create(m, crun, c, hooks(m))
    m.exit(crun)
    yield m.rng.uniform(1, 20)
    start = yield from tool(m, task, "/usr/bin/crun", ["/usr/bin/crun", "start", c.id])
    if c.init is not None and c.lives:
        m.kill(start, c.init.number.within(start.namespace), 0)
        yield from begins(m, c)
    m.exit(start)
    for one in (task, front):
        if one.alive:
            yield m.rng.uniform(1, 20)
            m.exit(one)
    m.start(_tended(m, c))


def _tended(m: Host, c: Container) -> Iterator[float]:
    """Conmon waits for the container, cleans up, and ends."""
    while c.lives:
        yield m.rng.uniform(20, 100)
    keeper = c.manager
    if keeper is None or not keeper.alive:
        return
    task = yield from tool(m, keeper, "/usr/bin/podman", ["/usr/bin/podman", "container", "cleanup", c.id], FORK)
    go_threads(m, task, 2)
    yield m.rng.uniform(5, 40)
    m.exit(task)
    m.exit(keeper)


def podman_exec(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`podman exec`: a conmon of its own."""
    task = yield from tool(m, sh, "/usr/bin/podman", ["podman", "exec", c.name, "id"], FORK)
    go_threads(m, task, 4)
    yield m.rng.uniform(5, 40)
    crun = yield from conmon(m, task, c, ["-e", "--exec-attach"])
    keeper = crun.parent
    yield from crun_exec(m, crun, c)
    if crun.alive:
        m.exit(crun)
    yield m.rng.uniform(30, 120)
    if keeper is not None and keeper.alive and keeper is not m.kernel.init:
        m.exit(keeper)
    m.exit(task)


def podman_kill(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`podman kill`: through `crun kill`."""
    task = yield from tool(m, sh, "/usr/bin/podman", ["podman", "kill", c.name], FORK)
    go_threads(m, task, 3)
    yield from runc_kill(m, task, c, "/usr/bin/crun", ["/usr/bin/crun"])
    m.exit(task)


def crun_run(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`crun run` from a shell: it waits for the container, or leaves it to whoever adopts."""
    c.engine = "crun"
    task = yield from tool(m, sh, "/usr/bin/crun", ["/usr/bin/crun", "run", c.id], FORK)
    yield from crun_create(m, task, c, hooks(m), "run")
    yield from begins(m, c)
    if m.rng.random() < 0.5:
        m.keep(task)
        while c.lives:
            yield m.rng.uniform(10, 60)
            m.settle(task)
    yield m.rng.uniform(1, 10)
    m.exit(task)
