"""Text, one line an event, for a person: time, container, who by which session, verb, object, outcome.

It is made of the JSON form, so both say the same, and a stream of JSON can be shown as text. The log's text is hostile:
what could drive a terminal, reorder the line or break it leaves as an escape. Times are in the zone of this machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from annotator.formats.json import document
from annotator.io.console import local_time, plain, short

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Attribution, Event

_VERBS = {
    "exit": "exited", "exit_group": "exited", "clone": "started process", "clone3": "started process",
    "fork": "started process", "vfork": "started process", "setns": "joined a namespace",
    "unshare": "made namespaces", "pivot_root": "changed its root",
}  # fmt: skip
"""Words for system calls that the audit library has no verb for."""

_FORKS = ("clone", "clone3", "fork", "vfork")

MAX_MESSAGE = 1024
"""Characters of `message` in the JSON form."""

_STYLES = {
    "time": "2", "container": "1;36", "host": "2", "unknown": "33", "session": "1;35", "action": "1", "failure": "31"
}  # fmt: skip
"""SGR parameters (ECMA-48) by part of the line; they can be read on a dark ground and on a light one."""

_ERROR = re.compile(r"(E[A-Z0-9]+)\b")
_NAME_CELLS = 16
"""Cells of the container's column: longer names move their own line alone."""


class Text:
    """The form: a line for each event, in the order in which they are decided."""

    ordered = False
    shows_parents = False

    def __init__(self, interpret: Callable[[Event], dict[str, Any]], *, node: str = "", colour: bool = False) -> None:
        self.interpret = interpret
        self.node = node.encode()
        self.colour = colour

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One line."""
        found = document(event, answer, self.interpret(event), node=event.node or self.node, message=False)
        return (line(found, event.stamp.ms, colour=self.colour) + "\n").encode("utf-8", "backslashreplace")


def line(found: dict[str, Any], ms: int, *, colour: bool = False, width: int | None = None) -> str:
    """One event of the JSON form, whose time is `ms` (Unix milliseconds). `width`: cut there; None: whole."""
    serial = found.get("event", {}).get("sequence", "")
    stamp = f"{local_time(ms, '%Y-%m-%d %H:%M:%S')}.{ms % 1000:03d}:{plain(str(serial))}"
    node = plain(str(found.get("host", {}).get("name", "")))
    where, style = place(found)
    parts = [
        ("time", stamp),
        ("", node),
        (style, where.ljust(_NAME_CELLS)),
        ("", who(found)),
        ("session", session(found)),
        ("action", verb(found)),
        ("", what(found)),
        ("failure", failure(found)),
    ]
    left = width
    out: list[str] = []
    for name, text in parts:
        if not text:
            continue
        shown = text
        if left is not None:
            if left <= 1:
                break
            shown = text if len(text) <= left else text[: left - 1] + "…"
            left -= len(shown) + 1
        style = _STYLES.get(name, "") if colour else ""
        out.append(f"\x1b[{style}m{shown}\x1b[0m" if style else shown)
    return " ".join(out).rstrip()


def message(found: dict[str, Any]) -> str:
    """The event as a sentence, for `message` in the JSON form: whatever does not stand in a column of its own."""
    words = (who(found), session(found), verb(found), what(found), failure(found))
    text = " ".join(word for word in words if word)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def place(found: dict[str, Any]) -> tuple[str, str]:
    """Where it happened, in a word, and the style of it: a container's name or short id, `host`, `?REASON`."""
    provenance = found.get("provenance", {})
    status = provenance.get("status")
    if status == "container":
        container = found.get("container", {})
        chains = provenance.get("chains") or [["?"]]
        name = container.get("name") or container.get("id") or ",".join(chain[0] for chain in chains if chain)
        return short(plain(str(name))), "container"
    if status == "unknown":
        return f"?{plain(str(provenance.get('reason', '')))}", "unknown"
    return ("host" if status == "host" else "-"), "host"


def who(found: dict[str, Any]) -> str:
    """The process and its user: `sh[1560] uid=0`, with the login id where it is another."""
    process, user = found.get("process", {}), found.get("user", {})
    program = process.get("name") or str(process.get("executable", "")).rpartition("/")[2]
    pid = process.get("pid")
    words = [f"{plain(str(program))}[{pid}]" if pid is not None else plain(str(program))]
    name = user.get("name")
    if name or "id" in user:
        words.append(plain(str(name)) if name else f"uid={user['id']}")
    login = user.get("audit", {}).get("id")
    if login and login != user.get("id"):
        words.append(f"auid={login}")
    return " ".join(word for word in words if word)


def session(found: dict[str, Any]) -> str:
    """By which session: `via podman exec by auid=1000 uid=0 pts0`; "" for what the container's own init started."""
    given = found.get("provenance", {}).get("session")
    if not given or given.get("id") == "0":
        return ""
    by = given.get("by", {})
    who_entered = [f"{name}={by[name]}" for name in ("auid", "uid") if name in by]
    if by.get("tty") not in (None, "(none)", "?"):
        who_entered.append(plain(str(by["tty"])))
    how = plain(str(given.get("how") or "entry from outside"))
    return f"via {how}" + (f" by {' '.join(who_entered)}" if who_entered else "")


def verb(found: dict[str, Any]) -> str:
    """What was done, in words: the action with blanks for its hyphens."""
    action = str(found.get("event", {}).get("action") or _kind(found))
    return _VERBS.get(action) or plain(action).replace("-", " ")


def what(found: dict[str, Any]) -> str:
    """To what: of a program its command line, of a connection the address, else the object."""
    event, process = found.get("event", {}), found.get("process", {})
    action = event.get("action")
    if action == "executed" and event.get("outcome") != "failure" and process.get("args"):
        return plain(str(process.get("command_line", "")))
    if action in ("exit", "exit_group"):
        return f"with {process['exit_code']}" if process.get("exit_code") else ""
    if action in _FORKS:
        return plain(str(_call(found).get("exit", ""))) if event.get("outcome") != "failure" else ""
    source, ends = found.get("source", {}), found.get("destination") or found.get("source") or {}
    if action is None and "address" in ends and "address" in source:
        return f"from {_end(source)} to {_end(ends)}"
    if "address" in ends:
        return _end(ends)
    if "path" in found.get("file", {}):
        return plain(str(found["file"]["path"]))
    primary = found.get("auditd", {}).get("summary", {}).get("object", {}).get("primary")
    primary = primary[0] if isinstance(primary, list) and primary else primary
    return plain(str(primary)) if primary and primary not in found.get("tags", ()) else ""


def _kind(found: dict[str, Any]) -> str:
    """The type of the first record, for events that have no action."""
    records = found.get("auditd", {}).get("records", ())
    return str(records[0].get("type", "")).lower().replace("_", " ") if records else "did something"


def _end(ends: dict[str, Any]) -> str:
    """One end of a connection; an address with colons is in brackets before its port."""
    address = plain(str(ends["address"]))
    if "port" not in ends:
        return address
    return f"[{address}]:{ends['port']}" if ":" in address else f"{address}:{ends['port']}"


def _call(found: dict[str, Any]) -> dict[str, Any]:
    """The fields of the SYSCALL record; {} where there is none."""
    records = found.get("auditd", {}).get("records", ())
    fields: dict[str, Any] = next((one.get("fields", {}) for one in records if one.get("type") == "SYSCALL"), {})
    return fields


def failure(found: dict[str, Any]) -> str:
    """Why it failed: `failed (EACCES)`; "" for what was done."""
    if found.get("event", {}).get("outcome") != "failure":
        return ""
    code = _ERROR.match(str(_call(found).get("exit", "")))
    return f"failed ({code[1]})" if code is not None else "failed"
