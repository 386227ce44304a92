"""As a new administrator would, by the README's own commands, on a machine where nothing of us is: and nothing stays.

The machine is this one with an overlay over its root (`fresh.sh`): what is written can be looked at afterwards, and is
gone then. Stand-ins: `sudo`, `service` (there is no systemd in it), and an image that need not be fetched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.audit_lock import audit_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOOLS = ("auditd", "augenrules", "ausearch", "podman", "runc", "busybox", "unshare")
OUTSIDE = os.geteuid() == 0 and os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"  # noqa: PTH115
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not OUTSIDE, reason="needs root in the first pid namespace"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="scripts/setup --dev installs what this needs"),
]

SERVICE = """#!/bin/sh
pid=$(cat /run/auditd.pid 2>/dev/null) && kill "$pid" && while [ -d "/proc/$pid" ]; do sleep 0.1; done
/usr/sbin/auditd
for n in $(seq 100); do [ -s /run/auditd.pid ] && break; sleep 0.1; done
"""
PODMAN = (
    "podman --cgroup-manager cgroupfs --runtime runc run --rm --name fresh --network none --ulimit nofile=1024:1024 "
    "--ulimit nproc=1024:1024 --security-opt seccomp=unconfined --rootfs /srv/box"
)
"""What a machine for tests may do: no network, no systemd, and limits that it can set."""

OTHERS = re.compile(
    r"etc/audit/(audit\.rules(\.prev)?|plugins\.d/laurel\.conf)|var/log/audit/.*|var/lib/containers/.*|srv/box(/.*)?"
    r"|etc/(cni|containers)(/.*)?|root/\..*|var/(lib|cache)/(cni|dnsmasq|misc)(/.*)?"
)
"""What auditd, augenrules and podman write."""


def blocks() -> tuple[str, str]:
    """The README's commands for installing and for removing."""
    found = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (install,) = (one for one in found if "annotator install --rules" in one)
    (remove,) = (one for one in found if "annotator uninstall" in one)
    return install, remove


def script(commands: str) -> str:
    """As it is run here: line by line, each after a pause, and it stops at the first that fails."""
    commands = commands.replace("podman run --rm docker.io/library/busybox", PODMAN)
    return "".join(f"sleep 2\n{line} || exit 1\n" for line in commands.splitlines())  # as somebody types them


def write(path: Path, text: str, mode: int = 0o755) -> None:
    """One file of the machine's, with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)


def prepared(folder: Path) -> Path:
    """What lies over the machine from the beginning."""
    audit = Path("/etc/audit")
    conf = re.sub(r"^(admin_space_left|space_left) = .*$", r"\1 = 1", (audit / "auditd.conf").read_text(), flags=re.M)
    write(folder / "etc/audit/auditd.conf", conf.replace("\nspace_left = 1\n", "\nspace_left = 2\n"), 0o640)
    for other in (audit / "plugins.d").glob("*.conf"):
        write(
            folder / "etc/audit/plugins.d" / other.name, other.read_text().replace("active = yes", "active = no"), 0o640
        )
    for path in (folder / "etc/audit", folder / "etc/audit/plugins.d"):
        path.chmod(0o750)
    store = (
        '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n'
    )
    write(folder / "etc/containers/storage.conf", store, 0o644)
    write(folder / "usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n')
    write(folder / "usr/local/bin/service", SERVICE)
    for name in ("bin", "tmp", "proc", "sys", "dev", "etc", "run"):
        (folder / "srv/box" / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", folder / "srv/box/bin/busybox")
    for name in ("sh", "sleep", "ls"):
        (folder / "srv/box/bin" / name).symlink_to("busybox")
    return folder


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Path]:
    """A file system for what is written: an overlay cannot be over itself."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def left(upper: Path) -> list[str]:
    """What there is that was not before, or is not any more; without what is others', and this program's own tree."""
    found = []
    for path in sorted(upper.rglob("*")):
        name = str(path.relative_to(upper))
        info = path.lstat()
        gone = stat.S_ISCHR(info.st_mode)
        new = stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode) or not Path("/", name).exists()
        if (gone or new) and not OTHERS.fullmatch(name) and not Path("/", name).is_relative_to(ROOT):
            found.append(name + (" is gone" if gone else ""))
    return found


@pytest.mark.slow
def test_a_new_administrator(tmp_path: Path) -> None:
    """Install, see a container's event annotated by stock ausearch, uninstall: the machine is as it was."""
    install, remove = blocks()
    looks = "echo looked:; ls -A /run/annotator; auditctl -l; ls /etc/audit/plugins.d"
    stop = "pid=$(cat /run/auditd.pid); kill $pid; while [ -d /proc/$pid ]; do sleep 0.1; done"
    commands = f"cd {ROOT}\n{script(install)}\n{script(remove)}\n{looks}\n{stop}\n"
    with memory(tmp_path), audit_of_this_machine():
        done = subprocess.run(
            [ROOT / "tests/admin/fresh.sh", tmp_path / "upper", prepared(tmp_path / "prepare"), "sh", "-c", commands],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        stays = left(tmp_path / "upper")
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in said if line.startswith("type=SYSCALL ") and 'container_name="fresh"' in line]
    assert any(' exe="/bin/busybox"' in line for line in found), done.stdout[-3000:] + done.stderr
    others = sorted(one.name for one in Path("/etc/audit/plugins.d").iterdir())
    assert said[said.index("looked:") :] == ["looked:", "No rules", *others], done.stderr
    assert stays == []
