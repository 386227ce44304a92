"""The kernel's rules of registration: who may put whom into which container, and with which errno it is refused.

A task that may do so writes a number to `/proc/PID/audit_containerid`; all later children of PID inherit it. This is a
model of what the audit container identifier patches (V3 of 2018 to v11 of 2021, never merged) do with such a write, by
version. It serves twice: to say what a CONTAINER_OP in a log can mean, and to answer registrations on a stock kernel
as that kernel would have.

Sources: the patch texts V6 to v11, and refusals recorded on a kernel with v11. Inferred, not verified: the order of
checks of V3 to V6 (only the errnos are known), and the exact depth at which V7 and V8 say EMLINK.

The patches have defects. What is modelled without `defects` is the intended meaning; each `Defect` replays what one of
them does to the records. One defect needs no switch, since it changes which events are logged and not what they say:
V7 to v11 filter by hash bucket, so `-F contid=X` also matches tasks whose number is equal to X modulo 32.

Budget: tasks, containers and the rules over them are one model, and read best on one page.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

from annotator.core.model import CONTID_UNSET, ContId


class Version(IntEnum):
    """Patch series. V1 and V2 are known from hearsay only."""

    V3 = 3
    V4 = 4
    V5 = 5
    V6 = 6
    V7 = 7
    V8 = 8
    V9 = 9
    V10 = 10
    V11 = 11


class Defect(StrEnum):
    """What the patches do other than intended (read in their text), as far as records of a container show it."""

    NETNS_COUNT = "netns-count"
    """V7 to v11: a fork is not counted in the list of its network namespace, but each exit is."""
    EARLY_DROP = "early-drop"
    """v10, v11: who is alone in a container that is in no list any more writes op=drop at every logged call."""
    REPEATED_DROP = "repeated-drop"
    """V7, V8: who is alone in its container writes op=drop at every logged call."""
    NO_DROP = "no-drop"
    """V9: no op=drop while the container is in a list, and then as EARLY_DROP."""


class Refused(NamedTuple):
    """A write that failed. `errno` is what write(2) gives."""

    errno: int

    @property
    def name(self) -> str:
        """`EEXIST`."""
        return errno.errorcode[self.errno]


class Granted(NamedTuple):
    """A write that succeeded: the number was new (`created`, inside `parent`), or one more task went into it."""

    created: bool
    parent: Numbered | None


@dataclass(slots=True, eq=False)
class Numbered:
    """A container as the kernel holds it. `owner` is the very task that made it; None up to V6, where nobody owns.

    `tasks`, `nested` and `pins` are what keeps the number in use: tasks inside, containers made inside, and signals to
    auditd whose sender it has not asked for yet.
    """

    contid: ContId
    owner: Task | None
    parent: Numbered | None
    tasks: int = 0
    nested: int = 0
    pins: int = 0

    def chain(self) -> tuple[ContId, ...]:
        """Its number and those around it, nearest first."""
        around = self.parent.chain() if self.parent is not None else ()
        return (self.contid, *around)


@dataclass(slots=True, eq=False)
class Netns:
    """A network namespace: the containers in it with their counts, newest first."""

    listed: list[list[Numbered | int]] = field(default_factory=list)

    def chains(self) -> tuple[tuple[ContId, ...], ...]:
        """What a packet's record lists."""
        return tuple(one.chain() for one, _ in self.listed if isinstance(one, Numbered))

    def holds(self, numbered: Numbered) -> bool:
        """Whether this list has the container."""
        return any(one is numbered for one, _ in self.listed)

    def count(self, numbered: Numbered, change: int) -> None:
        """Count up or down; new ones go to the front, and at zero they leave."""
        for entry in self.listed:
            if entry[0] is numbered and isinstance(entry[1], int):
                entry[1] += change
                if entry[1] <= 0:
                    self.listed.remove(entry)
                return
        if change > 0:
            self.listed.insert(0, [numbered, change])


@dataclass(slots=True, eq=False)
class Task:
    """A task. `leader` is the leader of its thread group (itself, but for threads).

    `capable`: it has CAP_AUDIT_CONTROL in the first user namespace. `audited` is False for one past its exit.
    """

    pid: int
    parent: Task | None = None
    netns: Netns = field(default_factory=Netns)
    capable: bool = True
    capcontid: int = 0
    held: Numbered | None = None
    inherited: bool = False
    audited: bool = True
    leader: Task | None = None
    children: list[Task] = field(default_factory=list)
    threads: list[Task] = field(default_factory=list)

    def is_below(self, other: Task) -> bool:
        """Whether it descends from `other`, over the leaders of thread groups."""
        top = other.leader or other
        at = (self.leader or self).parent
        while at is not None:
            at = at.leader or at
            if at is top:
                return True
            at = at.parent
        return False


_DECIMAL = re.compile(rb"\+?([0-9]+)\n?")


def parse(text: bytes, *, offset: int = 0) -> ContId | Refused:
    """What was written to the file: a decimal u64, one newline allowed, from offset 0 on.

    (u64)-1 is read as CONTID_UNSET, which `admit` refuses: there is no way to unset.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None or offset:
        return Refused(errno.EINVAL)
    digits = found[1].lstrip(b"0") or b"0"
    if len(digits) > 20 or int(digits) > CONTID_UNSET:
        return Refused(errno.ERANGE)
    return ContId(int(digits))


class Rules:
    """The rules of one version over the tasks and containers they have seen. Live containers are in `numbers`.

    `depth` is the limit of V7 (fixed 5) and V8 (default 4, 0 is none); `per_netns` that of V8.
    """

    def __init__(
        self,
        version: Version = Version.V11,
        defects: frozenset[Defect] = frozenset(),
        *,
        depth: int | None = None,
        per_netns: int = 100,
    ) -> None:
        self.version = version
        self.defects = defects
        self.depth = depth if depth is not None else {Version.V7: 5, Version.V8: 4}.get(version, 0)
        self.per_netns = per_netns
        self.numbers: dict[ContId, Numbered] = {}

    # --- may it? ------------------------------------------------------------------------------------------------

    def admit(self, writer: Task, target: Task, contid: ContId) -> Refused | Granted:
        """What a write of `contid` for `target` gives. Changes nothing."""
        refused = self._refused(writer, target, contid)
        if refused:
            return Refused(refused)
        found = self.numbers.get(contid)
        if found is not None:
            return Granted(created=False, parent=found.parent)
        return Granted(created=True, parent=writer.held if self.version >= Version.V7 else None)

    def _refused(self, writer: Task, target: Task, contid: ContId) -> int:
        """The errno, 0 for none; checks in the order of the version."""
        if not target.audited:
            return errno.ENOPROTOOPT
        if contid == CONTID_UNSET:
            return errno.EINVAL
        same = target.held is not None and target.held.contid == contid
        if same and self.version in (Version.V7, Version.V8):
            return errno.EADDRINUSE
        if not writer.capable and not (writer.capcontid and self.version >= Version.V9):
            return errno.EPERM
        if self.version == Version.V3 and target.held is not None and not target.inherited:
            return errno.EEXIST
        if target.children:
            return errno.EBUSY
        if target.threads or target.leader is not None:
            return errno.EBUSY if self.version >= Version.V9 else errno.EALREADY
        if self.version <= Version.V6:
            return 0
        if target is writer:
            return errno.EXDEV if self.version >= Version.V9 else errno.EBADSLT
        if not target.is_below(writer):
            return errno.EXDEV
        return self._again(writer, target) or self._taken(writer, target, contid)

    def _again(self, writer: Task, target: Task) -> int:
        """The target is in a container already: only nesting goes, by one whose ancestor put the target there."""
        held = target.held
        if held is None:
            return 0
        if self.version <= Version.V8:
            return errno.ECHILD if held.owner is writer else 0
        owner = held.owner
        nests = owner is not None and owner is not writer and (owner is writer.leader or writer.is_below(owner))
        return 0 if nests else errno.EEXIST

    def _taken(self, writer: Task, target: Task, contid: ContId) -> int:
        """The number is in use: only its owner may put more into it, and only while somebody is inside."""
        found = self.numbers.get(contid)
        if found is not None:
            if found.owner is not writer:
                return errno.ENOTUNIQ
            if not found.tasks + found.nested:
                return errno.ESHUTDOWN if self.version == Version.V9 else errno.ENOTUNIQ
        elif self.version == Version.V7 and len(self.numbers) >= 2**16:
            return errno.ENOSPC
        elif self.depth and writer.parent and writer.parent.held and len(writer.parent.held.chain()) >= self.depth:
            return errno.EMLINK
        if self.version == Version.V8 and len(target.netns.listed) >= self.per_netns:
            return errno.ENOSR
        return 0

    # --- what happens -------------------------------------------------------------------------------------------

    def register(self, writer: Task, target: Task, contid: ContId) -> Refused | Granted:
        """The write itself: as `admit` says, and done when granted."""
        said = self.admit(writer, target, contid)
        if isinstance(said, Refused):
            return said
        found = self.numbers.get(contid)
        if found is None:
            owner = writer if self.version >= Version.V7 else None
            found = self.numbers[contid] = Numbered(contid, owner, said.parent)
            if said.parent is not None:
                said.parent.nested += 1
        found.tasks += 1  # before the old one is let go: it can be the parent
        if target.held is not None:
            self._release(target)
        target.held, target.inherited = found, False
        target.netns.count(found, 1)
        return said

    def fork(self, parent: Task, pid: int, *, thread: bool = False, netns: Netns | None = None) -> Task:
        """A new process or thread. With `netns` it is born into a namespace of its own (CLONE_NEWNET)."""
        top = parent.leader or parent
        child = Task(pid, top.parent if thread else top, netns or parent.netns, parent.capable, held=parent.held)
        child.inherited = child.held is not None
        if thread:
            child.leader = top
            top.threads.append(child)
        else:
            top.children.append(child)
        if child.held is not None:
            child.held.tasks += 1
            if netns is not None or Defect.NETNS_COUNT not in self.defects:
                child.netns.count(child.held, 1)
        return child

    def enter_netns(self, task: Task, netns: Netns) -> None:
        """unshare(2) or setns(2) of a network namespace."""
        if task.held is not None:
            task.netns.count(task.held, -1)
            netns.count(task.held, 1)
        task.netns = netns

    def exit(self, task: Task, *, reaper: Task | None = None) -> None:
        """The task ends (a leader after its threads); its children become those of `reaper`. It may free numbers."""
        task.audited = False
        for child in task.children:
            child.parent = reaper
            if reaper is not None:
                reaper.children.append(child)
        task.children = []
        if task.leader is not None:
            task.leader.threads.remove(task)
        elif task.parent is not None:
            task.parent.children.remove(task)
        if task.held is not None:
            self._release(task)

    def pin(self, task: Task) -> Numbered | None:
        """`task` signals auditd: its number stays in use until auditd has asked who it was (`unpin`)."""
        if task.held is not None:
            task.held.pins += 1
        return task.held

    def unpin(self, held: Numbered) -> None:
        """The daemon has asked, or is gone."""
        held.pins -= 1
        self._free(held)

    def _release(self, task: Task) -> None:
        held, task.held = task.held, None
        if held is not None:
            task.netns.count(held, -1)
            held.tasks -= 1
            self._free(held)

    def _free(self, held: Numbered | None) -> None:
        """Nobody is inside any more, nor in what was made inside: the number can be used again, by anybody."""
        while held is not None and not (held.tasks or held.nested or held.pins):
            if self.numbers.get(held.contid) is held:
                del self.numbers[held.contid]
            held = held.parent
            if held is not None:
                held.nested -= 1

    # --- what is written ----------------------------------------------------------------------------------------

    def writes_drop(self, task: Task, *, exiting: bool) -> bool:
        """Whether a logged event of `task` carries an op=drop. `exiting`: it is its last, before `exit`."""
        held = task.held
        if held is None or self.version < Version.V7 or held.tasks + held.nested != 1:
            return False
        if self.version <= Version.V8:
            return exiting or Defect.REPEATED_DROP in self.defects
        if self.version == Version.V9 and Defect.NO_DROP in self.defects:
            return not task.netns.holds(held)
        if self.version >= Version.V10 and Defect.EARLY_DROP in self.defects:
            return exiting or not task.netns.holds(held)
        return exiting
