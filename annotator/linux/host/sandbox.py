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
from annotator.linux.host.namespaces import KINDS, Space, root_mount, sandbox_id, unit_of
from annotator.linux.host.parse import Stat, parse_stat
from annotator.linux.host.procfs import MAX_MOUNTS, Look

if TYPE_CHECKING:
    from annotator.linux.host.containers import Containers
    from annotator.linux.host.mount_ns import Places
    from annotator.linux.host.procfs import Proc

MAX_FOUNDERS: Final = 4096
"""Namespaces whose first process is remembered."""


class Sandboxes:
    """What to call a process whose files or processes are not the host's, and that no container claims.

    `units`: a service with a root or a pid namespace of its own, made by the service manager, counts too.
    """

    def __init__(self, proc: Proc, containers: Containers, places: Places, *, units: bool) -> None:
        self._proc = proc
        self._containers = containers
        self._places = places
        self._units = units
        self._founders: OrderedDict[Space, Stat] = OrderedDict()
        self._root: bytes | None = None

    def shaped(self, look: Look, own: Ns) -> bool | None:
        """Whether it has more than a private mount namespace: a pid namespace or another root. None: not known."""
        return True if own & Ns.PID else self._other_root(look)

    def of(self, look: Look, space: Space, name: str = "") -> Container | None:
        """Its sandbox; None where the namespaces are a service's, made by the service manager.

        `space` is its mount namespace if that is its own, else its pid namespace. `name` is what its cgroup says.
        """
        founder = self._founder(look, space)
        if not self._units and unit_of(look.cgroup) and self._managed(founder):
            return None
        parent = self._around(look, founder, space)
        made = self._containers.sandbox(sandbox_id(space, founder.ticks), name, look.ids.uid, parent)
        if not made.name:
            made.name = self._maker(look, founder)
        self._places.claim(space, made, founder.pid, founder.ticks)
        self._places.claim(space, made, look.stat.pid, look.stat.ticks)
        if look.pid_ns is not None and look.pid_ns != space and parent is None:
            self._places.claim(look.pid_ns, made, founder.pid, founder.ticks)
        return made

    def _around(self, look: Look, founder: Stat, space: Space) -> Container | None:
        """What the sandbox was made in: where its maker is, or whose pid namespace it has."""
        maker = self._proc.brief(founder.ppid)
        spaces = [None if isinstance(maker, Reason) else maker.mnt, look.pid_ns if look.pid_ns != space else None]
        for one in spaces:
            found = self._places.find(one) if one is not None and one != space else None
            if isinstance(found, Container):
                return found
        return None

    def _other_root(self, look: Look) -> bool | None:
        """Whether `/` is not the host's, by device and root of its mount; None when either cannot be read."""
        if self._root is None:
            self._root = root_mount(self._proc.text(1, "mountinfo", MAX_MOUNTS))
        theirs = root_mount(self._proc.text(look.stat.pid, "mountinfo", MAX_MOUNTS))
        return None if self._root is None or theirs is None else theirs != self._root

    def _founder(self, look: Look, space: Space) -> Stat:
        """The eldest process in the namespace. Remembered only where its id is never recycled."""
        found = self._founders.get(space)
        if found is not None:
            return found
        found = look.stat
        at = next(at for at, (_, kind) in enumerate(KINDS) if kind is space.kind)
        for pid in self._proc.pids():
            if self._proc.namespace(pid, at) != look.links[at]:
                continue
            stat = parse_stat(self._proc.text(pid, "stat"))
            if stat is not None and (stat.ticks, stat.pid) < (found.ticks, found.pid):
                found = stat
        if space.unique:
            self._founders[space] = found
            if len(self._founders) > MAX_FOUNDERS:
                self._founders.popitem(last=False)
        return found

    def _managed(self, founder: Stat) -> bool:
        """The service manager started it: the namespaces are the unit's."""
        if founder.ppid == 1:
            return True
        parent = parse_stat(self._proc.text(founder.ppid, "stat"))
        return parent is not None and parent.comm == b"systemd"

    def _maker(self, look: Look, founder: Stat) -> str:
        """A name for people: the unit, what its cgroup may be named after, or the program that made the namespace."""
        unit = unit_of(look.cgroup)
        if unit:
            return unit.decode("utf-8", "backslashreplace")
        supposed = identify(look.cgroup).container
        if supposed is not None and supposed.id.count("/") == 0 and supposed.engine:
            return supposed.id
        parent = parse_stat(self._proc.text(founder.ppid, "stat"))
        known = parent is not None and parent.pid > 1 and parent.comm.decode("utf-8", "replace") in SANDBOXERS
        comm = parent.comm if known and parent is not None else founder.comm
        text = comm.decode("utf-8", "backslashreplace")
        return text if text.isprintable() else ""
