"""Captured listings of WPARs: which command a text is the output of, and when it was taken.

Only names and lasting identities hold at other times than the capture's; a CID holds for the life it was seen in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import inventory
from annotator.aix.wpar_lifetimes import HOLDS_MS, rank
from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.aix.inventory import Sighting
    from annotator.aix.wpar_lifetimes import WparLifetime

_TABLE = re.compile(rb"Name[ \t]+State[ \t]+Type\b")
_PS = re.compile(rb"(?=.*\bPID\b).*\bWPAR\b")
_RULE = re.compile(rb"={20,}\s*")
_INDEX = re.compile(rb"\d{1,10}:[A-Z]:[^:]{1,25}:(?:.*:)?\d{1,10}")

ASKED = ("name", "state", "type", "key", "uuid")
"""The fields of `lswpar -c -q -a name,state,type,key,uuid`; with a title line any others are read too."""


class Listing(NamedTuple):
    """What one listing shows. `at_ms` is when it was taken (Unix ms), None when that is not known.

    A live look knows more: which sources are `complete` (see `Inventory.observe`), the names whose CID was in doubt
    when it was taken ("": of all), and how long it `took_ms`, from `at_ms` on.
    """

    sightings: Sequence[Sighting]
    at_ms: int | None = None
    complete: frozenset[str] = frozenset()
    doubted: tuple[str, ...] = ()
    took_ms: int = 0

    def shows(self, life: WparLifetime) -> bool | None:
        """Whether a life that was seen before this look went on until then; None when this does not say."""
        known = life.container
        own = [seen for seen in self.sightings if seen.name == known.name]
        for seen in own:
            if known.uuid and seen.uuid and seen.uuid != known.uuid:
                return False
            if seen.ckey is not None and known.identifiers.get("ckey", str(seen.ckey)) != str(seen.ckey):
                return False
        first = min((seen for seen in own if seen.cid is not None), key=lambda seen: rank(seen.source), default=None)
        if first is None:
            sources = {seen.source for seen in self.sightings} | self.complete
            lacks = life.source in sources or (not own and "lswpar" in self.complete)
            return False if lacks or any(seen.state is not None and seen.state in "DB" for seen in own) else None
        starts = [seen.start_ms for seen in own if seen.cid == first.cid and seen.start_ms is not None]
        if first.cid != life.cid or (life.init_ms is not None and starts[:1] not in ([], [life.init_ms])):
            return False
        soon = (self.at_ms or 0) - life.seen_ms <= HOLDS_MS  # later it may be the same number of another life
        return True if soon or (starts and life.init_ms is not None) else None


def read(data: bytes, origin: str, at_ms: int | None = None) -> Listing:
    """The output of `lswpar` (table, -c, -d, -L), `ps -ef@`, or `/etc/corrals/index`, told apart by its form.

    UsageError for a text in which no WPAR is found.
    """
    lines = [line.strip() for line in data.split(b"\n") if line.strip()]
    if any(_RULE.fullmatch(line) for line in lines[:50]):
        found = inventory.lswpar_long(data)
    elif lines and _PS.match(lines[0]):
        found = inventory.ps_listing(data)
    elif any(_INDEX.fullmatch(line) for line in lines):
        found = inventory.corrals_index(data)
    else:
        titled = any(_TABLE.match(line) for line in lines[:50])
        readers = () if titled else (inventory.lswpar_colon, _asked)
        tables = (reader(data) for reader in (*readers, inventory.lswpar_table))
        found = next((seen for seen in tables if _is_table(seen)), [])
    if not found:
        raise UsageError(
            f"{origin}: no WPAR is listed there",
            "Give the output of lswpar -L, lswpar -c, lswpar, or ps -ef@, or a copy of /etc/corrals/index.",
        )
    return Listing(found, at_ms)


def _asked(data: bytes) -> list[Sighting]:
    return inventory.lswpar_colon(data, ASKED)


def _is_table(found: list[Sighting]) -> bool:
    """Whether each row has the letters of a state and a type: other text has not."""
    return bool(found) and all(seen.state is not None and seen.type is not None for seen in found)
