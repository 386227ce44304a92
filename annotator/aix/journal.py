"""InventoryScans at a machine's WPARs as entries of its journal, and as listings again.

A look is written whole when it differs from the one before, else as "the same": an entry without sightings. A file of
the journal can be used without those before it, so the first look in each is whole. What the trail's commands made
doubtful when it was taken is part of it: a WPAR that is being stopped still shows the CID it is about to lose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.aix.inventory import MAX_CID, Sighting
from annotator.aix.listing import Listing
from annotator.aix.record import GLOBAL, wpar_name
from annotator.core.errors import FormatError
from annotator.storage.serialize import Nouns, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_NAMES = 4096
"""Sightings in one look: some 1000 WPARs by four sources. A larger one is written as a look that shows nothing."""


class WparsSeen(NamedTuple):
    """One look. `sightings` None: the same as in the entry before, and from the same `complete` sources."""

    sightings: tuple[Sighting, ...] | None = None
    complete: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    took_ms: int = 0


ROOM = 4096
"""Bytes of an entry beside its body."""

KIND = kind_of(WparsSeen)
_NOUNS = Nouns({KIND: WparsSeen}, {"Sighting": Sighting})


class Writer:
    """Gives looks to `append` (Unix ns, kind, body), which says whether a new file was begun with the entry."""

    def __init__(self, append: Callable[[int, str, Mapping[str, Any]], bool]) -> None:
        self._append = append
        self._last: tuple[tuple[Sighting, ...], tuple[str, ...]] | None = None

    def renew(self) -> None:
        """Another entry began a new file: the next look is written whole."""
        self._last = None

    def note(self, look: Listing) -> None:
        """One look, made at its `at_ms`."""
        whole = (tuple(look.sightings), tuple(sorted(look.complete)))
        if self._last != whole:
            self._last = whole
            self._whole(look, whole)
        elif self._write(look, WparsSeen(doubted=look.doubted, took_ms=look.took_ms)):
            self._whole(look, whole)

    def _whole(self, look: Listing, whole: tuple[tuple[Sighting, ...], tuple[str, ...]]) -> None:
        """What comes after will be `the same` as this: so something must stand there, even if it does not fit."""
        seen = WparsSeen(*whole, look.doubted, look.took_ms)
        self._write(look, seen if _fits(seen) else seen._replace(sightings=(), complete=()))

    def _write(self, look: Listing, seen: WparsSeen) -> bool:
        return self._append((look.at_ms or 0) * 1_000_000, *_NOUNS.plain(seen))


class Reader:
    """Takes the entries of a journal's files in their order, and keeps their `listings`.

    `skipped` counts looks that cannot be used.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.listings: list[Listing] = []
        self._last: WparsSeen | None = None

    def gap(self) -> None:
        """Entries may be missing here: what follows may be the same as one of those."""
        self._last = None

    def take(self, realtime_ns: int, body: Mapping[str, Any]) -> None:
        """An entry of `KIND`, written at `realtime_ns`."""
        found = self.listing(realtime_ns, body)
        if found is not None:
            self.listings.append(found)

    def listing(self, realtime_ns: int, body: Mapping[str, Any]) -> Listing | None:
        """The look of an entry of `KIND`; None when it is none, or the same as one that is not there."""
        found = _restored(body)
        if found is not None and found.sightings is None and self._last is not None:
            found = self._last._replace(doubted=found.doubted, took_ms=found.took_ms)
        if found is None or found.sightings is None:
            self.gap()  # what follows may be the same as what was not understood
            self.skipped += 1
            return None
        self._last = found
        at_ms, took_ms = realtime_ns // 1_000_000, max(found.took_ms, 0)
        return Listing(found.sightings, at_ms, frozenset(found.complete), found.doubted, took_ms)


def _fits(seen: WparsSeen) -> bool:
    from annotator.storage.codec import MAX_BYTES, frame  # msgpack: only who keeps a journal needs it

    if len(seen.sightings or ()) > MAX_NAMES:
        return False
    try:
        return len(frame(_NOUNS.plain(seen)[1])) < MAX_BYTES - ROOM
    except FormatError:
        return False


def _restored(body: Mapping[str, Any]) -> WparsSeen | None:
    try:
        found: WparsSeen = _NOUNS.restore(KIND, body)
    except FormatError:
        return None
    seen = found.sightings or ()
    few = len(seen) <= MAX_NAMES and len(found.doubted) <= MAX_NAMES
    return found if few and all(map(_is_sound, seen)) else None


def _is_sound(seen: Sighting) -> bool:
    raw = seen.name.encode("utf-8", "backslashreplace")  # as names are read: a surrogate is none
    if wpar_name(raw) != raw or raw in (b"", GLOBAL) or raw.decode() != seen.name:
        return False
    return seen.cid is None or 0 < seen.cid <= MAX_CID
