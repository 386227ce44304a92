"""The status of a running plugin: its counts, the containers it knows, and the lag of its outputs.

Its control socket is asked first. Where that does not answer, its files are read: the metrics file can be as old as
`metrics.interval_s`, the state file as `state.save_interval_s`; both ages are shown.
"""

from __future__ import annotations

import os
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annotator.admin import plugin_client
from annotator.admin.machine import Running, running
from annotator.core.errors import AnnotatorError, StoreError
from annotator.core.stats import Stats
from annotator.engine.pipeline import Tables
from annotator.events import EventAssembler
from annotator.linux.backend import Linux
from annotator.storage.checkpoint_restore import restore
from annotator.storage.state import load_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from annotator.admin.machine import Machine
    from annotator.core.model import Container
    from annotator.plugin.config import Config

MAX_METRICS: Final = 1 << 20
TAIL_BYTES: Final = 64 * 1024
MAX_CONTAINERS: Final = 10_000

_SAMPLE = re.compile(r'^annotator_([a-z_]{1,80}?)(?:_total)?(?:\{[a-z]+="((?:[^"\\]|\\.)*)"\})? (-?[0-9.e+]{1,40})$')
_STAMP = re.compile(rb"msg=audit\((\d{1,12})\.(\d{3}):\d+\)")

Counts = plugin_client.Counts


class Status(NamedTuple):
    """One reading. Ages are in seconds, None where there is no file. `lags`: seconds from event to file, by output."""

    processes: list[Running]
    counts: Counts
    counts_age_s: float | None
    containers: list[dict[str, Any]]
    containers_age_s: float | None
    lags: dict[str, float]
    problems: list[str]
    """The sources that could not be read, and why."""


def read(machine: Machine, config: Config, now: float, *, boot: str = "") -> Status:
    """Read the status. `now` is Unix time in seconds, `boot` this boot's id ("": the state of any boot is used)."""
    problems: list[str] = []
    counts: Counts = {}
    rows: list[dict[str, Any]] = []
    age = rows_age = None
    processes = running(machine)
    try:
        if machine.is_this and config.control.socket:
            answer = plugin_client.counts(config.control.socket)
            age, counts = 0.0, answer.counts
            processes = _answering(answer, processes)
            rows, rows_age = plugin_client.containers(config.control.socket, MAX_CONTAINERS), 0.0
    except AnnotatorError as err:
        problems.append(err.what)
    if age is None:
        counts, age = _counts(machine, config, now, problems)
    if rows_age is None:
        rows, rows_age = _containers(machine, config, now, boot, problems)
    lags = {
        output.name: lag
        for output in config.output
        if output.type == "file" and (lag := _lag(machine.path(output.path))) is not None
    }
    return Status(processes, counts, age, rows, rows_age, lags, problems)


def parse(text: str) -> Counts:
    """The samples of a metrics file (Prometheus text format 0.0.4); other lines are skipped."""
    counts: Counts = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        label = re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], match[2] or "")
        counts[match[1], label] = value
    return counts


def rates(before: Mapping[tuple[str, str], float], now: Counts, seconds: float) -> Counts:
    """The growth of each count in a second; empty when no time has passed. A count that fell began again from 0."""
    if seconds <= 0:
        return {}
    growth: Counts = {}
    for key, value in now.items():
        old = before.get(key, 0.0)
        growth[key] = (value - old if value >= old else value) / seconds
    return growth


def dropped(counts: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Lines each output dropped, for whatever reason."""
    lines: dict[str, float] = {}
    for (name, label), value in counts.items():
        if name in ("output_queue_dropped_lines", "output_sink_dropped_lines"):
            lines[label] = lines.get(label, 0.0) + value
    return lines


def as_row(status: Status) -> dict[str, Any]:
    """A status for programs: everything, with counts by `name` or `name{label}`."""
    return {
        "running": bool(status.processes),
        "pids": [process.pid for process in status.processes],
        "uptime_s": round(status.processes[0].age_s, 3) if status.processes else None,
        "resident_bytes": sum(process.resident_bytes for process in status.processes),
        "counts_age_s": status.counts_age_s,
        "counts": {f"{name}{{{label}}}" if label else name: value for (name, label), value in status.counts.items()},
        "lag_s": status.lags,
        "containers_age_s": status.containers_age_s,
        "containers": status.containers,
        "not_read": status.problems,
    }


def lines(status: Status) -> Iterator[tuple[str, str]]:
    """A status for people: pairs of a name and a text."""
    if status.processes:
        first = status.processes[0]
        memory = sum(process.resident_bytes for process in status.processes) >> 20
        used = f", {memory} MiB" if memory else ""
        yield "plugin", f"running, process {first.pid}, for {_span(first.age_s)}{used}"
    else:
        yield "plugin", "not running"
    if status.counts:
        if status.counts_age_s:
            yield "counts", f"as of {_span(status.counts_age_s)} ago"
        yield from _event_lines(status)
        yield from _output_lines(status)
    if status.containers_age_s is not None:
        age = f", as of {_span(status.containers_age_s)} ago" if status.containers_age_s else ""
        yield "containers", f"{len(status.containers)}{age}"
    for problem in status.problems:
        yield "not read", problem


def _event_lines(status: Status) -> Iterator[tuple[str, str]]:
    get = status.counts.get
    names = ("lines", "events", "container", "host", "unknown", "none")
    yield "events", ", ".join(f"{name} {get((name, ''), 0):.0f}" for name in names)
    if status.processes and (seconds := status.processes[0].age_s) > 0:
        yield "mean", f"{get(('events', ''), 0) / seconds:.1f} events/s since the start"
    reasons = [(value, label) for (name, label), value in status.counts.items() if name == "unknown_reasons" and value]
    if reasons:
        yield "unknown", ", ".join(f"{label} {value:.0f}" for value, label in sorted(reasons, reverse=True)[:6])
    worry = ("rejected", "lost", "possible_loss", "left_out_fields", "plugin_reader_lost_lines", "plugin_cut_lines")
    losses = [f"{name.removeprefix('plugin_')} {get((name, ''), 0):.0f}" for name in worry if get((name, ""))]
    yield "loss", ", ".join(losses) or "none seen"


def _output_lines(status: Status) -> Iterator[tuple[str, str]]:
    get = status.counts.get
    deepest, full = get(("plugin_queue_deepest_bytes", ""), 0), get(("plugin_queue_full", ""), 0)
    yield "queue", f"deepest {deepest / 1024:.0f} KiB, full {full:.0f} times"
    for label, value in dropped(status.counts).items():
        lag = f", lag {status.lags[label]:.3f} s" if label in status.lags else ""
        written = get(("output_written_bytes", label), 0) / 2**20
        bytes_waiting = get(("output_queue_bytes", label))  # only the metrics file has it
        waits = f"{bytes_waiting / 1024:.0f} KiB wait, " if bytes_waiting is not None else ""
        yield f"output {label}", f"{written:.1f} MiB written, {waits}{value:.0f} lines dropped{lag}"


def _answering(answer: plugin_client.PluginStatus, processes: list[Running]) -> list[Running]:
    """The worker that answered, and the reader that started it; others are of another plugin.

    Where it is not found by its name (AIX, or `annotator plugin`), its own answer counts; its memory is not known.
    """
    readers = [process.ppid for process in processes if process.pid == answer.pid]
    own = [process for process in processes if process.pid == answer.pid or process.pid in readers]
    return own or [Running(answer.pid, 0, answer.uptime_s, 0)]


def _counts(machine: Machine, config: Config, now: float, problems: list[str]) -> tuple[Counts, float | None]:
    if not config.metrics.file:
        problems.append("counts: set file in [metrics] of the configuration")
        return {}, None
    path = machine.path(config.metrics.file)
    try:
        with path.open("rb") as file:
            age = max(0.0, now - os.fstat(file.fileno()).st_mtime)
            text = file.read(MAX_METRICS).decode("utf-8", "backslashreplace")
    except OSError as err:
        problems.append(f"counts: {path}: {err.strerror}")
        return {}, None
    if age > 3 * config.metrics.interval_s + 5:
        problems.append(f"counts: {path} was last written {_span(age)} ago: is the plugin running?")
    return parse(text), age


def _containers(
    machine: Machine, config: Config, now: float, boot: str, problems: list[str]
) -> tuple[list[dict[str, Any]], float | None]:
    if not config.state.directory:
        return [], None
    path = machine.path(config.state.directory) / "state"
    tables = Tables()
    try:
        age = max(0.0, now - path.stat().st_mtime)
        saved = load_state(path)
        if saved is None or (boot and saved[0].boot and saved[0].boot != boot):
            return [], None
        restore(path, saved[0], tables, EventAssembler(Linux().completes, Stats(), ordered=True))
    except FileNotFoundError:
        return [], None
    except (OSError, StoreError) as err:
        problems.append(f"containers: {err.what if isinstance(err, StoreError) else f'{path}: {err.strerror}'}")
        return [], None
    containers: dict[int, Container] = {}
    for node in tables.registry.nodes.values():
        for container in chain(node.by_contid.values(), *node.by_id.values()):
            containers[id(container)] = container
    return [_row(each) for each in list(containers.values())[:MAX_CONTAINERS] if each.end_ms is None], age


def _row(container: Container) -> dict[str, Any]:
    row = {
        "contid": None if container.contid is None else str(container.contid),
        "id": container.id,
        "name": container.name,
        "engine": container.engine,
        "image": container.image,
        "inside": [outer.id or str(outer.contid) for outer in container.chain()[1:]],
        "node": container.node.decode("utf-8", "backslashreplace"),
        "started": container.start_ms,
    }
    return {name: value for name, value in row.items() if value not in (None, "", [])}


def _lag(path: Path) -> float | None:
    """From the newest event in a file of lines to the moment it was written there; None when that cannot be read."""
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            file.seek(max(0, info.st_size - TAIL_BYTES))
            stamps = _STAMP.findall(file.read(TAIL_BYTES))
    except OSError:
        return None
    if not stamps:
        return None
    return max(0.0, info.st_mtime - max(int(seconds) + int(millis) / 1000 for seconds, millis in stamps))


def _span(seconds: float) -> str:
    """In the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
