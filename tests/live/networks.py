"""What is done in networks: containers on a bridge, with packets between them that the kernel records (xt_AUDIT).

The truth is what this program did itself: who has which address from when to when, and in which namespace it sent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NET4, NET6, PODS = "10.77.3.", "fd77:3::", "10.77.4."
GATE = NET4 + "1"
NEWNET = 0x40000000
SOCKETS = "execve,execveat,fork,vfork,clone,clone3,exit_group,setns,unshare,connect,socket,bind,listen,accept4,sendto"
"""The system calls that are audited meanwhile."""


class Bridge:
    """A bridge of the host, the namespaces on it, and the book of who has which address."""

    def __init__(self, case: Any) -> None:
        self.case = case
        self.word = f"{os.getpid() % 65536:x}"
        self.name = f"lb{self.word}"
        self.owners: dict[str, set[str]] = {}
        case.run("ip", "link", "add", self.name, "type", "bridge")
        case.undo.append(lambda: case.run("ip", "link", "del", self.name, check=False))
        case.run("ip", "addr", "add", f"{GATE}/24", "dev", self.name)
        case.run("ip", "link", "set", self.name, "up")
        nets = (("iptables", f"{NET4}0/24"), ("iptables", f"{PODS}0/24"), ("ip6tables", f"{NET6}/64"))
        for program, net in nets:
            rule = ("PREROUTING", "-s", net, "-j", "AUDIT", "--type", "accept")
            case.run(program, "-t", "raw", "-I", *rule)
            case.undo.append(lambda it=(program, rule): case.run(it[0], "-t", "raw", "-D", *it[1], check=False))

    def space(self, letter: str, *addresses: str, joined: bool = True) -> str:
        """A named network namespace with these addresses, on the bridge or on a device of its own; its path."""
        run, name = self.case.run, f"lab{self.word}{letter}"
        run("ip", "netns", "add", name)
        self.case.undo.append(lambda: run("ip", "netns", "del", name, check=False))
        run("ip", "-n", name, "link", "set", "lo", "up")
        if joined:
            outer = f"lv{self.word}{letter}"
            run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", outer, "master", self.name, "up")
        else:
            run("ip", "-n", name, "link", "add", "eth0", "type", "bridge")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        for one in addresses:
            self.add(letter, one)
        return f"/run/netns/{name}"

    def ip(self, letter: str, verb: str, address: str) -> None:
        """Add or remove an address of a namespace."""
        more = ("/64", "nodad") if ":" in address else ("/24",)
        more = more if verb == "add" else more[:1]
        self.case.run("ip", "-n", f"lab{self.word}{letter}", "addr", verb, address + more[0], "dev", "eth0", *more[1:])

    def add(self, letter: str, address: str) -> None:
        """As `ip`."""
        self.ip(letter, "add", address)

    def change(self, **owners: set[str]) -> contextlib.AbstractContextManager[None]:
        """As `owned`, by the last number of an address on the bridge."""
        return self.owned({NET4 + key[1:]: names for key, names in owners.items()})

    @contextlib.contextmanager
    def owned(self, now: dict[str, set[str]]) -> Iterator[None]:
        """Whose addresses are what after the block; in it they may be anybody's of before or after."""
        both = {key: self.owners.get(key, set()) | now.get(key, set()) for key in {*self.owners, *now}}
        self.case.note(ev="owners", owners={key: sorted(names) for key, names in both.items()}, sure=False)
        yield
        self.owners.update(now)
        self.case.note(ev="owners", owners={key: sorted(names) for key, names in self.owners.items()}, sure=True)


def send(case: Any, name: str, target: str, *, source: str = "") -> None:
    """A connection from a container to an address where nobody listens: a packet, and one back."""
    flags = f"-s {source} " if source else ""
    script = f"/bin/busybox nc -w 1 {flags}{target} 9 </dev/null; :"
    case.run("runc", "exec", name, "/bin/sh", "-c", script, f"mark={name}", check=False)


def podman(case: Any, bridge: Bridge, command: tuple[str, ...]) -> None:
    """Containers of an engine on a network of its own: one serves, one asks, one shares the first one's namespace."""
    net, root = f"lab{bridge.word}", case.root()
    case.undo.append(lambda: case.run(*command, "network", "rm", "-f", net, check=False))
    case.run(*command, "network", "create", "--subnet", f"{PODS}0/24", net)
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--security-opt", "seccomp=unconfined")

    def made(short: str, *more: str, script: str = "sleep 600 & wait") -> str:
        name = f"{short}-{case.word}"
        file = case.folder / f"{name}.cid"
        case.container(name, cgroup=f"libpod-@{file}", ids=(f"@{file}",))
        args = ("/bin/sh", "-c", script, f"mark={name}")
        case.run(*command, "run", "-d", "--cidfile", file, "--name", name, *limits, *more, "--rootfs", root, *args)
        case.note(ev="alias", name=name, id=file.read_text())
        return name

    def ask(name: str, *words: str) -> None:
        script = "/bin/busybox " + " ".join(words) + " >/dev/null 2>&1 </dev/null; :"
        case.run(*command, "exec", name, "/bin/sh", "-c", script, f"mark={name}", check=False)

    with bridge.owned({PODS + "2": {f"server-{case.word}"}, PODS + "3": {f"client-{case.word}"}}):
        server = made("server", "--network", net, "--ip", PODS + "2", script="/bin/busybox httpd -f -p 80 -h /etc")
        client = made("client", "--network", net, "--ip", PODS + "3")
    for _ in range(3):
        ask(client, "wget", "-q", "-O", "/dev/null", f"http://{PODS}2/passwd")
        ask(client, "ping", "-c", "1", "-W", "1", PODS + "2")
    with bridge.owned({PODS + "2": {server, f"beside-{case.word}"}}):
        beside = made("beside", "--network", f"container:{server}")
        made("onhost", "--network", "host", script="/bin/busybox nc -w 1 127.0.0.1 9; sleep 600")
    for _ in range(3):
        ask(client, "wget", "-q", "-O", "/dev/null", f"http://{PODS}2/passwd")
        ask(beside, "nc", "-w", "1", PODS + "3", "9")
    with bridge.owned({PODS + "2": set(), PODS + "3": set()}):
        case.run(*command, "rm", "-af", "-t", "0", check=False)


def network(case: Any, engine: tuple[str, ...] | None) -> None:
    """All that the module says; with podman where it has what it needs for networks (`engine`: its command)."""
    bridge = Bridge(case)
    if engine is not None:
        podman(case, bridge, engine)
    a, b, c = case.name("na"), case.name("nb"), case.name("nc")
    with bridge.change(_2={a}, _3={b}):
        first = bridge.space("a", NET4 + "2", NET6 + "2")
        second = bridge.space("b", NET4 + "3", NET6 + "3")
        pid = case.runc(a, net=first)
        case.runc(b, net=second)
    time.sleep(0.3)
    for _ in range(6):
        send(case, a, NET4 + "3")
        send(case, a, GATE)
        send(case, b, NET6 + "2")
    case.run("busybox", "nc", "-w", "1", NET4 + "2", "9", check=False, stdin=subprocess.DEVNULL)
    with bridge.change(_2={a, c}):
        case.runc(c, net=first)
    for _ in range(3):
        send(case, c, NET4 + "3")
    overlapping(case, bridge, a)
    wandering(case, bridge, a, b)
    borrowed(case, bridge)
    entering(case, first, pid)
    with bridge.change(_2={a}):
        case.run("runc", "delete", "-f", c)
    send(case, a, NET4 + "3")


def overlapping(case: Any, bridge: Bridge, a: str) -> None:
    """Somebody else has the address of `b` too, on another network: nobody can tell them apart."""
    with bridge.change(_3=set()):
        bridge.space("d", NET4 + "3", joined=False)
        other = case.begin("ip", "netns", "exec", f"lab{bridge.word}d", "sleep", "60")
        time.sleep(0.3)
    for _ in range(2):
        send(case, a, NET4 + "3")
    other.kill()
    other.wait()
    time.sleep(0.3)
    with bridge.change(_3={case.name("nb")}):
        pass
    send(case, a, NET4 + "3")


def wandering(case: Any, bridge: Bridge, a: str, b: str) -> None:
    """An address goes from one container to another, both of which live on."""
    with bridge.change(_50={a}):
        bridge.add("a", NET4 + "50")
    send(case, a, GATE, source=NET4 + "50")
    with bridge.change(_50={b}):
        bridge.ip("a", "del", NET4 + "50")
        bridge.add("b", NET4 + "50")
    for _ in range(3):
        send(case, b, GATE, source=NET4 + "50")


def borrowed(case: Any, bridge: Bridge) -> None:
    """One namespace, and its address, for one short container after the other."""
    path = bridge.space("e", NET4 + "60")
    for turn in range(4):
        name = case.name(f"ne{turn}")
        case.container(name, cgroup=name)
        script = f"for i in 1 2 3; do /bin/busybox nc -w 1 {GATE} 9 </dev/null; done; :"
        bundle = case.bundle(name, ["/bin/sh", "-c", script, f"mark={name}"], net=path)
        with bridge.change(_60={name}):
            pass
        case.run("runc", "run", "-b", bundle, name, check=False)
        with bridge.change(_60=set()):
            pass


def entering(case: Any, path: str, pid: int) -> None:
    """Programs of the host that go into other network namespaces, and come back."""
    name = Path(path).name
    for _ in range(3):
        case.run("ip", "netns", "exec", name, "busybox", "nc", "-w", "1", GATE, "9", check=False)
        case.run("nsenter", "-t", str(pid), "-n", "busybox", "nc", "-w", "1", GATE, "9", check=False)
        case.run("unshare", "-n", "busybox", "nc", "-w", "1", GATE, "9", check=False)
        case.run("busybox", "nc", "-w", "1", GATE, "9", check=False, stdin=subprocess.DEVNULL)
    for call in ("unshare", path):
        case.run("/usr/bin/python3", Path(__file__), call, case.folder / "notes.jsonl")
    for kind, without in (("host", ("network",)), ("none", ())):
        box = case.name(f"net-{kind}")
        case.runc(box, without=without)
        send(case, box, GATE)


def roam(call: str, notes: Path) -> None:
    """Make sockets, go elsewhere, make sockets, come back, make sockets; each time say where that is."""
    libc = ctypes.CDLL(None, use_errno=True)

    def sockets() -> None:
        ino = int(os.readlink("/proc/self/ns/net")[5:-1])  # noqa: PTH115  (the text of a magic link)
        for _ in range(3):
            began = time.time_ns()
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
            note = {"t": began, "ev": "socket", "pid": os.getpid(), "ino": ino, "until": time.time_ns()}
            with notes.open("a") as file:
                file.write(json.dumps(note) + "\n")
            time.sleep(0.05)

    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    sockets()
    fd = -1 if call == "unshare" else os.open(call, os.O_RDONLY)
    if (libc.unshare(NEWNET) if fd < 0 else libc.setns(fd, NEWNET)) != 0:
        raise OSError(ctypes.get_errno(), call)
    sockets()
    subprocess.run(["/bin/busybox", "true"], check=True)
    sockets()
    if libc.setns(home, NEWNET) != 0:
        raise OSError(ctypes.get_errno(), call)
    sockets()


if __name__ == "__main__":
    roam(sys.argv[1], Path(sys.argv[2]))
