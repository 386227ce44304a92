"""One WPAR over time: its attributes with their sources, and its lifetimes, each with the CID it had.

What two sources say is ranked, never averaged: the more trusted one stands and the difference is a `Conflict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix.record import ENGINE
from annotator.core.model import Container

if TYPE_CHECKING:
    from annotator.aix.inventory import Sighting

HOLDS_MS = 90_000
"""How long a CID is believed after it was last seen: three rounds of the usual 30 s."""

RANKS = ("perfstat", "psinfo", "lswpar", "record", "index", "ps", "filesystems")
"""Sources, most trusted first. Where two differ the earlier is kept and the difference listed once."""

ATTRIBUTES = ("ckey", "type", "uuid", "state", "hostname", "directory")


TYPES = {"S": "system", "A": "application", "L": "versioned"}
"""Letters of `lswpar` and of the corrals index; any other is shown as it is."""


class Conflict(NamedTuple):
    """Two sources say different things of one WPAR; `kept` stands."""

    name: str
    attribute: str
    kept: str
    kept_source: str
    other: str
    other_source: str


@dataclass(slots=True, eq=False)
class WparLifetime:
    """One start to one stop. `start_ms` is when it was first known to run, `seen_ms` last, `until_ms` told to end."""

    container: Container
    cid: int
    source: str
    start_ms: int
    seen_ms: int
    init_ms: int | None = None
    until_ms: int | None = None

    def holds(self, at_ms: int) -> bool:
        """Whether this lifetime's CID was the WPAR's at that time."""
        end = self.seen_ms + HOLDS_MS if self.until_ms is None else self.until_ms
        return self.start_ms <= at_ms <= end

    def goes_on(self, seen: Sighting) -> bool:
        """Whether a sighting is of the same lifetime: same CID and same init, or no reason to think of another.

        After a hint (a command that may have restarted it) only the start of its init can show that it did not.
        """
        if self.cid != seen.cid or self.container.end_ms is not None:
            return False
        if self.init_ms is not None and seen.start_ms is not None:
            return self.init_ms == seen.start_ms
        return self.until_ms is None


@dataclass(slots=True, eq=False)
class Wpar:
    """One WPAR from definition to removal, with the source of each attribute, and its lifetimes so far.

    It was seen first at `first_ms` and last at `seen_ms`; at `gone_ms` it was not there any more.
    """

    name: str
    first_ms: int
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    lifetimes: list[WparLifetime] = field(default_factory=list)
    seen_ms: int = 0
    gone_ms: int | None = None
    named: Container = field(default_factory=lambda: Container(None))
    late: Container = field(default_factory=lambda: Container(None, late_name=True))

    def get(self, attribute: str) -> str:
        """An attribute's value, "" when no source gave it."""
        return self.values.get(attribute, ("", ""))[0]

    @property
    def current(self) -> Container:
        """Its running lifetime, else the container of which no CID is known."""
        running = [one.container for one in self.lifetimes[-1:] if one.container.end_ms is None]
        return running[0] if running else self.named

    def describe(self, node: bytes, boot: str) -> None:
        """Bring all its containers up to what is known of it. Without a UUID it is named by node, key and name."""
        uuid, ckey = self.get("uuid"), self.get("ckey")
        identity = uuid or (f"{node.decode('utf-8', 'backslashreplace')}/{ckey}/{self.name}" if ckey else "")
        for container in (self.named, self.late, *(lifetime.container for lifetime in self.lifetimes)):
            cid = {} if container.contid is None else {"cid": str(container.contid)}
            aix = cid | {key: self.get(key) for key in ("ckey", "uuid", "type") if self.get(key)}
            if "type" in aix:
                aix["type"] = TYPES.get(aix["type"], aix["type"])
            if (container.id, container.name, container.identifiers) != (identity, self.name, aix):
                container.id, container.name, container.uuid, container.identifiers = identity, self.name, uuid, aix
                container.engine, container.node, container.boot = ENGINE, node, boot
                container.version += 1

    def take(self, attribute: str, given: tuple[str, str]) -> Conflict | None:
        """A value with its source. Where another source says another, the more trusted stands, and that is told."""
        known = self.values.get(attribute, ("", ""))
        self.values[attribute] = given
        if not known[0] or known[0] == given[0] or known[1] == given[1]:
            return None
        kept, other = (given, known) if rank(given[1]) < rank(known[1]) else (known, given)
        self.values[attribute] = kept
        return Conflict(self.name, attribute, *kept, *other) if attribute != "state" else None


def rank(source: str) -> int:
    """A source's place in the order of trust, 0 first."""
    return RANKS.index(source) if source in RANKS else len(RANKS)


def values_of(seen: Sighting) -> dict[str, tuple[str, str]]:
    """What a sighting gives, as text with its source."""
    found = {attribute: getattr(seen, attribute) for attribute in ATTRIBUTES}
    return {attribute: (str(value), seen.source) for attribute, value in found.items() if value is not None}


def is_another(old: dict[str, tuple[str, str]], new: dict[str, tuple[str, str]]) -> bool:
    """Whether the name now belongs to another WPAR: another UUID, or another key from the same source."""
    for attribute in ("uuid", "ckey"):
        if attribute in old and attribute in new:
            return old[attribute][0] != new[attribute][0] and old[attribute][1] == new[attribute][1]
    return False
