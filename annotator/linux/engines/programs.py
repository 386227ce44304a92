"""Programs of container engines, by name: the one list for all who must know them.

A program that a new runtime brings is entered here, and in `commands.READERS` if its command line names containers.
"""

from __future__ import annotations

from typing import Final

from annotator.core.contracts import ProgramKinds

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
    b"runc crun youki conmon containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 lxc-start lxc-execute "
    b"lxc-attach systemd-nspawn nsenter".split()
)
"""Programs that carry an announcement on when they run each other. Not the clients: conmon calls podman to clean up."""

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


def name_of(exe: bytes) -> bytes:
    """The last component of a path."""
    return exe.rpartition(b"/")[2]


def is_sealed_copy(exe: bytes) -> bool:
    """Whether a program has no path that names it: runc and crun run themselves from a sealed copy in memory."""
    return exe == b"/" or exe.startswith(b"/memfd:")


def carries_announcement(exe: bytes) -> bool:
    """Whether this program carries on what an engine's command announced."""
    return name_of(exe) in CARRIERS or is_sealed_copy(exe)


def moves(exe: bytes) -> bool:
    """Whether this program, perhaps of a file that is gone (proc(5), `exe`), puts processes elsewhere."""
    return name_of(exe.removesuffix(b" (deleted)")) in MOVERS or is_sealed_copy(exe)


def changes_network(exe: bytes) -> bool:
    """Whether this program, or a thread of it, goes from one network namespace to another."""
    return moves(exe) or name_of(exe) in NETWORKERS


KINDS: Final = ProgramKinds(moves, changes_network, is_sealed_copy)
"""What the core and the history ask of programs."""
