"""Containers without an OCI runtime (LXC, nspawn), sandboxes without an engine (bwrap, a browser), and nsenter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.display import SANDBOX, Truth
from tests.model.engines import tool
from tests.model.kernel import NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS, SIGCHLD, SIGKILL, UNSET
from tests.model.oci import NEW, Container, begins
from tests.model.programs import FORK, program, runs, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.calls import Host
    from tests.model.kernel import Task

ATTACH = "/memfd:lxc-attach (deleted)"


def lxc(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`lxc-start` makes itself a daemon, and clones once, with clone3: its flags are hidden."""
    c.engine = "lxc"
    c.init = None
    task = yield from tool(m, sh, "/usr/bin/lxc-start", ["lxc-start", "-n", c.id], FORK)
    yield m.rng.uniform(10, 60)
    first = m.fork(task)
    monitor = m.fork(first)
    m.kernel.setsid(monitor)
    m.keep(monitor)
    m.exit(first)
    yield m.rng.uniform(5, 50)
    init = m.fork(monitor, NEW | NEWCGROUP | SIGCHLD, call="clone3", truth=c.inside)
    m.keep(init)
    c.init = init
    c.manager = monitor
    init.display.device = c.device
    yield m.rng.uniform(1, 15)
    m.kill(monitor, init.pid, 0, "pidfd_send_signal")
    m.mount(init, m.rng.randrange(5, 20))
    m.pivot(init)
    m.mount(init, 3)
    yield m.rng.uniform(1, 15)
    yield from begins(m, c)
    m.exit(task)
    m.start(_lxc_tended(m, c, monitor))


def _lxc_tended(m: Host, c: Container, monitor: Task) -> Iterator[float]:
    """The monitor waits for the init; `lxc-stop -k` has it send SIGKILL."""
    for _ in range(m.rng.randrange(5, 40)):
        yield m.rng.uniform(10, 60)
        if not c.lives:
            break
    if c.init is not None and c.lives:
        m.kill(monitor, c.init.pid, SIGKILL, "pidfd_send_signal")
    yield m.rng.uniform(1, 10)
    m.exit(monitor)


def lxc_attach(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """A sealed copy, a pidfd, a child that joins all namespaces at once, and its child (clone3, CLONE_PARENT)."""
    if not c.lives or c.init is None:
        return
    argv = ["lxc-attach", "-n", c.id, "--", "/bin/sh"]
    task = yield from tool(m, sh, "/usr/bin/lxc-attach", argv, FORK)
    m.exec(task, ATTACH, argv, call="execveat", comm="memfd:lxc-attac")
    m.kill(task, c.init.pid, 0, "pidfd_send_signal")
    m.setns(task, c.init, 0x80)
    yield m.rng.uniform(1, 20)
    first = m.fork(task, truth=c.stage)
    m.setns(first, c.init, NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET | NEWNS)
    inner = m.fork(first, 0x8000 | SIGCHLD, call="clone3", truth=c.inside)
    m.exit(first)
    yield m.rng.uniform(1, 15)
    m.exec(inner, "/bin/busybox", ["/bin/sh", "-c", "id"], comm="sh", device=c.device)
    yield from shell(m, inner, m.rng.randrange(3), 10)
    m.exit(inner)
    yield m.rng.uniform(0, 5)
    m.exit(task)


def nspawn(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """Systemd-nspawn: an outer child in its own mounts, still the host's, whose child is the container."""
    c.engine = "nspawn"
    c.init = None
    task = yield from tool(m, sh, "/usr/bin/systemd-nspawn", ["systemd-nspawn", "-q", "-M", c.id, "/bin/sh"], FORK)
    m.subreaper(task)
    yield m.rng.uniform(5, 30)
    outer = m.fork(task, NEWNS | SIGCHLD, truth=m.host("outer"))
    m.named(outer, "(sd-outer)" if m.rng.random() < 0.2 else "systemd-nspawn")
    if outer.auid != UNSET:
        m.login(outer, UNSET, UNSET)
    m.mount(outer, m.rng.randrange(5, 15))
    yield m.rng.uniform(5, 30)
    init = m.fork(outer, NEWPID | NEWIPC | NEWUTS | SIGCHLD, truth=c.inside)
    m.keep(init)
    c.init = init
    init.display.device = c.device
    m.named(init, "(sd-inner)" if m.rng.random() < 0.2 else "systemd-nspawn")
    yield m.rng.uniform(1, 8)
    m.exit(outer)
    m.unshare(init, NEWCGROUP)
    m.mount(init, 2)
    yield m.rng.uniform(1, 15)
    yield from begins(m, c)
    m.keep(task)
    for _ in range(m.rng.randrange(5, 40)):
        if not c.lives:
            break
        yield m.rng.uniform(10, 60)
        m.settle(task)
    if c.lives and m.rng.random() < 0.7:
        m.kill(task, init.pid, SIGKILL)
    yield m.rng.uniform(1, 15)
    m.exit(task)


def sandbox(m: Host, sh: Task) -> Iterator[float]:
    """`bwrap`: no engine, no id. Whether it is to be named is not asked here; only that it is not another's."""
    task = yield from tool(m, sh, "/usr/bin/bwrap", ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "sh"], FORK)
    truth = Truth((f"{SANDBOX}{m.boot}.{len(m.log)}",), "", "sandbox")
    flags = NEWNS | NEWPID | NEWIPC | NEWUTS | NEWNET | (NEWUSER if sh.uid else 0)
    init = m.fork(task, flags | SIGCHLD, truth=truth)
    yield m.rng.uniform(1, 10)
    m.mount(init, 4)
    m.pivot(init)
    inner = m.fork(init)
    yield m.rng.uniform(1, 5)
    program(m, inner)
    yield from shell(m, inner, m.rng.randrange(1, 5), 15)
    m.exit(inner)
    m.exit(init)
    yield 1.0
    m.exit(task)


def browser(m: Host, sh: Task) -> Iterator[float]:
    """A browser of an unprivileged user: a zygote in new user, pid and network namespaces, and its renderers."""
    task = yield from tool(m, sh, "/usr/lib/chromium/chromium", ["chromium", "--no-first-run"], FORK)
    for _ in range(4):
        m.thread(task)
    truth = Truth((f"{SANDBOX}{m.boot}.{len(m.log)}",), "", "sandbox")
    zygote = m.fork(task, NEWUSER | NEWPID | NEWNET | SIGCHLD, truth=truth)
    yield m.rng.uniform(1, 10)
    m.exec(zygote, "/usr/lib/chromium/chromium", ["chromium", "--type=zygote"])
    for _ in range(m.rng.randrange(1, 5)):
        renderer = m.fork(zygote)
        yield m.rng.expovariate(1 / 30)
        m.works(renderer)
        if m.rng.random() < 0.6:
            m.kill(task, renderer.pid, SIGKILL)
    yield from runs(m, task)
    m.oom(zygote)
    m.exit(task)


def nsenter(m: Host, sh: Task, c: Container) -> Iterator[float]:
    """`nsenter -t PID`: all namespaces, or only some. With the container's mounts, either name is right.

    What it starts stays in the host's cgroup; without those mounts it is the host's in all that counts.
    """
    if not c.lives or c.init is None or sh.uid:
        return
    everything = m.rng.random() < 0.5
    words = ["-a"] if everything else [m.rng.choice(("-n", "-m", "-p"))]
    task = yield from tool(m, sh, "/usr/bin/nsenter", ["nsenter", "-t", str(c.init.pid), *words, "sh"], FORK)
    within = Truth((), c.id, "nsenter")
    flags = {"-a": NEWUTS | NEWPID | NEWNET | NEWNS, "-n": NEWNET, "-m": NEWNS, "-p": NEWPID}[words[0]]
    for flag in (NEWUTS, NEWNET, NEWPID, NEWNS):
        if flags & flag:
            m.setns(task, c.init, flag)
    if flags & NEWNS:
        m.moves(task, within)
    if flags & NEWPID:
        inner = m.fork(task)
        yield 2.0
        program(m, inner)
        yield from runs(m, inner)
        m.exit(inner)
    else:
        program(m, task)
        m.works(task)
    yield 2.0
    m.exit(task)
