"""The plugin's configuration as frozen values, with the meaning of each key; `config_load` reads it from a file.

The unit of a number is in the name of its key (`_s` seconds, `_ms` milliseconds, `_mib` 2**20 bytes). Each key carries
its meaning (`doc`) and its limits (`range`) as metadata: the loader checks the limits, and the man page and the default
configuration are made of both.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Literal, TypeVar

_T = TypeVar("_T")


def _key(default: _T, doc: str, *, limits: tuple[float, float] | None = None) -> _T:
    """A key with its meaning for people. `limits`: the smallest and the largest value of a number."""
    return field(default=default, metadata={"doc": doc, "range": limits})


@dataclass(frozen=True, slots=True)
class Input:
    """The source of records: standard input, or auditd's `audispd_events` socket."""

    format: Literal["auto", "string", "binary"] = _key(
        "auto",
        "How records come. auto finds out; string is what auditd gives plugins by default; binary has a "
        "header before each record.",
    )
    socket: str = _key(
        "", "Read auditd's audispd_events socket at this path instead of standard input. Empty: standard input."
    )
    node: str = _key("", "The name of this host in the output, for records without node=. Empty: the host's own name.")


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue between the reader and the worker; `plugin.reader.queue` describes the policies of `when_full`."""

    memory_mib: int = _key(
        64,
        "How much may wait between reading and annotating. It waits in a file below state.directory, where "
        "the next plugin finds it when this one is killed; without that, or when the disk is full, in memory.",
        limits=(1, 65536),
    )
    when_full: Literal["block", "spill", "pass"] = _key(
        "block",
        "block: stop reading, so that auditd's own queue fills and its overflow_action decides; spill: write "
        "to disk, below state.directory; pass: let records out without looking at them.",
    )
    spill_max_mib: int = _key(1024, "How much may be spilled to disk.", limits=(1, 1 << 20))


@dataclass(frozen=True, slots=True)
class State:
    """The state that survives a restart. An empty directory: none does."""

    directory: str = _key("/var/lib/annotator", "Where what was learnt is kept over a restart. Empty: nothing is kept.")
    save_interval_s: float = _key(60.0, "How often it is saved.", limits=(1, 86400))


@dataclass(frozen=True, slots=True)
class Host:
    """The questions that this machine is asked about the processes of its own records."""

    live: bool = _key(True, "Ask this machine in which container the processes of its own records are.")
    processes: bool = _key(
        True,
        "Follow forks, execs and exits by the kernel's proc connector, so that short-lived processes are known too.",
    )
    journal: str = _key(
        "journal",
        "Keep what was seen in this file, for `annotator replay --journal` later. A name without a slash is below "
        "state.directory (Linux). Empty: not kept.",
    )
    journal_max_mib: int = _key(
        512, "How much room the journal and what was rotated from it may take.", limits=(1, 1 << 20)
    )
    journal_max_days: float = _key(
        90.0, "How long what was rotated from the journal is kept. 0: until there is no room.", limits=(0, 36500)
    )


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What this site's container engines are called, and where they lie, beside all that is known."""

    programs: tuple[str, ...] = _key(
        (), "Programs with runc's command line that the plugin does not know: base names, or paths (those are root's)."
    )
    directories: tuple[str, ...] = _key(
        (), "Directories where only root puts engines' programs, beside those of distributions."
    )


@dataclass(frozen=True, slots=True)
class Control:
    """The control socket (mode 0600, of root) for registrations and questions.

    On AIX, which has no /run, it is elsewhere; there it takes questions only.
    """

    socket: str = _key(
        "/var/annotator/control" if sys.platform == "aix" else "/run/annotator/control",
        "The socket for registrations and questions, for root alone. Empty: none. On AIX only questions come "
        "in, and the default is /var/annotator/control.",
    )


@dataclass(frozen=True, slots=True)
class Process:
    """The plugin's processes."""

    user: str = _key(
        "",
        "Whom the worker becomes after the start. Empty: it stays root, without capabilities it does not need.",
    )
    oom_score_adj: int = _key(
        0, "How willingly the kernel ends the plugin when memory runs out (proc(5)).", limits=(-1000, 1000)
    )
    drain_s: float = _key(
        2.0, "How long the plugin goes on reading and writing after it was told to stop.", limits=(0, 300)
    )
    event_timeout_ms: int = _key(2000, "How long an event may wait for further records.", limits=(10, 60000))


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The plugin's own messages."""

    syslog: str = _key("/dev/log", "The socket the plugin's own messages go to. Empty: none.")
    stderr: bool = _key(False, "Write them to standard error too.")
    level: Literal["debug", "info", "warning", "error"] = _key("info", "The least grave messages that are written.")
    report_interval_s: float = _key(
        60.0, "How often dropped records are reported, if there were any.", limits=(0.1, 86400)
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """The text file for node_exporter's textfile collector."""

    file: str = _key(
        "",
        "A file with all counters in the Prometheus text format; `annotator status` and `top` read it. Empty: none.",
    )
    interval_s: float = _key(15.0, "How often it is written.", limits=(0.1, 86400))


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its kind, its form and the events that it takes."""

    type: Literal["file", "stdout", "socket", "syslog", "kafka"] = _key(
        "file", "Where to: a file, standard output, a unix socket others connect to, syslog, or Kafka."
    )
    name: str = _key("", "The name of the output in metrics and messages. Empty: its type and number.")
    format: Literal["raw", "record", "json", "msgpack"] = _key(
        "raw", "raw: the lines with fields added; record: CONTAINER_ID records; json, msgpack: one object an event."
    )
    # which events
    only_containers: bool = _key(False, "Only events in a container, or aimed at one.")
    container: str = _key("", "Only events of this container: a name, or the beginning of an id.")
    expr: str = _key("", "Only events that match this expression (ausearch-expression(5)).")
    # the form
    fields: tuple[str, ...] = _key((), "Only these: names of fields in the raw form, dotted paths in JSON. Empty: all.")
    original: bool = _key(False, "JSON: keep the records, as event.original.")
    mark_unknown: bool = _key(False, 'Raw: mark events that cannot be told, cont_how="unknown:REASON".')
    resolve_users: bool = _key(False, "JSON: name users by this machine's passwd.")
    heartbeat_s: float = _key(
        0.0, "JSON and msgpack: how often an object says that the plugin lives. 0: never.", limits=(0, 86400)
    )
    # the queue of the output
    queue_mib: int = _key(64, "How much may wait for this output.", limits=(1, 65536))
    when_full: Literal["drop", "wait"] = _key(
        "drop",
        "drop: the other outputs go on; wait: everything waits until this one has taken its part, also when its disk "
        "is full or its file cannot be opened. What it has not taken at a stop waits for the next run.",
    )
    # file, socket
    path: str = _key("", "File or socket.")
    mode: str = _key("0600", "Mode of the file or socket, octal.")
    group: str = _key("", "Group of the file, by name or number.")
    read_users: tuple[str, ...] = _key(
        (), "Users who may read the file too, by name or number (an access control list)."
    )
    max_mib: int = _key(64, "Rotate the file when it is so large. 0: never.", limits=(0, 1 << 20))
    max_age_s: float = _key(0.0, "Rotate the file when it is so old. 0: never.", limits=(0, 366 * 86400))
    keep: int = _key(5, "How many rotated files are kept.", limits=(0, 9999))
    compress: Literal["", "gz", "zst"] = _key("", "How rotated files are compressed. Empty: not at all.")
    # syslog
    address: str = _key("unix:/dev/log", "Syslog: unix:PATH, udp:HOST:PORT, tcp:HOST:PORT.")
    facility: str = _key("local6", "Syslog: the facility.")
    # kafka
    brokers: tuple[str, ...] = _key((), "Kafka: HOST:PORT of some brokers.")
    topic: str = _key("", "Kafka: the topic.")


@dataclass(frozen=True, slots=True)
class Aix:
    """`annotator plugin --source auditstream` and `auditpr`: the programs of the pipe, and the trail that they print.

    `tz` and `origin` are those of `replay`; the pipe that the plugin starts itself prints UTC.
    """

    auditstream: str = _key(
        "/usr/sbin/auditstream",
        "AIX, `annotator plugin --source auditstream`: the program that reads the audit device. When "
        "something of this table, of input, queue or host has changed, SIGHUP starts the pipe anew; all else "
        "changes while it goes on.",
    )
    auditpr: str = _key("/usr/sbin/auditpr", "The program that prints what it reads.")
    records: Literal["printed", "binary"] = _key(
        "printed",
        "What is read: printed by auditpr, each record behind a heading with a random number, so that a WPAR cannot "
        "imitate records by names with newlines (users of Global can); or binary, as the kernel wrote them, which "
        "nobody can imitate, for outputs of JSON. There the name of the WPAR is taken from a part whose form is not "
        "public: it is flagged inferred. When it cannot be read, printed ones are.",
    )
    classes: tuple[str, ...] = _key(
        (), "The audit classes to read, of /etc/security/audit/config. Empty: all that are enabled."
    )
    numeric: bool = _key(True, "Users as numbers: auditpr names the users of a WPAR by the users of Global.")
    tz: str = _key("UTC", "With --source auditpr: the zone of the printed times, such as Europe/Berlin.")
    origin: str = _key("", "Whose trail it is: global, or wpar:NAME for one that calls itself Global. Empty: not said.")
    inventory_interval_s: float = _key(
        30.0, "How often the WPARs of the machine are looked at when nothing asks for it sooner.", limits=(1, 86400)
    )


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    input: Input = field(default=Input(), metadata={"doc": "Where records come from."})
    queue: Queue = field(default=Queue(), metadata={"doc": "What waits between reading and annotating."})
    state: State = field(default=State(), metadata={"doc": "What survives a restart."})
    process: Process = field(default=Process(), metadata={"doc": "How the process behaves."})
    host: Host = field(default=Host(), metadata={"doc": "What this machine is asked."})
    engines: EngineSettings = field(
        default=EngineSettings(), metadata={"doc": "Container engines beside those that are known."}
    )
    control: Control = field(default=Control(), metadata={"doc": "Where registrations and questions come in."})
    log: LogSettings = field(default=LogSettings(), metadata={"doc": "What the plugin says of itself."})
    metrics: Metrics = field(default=Metrics(), metadata={"doc": "Counters for monitoring."})
    aix: Aix = field(default=Aix(), metadata={"doc": "Where records come from on AIX."})
    output: tuple[Output, ...] = field(
        default=(Output(name="audit", path="/var/log/annotator/audit.log", mode="0640"),),
        metadata={"doc": "One output; write [[output]] once for each, at most 16."},
    )
