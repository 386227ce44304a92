"""Status reads what the plugin writes: its metrics file, its state file, its socket, the end of its outputs."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from annotator.admin import plugin_client, status, top
from annotator.admin.machine import files_below
from annotator.core.model import Flag, Reason, Stamp, Status
from annotator.core.stats import Stats
from annotator.engine.host_context import this_header
from annotator.engine.pipeline import Tables
from annotator.events import EventAssembler
from annotator.io.control import ControlSocket
from annotator.linux.backend import Linux
from annotator.plugin import config_load
from annotator.plugin.outputs.metrics import metrics
from annotator.storage.checkpoint_save import save
from tests.world import decided

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.plugin.config import Config

NOW = 1_800_000_000.0


def some_stats() -> Stats:
    """Counts of which each is another."""
    stats = Stats()
    decided(stats, Status.UNKNOWN, Reason.GONE)
    decided(stats, Status.CONTAINER, None, [Flag.ENTERED])
    stats.lines, stats.annotated, stats.passed = 7, 3, 4
    return stats


def test_what_the_plugin_writes_is_read_back() -> None:
    """Every counter of the metrics file, by its name and label, also with a label that is escaped."""
    stats = some_stats()
    found = status.parse(metrics(stats, [], {'a"\\\n': stats}, {"queue_full": 3}, {"cut_lines": 2}))
    for name, value in stats.as_dict().items():
        if not name.startswith(("unknown_", "flag_")):
            assert found[name, ""] == value
    assert found["unknown_reasons", "gone"] == 1
    assert found["answer_flags", "entered"] == 1
    assert found["output_annotated_lines", 'a"\\\n'] == 3
    assert found["plugin_queue_full", ""] == 3
    assert found["plugin_cut_lines", ""] == 2


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """A file of something else has no samples."""
    status.parse(text)
    status.parse(f'annotator_x{{output="{text}"}} 1')


@given(st.dictionaries(st.tuples(st.text(), st.text()), st.floats(0, 1e12)), st.floats(-5, 100))
def test_rates_are_never_negative(counts: status.Counts, seconds: float) -> None:
    """A plugin that was started anew counts from 0."""
    higher = {key: value * 2 for key, value in counts.items()}
    assert all(rate >= 0 for rate in status.rates(higher, counts, seconds).values())
    assert status.rates({}, counts, 0) == {}


def some_config(directory: str) -> Config:
    """A configuration of files below a directory on the machine."""
    text = f'[state]\ndirectory = "{directory}"\n[metrics]\nfile = "{directory}/metrics"\n'
    text += f'[[output]]\ntype = "file"\nname = "audit"\npath = "{directory}/audit.log"\n'
    return config_load.parse(text.encode(), "test")


def keep_one(path: Path) -> None:
    """A state file in which one container lives and another has ended."""
    tables = Tables()
    tables.registry.engine(b"", "a" * 64, "docker")
    tables.registry.ended(tables.registry.engine(b"", "b" * 64, "docker"), Stamp(1, 1))
    save(path, this_header(), tables, EventAssembler(Linux().completes, Stats()), None)


def test_files_tell_what_the_plugin_knows(tmp_path: Path) -> None:
    """Counts with their age, live containers of the state, and how long an event took into its file."""
    home = tmp_path / "var"
    home.mkdir()
    keep_one(home / "state")
    (home / "metrics").write_text(some_stats().metrics())
    os.utime(home / "metrics", (NOW - 4, NOW - 4))
    (home / "audit.log").write_text("type=X msg=audit(1799999999.500:1): \ntype=Y msg=audit(1799999998.000:2): \n")
    os.utime(home / "audit.log", (NOW, NOW))
    found = status.read(files_below(tmp_path), some_config("/var"), NOW)
    assert found.problems == []
    assert found.counts["lines", ""] == 7
    assert found.counts_age_s == 4
    assert [row["id"] for row in found.containers] == ["a" * 64]
    assert found.lags == {"audit": 0.5}
    assert json.loads(json.dumps(status.as_row(found)))["counts"]["unknown_reasons{gone}"] == 1
    assert dict(status.lines(found))["plugin"] == "not running"


def test_another_boots_containers_are_not_shown(tmp_path: Path) -> None:
    """They are gone."""
    (tmp_path / "var").mkdir()
    keep_one(tmp_path / "var/state")
    assert status.read(files_below(tmp_path), some_config("/var"), NOW, boot="another").containers == []


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """No file, an old file, a state that is none: in words, and the rest is shown."""
    found = status.read(files_below(tmp_path), some_config("/var"), NOW)
    assert "No such file" in found.problems[0]
    (tmp_path / "var").mkdir()
    (tmp_path / "var/metrics").write_text(some_stats().metrics())
    (tmp_path / "var/state").write_text("x")
    os.utime(tmp_path / "var/metrics", (NOW - 4000, NOW - 4000))
    found = status.read(files_below(tmp_path), some_config("/var"), NOW)
    assert "1.1 h ago: is the plugin running?" in found.problems[0]
    assert found.problems[1].startswith("containers: ")
    assert status.read(files_below(tmp_path), config_load.parse(b"", "test"), NOW).problems == [
        "counts: set file in [metrics] of the configuration"
    ]


def test_the_socket_says_the_same_as_the_file(tmp_path: Path) -> None:
    """Counts by the same names, containers page by page."""
    stats = some_stats()
    rows = [{"id": f"{number:064x}", "start_ms": number, "inside": "x"} for number in range(5)]

    def answer(_peer: object, request: dict[str, object]) -> dict[str, object]:
        if request["op"] == "status":
            outputs = {"audit": {"written_bytes": 9}}
            counts = {"counts": stats.as_dict(), "reader": {"queue_full": 1}, "outputs": outputs}
            return {"ok": True, "pid": 7, "uptime_s": 2.5, **counts}
        first = int(str(request["from"]))
        return {"ok": True, "total": 5, "containers": rows[first : first + 2]}

    server = ControlSocket(str(tmp_path / "control"), answer)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            server.serve(time.monotonic_ns() // 1_000_000)
            over.wait(0.005)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        pid, uptime_s, counts = plugin_client.counts(str(tmp_path / "control"))
        containers = plugin_client.containers(str(tmp_path / "control"), 4)
    finally:
        over.set()
        thread.join()
        server.close()
    from_file = status.parse(metrics(stats, [], {}, {"queue_full": 1}, {}))
    assert {key: counts[key] for key in from_file} == from_file
    assert counts["output_written_bytes", "audit"] == 9
    assert (pid, uptime_s) == (7, 2.5)
    assert [row["started"] for row in containers] == [0, 1, 2, 3]
    assert containers[0]["inside"] == ["x"]


def test_top_shows_rates_and_no_control_bytes() -> None:
    """Two looks make a rate; a container's name cannot drive the terminal."""
    first = status.Status(
        [], {("lines", ""): 10.0, ("output_queue_dropped_lines", "o"): 0.0}, 0.0, [], 0.0, {"o": 0.25}, []
    )
    row = {"id": "a" * 64, "name": "x\x1b[2Jy", "engine": "docker"}
    second = first._replace(counts={**first.counts, ("lines", ""): 110.0}, containers=[row] * 9)
    console = Console(file=io.StringIO(), width=120, height=30)
    top.show(console, iter([(100.0, first), (102.0, second)]), lambda: "")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "50.0" in text
    assert "\x1b" not in text
    assert "aaaaaaaaaaaa" in text
    assert "0.250" in text
    assert "and " in text
