"""libperfstat: which WPARs are active, and their CIDs, without starting a command. Root is not needed.

The functions and structures are those of <libperfstat.h> as OpenJDK quotes it; that the first call takes the name ""
is inferred from FIRST_WPARNAME. The size of the structure differs between 6.1 and 7.1, so both are tried and an answer
that does not look like names and CIDs is refused. `Total` is the one function that is called; tests hand in their own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from annotator.aix import layouts
from annotator.aix.inventory import MAX_CID, Sighting, sighting
from annotator.aix.record import wpar_name
from annotator.core.errors import SourceError

LIBRARY = "/usr/lib/libperfstat.a(shr_64.o)"
RTLD_MEMBER = 0x40000
"""<dlfcn.h>: the name holds a member of an archive."""

MAX_WPARS = 8192
"""Most WPARs that can be active at once (IBM, resource controls)."""

Total = Callable[[Any, Any, int, int], int]
"""`int perfstat_wpar_total(perfstat_id_wpar_t *, perfstat_wpar_total_t *, int size, int number)`."""


def load(library: str = LIBRARY, platform: str = sys.platform) -> Total:
    """The function of this machine's library; SourceError where there is none (any system but AIX)."""
    if platform != "aix":
        raise SourceError("libperfstat is a library of AIX", "Hand in the output of lswpar instead.")
    try:
        total: Total = ctypes.CDLL(library, mode=RTLD_MEMBER).perfstat_wpar_total
    except (OSError, AttributeError) as error:
        raise SourceError(f"{library} cannot be used: {error}", "Install the fileset bos.perf.libperfstat.") from None
    return total


def active(total: Total) -> list[Sighting]:
    """All active WPARs, each with name and CID; type `A` for an application WPAR (others are not told apart).

    SourceError when no known size of the structure is accepted, or the answer is not one.
    """
    for layout in (layouts.WPAR_TOTAL_71, layouts.WPAR_TOTAL_61):
        count = total(None, None, layout.size, 0)
        if count == 0:
            return []
        if not 0 < count <= MAX_WPARS:
            continue
        buffer = ctypes.create_string_buffer(layout.size * count)
        first = ctypes.create_string_buffer(layouts.WPAR_ID_64.size)  # spec WPARNAME is 0, FIRST_WPARNAME is ""
        got = total(first, buffer, layout.size, count)
        if 0 < got <= count:
            return [_sighting(buffer.raw, layout, index) for index in range(got)]
    raise SourceError(
        "perfstat_wpar_total accepts neither of the known sizes (72, 64)", "Please report it with oslevel -s."
    )


def _sighting(data: bytes, layout: layouts.Layout, index: int) -> Sighting:
    values = layouts.unpack(layout, data, index * layout.size)
    name = wpar_name(layouts.text(values["name"]))
    cid = values["wpar_id"]
    found = None
    if name is not None and 0 < cid <= MAX_CID:
        kind = "A" if values["type"] & layouts.APP_WPAR_BIT else ""
        given = {"name": name.decode("utf-8", "backslashreplace"), "cid": str(cid), "type": kind, "state": "A"}
        found = sighting("perfstat", given)
    if found is None:
        raise SourceError(f"entry {index} of perfstat_wpar_total is no WPAR: another layout", "Please report it.")
    return found
