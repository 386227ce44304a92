"""The rows of a checkpoint.

A row is a `NamedTuple` below, or an object of a class of `REFERRED`: its fields as that class declares them, so that a
new field is declared there and nowhere else. Objects of those classes have numbers, in the order of their rows, and
stand as their number in all other rows: one object stays one. Tables that may be large are in lists of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from annotator.core import model
from annotator.core.answers import AnswerCache, Versioned
from annotator.core.corroboration import Shown
from annotator.core.lifetimes import ForkHint, Node, ProcessLifetime
from annotator.core.lifetimes.table import TableState
from annotator.core.membership import Occupants
from annotator.core.membership.state import MembershipCounts
from annotator.core.model import Container, Mark, Session, Stamp
from annotator.core.registry import Containers
from annotator.core.residence import MembershipState, PendingOperation, Residence
from annotator.events.assembler import AssemblerState
from annotator.events.clock import ClockState
from annotator.io.sources import Position
from annotator.storage.serialize import Nouns, kind_of

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessTable
    from annotator.core.membership import Membership
    from annotator.core.registry import Registry

VERSION = 2
"""Of the rows. A checkpoint of another version is refused: half of it would give wrong answers."""

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


class Version(NamedTuple):
    """The first row."""

    number: int


class Head(NamedTuple):
    """What there is once. `current` is the event that took the last line."""

    position: Position | None
    assembler: AssemblerState
    current: int | None
    processes: TableState
    registry_version: int
    membership: MembershipCounts


class Machine(NamedTuple):
    """A node of the processes; its lives are in lists of their own."""

    name: bytes
    node: Node


class Hinted(NamedTuple):
    """A fork record that waits for its child, of the node `of`."""

    of: int
    hint: ForkHint


class Hosted(NamedTuple):
    """A node of the registry; its containers are in lists of their own."""

    name: bytes
    containers: Containers


class Occupied(NamedTuple):
    """Who is inside a container. The members are in a list."""

    container: Container
    occupants: Occupants


class Marked(NamedTuple):
    """Who has shown a mark."""

    node: bytes
    mark: Mark
    shown: Shown


class Counted(NamedTuple):
    """The serials of a node; those awaited are in a list of their own."""

    node: bytes
    highest: int
    first: int
    latest: int
    low: int


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
    complete: str = ""
    foretold: bool = False


class Noted(NamedTuple):
    """What serials say of a node (`events.Missing`), in the queue of events."""

    node: bytes
    serials: int
    awaited: bool
    booted: bool
    ms: int


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


REFERRED: tuple[type, ...] = (Container, Session, PendingOperation, ProcessLifetime)
"""Classes whose objects have rows of their own, and stand as numbers in others."""

ROWS: tuple[type, ...] = (
    Version, Head, *REFERRED, Machine, Hinted, Hosted, Occupied, Marked, Counted, Grouped, Noted, Lines, Numbers,
)  # fmt: skip

_NAMES = (
    AnswerCache, AssemblerState, ClockState, Containers, ForkHint, MembershipCounts, MembershipState, Node, Occupants,
    PendingOperation, Position, ProcessLifetime, Residence, Shown, TableState, Versioned,
)  # fmt: skip

NOUNS = Nouns({kind_of(row): row for row in ROWS}, vars(model) | {one.__name__: one for one in _NAMES})
