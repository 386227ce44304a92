"""The `auditd.summary` part of the JSON form: actor, action and object, by the rules of the audit library's normaliser.

Where the library finds no object because a record is not at the place it counts on (a failed execve has no EXECVE
record), the first path of the event is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.linux.records.actor import CallTail, DecodedRecord, first

if TYPE_CHECKING:
    from annotator.linux.records.ecs import Meaning

_KINDS = {
    "file": "file",
    "dir": "directory",
    "character": "character-device",
    "block": "block-device",
    "fifo": "fifo",
    "link": "symlink",
    "socket": "socket",
}
"""The first word of a decoded mode= to the library's word."""

_CONFIG = ("key", "audit_enabled", "audit_pid", "audit_backlog_limit", "audit_failure")

_ACTIONS: dict[str, tuple[str, dict[str, str], str]] = {
    "BPF": ("op", {"LOAD": "loaded-bpf-program"}, "unloaded-bpf-program"),
    "EVENT_LISTENER": ("op", {"connect": "connected-to"}, "disconnected-from"),
}
"""Types whose action is told by a field: its name, the actions by its value, and for all other values."""


def summary(
    event: dict[str, Any],
    auditd: dict[str, Any],
    means: Meaning,
    main: DecodedRecord | None,
    tail: CallTail,
    records: list[DecodedRecord],
) -> None:
    """Add `auditd.summary`, and correct `event.action` where it depends on a field.

    `main` is the record that says what happened, `tail` what is known of who did it.
    """
    kind = main.type if main else ""
    fields = main.fields if main else {}
    if kind != "SYSCALL":
        _action(event, kind, fields, alone=fields is tail.fields)
    what, primary, action = object_of(event.get("action"), means, kind, fields, records)
    if action:
        event["action"] = action
    parts: dict[str, Any] = {}
    actor = tail.actor
    if means.subject != "auid" and means.subject in fields:
        actor = {**actor, "primary": first(fields[means.subject])}
    if actor:
        parts["actor"] = actor
    if primary is not None and primary != "(null)":
        parts["object"] = {"type": what, "primary": primary} if what and what != "unknown" else {"primary": primary}
    elif what and what != "unknown":
        parts["object"] = {"type": what}
    if tail.how:
        parts["how"] = tail.how
    if parts:
        auditd["summary"] = parts


def _action(event: dict[str, Any], kind: str, fields: dict[str, Any], *, alone: bool) -> None:
    """Actions that depend on a field of the record."""
    op = first(fields.get("op", ""))
    if kind in _ACTIONS:
        name, actions, other = _ACTIONS[kind]
        event["action"] = actions.get(first(fields.get(name, "")), other)
    elif kind == "CONFIG_CHANGE":
        rules = {"add_rule": "added-audit-rule", "remove_rule": "deleted-audit-rule"}
        event["action"] = rules.get(op, "changed-audit-configuration") if alone or not op else op
    elif kind == "ANOM_PROMISCUOUS" and not alone:
        left = first(fields.get("prom", "")) == "0"
        event["action"] = "left-promiscuous-mode-on-device" if left else "entered-promiscuous-mode-on-device"
    elif kind in ("USYS_CONFIG", "USER_DEVICE") and op:
        event["action"] = op


Object = tuple[str, Any, str]
"""The kind of the object, what it is called (None: not known), and the action, where the object tells it (or "")."""


def object_of(
    action: str | None, means: Meaning, kind: str, fields: dict[str, Any], records: list[DecodedRecord]
) -> Object:
    """The object of an event whose main record is of that type and has those fields."""
    what, place = means.object, means.place
    if place[:1] == "@":
        return _path(action, what, int(place[1:]), records)
    if kind == "CONFIG_CHANGE":
        named = (first(fields[name]) for name in _CONFIG if fields.get(name, "(null)") != "(null)")
        return what, next(named, None), ""
    if place == "saddr":
        return what, _address(records), "killed-pid" if what == "process" and len(records) <= 2 else ""
    if place == "key" and not means.leads:
        if fields.get("key", "(null)") == "(null)":
            return what, None, "triggered-unknown-audit-rule" if action == "triggered-audit-rule" else ""
        return what, fields["key"], ""
    return what.lstrip("*"), first(fields.get(place)) if place else None, ""


def _address(records: list[DecodedRecord]) -> Any:
    for record in records:
        if record.type == "SOCKADDR":
            return record.fields.get("saddr")
    return None


def _path(action: str | None, what: str, start: int, records: list[DecodedRecord]) -> Object:
    """The first path from record `start` on that is no parent; else a parent; else the first path before."""
    parent = target = None
    for record in records[start:] + records[:start]:
        if record.path is not None:
            if record.path != "PARENT":
                target = record.fields
                break
            parent = parent or record.fields
    fields = target or parent
    kind = what.lstrip("*")
    if fields is None:
        return kind, None, ""
    made = ""
    if what[:1] == "*":
        mode = fields.get("mode", "")
        word = mode.partition(",")[0] if isinstance(mode, str) else ""
        kind = _KINDS.get(word, kind)
        if action == "make-device" and word in ("character", "block"):
            made = f"made-{word}-device"
    return kind, first(fields.get("name")), made
