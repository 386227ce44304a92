"""One run of a scenario: what it makes, what it notes for the judge, and what must be undone.

`mark=NAME` among the arguments of a program says that it, and what it starts, runs in NAME. The notes are the truth's
half of the book-keeping; nothing here knows the program under test.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        self._roots = self._entries = 0

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

    def entering(self, name: str, count: int = 5) -> list[str]:
        """A marked payload of somebody who enters a container: also its entry is marked."""
        return [*work(name, count), self.entry()]

    def entry(self) -> str:
        """The mark of another entry."""
        self._entries += 1
        return f"entry={self._entries}-{self.word}"

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
        if change.get("net"):
            for one in config["linux"]["namespaces"]:
                if one["type"] == "network":
                    one["path"] = change["net"]
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
