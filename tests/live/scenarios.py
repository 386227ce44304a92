"""What is done while the audit stream runs: containers of real engines, each process of theirs marked in its arguments.

Run as a program: `python scenarios.py NAME FOLDER`. What it made is noted in FOLDER/notes.jsonl: that is the truth's
half of the book-keeping. `mark=NAME` among the arguments of a program says that it, and what it starts, runs in NAME.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))
import engines
import networks
import reuse
from case import LOOP, PATH, Case, work


def entered(case: Case) -> None:
    """Entered by nsenter in its forms, from the host, into a container that did not ask for it; and a moved process."""
    name = case.name("e")
    pid = case.runc(name)
    for flags in (("-a",), ("-m",), ("-m", "-p"), ("-m", "-u", "-i", "-n", "-p")):
        for _ in range(3):
            case.run("nsenter", "-t", str(pid), *flags, *case.entering(name, 3))
    mover = f"mv-{case.word}"
    case.container(mover, cgroup=name, ids=(name,))
    tasks = next(Path("/sys/fs/cgroup").glob(f"pids/**/{name}"), None) or next(Path("/sys/fs/cgroup").rglob(name))
    into = 'for f in "$@"; do echo $$ > $f/cgroup.procs; done; exec /bin/busybox sh -c '
    into += "'" + LOOP.format(count=5).replace("/tmp", str(case.folder)) + f"' moved={name}"
    case.run("sh", "-c", into, "sh", *[str(one) for one in tasks.parent.parent.parent.glob(f"*/lab/{name}")])


def storm(case: Case) -> None:
    """Four containers and the host, each with a thousand short processes at once."""
    children = []
    for turn in range(4):
        name = case.name(f"s{turn}")
        case.runc(name)
        children.append(
            subprocess.Popen(["runc", "exec", name, *storming(name, 500), case.entry()], stdin=subprocess.DEVNULL)
        )
    children.append(subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done"]))
    for child in children:
        child.wait(120)


def siege(case: Case) -> None:
    """Three containers and the host, for as long as FOLDER/seconds says: processes that end at once.

    The second number there is the pause between two of them; 0 is full speed.
    """
    lasting, pause = map(float, (case.folder / "seconds").read_text().split())
    over = time.monotonic() + lasting
    loop = "while [ ! -e {} ]; do /bin/busybox true $0; (:); " + (f"sleep {pause}; " if pause else "") + "done"
    children = []
    for turn in range(3):
        name = case.name(f"g{turn}")
        case.runc(name)
        command = ["runc", "exec", name, "/bin/sh", "-c", loop.format("/tmp/over"), f"mark={name}"]
        children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
    children.append(subprocess.Popen(["busybox", "sh", "-c", loop.format(case.folder / "over")]))
    time.sleep(max(0.0, over - time.monotonic()))
    for folder in (case.folder, *(root / "tmp" for root in case.folder.glob("root*"))):
        (folder / "over").touch()
    for child in children:
        child.wait(60)


def forks(case: Case) -> None:
    """Ten thousand forks, in a container and on the host."""
    name = case.name("f")
    case.runc(name)
    loop = "i=0; while [ $i -lt 5000 ]; do (:); i=$((i+1)); done"
    children = [
        subprocess.Popen(["runc", "exec", name, "/bin/sh", "-c", loop, f"mark={name}"], stdin=subprocess.DEVNULL),
        subprocess.Popen(["busybox", "sh", "-c", loop]),
    ]
    for child in children:
        child.wait(120)


def storming(name: str, count: int) -> list[str]:
    """A thousand processes: half exec, half do not."""
    return ["/bin/sh", "-c", f"i=0; while [ $i -lt {count} ]; do /bin/true $0; (:); i=$((i+1)); done", f"mark={name}"]


def reused(case: Case) -> None:
    """One pid of the first namespace, taken in turn by the host, by A and by B."""
    first, second = case.name("ua"), case.name("ub")
    places = [(first, case.runc(first)), (second, case.runc(second))]
    pid = reuse.free_pid()
    for turn in range(80):
        rest = "; sleep 0.01" if turn % 2 else ""  # half of them live for a millisecond
        reuse.run_at(pid, ["/bin/busybox", "true", "onhost=1"])
        for name, init in places:
            payload = f"/bin/busybox true $0; (:){rest}"
            reuse.run_at(pid, ["/bin/busybox", "sh", "-c", payload, f"mark={name}"], inside=init)


def nested(case: Case) -> None:
    """Runc in runc: the inner names, the outer is around it."""
    outer = case.name("no")
    inner = case.name("ni")
    caps = ["CAP_" + one for one in reuse.CAPS]
    shown = [mount for mount in ("/sys/fs/cgroup",) if Path(mount).is_dir()]
    bind = [{"destination": one, "type": "none", "source": one, "options": ["rbind", "rw"]} for one in shown]
    bind += [{"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["rw"]}]
    case.container(outer, cgroup=outer)
    case.container(inner, cgroup=inner, outer=outer)
    inside = case.bundle(inner, work(inner), cgroup=f"/lab/{outer}/{inner}")
    script = f"true mark={outer}; for n in 1 2 3; do runc run -b {inside} {inner}; done; sleep 600 & wait"
    root = case.folder / "all"
    root.mkdir()
    bundle = case.bundle(outer, ["/bin/sh", "-c", script, f"mark={outer}"], root=root, caps=caps, mounts=bind)
    with (case.folder / "nested.out").open("wb") as out:
        begin = f"mount --make-rprivate / && mount --bind / {root} && exec runc run -d -b {bundle} {outer}"
        subprocess.run(["unshare", "-m", "sh", "-c", begin], stdout=out, stderr=out, check=True)
    case.undo.append(lambda: case.run("runc", "delete", "-f", outer, check=False))
    time.sleep(1)
    case.run("runc", "exec", outer, *case.entering(outer, 5))
    time.sleep(1)


def across(case: Case) -> None:
    """Signals and ptrace from the host into containers, and from one that sees all pids to another."""
    first, second = case.name("xa"), case.name("xb")
    case.runc(first, without=("pid",))
    case.runc(second)
    for _ in range(10):
        asleep = ["/bin/sh", "-c", "sleep 600; :", f"mark={second}", case.entry()]
        child = subprocess.Popen(["runc", "exec", second, *asleep], stdin=subprocess.DEVNULL)
        time.sleep(0.1)
        inner = child_named(child.pid, "sh")
        if inner:
            case.note(ev="target", pid=inner, name=second)
            reuse.trace(inner)
            case.run(
                "runc",
                "exec",
                first,
                "/bin/sh",
                "-c",
                f"kill -9 {inner}; :",
                f"mark={first}",
                case.entry(),
                check=False,
            )
        child.kill()
        child.wait()


def child_named(pid: int, comm: str) -> int:
    """The child of a process (or its child) that runs that program."""
    for one in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            head, _, rest = one.read_text().rpartition(")")
            if int(rest.split()[1]) == pid and head.endswith(f"({comm}"):
                return int(one.parent.name)
    return 0


def host(case: Case) -> None:
    """No container at all, but much that looks like one: private namespaces, words of engines.

    Only a look tells private mounts from a sandbox: who has them lives long enough for one, on a loaded machine too.
    """
    root = case.root()
    case.run("sh", "-c", "for i in 1 2 3 4 5; do (:); /bin/true docker run --name x; done")
    case.run("unshare", "-m", "sh", "-c", "sleep 0.2; /bin/true; (:); exec /bin/true")
    case.run("unshare", "-n", "/bin/true")
    case.run("chroot", root, "/bin/sh", "-c", "/bin/busybox true; (:)")
    case.run("sh", "-c", "sh -c 'sleep 0.1' & wait")


def early(case: Case) -> None:
    """Containers that are there before anybody looks; `before` ends them. They say their names to it in a file."""
    pids = {}
    for turn in range(3):
        name = case.name(f"old{turn}")
        case.container(name, cgroup=name)
        loop = "while :; do /bin/true $0; (:); sleep 0.3; done"
        bundle = case.bundle(name, ["/bin/sh", "-c", loop, f"mark={name}"])
        with (case.folder / f"{name}.out").open("wb") as out:
            subprocess.run(["runc", "run", "-d", "-b", bundle, name], stdout=out, stderr=out, check=True)
        pids[name] = json.loads(case.run("runc", "state", name))["pid"]
        case.note(ev="init", name=name, pid=pids[name])
    (case.folder.parent / "early.json").write_text(json.dumps(pids))


def before(case: Case) -> None:
    """Those of `early` at work; then they are entered, and end."""
    pids = json.loads((case.folder.parent / "early.json").read_text())
    for name in pids:
        case.undo.append(lambda it=name: case.run("runc", "delete", "-f", it, check=False))
    time.sleep(2)
    for name, pid in pids.items():
        case.run("runc", "exec", name, *case.entering(name, 5))
        case.run("nsenter", "-t", str(pid), "-m", "-p", *case.entering(name, 2))


def roots(case: Case) -> None:
    """The host goes into the root of a container by chroot(2), as people do to look around: that enters nothing.

    The program lies on the container's own device, an overlay, and is called what it is called inside.
    """
    name = case.name("v")
    lower, merged = case.root(), case.folder / "merged"
    upper = case.folder / "upper"
    for one in (merged, upper):
        one.mkdir()
    case.run("mount", "-t", "tmpfs", "none", upper)
    case.undo.append(lambda: case.run("umount", "-l", upper, check=False))
    for one in (upper / "u", upper / "w"):
        one.mkdir()
    case.run("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper}/u,workdir={upper}/w", "none", merged)
    case.undo.append(lambda: case.run("umount", "-l", merged, check=False))
    pid = case.runc(name, root=merged)
    for at in (f"/proc/{pid}/root", str(merged)):
        for _ in range(3):
            case.run("runc", "exec", name, *case.entering(name, 2))
            case.run("chroot", at, "/bin/sh", "-c", LOOP.format(count=2), "onhost=1")


def network(case: Case) -> None:
    """Packets and sockets: see `networks`."""
    podman = shutil.which("podman") and Path("/usr/lib/cni/bridge").exists()
    networks.network(case, engines.podman_command(case) if podman else None)


SCENARIOS: tuple[Callable[[Case], None], ...] = (
    *(host, engines.runc, engines.crun, engines.podman, engines.pod, engines.rootless, engines.docker),
    *(engines.containerd, engines.lxc, engines.nspawn, engines.bubblewrap),
    *(entered, roots, storm, siege, forks, reused, nested, across, early, before, network),
)


def main(name: str, folder: Path) -> int:
    """Run one; undo what it made whatever happens."""
    os.environ["PATH"] = PATH + ":/usr/local/bin"
    signal.alarm(110)
    case = Case(folder)
    try:
        {one.__name__: one for one in SCENARIOS}[name](case)
    finally:
        for undo in reversed(case.undo):
            with contextlib.suppress(OSError, subprocess.SubprocessError, RuntimeError):
                undo()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))
