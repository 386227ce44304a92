"""The counts of the plugin as the metrics file, the log and heartbeats show them."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from annotator import __version__
from annotator.formats import json_text
from annotator.formats.json import ECS
from annotator.storage import codec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from annotator.core.stats import Stats
    from annotator.io.log import Log
    from annotator.plugin.outputs.output import Output

_OUTPUT_MEANINGS = {
    "written_bytes": "Bytes an output has written.",
    "queue_dropped_lines": "Units dropped because the output's queue was full.",
    "queue_dropped_bytes": "Bytes dropped because the output's queue was full.",
    "sink_dropped_lines": "Units dropped by the output itself: full disk, nobody connected.",
    "sink_dropped_bytes": "Bytes dropped by the output itself: full disk, nobody connected.",
    "failures": "Times the output failed and was opened again.",
}
_LINE_MEANINGS = {
    "annotated": "Lines that left with fields added.",
    "passed": "Lines that left as they came.",
    "filtered": "Lines that the output's filter left out.",
}
OS = {"type": "unix", "name": "AIX"} if sys.platform == "aix" else {"type": "linux"}
_GAUGES = {"queue_deepest_bytes"}


def metrics(
    stats: Stats,
    outputs: Sequence[Output],
    lines: Mapping[str, Stats],
    reader: Mapping[str, Any],
    own: Mapping[str, int],
) -> str:
    """Everything in the Prometheus text format. `lines`: line counts by output; `reader`: the counts of the reader."""
    out = [stats.metrics()]
    for name, value in (*reader.items(), *own.items()):
        if isinstance(value, int | float):
            gauge = name in _GAUGES
            full = f"annotator_plugin_{name}" + ("" if gauge else "_total")
            out.append(f"# TYPE {full} {'gauge' if gauge else 'counter'}\n{full} {value}\n")
    for name, meaning in _OUTPUT_MEANINGS.items():
        full = f"annotator_output_{name}_total"
        out.append(f"# HELP {full} {meaning}\n# TYPE {full} counter\n")
        out += [f'{full}{{output="{_label(one.name)}"}} {one.counts()[name]}\n' for one in outputs]
    out.append("# HELP annotator_output_queue_bytes Bytes that wait for the output.\n")
    out.append("# TYPE annotator_output_queue_bytes gauge\n")
    out += [f'annotator_output_queue_bytes{{output="{_label(one.name)}"}} {one.size}\n' for one in outputs]
    for name, meaning in _LINE_MEANINGS.items():
        full = f"annotator_output_{name}_lines_total"
        out.append(f"# HELP {full} {meaning}\n# TYPE {full} counter\n")
        out += [f'{full}{{output="{_label(one)}"}} {getattr(found, name)}\n' for one, found in lines.items()]
    return "".join(out)


def write_metrics(path: Path, text: str) -> None:
    """Replace the file in one step, readable by all (node_exporter is not root). Raises OSError."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with open(fd, "wb") as file:
            os.fchmod(fd, 0o644)
            file.write(text.encode())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


class DropReport:
    """Logs the units that outputs dropped since the report before."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, int]] = {}

    def report(self, outputs: Sequence[Output], log: Log) -> None:
        """Write a message for each output that dropped anything since the last time."""
        for one in outputs:
            now = one.counts()
            before = self._before.get(one.name, {})
            self._before[one.name] = now
            new = {name: count - before.get(name, 0) for name, count in now.items() if name != "written_bytes"}
            if any(new.values()):
                log.warning("output-dropped", output=one.name, **{name: n for name, n in new.items() if n})


def heartbeat(form: str, now_ms: int, node: str, stats: Stats, reader: Mapping[str, Any]) -> bytes:
    """An object that says the plugin lives, with its main counts."""
    when = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    counts = {name: value for name, value in stats.as_dict().items() if value}
    found = {
        "@timestamp": f"{when}.{now_ms % 1000:03d}Z",
        "ecs": ECS,
        "event": {"module": "annotator", "kind": "metric", "dataset": "annotator.heartbeat", "action": "heartbeat"},
        "host": {"name": node, "os": OS} if node else {"os": OS},
        "annotator": {"version": __version__, "counts": counts, "reader": dict(reader)},
    }
    return codec.pack(found) if form == "msgpack" else json_text.dumps(found) + b"\n"


def _label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
