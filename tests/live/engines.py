"""Containers of real engines, each entered again and again; every process of theirs is marked in its arguments."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from case import work

if TYPE_CHECKING:
    from case import Case


def runc(case: Case) -> None:
    """Short containers, and a long one that is entered again and again."""
    for turn in range(4):
        name = case.name(f"r{turn}")
        case.container(name, cgroup=name)
        case.run("runc", "run", "-b", case.bundle(name, work(name)), name)
    name = case.name("rlong")
    case.runc(name)
    for _ in range(5):
        case.run("runc", "exec", name, *case.entering(name, 5))


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
        case.run(*inside, "crun", "exec", name, *case.entering(name, 5))


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
        case.run(*command, "exec", long, *case.entering(long, 5))


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
        case.run(*command, "exec", long, *case.entering(long, 5))


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
            case.run("lxc-attach", "-P", folder.parent, "-n", name, "--", *case.entering(name, 5))


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


def bubblewrap(case: Case) -> None:
    """A sandbox without any engine: no cgroup, no state."""
    root = case.root()
    for turn in range(4):
        name = f"b{turn}-{case.word}"
        case.container(name)
        case.run("bwrap", "--unshare-all", "--die-with-parent", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev",
                 *work(name))  # fmt: skip


CALM = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nseccomp_profile = "unconfined"\n'
"""containers.conf(5) for a machine where root may not raise its limits: also for what podman runs by itself."""


def pod(case: Case) -> None:
    """Two containers of a podman pod that share its namespaces, one of them entered; the infra container is a third."""
    command = podman_command(case)
    (case.folder / "containers.conf").write_text(CALM)
    more = {"env": {**os.environ, "CONTAINERS_CONF": str(case.folder / "containers.conf")}}
    root, word = case.root(), case.word
    case.undo.append(lambda: case.run(*command, "pod", "rm", "-af", "-t", "0", check=False, **more))
    case.run(*command, "pod", "create", "--name", f"pod-{word}", "--share", "ipc,uts,net", "--network", "none", **more)
    infra = case.run(*command, "pod", "inspect", "-f", "{{.InfraContainerID}}", f"pod-{word}", **more).strip()
    case.container(f"infra-{word}", cgroup=f"libpod-{infra}", ids=(infra,))
    for short in ("one", "two"):
        name = f"{short}-{word}"
        file = case.folder / f"{name}.cid"
        case.container(name, cgroup=f"libpod-@{file}", ids=(f"@{file}",))
        args = ["/bin/sh", "-c", "sleep 600 & wait", f"mark={name}"]
        at = ("--pod", f"pod-{word}", "--cidfile", str(file), "--name", name)
        case.run(*command, "run", "-d", *at, "--rootfs", root, *args, **more)
        for _ in range(3):
            case.run(*command, "exec", name, *case.entering(name, 5), **more)
    pid = case.run(*command, "inspect", "-f", "{{.State.Pid}}", infra, **more).strip()
    case.note(ev="init", name=f"infra-{word}", pid=int(pid))


ROOTLESS = """\
mount --make-rprivate / && mount --bind $1/passwd /etc/passwd && mount --bind $1/group /etc/group || exit 1
mount --bind $1/subids /etc/subuid && mount --bind $1/subids /etc/subgid || exit 1
umount /sys/fs/cgroup/unified 2>/dev/null
cd / && shift && exec setpriv --reuid $UID_ --regid $UID_ --clear-groups "$@"
"""
"""A user who is nowhere but in this mount namespace; without the v2 tree, which crun refuses beside v1."""


def rootless(case: Case) -> None:
    """Podman and crun of a user: no cgroup tells them apart, only their namespaces and the engine's state."""
    uid, at = 54_321, case.folder
    for name, there, line in (
        ("passwd", Path("/etc/passwd"), f"labuser:x:{uid}:{uid}::{at}/home:/bin/sh"),
        ("group", Path("/etc/group"), f"labuser:x:{uid}:"),
    ):
        (at / name).write_text(there.read_text() + line + "\n")
    (at / "subids").write_text("labuser:600000:65536\n")
    (at / "containers.conf").write_text(CALM)
    run = Path(f"/run/user/{uid}")
    for folder in (at / "home", run):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chown(folder, uid, uid)
    case.undo.append(lambda: (end_pause(run), shutil.rmtree(run, ignore_errors=True)))
    root = case.root()
    for one in (root, *root.rglob("*")):
        os.chown(one, uid, uid, follow_symlinks=False)
    open_to_all(at)
    env = {"HOME": f"{at}/home", "XDG_RUNTIME_DIR": str(run), "PATH": os.environ["PATH"], "UID_": str(uid)}
    env["CONTAINERS_CONF"] = str(at / "containers.conf")
    flags = ("--runtime", "crun", "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--events-backend", "none")
    command = ("unshare", "-m", "sh", "-c", ROOTLESS, "sh", str(at), "podman", *flags)
    case.undo.append(lambda: case.run(*command, "rm", "-af", "-t", "0", check=False, env=env))
    for turn in range(2):
        name = f"u{turn}-{case.word}"
        case.container(name)
        case.run(*command, "run", "--rm", "--network", "none", "--name", name, "--rootfs", root, *work(name), env=env)
    name = f"ulong-{case.word}"
    case.container(name)
    asleep = ["/bin/sh", "-c", "sleep 600 & wait", f"mark={name}"]
    case.run(*command, "run", "-d", "--network", "none", "--name", name, "--rootfs", root, *asleep, env=env)
    for _ in range(3):
        case.run(*command, "exec", name, *case.entering(name, 5), env=env)


def end_pause(run: Path) -> None:
    """Podman leaves a process that keeps a user's namespaces; it was started for this user only."""
    for file in run.glob("**/pause.pid"):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)


def open_to_all(folder: Path) -> None:
    """Let a user through to a folder of the laboratory, which is root's alone."""
    for one in (folder, *folder.parents):
        if one.stat().st_mode & 0o011 != 0o011:
            one.chmod(one.stat().st_mode | 0o011)


CONTAINERD = """\
version = 2
root = "{at}/root"
state = "{run}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{run}/c.sock"
"""


def containerd(case: Case) -> None:
    """A daemon of its own, and its client: run, and exec into what is there. The id is whatever one likes."""
    run = Path(f"/run/labc{case.word}")
    run.mkdir()
    case.undo.append(lambda: shutil.rmtree(run, ignore_errors=True))
    (case.folder / "containerd.toml").write_text(CONTAINERD.format(at=case.folder, run=run))
    daemon = case.begin("containerd", "-c", case.folder / "containerd.toml")
    command = ("ctr", "-a", f"{run}/c.sock", "-n", "lab")
    for _ in range(100):
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    case.undo.append(lambda: (daemon.terminate(), daemon.wait(20)))
    root = case.root()
    for turn in range(3):
        name = f"ctr{turn}-{case.word}"
        case.container(name, cgroup=name)
        case.run(*command, "run", "--rm", "--rootfs", root, name, *work(name))
    name = f"ctrlong-{case.word}"
    case.container(name, cgroup=name)
    case.undo.append(lambda: case.run(*command, "containers", "rm", name, check=False))
    case.undo.append(lambda: (case.run(*command, "task", "kill", "-s", "KILL", name, check=False), time.sleep(0.5)))
    case.run(*command, "run", "-d", "--rootfs", root, name, "/bin/sh", "-c", "sleep 600 & wait", f"mark={name}")
    for turn in range(4):
        case.run(*command, "task", "exec", "--exec-id", f"x{turn}", name, *case.entering(name, 5))
