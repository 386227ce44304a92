"""Programs of container engines, by name and place: the one list for all who must know them.

A program that a new runtime brings is entered here, and in `commands.READERS` if its command line names containers.
A name is a claim, and so is a path: what a command line is worth is decided by `core.membership.claims`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.contracts import ProgramKinds

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIMES: Final = frozenset(
    b"runc crun youki conmon conmonrs lxc-start lxc-attach lxc-execute systemd-nspawn libvirt_lxc".split()
)
"""Those that become a container's first process, or are put into its cgroup before its namespaces are made."""

MANAGERS: Final = frozenset(b"lxd incusd buildah podman dockerd containerd containerd-shim-runc-v2".split())
"""Those that start runtimes, and stand with one foot in a container while they do."""

MONITORS: Final = frozenset({b"lxc-monitord"})
"""Those that only watch containers."""

ENTERERS: Final = frozenset(b"nsenter unshare bwrap systemd systemd-executor".split())
"""No engine's, but they put themselves, or what they start, elsewhere."""

MOVERS: Final = RUNTIMES | MANAGERS | ENTERERS
"""Programs whose processes may be elsewhere from one moment to the next."""

CARRIERS: Final = frozenset(
    b"runc crun youki conmon containerd-shim lxc-start lxc-execute lxc-attach systemd-nspawn nsenter".split()
)
"""Programs that carry an announcement on when they run each other. Not the clients: conmon calls podman to clean up."""

SUBREAPERS: Final = frozenset(
    b"conmon conmonrs containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 systemd dockerd docker-init tini "
    b"dumb-init catatonit lxc-start lxc-execute lxd incusd crio".split()
)
"""Programs that call prctl(PR_SET_CHILD_SUBREAPER), so that orphans below them become their children.

Not podman: only its service is one. The monitors that `podman run` and `podman exec` start go to the init.
"""

SHELLS: Final = frozenset(b"bash busybox sh dash ash ksh mksh zsh fish csh tcsh sudo su runc crun youki".split())
"""Programs that start others and are no subreapers."""

NETWORKERS: Final = frozenset(
    b"ip tc bridge dhcp host-device host-local ipvlan loopback macvlan portmap ptp sbr static tuning vlan vrf firewall "
    b"bandwidth flannel calico calico-ipam calico-node cilium-cni cilium-agent multus weave-net kube-router kubelet "
    b"crio netavark aardvark-dns slirp4netns pasta pasta.avx2 passt rootlesskit firejail NetworkManager "
    b"ovs-vswitchd".split()
)
"""Programs that go into others' network namespaces: ip(8), CNI's plugins, network daemons."""

SANDBOXERS: Final = frozenset(
    {"bwrap", "unshare", "firejail", "starter", "starter-suid", "ch-run", "flatpak", "buildah", "nsjail", "minijail0"}
    | {"chrome", "systemd-run", "podman", "sandbox", "mock", "toolbox", "proot", "rootlesskit"}
)
"""Programs that make namespaces for others, as comm shows them: where the parent is one, it names a sandbox best."""


ROOTS_PLACES: Final = (
    b"/usr/", b"/bin/", b"/sbin/", b"/lib/", b"/lib64/", b"/opt/", b"/snap/", b"/nix/store/", b"/gnu/store/",
    b"/run/current-system/", b"/var/lib/rancher/", b"/var/lib/k0s/", b"/var/lib/k8e/", b"/var/vcap/",
    b"/home/kubernetes/bin/", b"/var/packages/", b"/volume1/@appstore/", b"/var/lib/snapd/", b"/var/lib/containerd/",
    b"/var/lib/toolbox/", b"/x86_64-bottlerocket-linux-gnu/", b"/aarch64-bottlerocket-linux-gnu/", b"/apex_root/",
)  # fmt: skip
"""Directories in which root keeps programs, of distributions and of Kubernetes, BOSH, Synology and others."""

_RUNTIME = re.compile(
    rb"(?:[a-z0-9]{1,16}[-_])?(runc|crun|youki)|runsc|krun|urunc|rune|(?:nvidia|habana)-container-runtime|kata-runtime"
)
"""Runtimes with the command line of runc; wrappers of them, as distributions name theirs."""

_DECORATION = re.compile(
    rb"(?:-wrapped|-current|-unwrapped|-static|[-.](?:amd64|arm64|x86_64|aarch64|real|bin|orig|cdi|legacy)"
    rb"|[-.]v?[0-9][0-9a-z.]*)+"
)
"""What distributions put behind a program's name."""


class Engines(NamedTuple):
    """What a site adds to the lists of this module.

    `programs`: base names or paths of programs that have runc's command line. `directories` in which root keeps
    engines' programs, each with a slash at its end.
    """

    programs: frozenset[bytes] = frozenset()
    directories: tuple[bytes, ...] = ()

    def name(self, exe: bytes) -> bytes:
        """The name under which this module and `commands` know a program; b"" for one that is no engine's."""
        exe = exe.removesuffix(b" (deleted)")
        if exe in self.programs or name_of(exe) in self.programs:
            return b"runc"
        return canonical(name_of(exe))

    def is_roots(self, exe: bytes) -> bool:
        """Whether a program lies where root keeps programs, or was named by its path in the settings."""
        return exe.startswith(ROOTS_PLACES) or exe.startswith(self.directories) or exe in self.programs

    def carries(self, exe: bytes, uid: int) -> bool:
        """Whether this program carries on what an engine's command announced: never a user's own file."""
        if is_sealed_copy(exe):
            return True
        return self.name(exe) in CARRIERS and (uid == 0 or self.is_roots(exe))

    def reads(self, exe: bytes) -> bool:
        """Whether a program's command line may be an engine's."""
        return is_sealed_copy(exe) or self.name(exe) != b""


def engines_of(programs: Sequence[str], directories: Sequence[str]) -> Engines:
    """The settings `engines.programs` and `engines.directories`."""
    return Engines(
        frozenset(one.encode() for one in programs), tuple(one.rstrip("/").encode() + b"/" for one in directories)
    )


DEFAULT: Final = Engines()
"""Nothing is added."""

READ: Final = CARRIERS | frozenset(b"podman docker nerdctl".split())
"""Programs whose command lines `commands` reads."""


def canonical(name: bytes) -> bytes:
    """The name of an engine's program without what distributions add to it; b"" for a program of no engine."""
    known = _canonical.get(name)
    if known is None:
        known = _plain_name(name)
        if len(_canonical) >= 4096:
            _canonical.clear()
        if len(name) < 256:
            _canonical[name] = known
    return known


_canonical: dict[bytes, bytes] = {}


def _plain_name(name: bytes) -> bytes:
    if name in READ:
        return name
    if name.startswith(b"containerd-shim-"):
        return b"containerd-shim"
    bare = name[1:] if name[:1] == b"." else name
    for at in (len(bare), *(match.start() for match in _DECORATION.finditer(bare) if match.end() == len(bare))):
        if bare[:at] in READ:
            return bare[:at]
        match = _RUNTIME.fullmatch(bare[:at])
        if match is not None:
            return match[1] or b"runc"
    return b""


def name_of(exe: bytes) -> bytes:
    """The last component of a path."""
    return exe.rpartition(b"/")[2]


def is_sealed_copy(exe: bytes) -> bool:
    """Whether a program has no path that names it: runc and crun run themselves from a sealed copy in memory."""
    return exe == b"/" or exe.startswith(b"/memfd:")


def becomes_subreaper(exe: bytes) -> bool | None:
    """Whether this program, when it runs, makes itself a subreaper; None where that is not known."""
    name = name_of(exe)
    return True if name in SUBREAPERS else False if name in SHELLS else None


def moves(exe: bytes) -> bool:
    """Whether this program, perhaps of a file that is gone (proc(5), `exe`), puts processes elsewhere."""
    name = name_of(exe.removesuffix(b" (deleted)"))
    return name in MOVERS or canonical(name) in RUNTIMES or is_sealed_copy(exe)


def changes_network(exe: bytes) -> bool:
    """Whether this program, or a thread of it, goes from one network namespace to another."""
    return moves(exe) or name_of(exe) in NETWORKERS


KINDS: Final = ProgramKinds(moves, changes_network, is_sealed_copy)
"""What the core and the history ask of programs."""
