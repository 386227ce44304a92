"""What each key of the configuration means. Types, ranges and defaults are those of `config`; here are the words.

The man page and the default configuration are made of both, and a test holds them together: a key without words, and
words without a key, are errors.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from annotator.plugin import config

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Final = {
    "input.format": (
        "How records come. auto finds out; string is what auditd gives plugins by default; binary has a "
        "header before each record."
    ),
    "input.socket": (
        "Read auditd's audispd_events socket at this path instead of standard input. Empty: standard input."
    ),
    "input.node": "The name of this host in the output, for records without node=. Empty: the host's own name.",
    "queue.memory_mib": (
        "How much may wait between reading and annotating. It waits in a file below state.directory, where the next "
        "plugin finds it when this one is killed; without that, or when the disk is full, in memory."
    ),
    "queue.when_full": (
        "block: stop reading, so that auditd's own queue fills and its overflow_action decides; spill: write "
        "to disk, below state.directory; pass: let records out without looking at them."
    ),
    "queue.spill_max_mib": "How much may be spilled to disk.",
    "state.directory": "Where what was learnt is kept over a restart. Empty: nothing is kept.",
    "state.save_interval_s": "How often it is saved.",
    "host.live": "Ask this machine in which container the processes of its own records are.",
    "host.processes": (
        "Follow forks, execs and exits by the kernel's proc connector, so that short-lived processes are known too."
    ),
    "host.journal": "Keep what was seen in this file, for `annotator replay --journal` later. Empty: not kept.",
    "control.socket": (
        "The socket for registrations and questions, for root alone. Empty: none. On AIX only questions come in, and "
        "the default is /var/annotator/control."
    ),
    "process.user": (
        "Whom the worker becomes after the start. Empty: it stays root, without capabilities it does not need."
    ),
    "process.oom_score_adj": "How willingly the kernel ends the plugin when memory runs out (proc(5)).",
    "process.drain_s": "How long the plugin goes on reading and writing after it was told to stop.",
    "process.event_timeout_ms": "How long an event may wait for further records.",
    "log.syslog": "The socket the plugin's own messages go to. Empty: none.",
    "log.stderr": "Write them to standard error too.",
    "log.level": "The least grave messages that are written.",
    "log.report_interval_s": "How often dropped records are reported, if there were any.",
    "metrics.file": (
        "A file with all counters in the Prometheus text format; `annotator status` and `top` read it. Empty: none."
    ),
    "metrics.interval_s": "How often it is written.",
    "aix.auditstream": (
        "AIX, `annotator plugin --source auditstream`: the program that reads the audit device. When something of this "
        "table, of input, queue or host has changed, SIGHUP starts the pipe anew; all else changes while it goes on."
    ),
    "aix.auditpr": "The program that prints what it reads.",
    "aix.classes": "The audit classes to read, of /etc/security/audit/config. Empty: all that are enabled.",
    "aix.numeric": "Users as numbers: auditpr names the users of a WPAR by the users of Global.",
    "aix.tz": "With --source auditpr: the zone of the printed times, such as Europe/Berlin.",
    "aix.origin": "Whose trail it is: global, or wpar:NAME for one that calls itself Global. Empty: not said.",
    "aix.inventory_interval_s": "How often the WPARs of the machine are looked at when nothing asks for it sooner.",
    "output.type": "Where to: a file, standard output, a unix socket others connect to, syslog, or Kafka.",
    "output.name": "The name of the output in metrics and messages. Empty: its type and number.",
    "output.format": (
        "raw: the lines with fields added; record: CONTAINER_ID records; json, msgpack: one object an event."
    ),
    "output.only_containers": "Only events in a container, or aimed at one.",
    "output.container": "Only events of this container: a name, or the beginning of an id.",
    "output.expr": "Only events that match this expression (ausearch-expression(5)).",
    "output.fields": "Only these: names of fields in the raw form, dotted paths in JSON. Empty: all.",
    "output.original": "JSON: keep the records, as event.original.",
    "output.mark_unknown": 'Raw: mark events that cannot be told, cont_how="unknown:REASON".',
    "output.resolve_users": "JSON: name users by this machine's passwd.",
    "output.heartbeat_s": "JSON and msgpack: how often an object says that the plugin lives. 0: never.",
    "output.queue_mib": "How much may wait for this output.",
    "output.when_full": "drop: the other outputs go on; wait: everything waits until this one has taken its part.",
    "output.path": "File or socket.",
    "output.mode": "Mode of the file or socket, octal.",
    "output.group": "Group of the file, by name or number.",
    "output.read_users": "Users who may read the file too, by name or number (an access control list).",
    "output.max_mib": "Rotate the file when it is so large. 0: never.",
    "output.max_age_s": "Rotate the file when it is so old. 0: never.",
    "output.keep": "How many rotated files are kept.",
    "output.compress": "How rotated files are compressed. Empty: not at all.",
    "output.address": "Syslog: unix:PATH, udp:HOST:PORT, tcp:HOST:PORT.",
    "output.facility": "Syslog: the facility.",
    "output.brokers": "Kafka: HOST:PORT of some brokers.",
    "output.topic": "Kafka: the topic.",
}

SECTIONS: Final = {
    "input": "Where records come from.",
    "queue": "What waits between reading and annotating.",
    "state": "What survives a restart.",
    "host": "What this machine is asked.",
    "control": "Where registrations and questions come in.",
    "process": "How the process behaves.",
    "log": "What the plugin says of itself.",
    "metrics": "Counters for monitoring.",
    "aix": "Where records come from on AIX.",
    "output": "One output; write [[output]] once for each, at most 16.",
}

ELSEWHERE: Final = frozenset({"aix"})
"""Sections that the installed configuration leaves out: `install` is for Linux."""

SET: Final = {"metrics.file": "/var/lib/annotator/metrics.prom", "metrics.interval_s": 5.0}
"""What the installed configuration sets other than by default, so that `status` and `top` have something to read."""

FIRST_OUTPUT: Final = (("type", "file"), ("name", "audit"), ("path", "/var/log/annotator/audit.log"), ("mode", "0640"))
"""The output that is the default, spelled out."""


class Key(NamedTuple):
    """One key: `kind` in words, `default` as TOML writes it."""

    section: str
    name: str
    kind: str
    default: str
    words: str

    @property
    def full(self) -> str:
        """`section.name`."""
        return f"{self.section}.{self.name}"


def keys() -> Iterator[Key]:
    """Every key of the configuration, in the order of `config`."""
    hints = get_type_hints(config.Config)
    for section in dataclasses.fields(config.Config):
        table = hints[section.name]
        if get_origin(table) is tuple:
            table = get_args(table)[0]
        inner = get_type_hints(table)
        for field in dataclasses.fields(table):
            full = f"{section.name}.{field.name}"
            limits = field.metadata.get("range")
            kind = _kind(inner[field.name]) + (f", {limits[0]:.10g} to {limits[1]:.10g}" if limits else "")
            yield Key(section.name, field.name, kind, toml(field.default), WORDS.get(full, ""))


def default_config() -> str:
    """The configuration that `install` writes: every key as a comment with its default, and a few that are set."""
    out = ["# Configuration of audisp-contid; see annotator.toml(5). Made by scripts/gen-docs.", ""]
    section = ""
    for key in keys():
        if key.section in ELSEWHERE:
            continue
        if key.section != section:
            section = key.section
            head = f"[[{section}]]" if section == "output" else f"[{section}]"
            out += ["", f"# {SECTIONS.get(section, '')}", head]
            if section == "output":
                out += [f"{name} = {toml(value)}" for name, value in FIRST_OUTPUT] + ["#"]
        if key.full in SET:
            out.append(f"{key.name} = {toml(SET[key.full])}")
        elif section != "output" or key.name not in dict(FIRST_OUTPUT):
            out.append(f"#{key.name} = {key.default}")
    return "\n".join(out) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it; only what a configuration can hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'
    return str(value)


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f'"{one}"' for one in get_args(hint))
    if get_origin(hint) is tuple:
        return "list of texts"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[hint]
