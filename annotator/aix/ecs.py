"""What of an AIX record has a name in ECS: kinds of events, and values of tails.

Event names and tails are those of IBM's *events File* and of public samples; names that are seen there without a tail
have a kind only. A tail whose values could end elsewhere (`ambiguous`) gives no path and no name: whoever chose the
text chose where it seems to end. Paths are as the record has them: whether a WPAR's own or Global's is not public.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotator.aix.record import Record
    from annotator.aix.tail_format import Tail

_KINDS: dict[str, tuple[str, str]] = {
    "ACCT_Disable": ("configuration", "change"),
    "AUD_Bin_Def": ("configuration", "change"),
    "AUD_Events": ("configuration", "change"),
    "AUD_It": ("configuration", "change"),
    "AUD_Objects": ("configuration", "change"),
    "AUD_Proc": ("configuration", "change"),
    "CRON_Finish": ("process", "end"),
    "CRON_Start": ("process", "start"),
    "FILE_Accessx": ("file", "access"),
    "FILE_Acl": ("file", "change"),
    "FILE_Link": ("file", "creation"),
    "FILE_Mode": ("file", "change"),
    "FILE_Open": ("file", "access"),
    "FILE_Owner": ("file", "change"),
    "FILE_Privilege": ("file", "change"),
    "FILE_Read": ("file", "access"),
    "FILE_Rename": ("file", "change"),
    "FILE_StatAcl": ("file", "access"),
    "FILE_Symlink": ("file", "creation"),
    "FILE_Unlink": ("file", "deletion"),
    "FILE_Write": ("file", "change"),
    "FS_Chdir": ("process", "change"),
    "FS_Chroot": ("process", "change"),
    "FS_Mkdir": ("file", "creation"),
    "FS_Mount": ("configuration", "change"),
    "FS_Rmdir": ("file", "deletion"),
    "FS_Umount": ("configuration", "change"),
    "GROUP_Change": ("iam", "change"),
    "GROUP_Create": ("iam", "creation"),
    "GROUP_Remove": ("iam", "deletion"),
    "PASSWORD_Change": ("iam", "change"),
    "PORT_Locked": ("authentication", "info"),
    "PROC_Adjtime": ("host", "change"),
    "PROC_Create": ("process", "start"),
    "PROC_Delete": ("process", "end"),
    "PROC_Execute": ("process", "start"),
    "PROC_Kill": ("process", "change"),
    "PROC_LoadError": ("process", "error"),
    "PROC_Privilege": ("process", "change"),
    "PROC_RealGID": ("process", "change"),
    "PROC_RealUID": ("process", "change"),
    "PROC_SetGroups": ("process", "change"),
    "PROC_SetUserIDs": ("process", "change"),
    "PROC_Settimer": ("host", "change"),
    "SRC_Start": ("process", "start"),
    "SRC_Stop": ("process", "end"),
    "TCP_kaccept": ("network", "connection"),
    "TCP_kbind": ("network", "info"),
    "TCP_kconnect": ("network", "connection"),
    "TCP_klisten": ("network", "info"),
    "USER_Change": ("iam", "change"),
    "USER_Create": ("iam", "creation"),
    "USER_Login": ("authentication", "start"),
    "USER_Logout": ("authentication", "end"),
    "USER_Remove": ("iam", "deletion"),
    "USER_SU": ("authentication", "info"),
}
"""ECS category and type of IBM's own events; a site's events have none, but those of objects."""

_OBJECT = re.compile(rb"audit object (read|write) event detected (?P<path>/[^\n]{0,4095})")
"""The tail of the events of /etc/security/audit/objects, whose names a site makes up."""

_PEER = re.compile(rb"Port (?P<address>[0-9A-Fa-f.:]{2,45}) (?P<port>\d{1,5})(?: |$)")
"""What a public sample shows behind `fd14` in TCP_kaccept: address, port, host and service of the peer."""

_PATHS = {
    "FILE_Link": ("linkname", "filename"),
    "FILE_Open": ("filename", ""),
    "FILE_Read": ("filename", ""),
    "FILE_Rename": ("topath", ""),
    "FILE_Unlink": ("filename", ""),
    "FILE_Write": ("filename", ""),
    "FS_Chroot": ("change root directory to", ""),
    "FS_Mkdir": ("dir", ""),
    "FS_Rmdir": ("remove of directory", ""),
    "PROC_LoadError": ("file", ""),
}
"""The value that is `file.path`, and what a link leads to. Of a rename it is the new name: that is there now."""


def kind(record: Record) -> tuple[str, str] | None:
    """ECS category and type of an event; None for one that is not known."""
    known = _KINDS.get(_text(record.event))
    if known is not None:
        return known
    match = _OBJECT.fullmatch(record.tail)
    return None if match is None else ("file", "access" if match[1] == b"read" else "change")


def parts(record: Record, tail: Tail | None) -> dict[str, dict[str, Any]]:
    """The parts `file`, `source` and `user`, and of `process` what the tail says."""
    match = _OBJECT.fullmatch(record.tail)
    if match is not None:
        return {"file": {"path": _text(match["path"])}}
    if tail is None or tail.ambiguous:
        return {}
    name = _text(record.event)
    values = {label: value for label, value in tail.values.items() if value.strip()}
    found: dict[str, dict[str, Any]] = {}
    path, target = _PATHS.get(name, ("", ""))
    if path in values:
        found["file"] = {"path": _text(values[path])}
        if target in values:
            found["file"]["target_path"] = _text(values[target])
    if name == "FS_Chdir" and record.ok is not False and "change current directory to" in values:
        found["process"] = {"working_directory": _text(values["change current directory to"])}
    if name in ("TCP_kaccept", "TCP_kconnect") and (peer := _peer(values)):
        found["source" if name == "TCP_kaccept" else "destination"] = peer
    return found | _users(name, values)


def _users(name: str, values: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Who logged in, who somebody became, as the tail says."""
    if name == "USER_Login" and "user" in values:
        return {"user": {"name": _text(values["user"])}}
    if name == "USER_SU" and "value" in values:
        return {"user": {"target": {"name": _text(values["value"])}}}
    effective = values.get("effect", b"")
    if name == "PROC_SetUserIDs" and effective.isdigit() and len(effective) <= 10:
        return {"user": {"target": {"id": str(int(effective))}}}
    return {}


def _peer(values: dict[str, bytes]) -> dict[str, Any] | None:
    match = next((found for value in values.values() if (found := _PEER.match(value))), None)
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match["address"].decode())
    except ValueError:
        return None
    return {"ip": address.compressed, "port": int(match["port"])} if int(match["port"]) < 65536 else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
