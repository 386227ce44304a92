"""What is done while the audit stream runs: containers of real engines, each process of theirs marked in its arguments.

Run as a program: `python scenarios.py NAME FOLDER`. What it made is noted in FOLDER/notes.jsonl: that is the truth's
half of the book-keeping. `mark=NAME` among the arguments of a program says that it, and what it starts, runs in NAME.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))
import reuse

LOOP = (
    "i=0; while [ $i -lt {count} ]; do /bin/busybox true $0; (:); (mkdir /tmp/d$$-$i; rmdir /tmp/d$$-$i) 2>/dev/null; "
    "i=$((i+1)); done"
)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Case:
    """One run of one scenario: its folder, its notes, what must be undone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word = f"{os.getpid():x}{int(time.time()) & 0xFFFF:x}"
        self.undo: list[Callable[[], object]] = []
        self._notes = (folder / "notes.jsonl").open("a")
        self._roots = 0

    def name(self, short: str) -> str:
        """An id as docker and podman make them: 64 hex digits."""
        return hashlib.sha256(f"{short}-{self.word}".encode()).hexdigest()

    def note(self, **values: Any) -> None:
        """Keep something for the judge."""
        self._notes.write(json.dumps({"t": time.time_ns(), **values}) + "\n")
        self._notes.flush()

    def container(self, name: str, *, cgroup: str = "", ids: tuple[str, ...] = (), outer: str = "") -> None:
        """A container: `cgroup` is a component of its cgroup's path, `ids` what it may be called."""
        self.note(ev="container", name=name, cgroup=cgroup, ids=[name, *ids], outer=outer)

    def run(self, *command: str | Path, check: bool = True, timeout: float = 60, **more: Any) -> str:
        """A program; its output."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **more)
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout[-800:]}\n{done.stderr[-1600:]}")
        return done.stdout

    def begin(self, *command: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        """A program that is ended with the scenario."""
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        self.undo.append(lambda: stop(child))
        return child

    def root(self) -> Path:
        """A root directory with busybox in it."""
        self._roots += 1
        made = self.folder / f"root{self._roots}"
        for name in ("bin", "tmp", "proc", "sys", "dev", "etc", "root", "usr/bin", "run"):
            (made / name).mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/busybox", made / "bin/busybox")
        for name in ("sh", "true", "sleep", "mkdir", "rmdir", "cat", "kill", "nc", "echo", "ls"):
            (made / "bin" / name).symlink_to("busybox")
        (made / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        return made

    def bundle(self, name: str, args: list[str], **change: Any) -> Path:
        """An OCI bundle for runc and crun."""
        made = self.folder / f"bundle-{name}"
        made.mkdir()
        self.run("runc", "spec", "-b", made)
        config = json.loads((made / "config.json").read_text())
        config["root"] = {"path": str(change.get("root") or self.root()), "readonly": False}
        config["process"].update({"terminal": False, "args": args, "cwd": "/", "env": [f"PATH={PATH}"]})
        config["process"].pop("rlimits", None)
        config["linux"]["cgroupsPath"] = change.get("cgroup") or f"/lab/{name}"
        mounts = change.get("mounts", [])
        taken = {one["destination"] for one in mounts}
        config["mounts"] = [one for one in config["mounts"] if one["destination"] not in taken] + mounts
        for kind in change.get("without", ()):
            config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != kind]
        if change.get("caps"):
            for one in config["process"]["capabilities"]:
                config["process"]["capabilities"][one] = change["caps"]
            config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
            config["linux"].pop("seccomp", None)
        (made / "config.json").write_text(json.dumps(config))
        return made

    def runc(self, name: str, *, detached: bool = True, **change: Any) -> int:
        """A runc container that sleeps; its first process."""
        self.container(name, cgroup=name)
        bundle = self.bundle(name, ["/bin/sh", "-c", "sleep 600 & wait", f"mark={name}"], **change)
        with (self.folder / f"{name}.out").open("wb") as out:
            done = subprocess.run(["runc", "run", "-d", "-b", bundle, name], stdout=out, stderr=out, check=False)
        if done.returncode:
            raise RuntimeError((self.folder / f"{name}.out").read_text())
        self.undo.append(lambda: self.run("runc", "delete", "-f", name, check=False))
        pid = json.loads(self.run("runc", "state", name))["pid"]
        self.note(ev="init", name=name, pid=pid)
        return int(pid)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child for sure."""
    child.kill()
    child.wait()


def work(name: str, count: int = 10) -> list[str]:
    """A marked payload: programs, sub-shells that never exec, calls of files."""
    return ["/bin/sh", "-c", LOOP.format(count=count), f"mark={name}"]


# --- engines ----------------------------------------------------------------------------------------------------------


def runc(case: Case) -> None:
    """Short containers, and a long one that is entered again and again."""
    for turn in range(4):
        name = case.name(f"r{turn}")
        case.container(name, cgroup=name)
        case.run("runc", "run", "-b", case.bundle(name, work(name)), name)
    name = case.name("rlong")
    case.runc(name)
    for _ in range(5):
        case.run("runc", "exec", name, *work(name, 5))


def crun(case: Case) -> None:
    """As runc; in a mount namespace without the v2 tree, which crun refuses beside v1."""
    hidden = 'mount --make-rprivate / && { umount /sys/fs/cgroup/unified 2>/dev/null || :; }; exec "$@"'
    inside = ("unshare", "-m", "sh", "-c", hidden, "crun")
    for turn in range(3):
        name = case.name(f"c{turn}")
        case.container(name, cgroup=name)
        case.run(*inside, "crun", "run", "-b", case.bundle(name, work(name)), name)
    name = case.name("clong")
    case.container(name, cgroup=name)
    bundle = case.bundle(name, ["/bin/sh", "-c", "sleep 600 & wait", f"mark={name}"])
    case.undo.append(lambda: case.run(*inside, "crun", "delete", "-f", name, check=False))
    case.run(*inside, "sh", "-c", f"exec crun run -d -b {bundle} {name} >/dev/null 2>&1 </dev/null")
    for _ in range(4):
        case.run(*inside, "crun", "exec", name, *work(name, 5))


def podman_command(case: Case) -> tuple[str, ...]:
    """A podman with a store of its own."""
    store = case.folder / "store"
    run = Path("/run") / f"lab{case.word}"  # podman refuses a longer path
    case.undo.append(lambda: shutil.rmtree(run, ignore_errors=True))
    return (
        *("podman", "--root", str(store), "--runroot", str(run), "--runtime", "runc"),
        *("--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--events-backend", "none"),
    )


def podman(case: Case) -> None:
    """run, exec, a pod, and the namespaces of the host or of another container."""
    command = podman_command(case)
    root = case.root()
    plain = (
        "--network",
        "none",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
        "--security-opt",
        "seccomp=unconfined",
    )

    def made(name: str, *more: str, args: list[str], detach: bool = False) -> str:
        file = case.folder / f"{name}.cid"
        flags = ["-d"] if detach else ["--rm"]
        given = list(plain) if not any(one.startswith(("--network", "--pod")) for one in more) else list(plain[2:])
        case.container(name, cgroup=f"libpod-@{file}", ids=(f"@{file}",))
        case.run(*command, "run", *flags, "--cidfile", file, "--name", name, *given, *more, "--rootfs", root, *args)
        return file.read_text()

    case.undo.append(lambda: case.run(*command, "rm", "-af", "-t", "0", check=False))
    case.undo.append(lambda: case.run(*command, "pod", "rm", "-af", check=False))
    word = case.word
    made(f"p-run-{word}", args=work(f"p-run-{word}"))
    made(f"p-pid-{word}", "--pid", "host", args=work(f"p-pid-{word}"))
    made(f"p-cg-{word}", "--cgroupns", "private", args=work(f"p-cg-{word}"))
    made(f"p-cgh-{word}", "--cgroupns", "host", args=work(f"p-cgh-{word}"))
    made(f"p-net-{word}", "--network", "host", args=work(f"p-net-{word}"))
    long = f"p-long-{word}"
    made(long, args=["/bin/sh", "-c", "sleep 600 & wait", f"mark={long}"], detach=True)
    made(f"p-join-{word}", "--network", f"container:{long}", args=work(f"p-join-{word}"))
    for _ in range(3):
        case.run(*command, "exec", long, *work(long, 5))


def bubblewrap(case: Case) -> None:
    """A sandbox without any engine: no cgroup, no state."""
    root = case.root()
    for turn in range(4):
        name = f"b{turn}-{case.word}"
        case.container(name)
        case.run("bwrap", "--unshare-all", "--die-with-parent", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev",
                 *work(name))  # fmt: skip


# --- entering, forging, hurrying --------------------------------------------------------------------------------------


def entered(case: Case) -> None:
    """Entered by nsenter in its forms, from the host, into a container that did not ask for it; and a moved process."""
    name = case.name("e")
    pid = case.runc(name)
    for flags in (("-a",), ("-m",), ("-m", "-p"), ("-m", "-u", "-i", "-n", "-p")):
        for _ in range(3):
            case.run("nsenter", "-t", str(pid), *flags, *work(name, 3))
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
        children.append(subprocess.Popen(["runc", "exec", name, *storming(name, 500)], stdin=subprocess.DEVNULL))
    children.append(subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done"]))
    for child in children:
        child.wait(120)


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
    case.run("runc", "exec", outer, *work(outer, 5))
    time.sleep(1)


def across(case: Case) -> None:
    """Signals and ptrace from the host into containers, and from one that sees all pids to another."""
    first, second = case.name("xa"), case.name("xb")
    case.runc(first, without=("pid",))
    case.runc(second)
    for _ in range(10):
        asleep = ["/bin/sh", "-c", "sleep 600; :", f"mark={second}"]
        child = subprocess.Popen(["runc", "exec", second, *asleep], stdin=subprocess.DEVNULL)
        time.sleep(0.1)
        inner = child_named(child.pid, "sh")
        if inner:
            case.note(ev="target", pid=inner, name=second)
            reuse.trace(inner)
            case.run("runc", "exec", first, "/bin/sh", "-c", f"kill -9 {inner}; :", f"mark={first}", check=False)
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
    """No container at all, but much that looks like one: private namespaces, words of engines."""
    root = case.root()
    case.run("sh", "-c", "for i in 1 2 3 4 5; do (:); /bin/true docker run --name x; done")
    case.run("unshare", "-m", "sh", "-c", "/bin/true; (:); exec /bin/true")
    case.run("unshare", "-n", "/bin/true")
    case.run("chroot", root, "/bin/sh", "-c", "/bin/busybox true; (:)")
    case.run("sh", "-c", "sh -c 'sleep 0.1' & wait")


def lxc(case: Case) -> None:
    """Started in the foreground, and attached to; its name is its only identity."""
    for turn in range(3):
        name = f"lxc{turn}-{case.word}"
        case.container(name, cgroup=f"lxc.payload.{name}")
        folder = case.folder / "lxc" / name
        folder.mkdir(parents=True)
        config = [f"lxc.rootfs.path = dir:{case.root()}", f"lxc.uts.name = {name}", "lxc.net.0.type = empty"]
        (folder / "config").write_text("\n".join([*config, "lxc.mount.auto = proc", "lxc.tty.max = 0"]) + "\n")
        start = ("lxc-start", "-P", folder.parent, "-n", name, "-F", "--")
        if turn:
            case.run(*start, *work(name))
            continue
        case.begin(*start, "/bin/sh", "-c", "sleep 600 & wait", f"mark={name}", stdin=subprocess.DEVNULL)
        case.undo.append(lambda at=folder.parent, it=name: case.run("lxc-stop", "-P", at, "-n", it, "-k", check=False))
        case.run("lxc-wait", "-P", folder.parent, "-n", name, "-s", "RUNNING", "-t", "10")
        time.sleep(0.3)
        for _ in range(4):
            case.run("lxc-attach", "-P", folder.parent, "-n", name, "--", *work(name, 5))


def nspawn(case: Case) -> None:
    """As machines of systemd-nspawn; it resets the login id of what it starts, which is set again inside."""
    own = (
        "unshare",
        "-m",
        "sh",
        "-c",
        'mount -t tmpfs none /run/systemd && mkdir -p /run/systemd/system; exec "$@"',
        "x",
    )
    login = Path("/proc/self/loginuid").read_text()
    for turn in range(3):
        name = f"ns{turn}-{case.word}"
        root = case.root()
        (root / "etc/os-release").write_text("ID=lab\n")
        (root / "usr/lib").mkdir(exist_ok=True)
        case.container(name)
        script = f"echo {login} > /proc/self/loginuid; exec " + " ".join(f"'{one}'" for one in work(name))
        flags = ("--register=no", "--keep-unit", "--as-pid2", "-q", "--capability=CAP_AUDIT_CONTROL", "-M", name)
        case.run(*own, "systemd-nspawn", *flags, "-D", root, "/bin/sh", "-c", script, check=False)


def docker(case: Case) -> None:
    """A daemon of its own under the audited login, without bridge and iptables."""
    at = case.folder
    flags = (
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--storage-driver=vfs",
        "--data-root",
        at / "data",
    )
    sock = f"unix://{at}/d.sock"
    daemon = case.begin("dockerd", *flags, "--exec-root", at / "exec", "-p", at / "pid", "-H", sock)
    command = ("/usr/bin/docker", "-H", sock)
    for _ in range(100):
        if subprocess.run([*command, "info"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    case.undo.append(lambda: (daemon.terminate(), daemon.wait(20)))
    root = case.root()
    tar = subprocess.run(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run([*command, "import", "-", "lab"], input=tar, stdout=subprocess.DEVNULL, check=True)

    def made(name: str, *more: str, args: list[str]) -> None:
        file = at / f"{name}.cid"
        case.container(name, cgroup=f"@{file}", ids=(f"@{file}",))
        case.run(*command, "run", "--network", "none", "--cidfile", file, "--name", name, *more, "lab", *args)

    for turn in range(3):
        made(f"d{turn}-{case.word}", "--rm", args=work(f"d{turn}-{case.word}"))
    made(f"dpid-{case.word}", "--rm", "--pid", "host", args=work(f"dpid-{case.word}"))
    long = f"dlong-{case.word}"
    case.undo.append(lambda: case.run(*command, "rm", "-f", long, check=False))
    made(long, "-d", args=["/bin/sh", "-c", "sleep 600 & wait", f"mark={long}"])
    for _ in range(4):
        case.run(*command, "exec", long, *work(long, 5))


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
        case.run("runc", "exec", name, *work(name, 5))
        case.run("nsenter", "-t", str(pid), "-m", "-p", *work(name, 2))


SCENARIOS: tuple[Callable[[Case], None], ...] = (
    *(host, runc, crun, podman, docker, lxc, nspawn, bubblewrap),
    *(entered, storm, forks, reused, nested, across, early, before),
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
