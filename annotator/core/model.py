"""Domain types: what the core, the backends and the output forms say to each other.

Nothing here opens, reads, parses or waits, and no field name of one operating system appears.
Times are integers: milliseconds of the Unix epoch (UTC) in a stamp, nanoseconds where a name ends in `_ns`.
Identifiers of users and groups are integers inside; `UNSET_ID` (2**32-1) is the kernel's "not set".

Budget: all types stand on one page, to be read from top to bottom before anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import NamedTuple, NewType

ContId = NewType("ContId", int)
"""Audit container identifier: u64, set once, inherited. `CONTID_UNSET` is no identifier; 0 is a valid one."""

CONTID_UNSET = ContId(2**64 - 1)
"""(u64)-1, the kernel proposal's AUDIT_CID_UNSET; also printed `-1` and `unset`."""

UNSET_ID = 2**32 - 1
"""(u32)-1: `auid`, `ses`, `uid` not set (audit.h: AUDIT_UID_UNSET, AUDIT_SID_UNSET)."""

NOT_SAVED = {"saved": False}
"""Metadata of a dataclass's field that a checkpoint leaves out: it is worked out anew, or saved in rows of its own."""

NO_PID = -1
"""The event names no process (NETFILTER_PKT, some CONFIG_CHANGE)."""


class Stamp(NamedTuple):
    """When, and as which event of its node: `msg=audit(SECONDS.MILLIS:SERIAL)`. Sorts by time, then serial.

    It is the entry of the system call on a coarse clock: it may go back by seconds from one event to the next.
    """

    ms: int
    serial: int

    def __str__(self) -> str:
        """As audit writes it: `1700000000.123:42`."""
        return f"{self.ms // 1000}.{self.ms % 1000:03d}:{self.serial}"


class Event:
    """All records of one (node, stamp): their text as it came, which is cut into lines when somebody asks for them.

    `node` is b"" where the lines name none. `at` is the index of the record that carries annotations, -1 until the
    backend has chosen one. `closed` is set once the event was decided: its lines may leave. `reversed`: the lines came
    last record first (plain ausearch output). `dropped`: a filter left it out. `late_for` is set where this is a single
    record that came after its event had closed. `seen`, `held`, `splits` and `complete` (why it is taken for whole) are
    the assembler's. `reading` is what it says, where it was read before its turn. `foretold`: the birth that it tells
    of was noted with the child's record before it. `titled`: it has the record that its kernel writes for each call
    (PROCTITLE), or lacks it; None: it is no call.
    Mutable, with class-level defaults, because one is made per event on the hot path.
    """

    at = -1
    seen = 0
    held = 0
    closed = False
    reversed = False
    dropped = False
    splits: tuple[int, ...] = ()
    late_for: Event | None = None
    complete: str = ""
    foretold = False
    titled: bool | None = None
    reading: Translation | None = None
    _pieces: list[bytes] | None = None
    _lines: list[bytes] | None = None

    def __init__(self, key: bytes, node: bytes, stamp: Stamp, text: bytes) -> None:
        self.key = key
        self.node = node
        self.stamp = stamp
        self._text: bytes | None = text  # None where the lines are in `_pieces` or in `_lines`
        self._size = text.count(b"\n") + 1

    def add(self, text: bytes) -> None:
        """Append consecutive lines, without the last newline. Only before the event is decided."""
        if self._lines is not None:
            self._lines += text.split(b"\n")
            return
        self._size += text.count(b"\n") + 1
        if self._pieces is None:
            self._pieces, self._text = [self.text, text], None
        else:
            self._pieces.append(text)

    @property
    def pieces(self) -> list[bytes]:
        """The lines in as few pieces as they are in: each is one or more lines, without the last newline."""
        return (
            [self._text] if self._text is not None else self._lines if self._lines is not None else self._pieces or []
        )

    @property
    def text(self) -> bytes:
        """All lines with a newline between them, none at the end."""
        if self._text is not None:
            return self._text
        if self._lines is not None:
            return b"\n".join(self._lines)
        self._text, self._pieces = b"\n".join(self._pieces or ()), None
        return self._text

    @property
    def lines(self) -> list[bytes]:
        """The lines without their newline. The list may be edited: it is what leaves."""
        if self._lines is None:
            self._lines = self.text.split(b"\n")
            self._text = None
        return self._lines

    @lines.setter
    def lines(self, lines: list[bytes]) -> None:
        self._lines, self._text, self._pieces = lines, None, None

    @property
    def size(self) -> int:
        """How many lines there are."""
        return self._size if self._lines is None else len(self._lines)

    def line(self, index: int) -> bytes:
        """One line. The first is had without cutting the others."""
        return self.lines[index] if index or self._lines is not None else self.text.partition(b"\n")[0]

    def put(self, index: int, line: bytes) -> None:
        """Set one line. The first is set without cutting the others."""
        if index or self._lines is not None:
            self.lines[index] = line
        else:
            _, newline, rest = self.text.partition(b"\n")
            self._text = line + newline + rest

    def in_order(self) -> list[bytes]:
        """The lines in the order the records were written."""
        return self.lines[::-1] if self.reversed else self.lines


class Status(StrEnum):
    """The answer to "in which container?"."""

    __hash__ = str.__hash__  # counted once per event: Enum's own goes through Python

    CONTAINER = "container"
    HOST = "host"
    UNKNOWN = "unknown"
    NONE = "none"
    """The event is about no process and no network namespace."""


class Reason(StrEnum):
    """Why there is no answer. Every UNKNOWN carries one."""

    __hash__ = str.__hash__

    NOT_SEEN = "not-seen"  # never seen born, and nothing says where it is
    GONE = "gone"  # the host no longer has it
    DENIED = "denied"  # the host would not say
    REUSED = "reused"  # the host has another process under this pid
    ZOMBIE = "zombie"  # dead, and its cgroup no longer names a container
    AMBIGUOUS = "ambiguous"  # two candidates: never a pick
    GAP = "gap"  # records were lost around it
    LATE = "late"  # what was read is newer than the event
    HIDDEN = "hidden"  # a private cgroup namespace hides the path
    TENTATIVE = "tentative"  # a registration whose result is not in the log
    ENGINE_NOT_BELIEVED = "engine-not-believed"  # an engine's command line is above it, and is worth nothing
    OVERLOAD = "overload"  # passed without being looked at, because the machine was too busy and was told to
    NO_SUBJECT = "no-subject"  # the event is about nothing that can be in a container


class Evidence(StrEnum):
    """What an answer rests on, strongest first (the order of the membership ranks)."""

    RECORD = "record"  # a CONTAINER_ID record in the event itself
    REGISTERED = "registered"  # a registration that succeeded, or inheritance from one
    CONTID_FILE = "contid-file"  # /proc/PID/audit_containerid
    PTAGS = "ptags"  # /proc/PID/attr/ptags, where a site uses it
    XATTR = "xattr"  # an extended attribute on the cgroup or pidfd
    CGROUP = "cgroup"  # the cgroup of that very process
    LINEAGE = "lineage"  # born of a process that was inside
    MNTNS = "mntns"  # its mount namespace is that of exactly one known container
    COMMAND = "command"  # an engine's command line, followed by a change of namespaces
    OVERLAY = "overlay"  # the device of an overlay root
    SELINUX = "selinux"  # the pair of categories of its label
    APPARMOR = "apparmor"  # a profile that engines give to containers
    MOUNTINFO = "mountinfo"
    PPID = "ppid"  # its parent is inside; proves inside only, never host
    ADDRESS = "address"  # the packet's address is a container's
    HOST_VIEW = "host-view"  # a live read showed a host process
    INIT = "init"  # pid 1, kernel threads, or an unbroken chain from them
    TRAIL = "trail"  # AIX: the record names its WPAR
    INVENTORY = "inventory"  # AIX: lswpar, perfstat, the corrals index
    INFERRED = "inferred"  # a layout that is not verified on a real system
    CONFLICT = "conflict"


class Flag(StrEnum):
    """What is odd about an answer that is nevertheless given."""

    ENTERED = "entered"  # membership host, place in a container
    ESCAPED = "escaped"  # membership container, place elsewhere
    CGROUP_ONLY = "cgroup-only"
    CONTRADICTED = "contradicted"  # a later source says otherwise; the first answer stands
    CROSSED = "crossed"  # actor and target are in different containers
    SHARED = "shared"  # another live container holds the same contid
    LATE_NAME = "late-name"  # the name was learnt after the event
    TENTATIVE = "tentative"
    ASSUMED = "assumed"  # an engine's command line whose claimant could, as far as the log shows, be in a container
    AT_LEAST = "at-least"  # in this container, and perhaps in one nested in it


class Ns(IntFlag):
    """Kinds of namespaces, with the bits of clone(2)."""

    NONE = 0
    TIME = 0x80
    MNT = 0x20000
    CGROUP = 0x2000000
    UTS = 0x4000000
    IPC = 0x8000000
    USER = 0x10000000
    PID = 0x20000000
    NET = 0x40000000


class NetnsId(NamedTuple):
    """A network namespace: nsfs device and inode (recycled at once), and its 64-bit id that is not (0: unknown)."""

    dev: int
    ino: int
    unique: int = 0


class Netns(NamedTuple):
    """Where a process was in the network. `name` is that of its namespace ("": none), `host`: it is the host's own."""

    id: NetnsId
    name: str = ""
    host: bool = False


class ProcKey(NamedTuple):
    """One process, once: a pid alone is re-used.

    `birth` is start ticks since boot (proc(5), stat field 22) when seen on the host (`ticks` true), else the
    milliseconds of the stamp that first showed it.
    """

    node: bytes
    boot: str
    pid: int
    birth: int
    ticks: bool = False


@dataclass(slots=True, eq=False)
class Container:
    """One container, once: keyed (node, boot, contid, start). Names may be learnt late, the rest never changes.

    `contid` is None where only a name is known (an AIX text trail). `id` is the engine's own, in full.
    `owner` is the uid whose engine made it (0: root's engines). `start_ms`/`end_ms` are None until known.
    """

    contid: ContId | None
    id: str = ""
    name: str = ""
    image: str = ""
    engine: str = ""
    parent: Container | None = None
    node: bytes = b""
    boot: str = ""
    owner: int = 0
    uuid: str = ""
    pod: str = ""
    pod_name: str = ""
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    start_ms: int | None = None
    end_ms: int | None = None
    shared: bool = False
    late_name: bool = False
    version: int = 0
    """Counts changes, so that what was rendered of it can be cached."""
    identifiers: dict[str, str] = field(default_factory=dict)
    """What else its system knows it by, as that system's words name it; {} where there is nothing of the kind. They are
    shown, and accepted where a container is named by hand; no rule reads them."""

    def chain(self) -> Chain:
        """This container and those around it, nearest first (at most 16: deeper is cut, never looped)."""
        chain: list[Container] = []
        at: Container | None = self
        while at is not None and len(chain) < 16:
            chain.append(at)
            at = at.parent
        return tuple(chain)


Chain = tuple[Container, ...]
"""A container and its ancestors, nearest first."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who entered a container from outside, as `auid` and `ses` are for a login.

    `id` is "0" for what the container's own init started, else the stamp of the entering event, or `pid@ticks` live.
    `inferred`: by which likeness the client was found ("command line"); "" where the kernel's records prove who it was.
    `unattended`: an engine of a cluster entered for nobody's login and without a terminal, as for a probe.
    """

    id: str
    how: str = ""
    auid: int = UNSET_ID
    ses: int = UNSET_ID
    uid: int = UNSET_ID
    tty: str = ""
    exe: str = ""
    pid: int = NO_PID
    inferred: str = ""
    unattended: bool = False


OWN_SESSION = Session("0")
"""What the container's init started."""


@dataclass(frozen=True, slots=True)
class Target:
    """One process that a signal or ptrace was aimed at, with its own answer."""

    pid: int
    status: Status
    chains: tuple[Chain, ...] = ()
    reason: Reason | None = None


class Parent(NamedTuple):
    """The parent of an event's process, as far as it is known: its program, and its command line, cut."""

    key: ProcKey
    exe: bytes = b""
    comm: bytes = b""
    command: bytes = b""


class Attribution(NamedTuple):
    """The answer for one event, with what it rests on or why there is none.

    More than one chain: several containers share a network namespace (packets), nothing else. A NamedTuple, since one
    is made for most processes.
    """

    status: Status
    chains: tuple[Chain, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reason: Reason | None = None
    flags: tuple[Flag, ...] = ()
    session: Session | None = None
    targets: tuple[Target, ...] = ()
    src: tuple[Chain, ...] = ()
    dst: tuple[Chain, ...] = ()
    netns: Netns | None = None
    vpid: int | None = None
    key: ProcKey | None = None
    unset: bool = False
    """The kernel says that it has no contid: the container is an engine's word alone, and no number is its."""
    parent: Parent | None = None

    @property
    def container(self) -> Container | None:
        """The nearest container when there is exactly one chain."""
        return self.chains[0][0] if len(self.chains) == 1 and self.chains[0] else None


# --- subjects: what an event is about -------------------------------------------------------------------------------


class Actor(NamedTuple):
    """The process an event is about, as its record describes it. Unknown numbers are NO_PID or UNSET_ID."""

    pid: int
    ppid: int = NO_PID
    auid: int = UNSET_ID
    uid: int = UNSET_ID
    ses: int = UNSET_ID
    comm: bytes = b""
    exe: bytes = b""
    tty: bytes = b""


class Stated(NamedTuple):
    """What the trail itself says of one process or packet: chains of contids, nearest first. () is 'says unset'.

    None: it was said, but the record that did is lost. `pid` NO_PID is the event's actor.
    """

    pid: int
    chains: tuple[tuple[ContId, ...], ...] | None
    linked: bool = False
    """It is tied to its record by a number, as every such statement is on that system then."""


class RecordedPlace(NamedTuple):
    """Where a trail that writes the place into each record (AIX) says its event was. `container` None is the host.

    `evidence` is how far the record can be believed; `also` what its container's number rests on, when it has one.
    With a `reason` it cannot be told, and the rest says nothing.
    """

    container: Container | None
    evidence: Evidence
    reason: Reason | None = None
    also: Evidence | None = None


class Translation(NamedTuple):
    """One event, translated: its subjects, what the trail states of them, and its facts."""

    actor: Actor | None
    facts: tuple[Fact, ...] = ()
    targets: tuple[int, ...] = ()
    stated: tuple[Stated, ...] = ()
    packet: tuple[str, str] | None = None
    """Source and destination address of a packet event, as the sender wrote them."""
    tentative: bool = False
    placed: RecordedPlace | None = None
    """The answer itself, where the record has it."""
    network: bool = False
    """The event makes or uses a socket: in which network namespace its process was, is wanted."""
    gap: bool = False
    """Records are missing in this event: by then some were lost. Without an actor, somebody acted, and is unknown."""
    unknown: Reason | None = None
    """Somebody acted, but no record tells who: why not."""
    torn: bool = False
    """The end of the actor's record is missing: what is not in it proves nothing."""


# --- facts: one change of the world each ----------------------------------------------------------------------------


class Forked(NamedTuple):
    """`parent` made a process. `child` is a pid of the *parent's* pid namespace: a hint until its record agrees.

    `engine`: the parent ran an engine's program.
    """

    parent: int
    child: int
    sibling: bool = False  # CLONE_PARENT: the new process's parent is the caller's parent
    ns: Ns | None = Ns.NONE  # namespaces the child is born into; None where the record hides them (clone3)
    trusted: bool = False  # the pid is known to be of the first pid namespace (proc connector)
    engine: bool = True


class Mark(NamedTuple):
    """Something a program shows that its container's other programs show too. The kind is what it can support."""

    kind: Evidence
    value: bytes


class Executed(NamedTuple):
    """The process runs another program. `args` is () where the trail does not have them.

    `engine`: it is one of an engine's own programs, which carries on what another of them announced. `line` is a digest
    of its words where it is run from an engine's file, b"" for a sealed copy and for other programs.
    """

    pid: int
    exe: bytes
    args: tuple[bytes, ...] = ()
    marks: tuple[Mark, ...] = ()
    engine: bool = False
    line: bytes = b""
    adopts: bool | None = None  # whether it is one of the programs that become subreapers; None: not known


class Exited(NamedTuple):
    """The process (not just a thread of it) is gone: by its exit record, or (`crashed`) as the kernel dumped it.

    `succeeded`: with status 0; None where that is not known.
    """

    pid: int
    succeeded: bool | None = None
    crashed: bool = False


class Killed(NamedTuple):
    """A SIGKILL that succeeded and had this one target: it is gone.

    `unless_init`: the record does not show which number the sender used, so that the target may be the init of the
    sender's own pid namespace, which drops such signals.
    """

    pid: int
    unless_init: bool = False


class LoggedIn(NamedTuple):
    """The process wrote its login uid: from `old_auid` and `old_ses` to `auid` and `ses`. Nothing else changes them."""

    pid: int
    old_auid: int
    old_ses: int
    auid: int
    ses: int


class Adopts(NamedTuple):
    """The process has become a subreaper (prctl PR_SET_CHILD_SUBREAPER), or (`on` false) is one no longer."""

    pid: int
    on: bool = True


class Moved(NamedTuple):
    """The process changed namespaces: made new ones, or joined others'. `engine`: it ran an engine's program."""

    pid: int
    ns: Ns
    joined: bool  # setns(2) when true, unshare(2) when false
    engine: bool = True


class RootChanged(NamedTuple):
    """The process changed its root (`pivot`, pivot_root(2)) or its mounts. Proof only below an engine's command.

    `engine`: it ran an engine's program.
    """

    pid: int
    pivot: bool = False
    engine: bool = True


class Role(StrEnum):
    """What an engine's command line says its process is for."""

    CREATE = "create"  # the next process that changes namespaces below it is the container's init
    ENTER = "enter"  # what joins namespaces below it has entered the container
    NAME = "name"  # only gives names
    RENAME = "rename"  # the container that is called `id` is called `name` once the command has succeeded
    OPAQUE = "opaque"  # an engine is at work, and its command line does not say on what


class EngineCommand(NamedTuple):
    """An engine's command line names a container. Believed only with a change of namespaces after it.

    `ids`: where `id` is empty, the words of which one is the id, if it is that of a container that is known. `rooted`:
    the program lies where root keeps programs. `sealed`: its path tells nothing, it may be a sealed copy of an engine;
    then `line` is the digest of its words. `needs`: with which new namespaces the container is born.
    """

    pid: int
    role: Role
    engine: str
    id: str
    name: str = ""
    image: str = ""
    uid: int = 0
    how: str = ""  # the words for people: "runc exec"
    target: int = NO_PID  # nsenter: enter where this process is (a pid of the caller's pid namespace)
    ids: tuple[str, ...] = ()
    rooted: bool = True
    sealed: bool = False
    line: bytes = b""
    needs: Ns = Ns.MNT
    runs: bytes = b""  # a client's exec: the digest of the command that it asks for


class Registered(NamedTuple):
    """`by` asked that `pid` be in container `contid`. `ok` None: the result is not in the log (tentative)."""

    pid: int
    by: int
    contid: ContId
    outer: tuple[ContId, ...] = ()
    ok: bool | None = None
    id: str = ""
    name: str = ""
    engine: str = ""
    image: str = ""
    old: tuple[ContId, ...] = ()


class CapabilityProven(NamedTuple):
    """The kernel let this process do what only a registrar could: CAP_AUDIT_CONTROL, first user and pid namespaces."""

    pid: int


class Dropped(NamedTuple):
    """The last process of container `contid` is gone; the number may be used again."""

    pid: int
    contid: ContId


class Named(NamedTuple):
    """Engine state or an engine's record gave a container's names. Empty values say nothing."""

    id: str
    name: str = ""
    image: str = ""
    engine: str = ""
    pod: str = ""
    namespace: str = ""


class Booted(NamedTuple):
    """The node started anew: every life on it has ended."""

    boot: str = ""


class Gap(NamedTuple):
    """Records of this node may have been lost, or auditd was restarted, before this stamp."""

    missing: int


Fact = (
    Forked
    | Executed
    | Exited
    | Killed
    | LoggedIn
    | Adopts
    | Moved
    | RootChanged
    | EngineCommand
    | Registered
    | CapabilityProven
    | Dropped
    | Named
    | Booted
    | Gap
)
