"""A history: a machine, and jobs that come at random until so many events are written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.model import engines, hosts, podman, sandboxes
from tests.model.calls import Host
from tests.model.jobs import Gone
from tests.model.kernel import NEWIPC, NEWNS, NEWPID, NEWUSER, NEWUTS, Kernel
from tests.model.oci import NEW, Container
from tests.model.rules import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.model.kernel import Task
    from tests.model.machine import Event

MARGIN = 45
"""With fewer numbers free than this nothing new is started, so that small machines do not stand still."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a history is made with."""

    seed: int
    events: int = 800
    pid_max: int = 450
    rules: str = "all"
    enriched: bool = False
    eoe: bool = False
    late: float = 0.04
    pace: float = 3.0
    boots: int = 0
    engines: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Scene:
    """A machine's daemons and containers."""

    m: Host
    d: hosts.Daemons
    containers: list[Container] = field(default_factory=list)

    def new(self, *, text: bool = False, outer: tuple[str, ...] = ()) -> Container:
        """A container with an id of 64 hex digits and an overlay, or with a short name, on the host's disk."""
        rng = self.m.rng
        n = len(self.containers)
        id = f"box{n}-{rng.randrange(10**6)}" if text else f"{rng.getrandbits(256):064x}"
        found = Container(id, outer, name=f"web{n}", device="fe:00" if text else "")
        self.containers.append(found)
        return found

    def living(self, engine: str = "") -> list[Container]:
        """Those that run."""
        return [c for c in self.containers if c.lives and (not engine or c.engine == engine)]

    def shell(self, uid: int) -> Task | None:
        """Somebody's shell: root's, or a user's."""
        shells = [one for one in self.d.shells if one.alive and one.uid == uid]
        return self.m.rng.choice(shells) if shells else None


def _again(s: Scene, engine: str) -> Container | None:
    """Now and then a container that has ended is run again, under its id."""
    ended = [c for c in s.containers if c.engine == engine and not c.lives and not c.outer and c.init is not None]
    return s.m.rng.choice(ended) if ended and s.m.rng.random() < 0.2 else None


def run_runc(s: Scene) -> Iterator[float] | None:
    """A container of runc alone."""
    sh = s.shell(0)
    return engines.runc_run(s.m, sh, _again(s, "runc") or s.new(text=True)) if sh else None


def enter(s: Scene) -> Iterator[float] | None:
    """Somebody enters a container that runs."""
    living = [c for c in s.living() if not c.outer]
    sh = s.shell(0)
    if not living or sh is None:
        return None
    c = s.m.rng.choice(living)
    if s.m.rng.random() < 0.3:
        return sandboxes.nsenter(s.m, sh, c)
    if c.engine == "runc":
        return engines.runc_enter(s.m, sh, c)
    if c.engine == "podman":
        return podman.podman_exec(s.m, sh, c)
    return sandboxes.lxc_attach(s.m, sh, c) if c.engine == "lxc" else None


def stop(s: Scene) -> Iterator[float] | None:
    """Somebody stops a container."""
    sh = s.shell(0)
    living = [c for c in s.living() if not c.outer and c.engine in ("runc", "podman")]
    if not living or sh is None:
        return None
    c = s.m.rng.choice(living)
    if c.engine == "podman":
        return podman.podman_kill(s.m, sh, c)
    return engines.runc_kill(s.m, sh, c, "/usr/sbin/runc", ["runc"])


def run_docker(s: Scene) -> Iterator[float] | None:
    """A container of docker; in one of six, in a user namespace (userns-remap)."""
    sh = s.shell(0)
    if sh is None:
        return None
    c = s.new()
    if s.m.rng.random() < 0.16:
        c.flags |= NEWUSER
    return engines.docker(s.m, s.d.containerd, sh, c)


def run_crun(s: Scene) -> Iterator[float] | None:
    """A container of crun alone."""
    sh = s.shell(0)
    return podman.crun_run(s.m, sh, s.new(text=True)) if sh else None


def run_pod(s: Scene) -> Iterator[float] | None:
    """A pod of Kubernetes; in one of three, its containers share their pid namespace."""
    made = [s.new() for _ in range(s.m.rng.randrange(2, 4))]
    shared = s.m.rng.random() < 0.35
    for c in made[1:]:
        c.flags = NEWNS | (0 if shared else NEWPID)
    return engines.pod(s.m, s.d.containerd, made)


def run_podman(s: Scene) -> Iterator[float] | None:
    """A container of podman: root's or a user's; with the host's pid namespace; or one that joins another's."""
    sh = s.shell(s.m.rng.choice((0, 0, 1000)))
    if sh is None:
        return None
    c = s.new()
    pick = s.m.rng.random()
    others = [one for one in s.living("podman") if one.flags & NEWPID]
    if pick < 0.15:
        c.flags = NEWNS | NEWUTS | NEWIPC
    elif pick < 0.3 and others and sh.uid == 0:
        c.pod = s.m.rng.choice(others)
        c.flags = NEWNS
    return podman.podman(s.m, sh, c)


def run_lxc(s: Scene) -> Iterator[float] | None:
    """A container of LXC."""
    sh = s.shell(0)
    return sandboxes.lxc(s.m, sh, _again(s, "lxc") or s.new(text=True)) if sh else None


def run_nspawn(s: Scene) -> Iterator[float] | None:
    """A container of systemd-nspawn."""
    sh = s.shell(0)
    return sandboxes.nspawn(s.m, sh, _again(s, "nspawn") or s.new(text=True)) if sh else None


def run_nested(s: Scene) -> Iterator[float] | None:
    """A runc within a container."""
    living = [c for c in s.living() if len(c.outer) < 2 and c.init is not None and c.init.uid == 0]
    if not living:
        return None
    c = s.m.rng.choice(living)
    inner = s.new(text=True, outer=(c.id, *c.outer))
    inner.flags = NEW
    return engines.runc_run(s.m, c.init, inner) if c.init is not None else None


def run_sandbox(s: Scene) -> Iterator[float] | None:
    """A sandbox without an engine."""
    sh = s.shell(s.m.rng.choice((0, 1000)))
    if sh is None:
        return None
    return sandboxes.browser(s.m, sh) if sh.uid and s.m.rng.random() < 0.5 else sandboxes.sandbox(s.m, sh)


HOST_JOBS: tuple[tuple[Callable[[Scene], Iterator[float] | None], int], ...] = (
    (lambda s: hosts.service(s.m), 4),
    (lambda s: hosts.cron_job(s.m, s.d), 4),
    (lambda s: hosts.login(s.m, s.d), 5),
    (lambda s: hosts.user_manager(s.m), 1),
    (lambda s: hosts.helper(s.m, s.d), 3),
    (lambda s: hosts.workers(s.m), 3),
    (lambda s: hosts.churn(s.m), 3),
    (enter, 5),
    (stop, 2),
)
ENGINE_JOBS: dict[str, tuple[Callable[[Scene], Iterator[float] | None], int]] = {
    "runc": (run_runc, 5), "crun": (run_crun, 2), "docker": (run_docker, 3), "pod": (run_pod, 2),
    "podman": (run_podman, 4), "lxc": (run_lxc, 2), "nspawn": (run_nspawn, 2), "nested": (run_nested, 2),
    "sandbox": (run_sandbox, 2),
}  # fmt: skip


def _drive(s: Scene, plan: Plan) -> Iterator[float]:
    """New jobs, as long as there is room."""
    m = s.m
    chosen = plan.engines or tuple(ENGINE_JOBS)
    jobs = [*HOST_JOBS, *(ENGINE_JOBS[name] for name in chosen)]
    starts = [start for start, _ in jobs]
    weights = [weight for _, weight in jobs]
    m.start(hosts.login(m, s.d))
    room = max(50, min(m.pid_max - 300 - MARGIN, 260))
    while True:
        if len(m.kernel.root.used) < room:
            s.d.shells = [one for one in s.d.shells if one.alive]
            steps = m.rng.choices(starts, weights)[0](s)
            if steps is not None:
                m.start(steps)
        elif m.rng.random() < 0.1:
            victims = [one for one in m.kernel.tasks if one.alive and one.namespace.level]
            if victims:
                m.oom(m.rng.choice(victims))
        yield m.rng.expovariate(1 / 40)


def write(plan: Plan) -> list[Event]:
    """The events of a history, in the order in which they were written."""
    rng = Random(plan.seed)
    m = Host(
        rng=rng,
        pid_max=plan.pid_max,
        rules=LEVELS[plan.rules],
        enriched=plan.enriched,
        eoe=plan.eoe,
        late=plan.late,
        pace=plan.pace,
    )
    share = plan.events // (plan.boots + 1)
    scene: Scene | None = None
    for boot in range(plan.boots + 1):
        if boot:
            _reboot(m)
        scene = Scene(m, hosts.boot(m), scene.containers if scene is not None and rng.random() < 0.5 else [])
        if rng.random() < 0.8:
            m.start(hosts.churn(m, m.pid_max - 300))
        m.start(_drive(scene, plan))
        while len(m.log) < share * (boot + 1) and m.step():
            pass
    return m.log[: plan.events]


def _reboot(m: Host) -> None:
    """Everything ends without a word; serials and numbers begin anew."""
    m.heap.clear()
    orderly = m.rng.random() < 0.5
    if orderly:
        with suppress(Gone):
            hosts.shutdown(m)
    for task in m.kernel.tasks:
        task.alive = False
    m.kernel = Kernel(m.pid_max)
    m.boot += 1
    m.now += m.rng.uniform(2_000, 90_000)
    hosts.starts(m, daemon=orderly)
