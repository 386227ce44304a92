"""Replay of AIX trails: samples to the byte, simulated days against their truth, and what must hold of any of them.

`expected.raw.txt` and `expected.json` (one object a line) lie beside a sample's input. With UPDATE_GOLDEN=1 in the
environment they are written anew: read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import live
from annotator.aix.host import AixHost
from annotator.cli.main import main
from annotator.core.errors import ExitCode, FormatError, FormError, UsageError
from annotator.core.stats import Stats
from annotator.core.times import parse_time
from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.formats.raw import tail_start
from annotator.io.sources import Block, looks_aix, looks_binary
from tests.aix.days import FORGED, HOSTILE, day, judge, judge_sessions, late, replayed, run, spiced, wpars_of
from tests.aix.test_headings import NONCE, headed

if TYPE_CHECKING:
    from tests.aix.days import Day

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples" / "aix"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
SCHEMA = json.loads((ROOT / "annotator" / "data" / "event.schema.json").read_text("utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)

TRAILS = sorted(
    path.parent.name for path in SAMPLES.glob("*/input.*") if path.parent.name.startswith(("audit", "trail"))
)
REFUSED = {name for name in TRAILS if name.startswith("trail-")} | {"auditpr-process", "auditpr-wrapped"}
TAKEN = parse_time("2026-03-02T10:15:00Z")
WPARS = tuple((str(SAMPLES / name / "input.txt"), TAKEN) for name in ("index", "lswpar-asked"))
GIVEN: dict[str, dict[str, Any]] = {"auditpr-wpars": {"wpars": WPARS}, "trail-unknown-extension": {"wpars": WPARS}}
"""What is said beside the trail: listings that were taken just before it."""

LETTERS = ("elrRtpPTcW", "elrRdpPTcW", "elRtcW", "elrRtpPTc")


def expected(case: str, name: str, out: bytes) -> None:
    """Compare with the golden file, or write it."""
    path = SAMPLES / case / name
    if UPDATE:
        path.write_bytes(out)
    assert out == path.read_bytes()


def options(case: str, form: str) -> Options:
    """The options a sample is replayed with."""
    return Options(format=form, **GIVEN.get(case, {}))


def data_of(case: str) -> bytes:
    """A sample's input."""
    (path,) = (SAMPLES / case).glob("input.*")
    return path.read_bytes()


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(set(TRAILS) - REFUSED))
def test_raw(case: str) -> None:
    """The lines as they came, and the fields of records in a WPAR at the end of their head line."""
    stats = Stats()
    out = run(data_of(case), options(case, "raw"), stats)
    assert stats.check() == []
    expected(case, "expected.raw.txt", out)


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_raw_is_refused(case: str) -> None:
    """Nothing can be appended to a binary trail, or to lines that a terminal broke: exit code 2, and what to do."""
    with pytest.raises(FormError) as refused:
        run(data_of(case), options(case, "raw"), Stats())
    assert refused.value.exit_code == ExitCode.USAGE
    assert refused.value.what.startswith("trail: ")
    assert "--format json" in refused.value.advice


@pytest.mark.parametrize("case", TRAILS)
def test_json(case: str) -> None:
    """Every record, read and answered, as the published schema has it."""
    stats = Stats()
    out = run(data_of(case), options(case, "json"), stats)
    assert stats.check() == []
    for line in out.splitlines():
        VALID.validate(json.loads(line))
    expected(case, "expected.json", out)


# --- days against their truth -----------------------------------------------------------------------------------------


def trail(made: Day, letters: str) -> bytes:
    """The day as text, users as numbers where the real one is shown."""
    found: bytes = made.machine.auditpr(letters, numeric="r" in letters)
    return found


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("lateness", [False, True], ids=["in order", "late records"])
def test_accuracy(sim: Any, tmp_path: Path, letters: str, lateness: bool) -> None:
    """Restarts, CIDs used again, names given anew, clogins: nothing said is wrong. What is not said is counted."""
    found: Counter[str] = Counter()
    for seed in range(12):
        made = day(sim, seed)
        if lateness:
            made.machine.records = late(made.machine.records, Random(seed))
        given = Options(format="json", wpars=wpars_of(made, tmp_path))
        documents, stats = replayed(trail(made, letters), given)
        assert stats.check() == []
        found += judge(made.machine.records, documents)
        if "p" in letters:
            found += judge_sessions(made, made.machine.records, documents)
    sys.stdout.write(f"{letters} {lateness} {dict(sorted(found.items()))}\n")
    assert {name: count for name, count in found.items() if name.startswith("WRONG")} == {}
    if "W" in letters:
        assert found["right name"] > 400
        assert found["right uuid"] > 0.95 * found["right name"]
        assert found["right cid"] > 0.3 * found["right name"]
        assert not any(name.startswith("unknown") for name in found)
    if "W" in letters and "p" in letters and not lateness:
        assert found["no session"] == 0


@pytest.mark.parametrize("letters", LETTERS)
def test_accuracy_with_overflowing_columns_and_hostile_names(sim: Any, tmp_path: Path, letters: str) -> None:
    """Values wider than their columns, names that look like parts of a trail: no record is lost, no answer wrong."""
    found: Counter[str] = Counter()
    for seed in range(6):
        made = day(sim, seed, 80, beside=spiced(Random(seed), HOSTILE))
        given = Options(format="json", wpars=wpars_of(made, tmp_path))
        documents, stats = replayed(trail(made, letters), given)
        assert stats.check() == []
        assert [one["event"]["action"] for one in documents] == [one.event for one in made.machine.records]
        found += judge(made.machine.records, documents)
    assert {name: count for name, count in found.items() if name.startswith("WRONG")} == {}


@pytest.mark.parametrize("form", ["headings", "binary"])
def test_accuracy_where_names_imitate_records(sim: Any, tmp_path: Path, form: str) -> None:
    """Whole records in names of files, as a live trail has them and as the kernel writes them: nothing is wrong."""
    found: Counter[str] = Counter()
    for seed in range(6):
        made = day(sim, seed, 80, beside=spiced(Random(seed), (*HOSTILE, *FORGED)))
        given = Options(format="json", system="aix", wpars=wpars_of(made, tmp_path))
        if form == "binary":
            out = run(made.machine.trail(version=5), given, Stats())
        else:
            replay = Replay(given)
            assert replay.trail is not None
            replay.trail.begin(binary=False, nonce=NONCE)
            out = replay.pipeline.feed(headed(made.machine)) + replay.pipeline.finish()
        documents = [json.loads(line) for line in out.splitlines()]
        assert [one["event"]["action"] for one in documents] == [one.event for one in made.machine.records]
        found += judge(made.machine.records, documents)
    assert {name: count for name, count in found.items() if name.startswith("WRONG")} == {}
    assert found["right name"] > 100


@pytest.mark.parametrize("version", [3, 5])
def test_accuracy_of_binary_trails(sim: Any, tmp_path: Path, version: int) -> None:
    """A layout that is public has no WPAR: unknown. In one that is not, a known name is found, and never another."""
    found: Counter[str] = Counter()
    for seed in range(6):
        made = day(sim, seed)
        given = Options(format="json", wpars=wpars_of(made, tmp_path))
        stats = Stats()
        replay = Replay(given, stats=stats)
        lines = made.machine.trail(version=version).split(b"\n")
        out = replay.feed(Block(b"\n".join(lines), "trail", 0, False)) + replay.finish()
        assert stats.check() == []
        found += judge(made.machine.records, [json.loads(line) for line in out.splitlines()])
    sys.stdout.write(f"version {version} {dict(sorted(found.items()))}\n")
    assert {name: count for name, count in found.items() if name.startswith("WRONG")} == {}
    assert bool(found["right name"]) is (version == 5)


# --- what always holds ------------------------------------------------------------------------------------------------


def stripped(line: bytes) -> bytes:
    """A line without our fields."""
    start = tail_start(line) if not line.startswith((b" ", b"\t")) else -1
    return line[:start] if start >= 0 else line


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), letters=st.sampled_from(LETTERS), size=st.integers(1, 40), end=st.booleans())
def test_raw_conserves_and_is_idempotent(sim: Any, seed: int, letters: str, size: int, end: bool) -> None:
    """Take our fields away and the trail is there again; annotated twice is annotated once; any portions are the same.

    Also without a newline at the end.
    """
    data = trail(day(sim, seed, steps=25), letters)
    data = data if end else data[:-1]
    stats = Stats()
    out = run(data, Options(), stats)
    assert stats.check() == []
    assert b"\n".join(stripped(line) for line in out.split(b"\n")) == data
    again = Stats()
    assert run(out, Options(), again) == out
    assert (again.already, again.annotated) == (stats.annotated, 0)
    assert run(data, Options(), Stats(), size) == out


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 40), wrap=st.sampled_from([0, 80]))
def test_json_is_the_same_in_any_portions(sim: Any, seed: int, size: int, wrap: int) -> None:
    """Chunking and determinism, for broken lines too."""
    data = day(sim, seed, steps=25).machine.auditpr(wrap=wrap)
    once = run(data, Options(format="json"), Stats())
    assert run(data, Options(format="json"), Stats(), size) == once


@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")), max_size=20), st.booleans())
def test_any_bytes(lines: list[bytes], end: bool) -> None:
    """Said to be AIX, whatever it is: it leaves as it came, or is refused by an error of ours."""
    data = b"\n".join(lines) + b"\n" * end
    if not data:
        return
    for form in ("raw", "json"):
        stats = Stats()
        try:
            out = run(data, Options(format=form, system="aix"), stats)
        except (FormError, FormatError):
            continue
        assert stats.check() == []
        assert form == "json" or out == data


# --- files, options, the command line ---------------------------------------------------------------------------------


def test_auto_decides_by_content(sim: Any) -> None:
    """An AIX trail is known by its beginning, printed or binary, of either order of bytes; a Linux log is none."""
    machine = sim.scenario()
    for data in (machine.auditpr(), machine.auditpr(titles=0), machine.relayed(), machine.auditpr("WdRecp")):
        assert looks_aix(data)
        assert not looks_binary(data)
    for data in (machine.trail(), machine.trail(bins="64"), machine.trail(version=5), machine.trail(order="<")):
        assert looks_binary(data)
    log = b"type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e syscall=59 success=yes exit=0\n"
    assert not looks_aix(log)
    assert run(log, Options(), Stats()) == log


def test_two_systems_in_one_run(sim: Any) -> None:
    """Refused: their times and names have nothing to do with each other."""
    log = Block(b"type=EOE msg=audit(1700000000.123:42): ", "audit.log", 0)
    lines = Block(sim.scenario().auditpr().removesuffix(b"\n"), "trail", 0)
    for first, second in ((log, lines), (lines, log)):
        replay = Replay(Options(format="json"))
        replay.feed(first)
        with pytest.raises(UsageError, match="one run"):
            replay.feed(second)


def test_several_files(sim: Any) -> None:
    """Each has a layout of its own; ordinals go on, and every line leaves in its place."""
    machine = sim.scenario()
    files = [machine.auditpr(), machine.auditpr("elrRtpPTcW", numeric=True), machine.auditpr("WdRecp")]
    for form in ("raw", "json"):
        stats = Stats()
        replay = Replay(Options(format=form), stats=stats)
        out = b"".join(replay.feed(Block(data.removesuffix(b"\n"), f"trail{at}", 0)) for at, data in enumerate(files))
        out += replay.finish()
        assert stats.check() == []
        assert stats.events == 3 * len(machine.records)
        if form == "json":
            ordinals = [json.loads(line)["event"]["sequence"] for line in out.splitlines()]
            assert ordinals == list(range(1, stats.events + 1))
        else:
            assert b"".join(stripped(line) + b"\n" for line in out.split(b"\n")[:-1]) == b"".join(files)


def test_what_a_file_leaves_open_is_of_that_file(sim: Any) -> None:
    """The end of one trail is read with what is known of its place, not of the next one's."""
    record = struct.pack(">HH16sIII32siiiii", 0, 0, b"AUD_It", 0, 0, 0, b"audit", 4000, 1, 1, sim.EPOCH, 0)
    data = sim._bin(0, len(record), "32", ">") + record  # so short that it could be another form of header
    replay = Replay(Options(format="json"))
    out = b"".join(replay.feed(Block(data, name, 0, False)) for name in ("/wpars/web/audit/trail", "/audit/trail"))
    documents = [json.loads(line) for line in (out + replay.finish()).splitlines()]
    assert [one.get("container", {}).get("name") for one in documents] == ["web", None]


@pytest.mark.parametrize("lines", [2, 3, 4])
def test_no_newline_at_the_end(sim: Any, lines: int) -> None:
    """A trail that ends without one leaves without one, whatever its last line is."""
    data = b"\n".join(sim.scenario().auditpr().split(b"\n")[:lines])
    foreign = data + b"\nFS_Chdir        root     OK          Mon Dez  7 10:15:01 2026 ps" + b" " * 60
    linux = b"type=EOE msg=audit(1700000000.123:42): \nno record"
    for one in (data, foreign if lines > 2 else data, linux):
        assert run(one, Options(), Stats()) == one
        assert run(one, Options(), Stats(), 1) == one


@pytest.mark.parametrize(
    "given", [{"format": "record"}, {"expr": "uid r= 0", "format": "json"}], ids=["record", "expr"]
)
def test_what_is_for_linux_alone(sim: Any, given: dict[str, Any]) -> None:
    """CONTAINER_ID records and expressions of the audit library are refused, as usage."""
    with pytest.raises(UsageError) as refused:
        run(sim.scenario().auditpr(), Options(**given), Stats())
    assert refused.value.exit_code == ExitCode.USAGE


def test_an_error_comes_after_what_was_read(sim: Any) -> None:
    """A compressed bin, or a trail that is damaged further on: said with its file, and where."""
    with pytest.raises(FormError, match=r"^trail: the bin at byte 0 is compressed"):
        run(sim.scenario().trail(bins="compressed"), Options(format="json"), Stats())
    data = sim.scenario().trail()
    replay = Replay(Options(format="json"))
    out = replay.feed(Block(data + b"x" * 100, "trail", 0, False))
    assert out.count(b"\n") == len(sim.scenario().records)
    with pytest.raises(FormatError, match=f"^trail: no audit record at byte {len(data)} "):
        replay.finish()


def test_the_events_file_of_the_site(sim: Any, tmp_path: Path) -> None:
    """It says how tails are read, and with it what they mean."""
    machine = sim.Machine()
    machine.fork(machine.shell)
    data = machine.auditpr("elrRtpPTcW").replace(b"forked child process", b"new kid on the block")
    (tmp_path / "events").write_text('auditpr:\n\tPROC_Create = printf "new kid on the block %d"\n')
    for events, fields in (("", None), (str(tmp_path / "events"), {"new kid on the block"})):
        (document,), _ = replayed(data, Options(format="json", aix_events=events))
        assert set(document["aix_audit"]["record"].get("fields", {})) == (fields or set())


def test_the_zone(sim: Any) -> None:
    """Printed times are those of the machine that printed them."""
    machine = sim.Machine()
    machine.record(machine.shell, "FS_Chdir", "/")
    for tz, hour in (("UTC", "10"), ("Europe/Berlin", "09"), ("America/New_York", "15")):
        (document,), _ = replayed(machine.auditpr(), Options(format="json", tz=tz))
        assert document["@timestamp"][11:13] == hour


def test_the_command_line(sim: Any, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Options arrive; a refusal is exit code 2 with what to do; the reports know AIX too."""
    made = day(sim, 3)
    machine = made.machine
    path = tmp_path / "trail.txt"
    path.write_bytes(machine.auditpr("elrRdpPTcW", numeric=True))
    wrapped = tmp_path / "wrapped.txt"
    wrapped.write_bytes(machine.auditpr(wrap=80))
    listings = [word for name, at in wpars_of(made, tmp_path) for word in ("--wpars", f"{name}@{(at or 0) / 1000:.3f}")]
    assert main(["replay", "--tz", "UTC", *listings, str(path)]) == ExitCode.DONE
    out, _ = capfdbinary.readouterr()
    assert b" contid=" in out
    assert b'container_engine="wpar"' in out
    assert main(["replay", str(wrapped)]) == ExitCode.USAGE
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert b"--format json" in err
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(sim.scenario().trail() + b"x" * 100)
    assert main(["replay", "--format", "json", str(damaged)]) == ExitCode.FAILED
    out, err = capfdbinary.readouterr()
    assert out.count(b"\n") == len(sim.scenario().records)
    assert b"damaged.bin: no audit record at byte" in err
    for wrong in (["--tz", "Nowhere"], ["--origin", "web"], ["--wpars", str(path)], ["--aix-events", str(path)]):
        assert main(["replay", *wrong, str(path)]) != ExitCode.DONE
        assert capfdbinary.readouterr().out == b""
    assert main(["containers", "--output", "json", *listings, str(path)]) == ExitCode.DONE
    assert b'"engine": "wpar"' in capfdbinary.readouterr().out
    assert main(["sessions", "--output", "json", str(path)]) == ExitCode.DONE
    assert b'"how": "clogin"' in capfdbinary.readouterr().out
    one = next(one for one in machine.records if one.wpar and one.pid in made.inside)
    assert main(["who", str(one.pid), "--at", f"{one.seconds + 1}", "--output", "json", str(path)]) == ExitCode.DONE
    assert one.wpar.name.encode() in capfdbinary.readouterr().out


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wrap", [0, 80])
def test_columns_in_any_order(sim: Any, seed: int, wrap: int) -> None:
    """With titles, of whatever columns, broken by a terminal in whatever place: the same records, at their places."""
    machine = sim.scenario()
    random = Random(seed)
    for _ in range(8):
        more = random.sample("lRcprPT", random.randrange(8))
        letters = "".join(random.sample(["e", random.choice("td"), "W", *more], len(more) + 3))
        if sum(sim.COLUMNS[letter][1] + 1 for letter in letters) % 80 == 1 and wrap:
            continue  # the blank after the last column would be a line of its own
        documents, _ = replayed(machine.auditpr(letters, wrap=wrap), Options(format="json"))
        found = judge(machine.records, documents)
        assert not [name for name in found if name.startswith(("WRONG", "unknown"))], (letters, found)


def test_lines_that_end_as_on_windows(sim: Any) -> None:
    """A CR is no part of a column."""
    machine = sim.scenario()
    for strip in (False, True):
        data = machine.auditpr(strip=strip).replace(b"\n", b"\r\n")
        found = judge(machine.records, replayed(data, Options(format="json"))[0])
        assert not [name for name in found if name.startswith(("WRONG", "unknown"))], found


@pytest.mark.parametrize("month", ["Mrz", "m\u00e4r", "m\u00e4rz"])
@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_another_language_is_refused(sim: Any, month: str, coding: str) -> None:
    """With advice, also where the month's bytes move the columns behind it."""
    data = sim.scenario().auditpr().replace(b" Mar ", f" {month} ".encode(coding))
    with pytest.raises(FormError, match="is not English") as caught:
        replayed(data, Options())
    assert "LC_ALL=C" in caught.value.advice


# --- the machine it runs on -------------------------------------------------------------------------------------------


@pytest.fixture
def on_aix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sim: Any) -> Any:
    """This machine is the simulated one, some time after its day."""
    machine = sim.scenario()
    shell = machine.processes[machine.shell]
    machine.write_tree(tmp_path)
    machine.tick(60)

    def this_host(_root: Path, _now: Any, node: bytes = b"") -> AixHost:
        now_ms = machine.seconds * 1000
        return AixHost(tmp_path, lambda: now_ms, (shell.pid, shell.ppid), run=machine.run, node=node)

    monkeypatch.setattr(live, "this_host", this_host)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("AIX", "aixhost", "3", "7", "00F6B5934C00")))
    return machine


def test_a_replay_asks_the_aix_it_runs_on(on_aix: Any) -> None:
    """`--host live`: processes that still run say where, WPARs have what stays; of another node nobody is asked."""
    data = on_aix.auditpr("elrRtpPTc", numeric=True)
    documents, _ = replayed(data, Options(format="json", host="live"))
    found = judge(on_aix.records, documents)
    assert not [name for name in found if name.startswith("WRONG")]
    assert found["right name"] == found["right uuid"] >= 2, found
    bare, _ = replayed(data, Options(format="json"))
    assert not judge(on_aix.records, bare)["right name"]
    named, _ = replayed(on_aix.auditpr("elrRtpPTcW", numeric=True), Options(format="json", host="live"))
    found = judge(on_aix.records, named)
    assert not [name for name in found if name.startswith("WRONG")]
    assert found["right name"] == found["late uuid"] + found["right uuid"] > 10, found


def test_an_aix_says_nothing_of_a_linux_log(on_aix: Any) -> None:
    """Nor Linux of a trail: both are refused with what to do."""
    log = b"type=SYSCALL msg=audit(1700000000.123:42): arch=c000003e syscall=59 success=yes exit=0\n"
    with pytest.raises(UsageError, match="this machine is no Linux"):
        run(log, Options(host="live"), Stats())
