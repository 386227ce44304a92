"""`--format text`, `watch`, `explain`, `help`, `top`: what a person reads."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import jsonschema
import pytest

from annotator.admin import activity, top
from annotator.admin.status import Status
from annotator.formats.schema import schema
from annotator.report import glossary
from tests.cli.conftest import NAME, on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

PROGRAM = [sys.executable, "-m", "annotator"]
_SGR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_one_line_an_event(log: Path, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, container, who by which session, verb, object, outcome; as many lines as JSON has objects."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lines = run("replay", "--format", "text", log).out.splitlines()
    objects = [json.loads(line) for line in run("replay", "--format", "json", log).out.splitlines()]
    assert len(lines) == len(objects)
    assert all(str(one["event"]["sequence"]) in line for line, one in zip(lines, objects, strict=True))
    shell = next(line for line in lines if ":5444 " in line or "executed sh -c id" in line)
    assert re.fullmatch(
        rf"2026-11-21 21:49:24\.\d{{3}}:\d+ {NAME} +sh\[1557\] uid=65534 auid=1000 via podman exec by auid=1000 uid=0 "
        r"executed sh -c id; cat /etc/passwd >/dev/null",
        shell,
    )
    assert any(re.search(r" failed \(E[A-Z]+\)$", line) for line in lines)
    assert any(" ?not-seen " in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_colour_on_a_terminal_only(log: Path) -> None:
    """And NO_COLOR is heeded by the same rule as elsewhere; the words are the same."""
    drawn = on_terminal("replay", "--format", "text", "--container", NAME, log, columns=200)
    assert "\x1b[1;36m" + NAME in drawn


def test_a_log_cannot_drive_the_terminal(run: Callable[..., Said], tmp_path: Path) -> None:
    """Escapes, line ends, and what reorders text stay in sight, wherever they stand."""
    bad = "\x1b]0;x\x07\u202e\n"
    hexed = bad.encode().hex().upper()
    log = tmp_path / "bad.log"
    log.write_text(
        "type=SYSCALL msg=audit(1700000000.000:7): arch=c000003e syscall=59 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 "
        f"items=0 ppid=1 pid=9 auid=1 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 "
        f"comm={hexed} exe={hexed} key=(null)\n"
        f"type=EXECVE msg=audit(1700000000.000:7): argc=1 a0={hexed}\n"
    )
    for words in (("replay", "--format", "text"), ("explain", "7"), ("tree",)):
        out = run(*words, log).out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "\\x1b]0;x\\x07\\u202e\\n" in out
    assert len(run("replay", "--format", "text", log).out.splitlines()) == 1


def watched(*words: object, seconds: float, act: Callable[[], None]) -> str:
    """What `watch` prints while something is done."""
    with subprocess.Popen([*PROGRAM, "watch", *map(str, words)], stdout=subprocess.PIPE) as process:
        time.sleep(seconds)
        act()
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        out = process.stdout.read().decode()
        assert process.wait() == 0
    return out


def test_watch_follows_a_log(log: Path, tmp_path: Path) -> None:
    """What stood in it before counts, and is not shown; what comes is, with the container it is in."""
    data = log.read_bytes()
    at = data.index(b"type=SYSCALL msg=audit(1795297764.661:5424)")
    growing = tmp_path / "growing.log"
    growing.write_bytes(data[:at])

    def grow() -> None:
        with growing.open("ab") as file:
            file.write(data[at:])

    lines = watched("--container", NAME, growing, seconds=2.5, act=grow).splitlines()
    assert len(lines) > 20
    assert all(NAME in line for line in lines)
    assert any("via podman exec" in line and "executed sh -c id" in line for line in lines)
    assert min(line[:19] for line in lines) >= "2026-11-21"
    assert not any("21:49:20" in line for line in lines)


def test_watch_reads_the_plugins_socket(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """Objects of the JSON form become the same lines; a heartbeat and what is no object are passed over."""
    objects = run("replay", "--format", "json", "--container", NAME, log).out.encode()
    place = tmp_path / "events"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen(1)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b'{"event":{"kind":"metric"},"@timestamp":"2026-01-01T00:00:00Z"}\nnonsense\n' + objects)
                time.sleep(3)

        thread = threading.Thread(target=serve)
        thread.start()
        out = watched(place, seconds=1.5, act=lambda: None)
        thread.join()
    assert out == run("replay", "--format", "text", "--container", NAME, log).out


def test_watch_without_anything_to_watch(run: Callable[..., Said], tmp_path: Path) -> None:
    """It says what to name."""
    said = run("watch", tmp_path / "nope")
    assert said.code == 1
    assert "there is no such file or socket" in said.err


def test_explain_a_proven_answer(log: Path, run: Callable[..., Said]) -> None:
    """The event, the answer, each step with the records it rests on: up to the engine's command line."""
    said = json.loads(run("explain", "1795297764.685:5442", "--format", "json", log).out)
    assert said["status"] == "container"
    assert [step["step"] for step in said["steps"]][-2:] == ["moved", "announced"]
    for step in said["steps"]:
        assert step["records"]
        assert all(f"audit({step['stamp']})" in record for record in step["records"])
    assert any("crun" in record and "exec" in record for record in said["steps"][-1]["records"])
    assert said["advice"] == []
    text = run("explain", "1795297764.685:5442", log).out
    assert "Answer: in container hostnet-RAW (podman), in session 1795297764.661:5424 (podman exec)" in text
    assert all(step["words"] in text for step in said["steps"])
    drawn = _SGR.sub("", on_terminal("explain", "-q", "1795297764.685:5442", log, columns=80)).replace("\r", "")
    assert all(len(line) <= 80 for line in drawn.split("\n"))


def test_explain_an_unknown_answer(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """Why not, and which audit rule would have proven it; the event by its serial, or as it stands in a record.

    The log has holes in its serials before that event, so that the reason is the loss.
    """
    text = run("explain", "5419", log).out
    assert "Answer: unknown, because of gap" in text
    assert "is older than the log" in text
    assert text == run("explain", "audit(1795297764.645:5419):", log).out
    bare = tmp_path / "bare.log"
    drop = (b" syscall=56 ", b" syscall=57 ", b" syscall=58 ", b" syscall=435 ", b" syscall=272 ", b" syscall=308 ")
    bare.write_bytes(b"".join(x for x in log.read_bytes().splitlines(True) if not any(y in x for y in drop)))
    text = run("explain", "5419", bare).out
    assert "76-annotator-lineage.rules" in text
    assert "77-annotator-namespaces.rules" in text
    missing = run("explain", "1795297764.645:9", log)
    assert missing.code == 2
    assert "no event 1795297764.645:9 is in this log" in missing.err


def test_u32_every_word_has_its_help(run: Callable[..., Said]) -> None:
    """U32: each reason, flag and evidence, with an example and what to do; in the page, the schema, by itself."""
    page = run("help", "reasons").out
    text = json.dumps(schema())
    for _, kind, words, _ in glossary._SECTIONS:
        for one in kind:
            assert all(words[one.value])
            assert f"**{one.value}**: {words[one.value].meaning}" in page
            assert json.dumps(words[one.value].meaning)[1:-1] in text
            assert words[one.value].advice in run("help", one.value).out
    assert run("help", "nonsense").code == 2
    assert "reasons" in run("help").out


def test_u38_to_u41_what_rules_filter_on(log: Path, run: Callable[..., Said]) -> None:
    """U38-U41: parent, directory, exit code, file, addresses, tags, system; each event has it where its records do."""
    validator = jsonschema.Draft202012Validator(schema())
    objects = [json.loads(line) for line in run("replay", "--format", "json", log).out.splitlines()]
    for one in objects[::7]:
        validator.validate(one)
    assert all(one["host"]["os"]["type"] == "linux" and one["event"]["dataset"] == "auditd.log" for one in objects)
    assert not any(one["event"].get("action", "").startswith("triggered-") for one in objects)
    shell = next(one for one in objects if one["process"].get("args") == ["sh", "-c", "id; cat /etc/passwd >/dev/null"])
    assert shell["tags"] == ["exec"]
    assert shell["group"] == {"id": "65534"}
    assert shell["auditd"]["data"]["syscall"] == "execve"
    assert shell["process"]["args_count"] == 3
    child = next(one for one in objects if one["process"].get("parent", {}).get("pid") == 1557)
    assert child["process"]["parent"]["command_line"].startswith("sh -c id")
    assert child["process"]["parent"]["entity_id"] == shell["process"]["entity_id"]
    assert next(one for one in objects if one["event"]["action"] == "exit_group")["process"]["exit_code"] == 0
    assert any(one.get("source", {}).get("port") == 8080 for one in objects)
    assert any(one.get("destination", {}).get("address") == "/run/dbus/system_bus_socket" for one in objects)
    assert any(one.get("file", {}).get("path", "").startswith("/") for one in objects)
    assert all(one["message"] for one in objects)


def status(containers: int = 30, rate: int = 0) -> Status:
    """What a plugin says."""
    counts = {
        ("events", ""): 1000.0 + rate,
        ("unknown_reasons", "gap"): 7.0,
        ("output_sink_dropped_lines", "file"): 0.0,
    }
    rows = [{"id": f"{at:064x}", "name": f"c{at}", "engine": "podman", "image": "x" * 60} for at in range(containers)]
    return Status([], counts, 0.0, rows, 0.0, {}, [])


@pytest.mark.parametrize("columns", [80, 200])
def test_top_fits_and_shows_rates_sessions_and_reasons(columns: int, tmp_path: Path) -> None:
    """Containers by their rate, live sessions, why events are unknown; no line wider than the terminal."""
    from rich.console import Console

    output = tmp_path / "audit.log"
    output.write_bytes(b"")
    seen = activity.Activity(output)
    seen.look(100.0)
    line = b'type=SYSCALL msg=audit(1700000000.000:%d): a=1 contid=5 container_name="c7" cont_session="1.0:5" cont_how="runc exec"\n'  # noqa: E501
    output.write_bytes(b"".join(line % at for at in range(40)))
    seen.look(102.0)
    assert seen.rates == {"c7": 20.0}
    console = Console(width=columns, height=40, record=True, file=None, force_terminal=False)
    with console.capture() as drawn:
        console.print(top.picture(status(), {}, top.View(height=40, width=columns), seen))
    lines = drawn.get().splitlines()
    assert all(len(one) <= columns for one in lines)
    assert len(lines) <= 40
    first = next(at for at, one in enumerate(lines) if one.startswith("NAME"))
    assert lines[first + 1].split()[0] == "c7"
    assert lines[first + 1].split()[-1] == "20.0"
    assert any(one.split()[:2] == ["1.0:5", "c7"] for one in lines)
    assert any("gap" in one for one in lines)


@pytest.mark.parametrize("columns", [80, 200])
def test_top_on_a_terminal(columns: int, tmp_path: Path) -> None:
    """Through a real terminal: it draws, takes the keys s and q, and gives the terminal back."""
    drawn = on_terminal("top", "--root", tmp_path, "--interval", "0.3", columns=columns, rows=30, keys=b"sq")
    assert "by rate" in drawn
    assert "by name" in drawn
    assert drawn.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))
