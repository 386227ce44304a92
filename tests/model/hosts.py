"""The host itself: its boot, kernel threads, daemons, cron, logins, services with mounts of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.model import records
from tests.model.kernel import NEWNS, SIGCHLD
from tests.model.programs import program, runs, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.calls import Host
    from tests.model.kernel import Task

SYSTEMD = "/usr/lib/systemd/systemd"


@dataclass(eq=False, slots=True)
class Daemons:
    """What the boot started, and shells of people: root's (uid 0) and a user's."""

    cron: Task
    sshd: Task
    containerd: Task
    kworker: Task
    shells: list[Task] = field(default_factory=list)


def kthread(m: Host, parent: Task, name: str) -> Task:
    """A kernel thread: no record tells of it, but it takes a number."""
    task = m.kernel.fork(parent, 0)
    task.kernel_thread = True
    d = task.display
    d.exe, d.comm, d.title, d.ident = "?", name, '"?"', ""
    return task


def boot(m: Host) -> Daemons:
    """From process 1 to the first daemons; all of it is in the log, if the log begins with it."""
    kworker = m.kernel.kthreadd
    for n in range(m.rng.randrange(3, 9)):
        kworker = kthread(m, m.kernel.kthreadd, f"kworker/{n}:1")
    found: list[Task] = []
    for exe in ("/usr/sbin/cron", "/usr/sbin/sshd", "/usr/bin/containerd"):
        found.append(unit(m, exe))
        m.now += m.rng.uniform(5, 30)
    cron, sshd, containerd = found
    for _ in range(3):
        m.thread(containerd)
    return Daemons(cron, sshd, containerd, kworker)


def utmp(m: Host, kind: str) -> None:
    """A short program of the service manager tells of a boot, or of its end."""
    exe = "/usr/lib/systemd/systemd-update-utmp"
    task = unit(m, exe)
    m.says(task, kind, f' comm="systemd-update-utmp" exe="{exe}" hostname=? addr=? terminal=? res=success')
    m.exit(task)


def shutdown(m: Host) -> None:
    """The last records of a boot that ends in order."""
    utmp(m, "SYSTEM_SHUTDOWN")
    m.put([records.daemon("DAEMON_END", 1, enriched=m.enriched)], None, 0, 0, m.stamp(), "DAEMON_END")
    m.serial -= 1
    m.log[-1].serial = m.rng.randrange(1000, 9000)


def starts(m: Host, *, daemon: bool) -> None:
    """The first records of a boot: the kernel's, auditd's, and the service manager's, each there or not.

    The kernel counts from 1; what it wrote before auditd was there is in the log only if it was held.
    """
    m.serial = 0
    if m.rng.random() < 0.4:
        m.put([records.initialized()], None, 0, 0, m.stamp(), "KERNEL")
    m.serial = m.rng.randrange(1, 60)
    if daemon:
        m.put([records.daemon("DAEMON_START", 350, enriched=m.enriched)], None, 0, 0, m.stamp(), "DAEMON_START")
        m.serial -= 1
        m.log[-1].serial = m.rng.randrange(1000, 9000)
    if m.rng.random() < 0.5:
        utmp(m, "SYSTEM_BOOT")


def unit(m: Host, exe: str) -> Task:
    """A service: a fork of process 1, which names itself (httpd) until it runs the program."""
    name = exe.rpartition("/")[2]
    task = m.fork(m.kernel.init)
    m.kernel.setsid(task)
    m.named(task, f"({name[:13]})")
    m.exec(task, exe, [exe])
    m.keep(task)
    return task


def service(m: Host) -> Iterator[float]:
    """A service with PrivateTmp: mounts of its own before its program; it works, and ends by itself or by a signal."""
    name = m.rng.choice(("httpd", "postgres", "chronyd", "colord"))
    task = m.fork(m.kernel.init)
    m.kernel.setsid(task)
    m.named(task, f"({name})")
    yield m.rng.uniform(0, 4)
    if m.rng.random() < 0.7:
        m.unshare(task, NEWNS)
        m.mount(task, m.rng.randrange(1, 5))
    yield m.rng.uniform(0, 4)
    m.exec(task, f"/usr/sbin/{name}", [f"/usr/sbin/{name}", "-D"])
    if m.rng.random() < 0.6:
        m.become(task, 33)
    m.service(name)
    yield from shell(m, task, m.rng.randrange(1, 4), 60)
    yield m.rng.expovariate(1 / 200)
    if m.rng.random() < 0.5:
        m.exit(task)
    else:
        m.kill(m.kernel.init, task.pid, 15)
    m.service(name, "SERVICE_STOP")


def helper(m: Host, d: Daemons) -> Iterator[float]:
    """A user-mode helper of the kernel: neither its birth nor its exec is a system call; its exit is."""
    task = m.kernel.fork(d.kworker, SIGCHLD)
    e = task.display
    e.exe, e.comm, e.title, e.ident = "/usr/bin/kmod", "modprobe", '"/sbin/modprobe"', ""
    yield m.rng.uniform(1, 10)
    m.exit(task)


def workers(m: Host) -> Iterator[float]:
    """Kernel threads come and go."""
    tasks = [kthread(m, m.kernel.kthreadd, "kworker/u4:2") for _ in range(m.rng.randrange(1, 4))]
    yield m.rng.expovariate(1 / 100)
    for task in tasks:
        m.kernel.exit(task)
        m.kernel.reap(task)


def churn(m: Host, most: int = 0) -> Iterator[float]:
    """Numbers are used up by what no rule records: short-lived kernel threads, and threads made with clone."""
    root = m.kernel.root
    span = m.pid_max - 300
    root.cursor += m.rng.randrange(most or max(2, span // 3))
    if root.cursor >= root.pid_max:
        root.cursor = 300 + (root.cursor - root.pid_max) % span
    yield 0.0


def user_manager(m: Host) -> Iterator[float]:
    """A user's service manager: a login of its own, and a subreaper for all that the user leaves behind."""
    task = unit(m, SYSTEMD)
    m.pam(task, "USER_ACCT", "accounting", "alice")
    m.login(task, 1000)
    m.become(task, 1000)
    m.exec(task, SYSTEMD, [SYSTEMD, "--user"])
    m.subreaper(task)
    for _ in range(m.rng.randrange(1, 8)):
        yield m.rng.expovariate(1 / 300)
        yield from shell(m, task, 1)
    m.exit(task)


def cron_job(m: Host, d: Daemons) -> Iterator[float]:
    """Cron: PAM's records before the login id is set, and after it."""
    task = m.fork(d.cron)
    yield m.rng.uniform(0, 3)
    m.pam(task, "USER_ACCT", "accounting", "root")
    m.pam(task, "CRED_ACQ", "setcred", "root")
    m.login(task, 0)
    m.pam(task, "USER_START", "session_open", "root")
    sh = m.fork(task)
    yield m.rng.uniform(0, 3)
    m.exec(sh, "/usr/bin/dash", ["/bin/sh", "-c", "run-parts /etc/cron.hourly"], comm="sh")
    m.kernel.setsid(sh)
    yield from shell(m, sh, m.rng.randrange(1, 4), 10)
    m.exit(sh)
    yield m.rng.uniform(0, 3)
    m.pam(task, "CRED_DISP", "setcred", "root")
    m.pam(task, "USER_END", "session_close", "root")
    m.exit(task)


def login(m: Host, d: Daemons) -> Iterator[float]:
    """An ssh login of root, or of a user, who may take root's rights with sudo."""
    uid = m.rng.choice((0, 1000))
    name = "root" if uid == 0 else "alice"
    front = m.fork(d.sshd)
    m.exec(front, "/usr/sbin/sshd", ["sshd: [accepted]", "-R"])
    m.kernel.setsid(front)
    yield m.rng.uniform(5, 40)
    m.pam(front, "USER_AUTH", "authentication", name)
    m.pam(front, "USER_ACCT", "accounting", name)
    m.login(front, 1000)
    m.pam(front, "USER_START", "session_open", name)
    back = m.fork(front)
    m.become(back, uid)
    sh = m.fork(back)
    m.kernel.setsid(sh)
    m.exec(sh, "/usr/bin/bash", ["-bash"])
    d.shells.append(sh)
    for _ in range(m.rng.randrange(3, 12)):
        yield m.rng.expovariate(1 / 150)
        m.settle(sh)
        if uid and m.rng.random() < 0.4:
            yield from sudo(m, sh)
        else:
            yield from shell(m, sh, m.rng.randrange(1, 3))
    yield m.rng.expovariate(1 / 400)
    for task in (sh, back):
        m.settle(task)
        m.exit(task)
        yield m.rng.uniform(0, 5)
    m.pam(front, "USER_END", "session_close", name)
    m.exit(front)


def sudo(m: Host, sh: Task) -> Iterator[float]:
    """A set-uid program, which runs another as root."""
    task = m.fork(sh)
    yield m.rng.uniform(0, 3)
    m.exec(task, "/usr/bin/sudo", ["sudo", "id"], uid=0)
    m.says(task, "USER_CMD", 'cwd="/home/alice" cmd="id" exe="/usr/bin/sudo" terminal=pts/0 res=success')
    m.pam(task, "USER_START", "session_open", "root")
    child = m.fork(task)
    yield m.rng.uniform(0, 3)
    program(m, child)
    yield from runs(m, child)
    m.exit(child)
    m.pam(task, "USER_END", "session_close", "root")
    m.exit(task)
