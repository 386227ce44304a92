"""What AIX says about its WPARs: the outputs of `lswpar` and `ps`, the corrals index, `/etc/filesystems`.

Every parser takes text as it was read and gives sightings: what one source says of one WPAR. Lines that are none are
skipped. No parser knows which source is right; `wpar.Inventory` merges.

Formats: `lswpar` table and `-L` from real listings; `-c` field 1 name, 2 state, the order of the rest inferred to be
the table's; `-a` names other than the table's are not confirmed, so fields are asked for by the caller who asked for
them; the index line is known from one public example, and its value for a stopped WPAR is a guess (0 is taken as none).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from annotator.aix.record import GLOBAL, wpar_name

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = ("name", "state", "type", "hostname", "directory", "rootvg")
"""Columns of the default `lswpar` table, and (inferred) fields of `lswpar -c`."""

STATES = {
    "active": "A",
    "broken": "B",
    "defined": "D",
    "frozen": "F",
    "loaded": "L",
    "paused": "P",
    "transitional": "T",
    "maintenance": "M",
    "moving": "N",
}
"""Words of `lswpar -L` to the letters of the table. The letters of the last two are not public: ours alone."""

MAX_CID = 65534
"""cid_t is an unsigned short; 65535 is (cid_t)-1, which libraries return for "no such symbol"."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RULE = re.compile(r"={20,}")
_TITLE = re.compile(r"(?P<name>\S{1,25}) - (?P<state>[A-Za-z]+)")
_UNESCAPED_COLON = re.compile(r"(?<!\\):")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one source says of one WPAR. None: it does not say. `start_ms` is when its init started (Unix ms)."""

    source: str
    name: str
    cid: int | None = None
    ckey: int | None = None
    type: str | None = None
    uuid: str | None = None
    state: str | None = None
    hostname: str | None = None
    directory: str | None = None
    start_ms: int | None = None

    def without_life(self) -> Sighting:
        """The same without what is true of one start only."""
        return replace(self, cid=None, start_ms=None)


def sighting(source: str, values: dict[str, str], start_ms: int | None = None) -> Sighting | None:
    """A sighting of checked values: what is malformed is left out; None when there is no valid name (or it is Global).

    CIDs are 1 to 65534: 0 is Global, or a WPAR that is not running.
    """
    name = wpar_name(values.get("name", "").encode())
    if name is None or name == GLOBAL:
        return None
    cid, ckey = _number(values.get("cid")), _number(values.get("key"))
    state = values.get("state", "").strip()
    uuid = values.get("uuid", "").strip().lower()
    directory = values.get("directory", "").strip()
    return Sighting(
        source=source,
        name=name.decode(),
        cid=cid if cid is not None and 0 < cid <= MAX_CID else None,
        ckey=ckey if ckey else None,
        type=_letter(values.get("type")),
        uuid=uuid if _UUID.fullmatch(uuid) else None,
        state=STATES.get(state.lower()) or (state if len(state) == 1 and state.isalpha() else None),
        hostname=values.get("hostname", "").strip()[:255] or None,
        directory=directory if directory.startswith("/") and len(directory) <= 1024 else None,
        start_ms=start_ms,
    )


def _number(value: str | None) -> int | None:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None


def _letter(value: str | None) -> str | None:
    value = (value or "").strip()
    return value if len(value) == 1 and value.isascii() and value.isupper() else None


def _decode(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").split("\n")


def lswpar_table(data: bytes) -> list[Sighting]:
    """The default table. Rows are cut at blanks and TABs (a real row holds TABs); a host name may be absent."""
    found = []
    for line in _decode(data):
        words = line.split()
        if len(words) < 4 or words[0] == "Name" or len(words[1]) != 1 or len(words[2]) != 1:
            continue
        values = dict(zip(TABLE, words[:3], strict=False))
        rest = words[3:]
        if not rest[0].startswith("/"):
            values["hostname"] = rest.pop(0)
        if rest:
            values["directory"] = rest[0]
        found.append(sighting("lswpar", values))
    return [seen for seen in found if seen]


def lswpar_colon(data: bytes, fields: Sequence[str] = TABLE) -> list[Sighting]:
    """`lswpar -c`, with the fields that were asked for. A header line (its first field is `name`) is believed instead.

    A row with another number of fields is skipped: the order of the fields is inferred, so nothing is taken from a row
    that contradicts it.
    """
    found: list[Sighting | None] = []
    for line in _decode(data):
        row = [field.replace("\\:", ":") for field in _UNESCAPED_COLON.split(line.strip().lstrip("#"))]
        if row[0].strip().lower() == "name" and (line.startswith("#") or not found):
            fields = [field.strip().lower() for field in row]
        elif len(row) == len(fields):
            found.append(sighting("lswpar", dict(zip(fields, row, strict=True))))
    return [seen for seen in found if seen]


_LONG = {"Type": "type", "Hostname": "hostname", "Directory": "directory", "UUID": "uuid"}


def lswpar_long(data: bytes) -> list[Sighting]:
    """`lswpar -L`: blocks of a rule, `NAME - State`, a rule; what is wanted stands in their section GENERAL."""
    found = []
    lines = _decode(data)
    values: dict[str, str] = {}
    general = False
    for index, line in enumerate(lines):
        framed = 0 < index < len(lines) - 1 and _RULE.fullmatch(lines[index - 1]) and _RULE.fullmatch(lines[index + 1])
        if framed and (match := _TITLE.fullmatch(line.strip())):
            found.append(sighting("lswpar", values))
            values = {"name": match["name"], "state": match["state"]}
            general = False
        elif line.isupper() and not line.startswith(" ") and ":" not in line:
            general = line.strip() == "GENERAL"
        elif general and ":" in line:
            label, _, value = line.partition(":")
            if label in _LONG:
                values[_LONG[label]] = value
    found.append(sighting("lswpar", values))
    return [seen for seen in found if seen]


def corrals_index(data: bytes) -> list[Sighting]:
    """`/etc/corrals/index`: `key:type:name:kernel CID`, more fields allowed.

    Inferred from one public example line. Whether the last field is the CID that processes carry is not proven, so the
    merge takes it only where nothing else gives one.
    """
    found = []
    for line in _decode(data):
        row = line.strip().split(":")
        if len(row) >= 4 and _number(row[0]) is not None and _number(row[-1]) is not None and _letter(row[1]):
            found.append(sighting("index", {"key": row[0], "type": row[1], "name": row[2], "cid": row[-1]}))
    return [seen for seen in found if seen]


def stanzas(text: str) -> dict[str, dict[str, str]]:
    """A stanza file (`NAME:` and lines `key = value`, comments begin with `*`): values by stanza and key.

    A backslash at the end of a line continues it. The last of two equal keys stands.
    """
    found: dict[str, dict[str, str]] = {}
    keys: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        bare = line.strip()
        if bare.startswith("*"):
            continue
        if bare.endswith(":") and "=" not in bare:
            keys = found.setdefault(bare[:-1].strip(), {})
        elif "=" in bare:
            key, _, value = bare.partition("=")
            keys[key.strip()] = value.strip()
    return found


def filesystems(data: bytes) -> list[Sighting]:
    """`/etc/filesystems`: stanzas whose `type` is a WPAR's name; its base directory is the shortest mount point.

    Other stanzas have a `type` too (`bootfs`), so the merge takes these only for names it knows already.
    """
    mounts: dict[str, str] = {}
    mount = ""
    for line in _decode(data):
        bare = line.strip()
        if bare.startswith("*"):
            continue
        if bare.endswith(":") and bare.startswith("/") and "=" not in bare:
            mount = bare[:-1]
        label, _, value = bare.partition("=")
        kind = value.strip()
        if mount and label.strip() == "type" and kind:
            mounts[kind] = min(mounts.get(kind, mount), mount, key=len)
    found = [sighting("filesystems", {"name": name, "directory": path}) for name, path in mounts.items()]
    return [seen for seen in found if seen]


def ps_names(data: bytes) -> dict[int, bytes]:
    """WPAR names by pid (`Global` too), from `ps -e -o pid= -o wpar=`, `ps -e -o pid,wpar` or `ps -ef@`.

    With a header (the first line only: below it anybody's command line stands) the columns are found by their titles
    PID and WPAR (that title is not confirmed); without one there must be exactly two words in a line.
    """
    names: dict[int, bytes] = {}
    at: tuple[int, int] | None = None
    for index, line in enumerate(data.lstrip().split(b"\n")):
        words = line.split(None, 40)
        if not index and b"PID" in words and b"WPAR" in words:
            at = (words.index(b"PID"), words.index(b"WPAR"))
            continue
        pid_at, name_at = at or (0, 1)
        if (at is None and len(words) != 2) or len(words) <= max(pid_at, name_at):
            continue
        name = wpar_name(words[name_at])
        if name and words[pid_at].isdigit() and len(words[pid_at]) <= 10:
            names[int(words[pid_at])] = name
    return names


def ps_listing(data: bytes) -> list[Sighting]:
    """The WPARs that have a process in the output of `ps -ef@`: names alone, of WPARs that run."""
    names = {name.decode("utf-8", "backslashreplace"): None for name in ps_names(data).values()}
    return [seen for name in names if (seen := sighting("ps", {"name": name, "state": "A"})) is not None]


def own_key(uname_w: bytes) -> int | None:
    """The key of the WPAR we run in, as `uname -W` prints it; 0 in Global, None for anything else."""
    text = uname_w.strip()
    return int(text) if text.isdigit() and len(text) <= 10 else None
