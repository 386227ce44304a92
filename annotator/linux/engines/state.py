"""What an engine's files say of one container, and the checked reading of the values in them.

State files are data: each value is checked for type and length before it is believed, and what does not fit is as if
it were not there. Nothing here raises for bad bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT: Final = 4096
"""Characters of one value; a longer one is cut (image references and paths are far shorter)."""

MAX_LABELS: Final = 256
"""Labels or annotations of one container; more are left out."""

PID_MAX: Final = 2**22
"""PID_MAX_LIMIT of a 64-bit kernel (include/linux/threads.h)."""

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})

_FULL_ID = re.compile(r"[0-9a-f]{64}\Z")
_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):?(\d\d))\Z", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  (the same object, and the name says what it is)


@dataclass(frozen=True, slots=True)
class EngineState:
    """One container as its engine's files describe it. Empty texts and None are "not said".

    `pod` is the pod's uid (Kubernetes) or id (podman); `namespace` is Kubernetes', or the project of Incus; `sandbox`
    is true for the container that only holds a pod's namespaces. `init_pid` is in the pid namespace of the engine,
    `init_ticks` is field 22 of /proc/PID/stat (clock ticks since boot), so that a pid can be checked against re-use.
    `created_ms` is Unix time in milliseconds. `cgroup` is the path below the cgroup mount, and may be systemd's
    `slice:prefix:name` where the engine wrote that.
    `owner` is the uid whose files these are: a rootless user's word counts for that user's containers only.
    `late`: an earlier question had no answer, or one without a name. `gone`: the files are not there any more.
    """

    id: str
    engine: str
    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS, hash=False)
    pod: str = ""
    pod_name: str = ""
    namespace: str = ""
    init_pid: int | None = None
    init_ticks: int | None = None
    created_ms: int | None = None
    sandbox: bool = False
    cgroup: str = ""
    owner: int = 0
    rootfs: str = ""
    uuid: str = ""
    late: bool = False
    gone: bool = False


def is_full_id(id: str) -> bool:
    """Whether this is the 64-hex form that docker, containerd's CRI, CRI-O and podman make, which is never re-used."""
    return _FULL_ID.match(id) is not None


def is_component(name: str) -> bool:
    """Whether this can be one name in a directory: not empty, no slash, no NUL, not a dot entry, at most 255 bytes."""
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        return False
    return len(name.encode("utf-8", "surrogatepass")) <= 255


def parse_json(data: bytes) -> Any:
    """The JSON value, or None. A file is bounded by the reader; deep nesting ends in None, not in a full stack."""
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def parse_object(data: bytes) -> Mapping[str, Any]:
    """The JSON object, or an empty one when it is anything else."""
    return mapping(parse_json(data))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """The value if it is a string, at most MAX_TEXT characters of it; else ""."""
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")


def labels(value: Any) -> Mapping[str, str]:
    """The string-to-string pairs of a JSON object, at most MAX_LABELS of them."""
    found: dict[str, str] = {}
    for key, item in mapping(value).items():
        if isinstance(item, str) and len(found) < MAX_LABELS:
            found[text(key)] = text(item)
    return MappingProxyType(found) if found else NO_LABELS


def pid(value: Any) -> int | None:
    """A process id, or None: engines write 0 or -1 for a container that does not run."""
    number = integer(value)
    return number if number is not None and 0 < number <= PID_MAX else None


def ticks(value: Any) -> int | None:
    """Field 22 of /proc/PID/stat, as a number or (CRI-O) as digits; 0 is "not known"."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    number = integer(value)
    return number if number is not None and 0 < number < 2**64 else None


def integer(value: Any) -> int | None:
    """The value if it is a JSON integer (true and false are none)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def millis(value: Any) -> int | None:
    """Unix milliseconds of an RFC 3339 time as Go writes it (nine decimals); None for Go's zero time (year 1)."""
    found = _STAMP.match(value) if isinstance(value, str) and len(value) < 64 else None
    if found is None or found[1] == "0001":
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=_EPOCH.tzinfo)
        at -= -offset if found[8] == "-" else offset
    except (ValueError, OverflowError):
        return None
    return (at - _EPOCH) // timedelta(milliseconds=1) + int((found[7] or "0").ljust(3, "0")[:3])
