"""The contracts: what the core asks of a backend, and what a backend may ask of a machine.

A backend translates one system's trail. It never decides where an event happened; it says what the event is about
(`Translation`), where text may be added to it, and what its fields mean. The host view is the only road to a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from annotator.core.model import Container, Event, Evidence, NetnsId, Ns, Reason, Translation


SLACK_MS = 20
"""How far a stamp may lie before what it is the stamp of: two ticks of the coarse clock at 100 Hz."""


class ProgramKinds(NamedTuple):
    """What a system's programs are known to do, by the path that a record or the host shows of them.

    `moves`: it puts processes, itself perhaps, elsewhere (an engine, nsenter). `changes_network`: it, or a thread of
    it, goes from one network namespace to another. `is_nameless`: its path does not tell which program it is.
    """

    moves: Callable[[bytes], bool]
    changes_network: Callable[[bytes], bool]
    is_nameless: Callable[[bytes], bool]


NO_PROGRAMS = ProgramKinds(lambda _: False, lambda _: False, lambda _: False)
"""Of no program anything is known: for systems whose trail says where each process is."""

NO_ENGINE = "namespaces"
"""The `engine` of a sandbox that is known by its namespaces alone."""


class Place(NamedTuple):
    """Where fields go: the index of the record in `Event.lines`, and the byte offset in that line."""

    record: int
    offset: int


class Backend(Protocol):
    """One operating system's audit trail."""

    name: str
    """`linux` or `aix`."""

    completes: Mapping[bytes, bool]
    """Record types after which an event is probably whole; empty where each record is an event."""

    def is_lost(self, line: bytes) -> bool:
        """Whether a line that is no record says that the trail lost one."""
        ...

    def read(self, event: Event) -> Translation:
        """Translate: who acted, on whom, what the trail states, what changed. Never raises for bad bytes."""
        ...

    def words(self, event: Event) -> bytes:
        """A digest of the words with which a program was begun, as `EngineCommand.runs` has those asked for."""
        ...

    def place(self, event: Event) -> Place | None:
        """Where the one annotated record of this event takes its fields; None when no record may grow."""
        ...

    def own_fields(self, event: Event, place: Place) -> int:
        """Where in that line fields begin that this program appended before, if it did; -1 where none can be.

        They end at `place`, or begin there where they stand in the middle of a record. Text of users that looks like
        fields never stands there.
        """
        ...

    def targets(self, event: Event) -> list[Place]:
        """Where the records about targets take fields, in the order of `Attribution.targets`."""
        ...

    def is_linked(self, event: Event) -> bool:
        """Whether the annotated record is one that a patched kernel links to its contid record by ` record=N`."""
        ...

    def interpreter(self, *, resolve_users: bool) -> Callable[[Event], dict[str, Any]]:
        """What gives the `event`, `process`, `user` and `auditd` (or `aix_audit`) parts of the JSON form.

        `resolve_users`: with this machine's names for user ids, where the backend has such.
        """
        ...


@dataclass(frozen=True, slots=True)
class HostProcess:
    """One process as the machine shows it, checked against re-use while reading.

    `start_ms` is the birth on the stamp's clock (Unix ms), `ticks` the same in clock ticks since boot (proc(5)).
    `container` is None for a host process, and `reason` says why when even that is not known.
    `own` are the namespaces that differ from the host's, None when they could not be read. `place` is the container
    whose mount namespace it is in. None there is the host's when `own` has no MNT, else one that no container is known
    to own: a private one, or one nested deeper. A process in a container may be `place`d elsewhere (it escaped), and
    one of the host may be placed in a container (it entered).
    """

    pid: int
    ppid: int
    start_ms: int
    ticks: int
    read_ms: int
    container: Container | None
    evidence: Evidence | None
    reason: Reason | None = None
    place: Container | None = None
    own: Ns | None = None
    netns: NetnsId | None = None
    vpid: int | None = None
    auid: int = 2**32 - 1
    ses: int = 2**32 - 1
    uid: int = 2**32 - 1
    exe: bytes = b""
    comm: bytes = b""

    def refusal(self, stamp_ms: int, changed_ms: int | None = None) -> Reason | None:
        """Why this says nothing of an event of its pid with that stamp; None when it does.

        It was born after the event (a stamp is at most 20 ms early), or was read after it moved: `changed_ms` is when
        the first setns, unshare, or exec after the event happened, None when none did.
        """
        from annotator.core.model import Reason

        if self.start_ms > stamp_ms + SLACK_MS:
            return Reason.REUSED
        return Reason.LATE if changed_ms is not None and stamp_ms < changed_ms <= self.read_ms else None


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """One network namespace as the machine showed it at `read_ms` (Unix ms): all its addresses, as text.

    `pid` is the process through which it was read. `name` is under which it is mounted, "" for none. `host` says
    that it is the host's own.
    """

    netns: NetnsId
    addresses: tuple[str, ...]
    read_ms: int
    pid: int = 0
    name: str = ""
    host: bool = False


class Ancestor(NamedTuple):
    """A process of the node, and a time (Unix ms) at which it lived."""

    pid: int
    ms: int


class Origin(NamedTuple):
    """How a process came to be in the container in which it was seen.

    `pid`, `ticks` and `start_ms` are the process that came in: it was born outside, or is the container's init (`init`;
    None: its pid namespace does not tell). `adopted`: the births between it and the process were not seen, so that the
    process may only have been adopted by it. `above` are that process and those that bore it, nearest first. The rest
    is what was seen of it inside.
    """

    pid: int
    ticks: int
    start_ms: int
    init: bool | None
    adopted: bool
    above: tuple[Ancestor, ...]
    auid: int
    ses: int
    uid: int
    exe: bytes


class NetworkView(Protocol):
    """What may be asked of a machine's network namespaces, where a backend knows such."""

    def network(self, pid: int) -> HostNetwork | None:
        """That in which this process is now; None when that cannot be told, or not all of its addresses."""
        ...


def known_as(node: bytes) -> frozenset[bytes]:
    """As which nodes the records of one machine come: without a name, by its name, or by that without its domain."""
    return frozenset((b"", node, node.partition(b".")[0]))


class HostView(Protocol):
    """What may be asked of a machine. `NoHost` answers nothing, and is what `replay` has by default."""

    def process(self, pid: int) -> HostProcess | Reason:
        """The process that has this pid now, or why it cannot be told."""
        ...

    def processes(self) -> list[HostProcess]:
        """All processes, parents before children, for the start-up scan."""
        ...


class NoHost:
    """The view of a log from elsewhere: this machine is never asked."""

    def process(self, pid: int) -> HostProcess | Reason:  # noqa: ARG002  (the contract's signature)
        """Nothing is known."""
        from annotator.core.model import Reason

        return Reason.NOT_SEEN

    def processes(self) -> list[HostProcess]:
        """Nobody."""
        return []
