"""What a site says of its trails, by hand: the time zone, whose trail it is, listings of WPARs, the `events` file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.aix import listing, tail_format, zones
from annotator.aix.backend import Aix, origin_of
from annotator.aix.columns import letters_of
from annotator.aix.inventory_scan import read_file
from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.aix.grouping import OwnTail


def backend(
    *,
    own_tail: OwnTail,
    node: str = "",
    tz: str = "UTC",
    origin: str = "",
    wpars: Iterable[tuple[str, int | None]] = (),
    events: str = "",
    columns: str = "",
    listings: Iterable[listing.Listing] = (),
) -> Aix:
    """The backend for a site's trails.

    `wpars` are files with listings, each with the time it was taken (Unix ms) or None; `listings` are some that were
    read already. UsageError for what cannot be
    meant, SourceError for a file that cannot be read, FormatError for an `events` file that is none.
    """
    zone = zones.read(tz)
    try:
        whose = origin_of(origin)
    except ValueError as err:
        raise UsageError(f"--origin: {origin!r} is none", "Give `global`, or `wpar:NAME`.") from err
    captured = [listing.read(read_file(Path(path)), path, at_ms) for path, at_ms in wpars]
    formats = (
        tail_format.BUILT_IN | tail_format.parse_events(read_file(Path(events))) if events else tail_format.BUILT_IN
    )
    return Aix(
        node=os.fsencode(node),
        zone=zone,
        formats=formats,
        listings=[*captured, *listings],
        origin=whose,
        own_tail=own_tail,
        columns=letters_of(columns),
    )
