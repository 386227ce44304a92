"""What a running plugin has counted, which containers it knows, and how far behind its outputs are.

Its control socket is asked first. Where that does not answer, its files are read: the metrics file is as old as
`metrics.interval_s` lets it be, the state file as `state.save_interval_s`; both ages are said.
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
    """One look. Ages are in seconds, None where there is no file. `lags`: by output, from event to file in seconds."""

    processes: list[Running]
    counts: Counts
    counts_age_s: float | None
    containers: list[dict[str, Any]]
    containers_age_s: float | None
    lags: dict[str, float]
    why: list[str]
    """What could not be read, in words."""


def look(machine: Machine, config: Config, now: float, *, boot: str = "") -> Status:
    """Look once. `now` is Unix time in seconds, `boot` this boot's id ("": any state is believed)."""
    why: list[str] = []
    counts: Counts = {}
    rows: list[dict[str, Any]] = []
    age = rows_age = None
    processes = running(machine)
    try:
        if machine.is_this and config.control.socket:
            told = plugin_client.counts(config.control.socket)
            age, counts = 0.0, told.counts
            processes = _of(told, processes)
            rows, rows_age = plugin_client.containers(config.control.socket, MAX_CONTAINERS), 0.0
    except AnnotatorError as err:
        why.append(err.what)
    if age is None:
        counts, age = _counts(machine, config, now, why)
    if rows_age is None:
        rows, rows_age = _containers(machine, config, now, boot, why)
    lags = {
        output.name: lag
        for output in config.output
        if output.type == "file" and (lag := _lag(machine.path(output.path))) is not None
    }
    return Status(processes, counts, age, rows, rows_age, lags, why)


def parse(text: str) -> Counts:
    """The samples of a metrics file (Prometheus text format 0.0.4); other lines are skipped."""
    found: Counts = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        label = re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], match[2] or "")
        found[match[1], label] = value
    return found


def rates(before: Mapping[tuple[str, str], float], now: Counts, seconds: float) -> Counts:
    """How much each count grew in a second; empty when no time has passed. One that fell was started anew: from 0."""
    if seconds <= 0:
        return {}
    found: Counts = {}
    for key, value in now.items():
        old = before.get(key, 0.0)
        found[key] = (value - old if value >= old else value) / seconds
    return found


def dropped(counts: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Lines each output dropped, for whatever reason."""
    found: dict[str, float] = {}
    for (name, label), value in counts.items():
        if name in ("output_queue_dropped_lines", "output_sink_dropped_lines"):
            found[label] = found.get(label, 0.0) + value
    return found


def as_row(found: Status) -> dict[str, Any]:
    """For programs: everything, with counts by `name` or `name{label}`."""
    return {
        "running": bool(found.processes),
        "pids": [one.pid for one in found.processes],
        "uptime_s": round(found.processes[0].age_s, 3) if found.processes else None,
        "resident_bytes": sum(one.resident_bytes for one in found.processes),
        "counts_age_s": found.counts_age_s,
        "counts": {f"{name}{{{label}}}" if label else name: value for (name, label), value in found.counts.items()},
        "lag_s": found.lags,
        "containers_age_s": found.containers_age_s,
        "containers": found.containers,
        "not_read": found.why,
    }


def lines(found: Status) -> Iterator[tuple[str, str]]:
    """For people: a name and a text each."""
    if found.processes:
        first = found.processes[0]
        memory = sum(one.resident_bytes for one in found.processes) >> 20
        used = f", {memory} MiB" if memory else ""
        yield "plugin", f"running, process {first.pid}, for {_span(first.age_s)}{used}"
    else:
        yield "plugin", "not running"
    if found.counts:
        if found.counts_age_s:
            yield "counts", f"as of {_span(found.counts_age_s)} ago"
        yield from _event_lines(found)
        yield from _output_lines(found)
    if found.containers_age_s is not None:
        age = f", as of {_span(found.containers_age_s)} ago" if found.containers_age_s else ""
        yield "containers", f"{len(found.containers)}{age}"
    for why in found.why:
        yield "not read", why


def _event_lines(found: Status) -> Iterator[tuple[str, str]]:
    get = found.counts.get
    names = ("lines", "events", "container", "host", "unknown", "none")
    yield "events", ", ".join(f"{name} {get((name, ''), 0):.0f}" for name in names)
    if found.processes and (seconds := found.processes[0].age_s) > 0:
        yield "mean", f"{get(('events', ''), 0) / seconds:.1f} events/s since the start"
    reasons = [(value, label) for (name, label), value in found.counts.items() if name == "unknown_reasons" and value]
    if reasons:
        yield "unknown", ", ".join(f"{label} {value:.0f}" for value, label in sorted(reasons, reverse=True)[:6])
    worry = ("rejected", "lost", "possible_loss", "left_out_fields", "plugin_reader_lost_lines", "plugin_cut_lines")
    said = [f"{name.removeprefix('plugin_')} {get((name, ''), 0):.0f}" for name in worry if get((name, ""))]
    yield "loss", ", ".join(said) or "none seen"


def _output_lines(found: Status) -> Iterator[tuple[str, str]]:
    get = found.counts.get
    deepest, full = get(("plugin_queue_deepest_bytes", ""), 0), get(("plugin_queue_full", ""), 0)
    yield "queue", f"deepest {deepest / 1024:.0f} KiB, full {full:.0f} times"
    for label, value in dropped(found.counts).items():
        lag = f", lag {found.lags[label]:.3f} s" if label in found.lags else ""
        written = get(("output_written_bytes", label), 0) / 2**20
        bytes_waiting = get(("output_queue_bytes", label))  # only the metrics file has it
        waits = f"{bytes_waiting / 1024:.0f} KiB wait, " if bytes_waiting is not None else ""
        yield f"output {label}", f"{written:.1f} MiB written, {waits}{value:.0f} lines dropped{lag}"


def _of(told: plugin_client.PluginStatus, processes: list[Running]) -> list[Running]:
    """The worker that answered, and the reader that started it; others are of another plugin.

    Where it is not found by its name (AIX, or `annotator plugin`), what it said of itself; its memory is not known.
    """
    readers = [one.ppid for one in processes if one.pid == told.pid]
    found = [one for one in processes if one.pid == told.pid or one.pid in readers]
    return found or [Running(told.pid, 0, told.uptime_s, 0)]


def _counts(machine: Machine, config: Config, now: float, why: list[str]) -> tuple[Counts, float | None]:
    if not config.metrics.file:
        why.append("counts: set file in [metrics] of the configuration")
        return {}, None
    path = machine.path(config.metrics.file)
    try:
        with path.open("rb") as file:
            age = max(0.0, now - os.fstat(file.fileno()).st_mtime)
            text = file.read(MAX_METRICS).decode("utf-8", "backslashreplace")
    except OSError as err:
        why.append(f"counts: {path}: {err.strerror}")
        return {}, None
    if age > 3 * config.metrics.interval_s + 5:
        why.append(f"counts: {path} was last written {_span(age)} ago: is the plugin running?")
    return parse(text), age


def _containers(
    machine: Machine, config: Config, now: float, boot: str, why: list[str]
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
        why.append(f"containers: {err.what if isinstance(err, StoreError) else f'{path}: {err.strerror}'}")
        return [], None
    found: dict[int, Container] = {}
    for node in tables.registry.nodes.values():
        for one in chain(node.by_contid.values(), *node.by_id.values()):
            found[id(one)] = one
    return [_row(one) for one in list(found.values())[:MAX_CONTAINERS] if one.end_ms is None], age


def _row(one: Container) -> dict[str, Any]:
    row = {
        "contid": None if one.contid is None else str(one.contid),
        "id": one.id,
        "name": one.name,
        "engine": one.engine,
        "image": one.image,
        "inside": [outer.id or str(outer.contid) for outer in one.chain()[1:]],
        "node": one.node.decode("utf-8", "backslashreplace"),
        "started": one.start_ms,
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
