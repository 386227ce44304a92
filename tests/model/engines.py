"""Engines around runc and crun: alone, under a shim (docker, Kubernetes), under conmon (podman)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.kernel import SIGKILL, SIGTERM
from tests.model.oci import (
    Container,
    begins,
    go_threads,
    runc_create,
    runc_exec,
)
from tests.model.programs import FORK, VFORK

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.model.calls import Host
    from tests.model.kernel import Task

SHIM = "/usr/bin/containerd-shim-runc-v2"


def hooks(m: Host) -> int:
    """How many hooks a container has."""
    return m.rng.choice((0, 0, 0, 1, 2))


def runc_run(m: Host, sh: Task, c: Container, runc: str = "/usr/sbin/runc") -> Iterator[float]:
    """`runc run` from a shell: detached, or in the foreground as the init's parent, to its end."""
    task = m.fork(sh, FORK)
    detached = m.rng.random() < 0.6
    yield m.rng.uniform(0, 4)
    m.exec(task, runc, ["runc", "run", *(["-d"] if detached else []), "-b", f"/srv/{c.id}", c.id])
    m.subreaper(task)
    yield from runc_create(m, task, c, hooks(m))
    yield from begins(m, c)
    if not detached:
        m.keep(task)
        while c.lives:
            yield m.rng.uniform(10, 60)
            m.settle(task)
    yield m.rng.uniform(1, 30)
    m.exit(task)


def tool(m: Host, by: Task, exe: str, argv: list[str], flags: int = VFORK) -> Generator[float, None, Task]:
    """An engine's command, up to its exec."""
    task = m.fork(by, flags)
    yield m.rng.uniform(0, 4)
    m.exec(task, exe, argv)
    return task


def runc_enter(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`runc exec` from a shell."""
    task = yield from tool(
        m, sh, "/usr/sbin/runc", ["runc", "exec", *m.rng.choice(([], ["-d"])), c.id, "sh", "-c", "id"], FORK
    )
    m.subreaper(task)
    yield from runc_exec(m, task, c)
    if m.rng.random() < 0.5:
        yield m.rng.uniform(20, 80)
    if task.alive:
        m.exit(task)


def runc_kill(m: Host, by: Task, c: Container, exe: str, base: list[str]) -> Iterator[float]:
    """`runc kill ID 9`: SIGKILL to the init, with whom all others of its pid namespace end. No exit is recorded."""
    signal = m.rng.choice((SIGKILL, SIGKILL, SIGTERM))
    task = yield from tool(m, by, exe, [*base, "kill", c.id, str(signal)])
    go_threads(m, task, 2)
    yield m.rng.uniform(1, 10)
    if c.init is not None:
        number = c.init.number.within(task.namespace)
        if number and c.lives:
            m.kill(task, number, signal, m.rng.choice(("kill", "pidfd_send_signal")))
    m.exit(task)


# --- containerd: docker, Kubernetes ----------------------------------------------------------------------------------


def shim(m: Host, containerd: Task, id: str, namespace: str) -> Generator[float, None, Task]:
    """A shim: started twice, the first one ends, and the second is adopted, and adopts."""
    argv = [SHIM.rpartition("/")[2], "-namespace", namespace, "-id", id, "-address", "/run/containerd/containerd.sock"]
    first = yield from tool(m, containerd, SHIM, [*argv, "start"])
    go_threads(m, first, 2)
    yield m.rng.uniform(1, 10)
    second = yield from tool(m, first, SHIM, argv)
    m.kernel.setsid(second)
    m.subreaper(second)
    go_threads(m, second, 3)
    m.exit(first)
    m.keep(second)
    return second


def shim_base(namespace: str) -> list[str]:
    """How a shim calls runc."""
    return ["runc", "--root", f"/run/containerd/runc/{namespace}", "--log-format", "json"]


def shim_create(m: Host, keeper: Task, c: Container, namespace: str) -> Iterator[float]:
    """`runc create` and `runc start` under a shim; the init is the shim's when `create` has ended."""
    base = shim_base(namespace)
    bundle = f"/run/containerd/io.containerd.runtime.v2.task/{namespace}/{c.id}"
    argv = [*base, "create", "--bundle", bundle, "--pid-file", f"{bundle}/init.pid", c.id]
    task = yield from tool(m, keeper, "/usr/bin/runc", argv)
    yield from runc_create(m, task, c, hooks(m))
    if namespace == "moby" and m.rng.random() < 0.7:
        setkey = m.fork(task, VFORK, truth=m.host("hook"))
        m.exec(setkey, "/usr/bin/dockerd", ["libnetwork-setkey", "-exec-root=/var/run/docker", c.id, "5f0d"])
        yield 3.0
        m.exit(setkey)
    m.exit(task)
    yield m.rng.uniform(1, 20)
    task = yield from tool(m, keeper, "/usr/bin/runc", [*base, "start", c.id])
    go_threads(m, task, 2)
    if c.init is None or not c.init.alive:
        m.exit(task, 1)
        return
    yield from begins(m, c)
    m.exit(task)


def shim_exec(m: Host, keeper: Task, c: Container, namespace: str) -> Iterator[float]:
    """An exec or a probe under a shim: detached, and adopted by the shim."""
    argv = [
        *shim_base(namespace),
        "exec",
        "--process",
        "/tmp/runc-process77",
        "--detach",
        "--pid-file",
        "/run/x.pid",
        c.id,
    ]
    task = yield from tool(m, keeper, "/usr/bin/runc", argv)
    yield from runc_exec(m, task, c)
    if task.alive:
        m.exit(task)


def shim_ends(m: Host, keeper: Task, c: Container, namespace: str) -> Iterator[float]:
    """`runc delete` when the init has ended."""
    base = shim_base(namespace)
    while c.lives:
        yield m.rng.uniform(20, 100)
    yield m.rng.uniform(1, 30)
    task = yield from tool(m, keeper, "/usr/bin/runc", [*base, "delete", c.id])
    go_threads(m, task, 2)
    yield m.rng.uniform(1, 10)
    m.exit(task)


def docker(m: Host, containerd: Task, sh: Task, c: Container) -> Iterator[float]:
    """`docker run -d`, its life, now and then an exec, its end, and once in a while again under the same id."""
    c.engine = "docker"
    m.start(_client(m, sh, ["docker", "run", "-d", "--name", c.name, "img"]))
    for _ in range(m.rng.choice((1, 1, 2))):
        keeper = yield from shim(m, containerd, c.id, "moby")
        c.manager = keeper
        yield from shim_create(m, keeper, c, "moby")
        for _ in range(m.rng.randrange(4)):
            yield m.rng.expovariate(1 / 200)
            if c.lives and m.rng.random() < 0.6:
                m.start(_client(m, sh, ["docker", "exec", c.name, "id"]))
                yield from shim_exec(m, keeper, c, "moby")
        if m.rng.random() < 0.6:
            yield from runc_kill(m, keeper, c, "/usr/bin/runc", shim_base("moby"))
        elif c.init is not None:
            yield 30.0
            m.oom(c.init)
        yield from shim_ends(m, keeper, c, "moby")
        m.exit(keeper)
        yield m.rng.expovariate(1 / 100)


def _client(m: Host, sh: Task, argv: list[str]) -> Iterator[float]:
    """The command by which a person asks an engine's daemon."""
    task = yield from tool(m, sh, f"/usr/bin/{argv[0]}", argv, FORK)
    go_threads(m, task, 3)
    yield m.rng.uniform(20, 100)
    m.exit(task)


def pod(m: Host, containerd: Task, made: list[Container]) -> Iterator[float]:
    """A pod: one shim, a pause container, and others that share its network, and perhaps its pid namespace."""
    pause, *others = made
    keeper = yield from shim(m, containerd, pause.id, "k8s.io")
    for c in made:
        c.engine = "kubernetes"
        c.manager = keeper
        if c is not pause:
            c.pod = pause
        if not pause.lives and c is not pause:
            break
        yield from shim_create(m, keeper, c, "k8s.io")
    for _ in range(m.rng.randrange(6)):
        yield m.rng.expovariate(1 / 100)
        c = m.rng.choice(others)
        if c.lives:
            yield from shim_exec(m, keeper, c, "k8s.io")
    for c in reversed(made):
        yield m.rng.expovariate(1 / 100)
        yield from runc_kill(m, keeper, c, "/usr/bin/runc", shim_base("k8s.io"))
        if c.init is not None:
            m.oom(c.init)
        yield from shim_ends(m, keeper, c, "k8s.io")
    m.exit(keeper)
