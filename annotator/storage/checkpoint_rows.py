"""The rows of a saved run. A number in place of an object is the index of its row, so that one object stays one.

Fields have the names of what they are fields of. A new field with a default needs no other version of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from annotator.core import model
from annotator.core.model import (
    NO_PID,
    UNSET_ID,
    Actor,
    Container,
    EngineCommand,
    Evidence,
    Flag,
    Mark,
    Ns,
    ProcKey,
    Reason,
    Session,
    Stamp,
    Status,
)
from annotator.io.sources import Position
from annotator.storage.serialize import Nouns, kind_of

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessTable
    from annotator.core.membership import Membership
    from annotator.core.registry import Registry

CHUNK = 4096
"""Numbers in one row."""

LONGEST = 1 << 16
"""Bytes or characters of one value; what is longer, a path of megabytes, is cut."""

PIECE = 1 << 16
"""Bytes of text in one row; a longer line takes several rows."""


class Tables(Protocol):
    """What is known, as `pipeline.Tables` holds it."""

    processes: ProcessTable
    registry: Registry
    membership: Membership


# --- the rows: fields have the names of what they are fields of; a number in place of an object is its row ------------


class Head(NamedTuple):
    """What there is once. `current` is the event that took the last line."""

    position: Position | None
    now: int
    doubt: int
    doubts: int
    checked_ms: int
    second: bytes
    ms: int
    next: int
    ordered: bool
    reversed_records: bool
    current: int | None
    work: int
    evicted: int
    registry_version: int
    version: int
    refused: int
    tentative: int


class Held(NamedTuple):
    """A container; the one around it stands beside it."""

    container: Container
    parent: int | None


class Announced(NamedTuple):
    """An intent."""

    since: Stamp
    command: EngineCommand
    who: Actor
    how: str
    inside: int | None
    node: bytes


class Stayed(NamedTuple):
    """A stay."""

    since: Stamp
    container: int | None
    evidence: Evidence
    session: int | None = None
    flags: tuple[Flag, ...] = ()
    lost: bool = False
    epoch: int = 0


class Answered(NamedTuple):
    """The last answer about a life: always one chain, or none."""

    status: Status
    container: int | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: Reason | None = None
    flags: tuple[Flag, ...] = ()
    session: int | None = None
    key: ProcKey | None = None


class Lived(NamedTuple):
    """A life. `intent` False: what was announced came to nothing."""

    node: bytes
    pid: int
    born: Stamp
    seen: Stamp
    answer_since: Stamp
    answer_version: int
    parent: int | None
    stays: tuple[Stayed, ...]
    intent: int | bool | None
    answer: Answered | None
    end: Stamp | None = None
    ppid: int = NO_PID
    auid: int = UNSET_ID
    ses: int = UNSET_ID
    uid: int = UNSET_ID
    exe: bytes = b""
    bound: bool = False
    sibling: bool = False
    hinted: Stamp | None = None
    ns: Ns | None = None
    epoch: int = 0
    birth_epoch: int = -1
    changed: Stamp | None = None
    ticks: int | None = None
    key_boot: str = ""
    init_ns: bool = False
    unknown_version: int = -1
    vouched: Stamp | None = None
    moved: Stamp | None = None
    net_moved: Stamp | None = None
    ran: Stamp | None = None
    programs: int = 0
    runs: bytes = b""
    support: tuple[Evidence, ...] = ()
    matched: int = 0
    strange: int = 0


class Machine(NamedTuple):
    """A node of the processes; its lives are in lists of their own."""

    name: bytes
    boot: str
    epoch: int
    forks: bool
    exits: bool
    moves: bool


class Hinted(NamedTuple):
    """A hint, of the node `of`."""

    of: int
    stamp: Stamp
    parent: int
    child: int
    ns: Ns | None
    epoch: int
    sibling: bool


class Hosted(NamedTuple):
    """A node of the registry; its containers are in lists of their own."""

    name: bytes
    boot: str


class Occupied(NamedTuple):
    """Who is inside a container; `when` is that of a drop, `dropper` who wrote it. Its members are in a list."""

    container: int
    limit: int
    init: int | None = None
    owner: int | None = None
    dropper: int | None = None
    when: Stamp | None = None


class Marked(NamedTuple):
    """Who has shown a mark; the containers are in a list."""

    node: bytes
    mark: Mark
    elsewhere: bool


class Counted(NamedTuple):
    """The serials of a node; those awaited are in a list of their own."""

    node: bytes
    highest: int


class Grouped(NamedTuple):
    """An event; its lines and splits are in rows of their own. Of one that can only take stragglers none are kept."""

    key: bytes
    node: bytes
    stamp: Stamp
    at: int = -1
    seen: int = 0
    held: int = 0
    closed: bool = False
    reversed: bool = False
    dropped: bool = False


class Lines(NamedTuple):
    """Some more lines of an event. `goes_on`: the first is the rest of the line before."""

    event: int
    lines: tuple[bytes, ...]
    goes_on: bool = False


class Numbers(NamedTuple):
    """Part of the list `what` of row `of`."""

    what: str
    of: int
    numbers: tuple[int, ...]


ROWS: tuple[type, ...] = (
    Head, Held, Session, Announced, Lived, Machine, Hinted, Hosted, Occupied, Marked, Counted, Grouped, Lines, Numbers,
)  # fmt: skip

NOUNS = Nouns({kind_of(row): row for row in ROWS}, vars(model) | {"Position": Position})

AS_IT_IS = tuple(name for name in Lived._fields if name not in ("parent", "stays", "intent", "answer"))
"""What of a life is saved as it is."""
