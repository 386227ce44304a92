"""The meaning of an event: its action in the audit library's words, its category and type in ECS's.

Actions and objects come from `tables`, which the library's own normaliser filled. ECS allows only the words of its
field reference for `event.category` and `event.type` (ECS 8 and 9 agree on all that are used here).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from annotator.linux.records.tables import CALLS, LEADERS, RECORDS

Class = tuple[tuple[str, ...], tuple[str, ...]]
"""ECS category and type."""


def _class(category: str, kind: str) -> Class:
    return tuple(category.split()), tuple(kind.split())


_ACTIONS = {
    "executed": "process start",
    "opened-file": "file access",
    "changed-file-attributes-of": "file change",
    "changed-file-permissions-of": "file change",
    "changed-file-ownership-of": "file change",
    "changed-timestamp-of": "file change",
    "renamed": "file change",
    "checked-metadata-of": "file info",
    "checked-filesystem-metadata-of": "file info",
    "created-directory": "file creation",
    "symlinked": "file creation",
    "make-device": "file creation",
    "made-character-device": "file creation",
    "made-block-device": "file creation",
    "deleted": "file deletion",
    "mounted": "host change",
    "unmounted": "host change",
    "changed-system-time": "host change",
    "changed-system-name": "host change",
    "allocated-memory": "process info",
    "allocated-memory-in": "process info",
    "killed-pid": "process change",
    "killed-list-of-pids": "process change",
    "changed-identity-of": "process change",
    "adjusted-scheduling-policy-of": "process change",
    "changed-container-id-to": "process change",
    "loaded-kernel-module": "driver start",
    "unloaded-kernel-module": "driver end",
    "loaded-bpf-program": "driver start",
    "unloaded-bpf-program": "driver end",
    "accepted-connection-from": "network connection",
    "connected-to": "network connection",
    "bound-socket": "network info",
    "received-from": "network protocol",
    "sent-to": "network protocol",
    "crashed-program": "process end",
    "started-service": "process start",
    "stopped-service": "process end",
    "ran-command": "process start",
    "typed": "process info",
    "booted-system": "host start",
    "shutdown-system": "host end",
    "started-session": "session start",
    "ended-session": "session end",
    "logged-in": "authentication start",
    "logged-out": "authentication end",
    "changed-login-id-to": "authentication start",
    "changed-password": "iam change",
    "added-user-account": "iam creation",
    "deleted-user-account": "iam deletion",
    "installed-software": "package installation",
    "accessed-mac-policy-controlled-object": "intrusion_detection access",
    "called-seccomp-controlled-syscall": "process info",
    "loaded-firewall-rule-to": "configuration change",
}
_CALLS = {
    name: words
    for words, names in (
        ("process start", "clone clone3 fork vfork"),
        ("process end", "exit exit_group"),
        ("process change", "setns unshare chroot pivot_root ptrace capset prctl setsid"),
        ("network info", "socket listen shutdown"),
        ("file creation", "link linkat"),
        ("file change", "write pwrite64 writev"),
    )
    for name in names.split(" ")
}
"""System calls that the library calls a rule's hit and nothing more."""

_KINDS = {
    "audit-daemon": "configuration info",
    "configuration": "configuration change",
    "mac": "configuration change",
    "user-login": "authentication info",
    "user-account": "iam change",
    "group-change": "iam change",
    "virt": "host change",
    "anomaly": "intrusion_detection info",
    "anomaly-response": "intrusion_detection change",
    "integrity": "intrusion_detection info",
    "mac-decision": "intrusion_detection access",
    "av-decision": "malware info",
    "system-services": "host info",
}


class Meaning(NamedTuple):
    """The meaning of all events of one form. `event` is the part of the JSON form that they share.

    `place` is where the object is: `@N` the first path from record N on, else the name of a field, of the leading
    record when `leads`. `object` is its kind: `*KIND` is by the mode of the path, else KIND. `subject` is the name of
    the field of who acted; its second name is always `uid`.
    """

    event: dict[str, Any]
    kind: str
    place: str
    object: str
    leads: bool
    subject: str = "auid"


OWN = {"CONTAINER_OP": ("changed-container-id-to", "audit-rule", "process", "contid")}
"""Rows as in LEADERS, for records the library does not know; the verb is that of the unmerged user space patches."""

_SIMPLE_FIRST = frozenset(RECORDS) - frozenset(LEADERS)


def leads(kind: str) -> bool:
    """Whether a record of this type gives its event the meaning, even beside a SYSCALL record."""
    return kind != "SYSCALL" and (kind in RECORDS or kind in LEADERS or kind in OWN)


def meaning(lead: str, call: str, outcome: str | None) -> Meaning:
    """The meaning of an event with the leading record type `lead` and the system call `call` ("": none)."""
    if not call or (lead in _SIMPLE_FIRST and lead not in OWN):
        return _simple(lead, outcome)
    means = _call(call, outcome)
    row = LEADERS.get(lead) or OWN.get(lead)
    if row is None:
        return means
    action, kind, what, place = row
    if lead in ("AVC", "FANOTIFY"):  # the object stays that of the system call
        return means._replace(event=_event(action, kind, call, outcome), kind=kind)
    return Meaning(_event(action, kind, "", outcome), kind, place, what, True)


def _simple(lead: str, outcome: str | None) -> Meaning:
    """The meaning of an event without a system call: its leading record decides."""
    row = RECORDS.get(lead, OWN.get(lead, ("", "unknown", "", "")))
    action, kind, what, place, *subject = row
    who = "old-auid" if lead == "LOGIN" else subject[0] if subject else "auid"
    return Meaning(_event(action, kind, "", outcome), kind, place, what, True, who)


def _call(call: str, outcome: str | None) -> Meaning:
    """The meaning of a system call. Without `success=` (exit does not return) the call counts as done."""
    row = CALLS.get(call)
    if row is None:
        event = _event("triggered-audit-rule", "audit-rule", call, outcome)
        return Meaning(event, "audit-rule", "key", "admin-defined-rule", False)
    action, place = row[2:4] if outcome == "failure" else row[:2]
    return Meaning(_event(action, "audit-rule", call, outcome), "audit-rule", place, row[4], False)


def _event(action: str, kind: str, call: str, outcome: str | None) -> dict[str, Any]:
    event: dict[str, Any] = {"module": "auditd", "kind": "event"}
    named = classify(action, kind, call)
    if named:
        event["category"], event["type"] = map(list, named)
    if action and action != "=op":
        event["action"] = action
    if outcome:
        event["outcome"] = outcome
    return event


def classify(action: str, kind: str, call: str) -> Class | None:
    """ECS category and type by the action, else by the system call, else by the kind of event."""
    words = _ACTIONS.get(action) or _CALLS.get(call) or _KINDS.get(kind) or ("process info" if call else "")
    return _class(*words.split(" ")) if words else None
