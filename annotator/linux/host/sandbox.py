"""Containers without an engine: bubblewrap, unshare, firejail, chroots of builders, and hardened services.

A mount namespace of one's own is not enough, for many services have one: a sandbox has its own pid namespace or
another root. Its id is made up from the namespace, so that it is the same whenever it is read in one boot.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from annotator.core.model import Container, Ns, Reason
from annotator.linux.cgroup.identify import identify
from annotator.linux.engines.programs import SANDBOXERS
from annotator.linux.host.containers import owner_of
from annotator.linux.host.namespaces import KINDS, Namespace, root_mount, sandbox_id, unit_of
from annotator.linux.host.parse import Stat, parse_stat
from annotator.linux.host.procfs import MAX_MOUNTS
from annotator.linux.host.snapshot import ProcSnapshot, take_mount_snapshot

if TYPE_CHECKING:
    from annotator.linux.host.containers import HostContainers
    from annotator.linux.host.mount_ns import NamespaceOwners
    from annotator.linux.host.procfs import Proc

MAX_FOUNDERS: Final = 4096
"""Namespaces whose first process is remembered."""


class Sandboxes:
    """The sandboxes of processes that see other files or processes than the host's and are in no known container.

    `units`: a service with a root or a pid namespace of its own, made by the service manager, counts too.
    """

    def __init__(self, proc: Proc, containers: HostContainers, owners: NamespaceOwners, *, units: bool) -> None:
        self._proc = proc
        self._containers = containers
        self._owners = owners
        self._units = units
        self._founders: OrderedDict[Namespace, Stat] = OrderedDict()
        self._root: bytes | None = None

    def shaped(self, snapshot: ProcSnapshot, own: Ns) -> bool | None:
        """Whether it has more than a private mount namespace: a pid namespace or another root. None: not known."""
        return True if own & Ns.PID else self._other_root(snapshot)

    def of(self, snapshot: ProcSnapshot, namespace: Namespace, name: str = "") -> Container | None:
        """The sandbox of a process; None where the service manager made the namespaces for a service.

        `namespace` is its mount namespace if that is its own, else its pid namespace. `name` is what its cgroup says.
        """
        founder = self._founder(snapshot, namespace)
        if not self._units and unit_of(snapshot.cgroup) and self._managed(founder):
            return None
        parent = self._around(snapshot, founder, namespace)
        made = self._containers.sandbox(sandbox_id(namespace, founder.ticks), name, snapshot.ids.uid, parent)
        if not made.name:
            made.name = self._maker(snapshot, founder)
        self._owners.claim(namespace, made, founder.pid, founder.ticks)
        self._owners.claim(namespace, made, snapshot.stat.pid, snapshot.stat.ticks)
        if snapshot.pid_ns is not None and snapshot.pid_ns != namespace and parent is None:
            self._owners.claim(snapshot.pid_ns, made, founder.pid, founder.ticks)
        return made

    def _around(self, snapshot: ProcSnapshot, founder: Stat, namespace: Namespace) -> Container | None:
        """The container around a sandbox: that of its maker, or the owner of its pid namespace."""
        maker = take_mount_snapshot(self._proc, founder.ppid)
        namespaces = [
            None if isinstance(maker, Reason) else maker.mnt,
            snapshot.pid_ns if snapshot.pid_ns != namespace else None,
        ]
        for around in namespaces:
            container = self._owners.find(around) if around is not None and around != namespace else None
            if isinstance(container, Container):
                return container
        return None

    def _other_root(self, snapshot: ProcSnapshot) -> bool | None:
        """Whether `/` is not the host's, by device and root of its mount; None when either cannot be read."""
        if self._root is None:
            self._root = root_mount(self._proc.text(1, "mountinfo", MAX_MOUNTS))
        theirs = root_mount(self._proc.text(snapshot.stat.pid, "mountinfo", MAX_MOUNTS))
        return None if self._root is None or theirs is None else theirs != self._root

    def _founder(self, snapshot: ProcSnapshot, namespace: Namespace) -> Stat:
        """The eldest process in the namespace. Remembered only where its id is never recycled."""
        founder = self._founders.get(namespace)
        if founder is not None:
            return founder
        founder = snapshot.stat
        at = next(at for at, (_, kind) in enumerate(KINDS) if kind is namespace.kind)
        for pid in self._proc.pids():
            if self._proc.namespace(pid, at) != snapshot.links[at]:
                continue
            stat = parse_stat(self._proc.text(pid, "stat"))
            if stat is not None and (stat.ticks, stat.pid) < (founder.ticks, founder.pid):
                founder = stat
        if namespace.unique:
            self._founders[namespace] = founder
            if len(self._founders) > MAX_FOUNDERS:
                self._founders.popitem(last=False)
        return founder

    def _managed(self, founder: Stat) -> bool:
        """The service manager started it: the namespaces are the unit's."""
        if founder.ppid == 1:
            return True
        parent = parse_stat(self._proc.text(founder.ppid, "stat"))
        return parent is not None and parent.comm == b"systemd"

    def _maker(self, snapshot: ProcSnapshot, founder: Stat) -> str:
        """A name to show: the unit, the name in its cgroup, or the program that made the namespace."""
        unit = unit_of(snapshot.cgroup)
        if unit:
            return unit.decode("utf-8", "backslashreplace")
        supposed = identify(snapshot.cgroup).container
        if supposed is not None and "/" not in supposed.id and supposed.engine and not owner_of(snapshot.cgroup):
            return supposed.id
        parent = parse_stat(self._proc.text(founder.ppid, "stat"))
        known = parent is not None and parent.pid > 1 and parent.comm.decode("utf-8", "replace") in SANDBOXERS
        comm = parent.comm if known and parent is not None else founder.comm
        text = comm.decode("utf-8", "backslashreplace")
        return text if text.isprintable() else ""
