"""Rules of an AIX machine's journal: looks come back as they were made, and a replay with it knows what was live."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.aix.host import AixHost
from annotator.aix.inventory import Sighting
from annotator.aix.journal import KIND, Reader, Writer
from annotator.aix.listing import Listing
from annotator.core.errors import StoreError, UsageError
from annotator.core.registry import Registry
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.host_context import HostContext
from annotator.engine.input_check import blocks_of
from annotator.engine.observation_log import Journaling
from annotator.engine.replay import Replay
from annotator.history import Observations
from annotator.io.log import Log
from annotator.plugin import config_load
from annotator.plugin.aix.auditstream import AuditStream
from annotator.storage.format import Header
from tests.aix.days import Day, day, judge, judge_sessions, quiet, renew, replayed, wpars_of
from tests.aix.test_live import configured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.system

HEADER = Header(b"host1", "", 0, 100)
UUID = "541ba314-c7ca-4f67-bc6e-a10d5eaa8541"

sightings = st.builds(
    Sighting,
    source=st.sampled_from(("perfstat", "lswpar", "index")),
    name=st.sampled_from(("web", "db", "x" * 25, "we_b")),
    cid=st.none() | st.integers(1, 65534),
    ckey=st.none() | st.integers(1, 9),
    state=st.none() | st.sampled_from("ADB"),
    start_ms=st.none() | st.integers(0, 2**40),
)
scans = st.builds(
    Listing,
    st.lists(sightings, max_size=3).map(tuple),
    st.integers(0, 2**40),
    st.frozensets(st.sampled_from(("perfstat", "lswpar"))),
    st.lists(st.sampled_from(("", "web", "no such name, and much too long for one")), max_size=2).map(tuple),
    st.integers(0, 20_000),
)


# --- looks as entries -------------------------------------------------------------------------------------------------


@given(st.lists(scans, max_size=8), st.sets(st.integers(0, 16)))
def test_looks_come_back_as_they_were_made(made: list[Listing], rotations: set[int]) -> None:
    """However often a new file is begun: each file says all of its own looks, without those before it."""
    files: list[list[tuple[int, Mapping[str, Any]]]] = [[]]
    count = iter(range(1000))

    def append(ns: int, kind: str, body: Mapping[str, Any]) -> bool:
        assert kind == KIND
        begun = next(count) in rotations and bool(files[-1])
        if begun:
            files.append([])
        files[-1].append((ns, body))
        return begun

    writer = Writer(append)
    for one in made:
        writer.note(one)
    found: list[Listing] = []
    for file in files:
        reader = Reader()
        found += [look for ns, body in file if (look := reader.listing(ns, body)) is not None]
        assert reader.skipped <= 1, "at most the first, that says `the same` of what the file before had"
    assert found == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sightings": "none"},
        {"sightings": [{"source": "perfstat", "name": "Global", "cid": 3}]},
        {"sightings": [{"source": "perfstat", "name": "web", "cid": 0}]},
        {"sightings": [{"source": "perfstat", "name": "web", "cid": 65535}]},
        {"sightings": [{"source": "perfstat", "name": "w b"}]},
        {"sightings": [{"source": "perfstat", "name": "\ud800"}]},
        {"sightings": [{"source": "perfstat"}]},
    ],
)
def test_a_look_that_cannot_be_is_not_used(body: dict[str, Any]) -> None:
    """Nor is what says that it is the same."""
    reader = Reader()
    good = {"sightings": [{"source": "perfstat", "name": "web", "cid": 3}]}
    assert reader.listing(1, good) is not None
    if body:
        assert reader.listing(2, body) is None
        assert reader.listing(3, {}) is None
        assert reader.skipped == 2
    else:
        assert reader.listing(2, body) == Listing((Sighting("perfstat", "web", cid=3),), 0)


# --- days that were recorded live -------------------------------------------------------------------------------------


@dataclass
class Recording:
    """The plugin on a simulated machine: it gets the records as they are made, and looks when it wants to."""

    folder: Path
    letters: str
    made: Day | None = None
    stream: Any = None
    given: int = 0
    written: dict[str, bytes] = field(default_factory=dict)
    documents: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, made: Day) -> None:
        """What happens beside the machine: its commands are read, and the plugin takes its turn."""
        self.made = made
        self.written = renew(made.machine, self.folder / "root", self.written)
        if self.stream is None:
            self._begin(made)
        self.stream.scans.tick()
        records = made.machine.records
        made.machine.records = records[self.given :]
        if made.machine.records:
            self.stream.pipeline.feed(made.machine.auditpr(self.letters, numeric="r" in self.letters).split(b"\n")[:-1])
            self.stream.pipeline.idle()
        made.machine.records, self.given = records, len(records)

    def _begin(self, made: Day) -> None:
        machine = made.machine
        shell = machine.processes[machine.shell]

        def run(argv: Sequence[str]) -> bytes:
            return bytes(machine.run(tuple(argv)))

        def total(*arguments: Any) -> int:
            return int(machine.perfstat_wpar_total()(*arguments))

        own = (shell.pid, shell.ppid)
        host = AixHost(self.folder / "root", made.now_ms, own, run=run, total=total, node=b"host1")
        more = f'[input]\nnode = "host1"\n[host]\nlive = true\njournal = "{self.folder}/journal"\n'
        text = configured(self.folder, "json").read_text("utf-8").replace("[host]\nlive = false\n", more)
        (self.folder / "annotator.toml").write_text(text, "utf-8")
        self.stream = AuditStream(config_load.load(self.folder / "annotator.toml"), Log("", stderr=False), None, host)
        self.stream._attach_host()

    def end(self) -> None:
        """The plugin ends: its answers are `documents`."""
        self.stream._finish()
        self.stream.close()
        self.documents = [json.loads(line) for line in (self.folder / "out").read_bytes().splitlines()]


@pytest.mark.parametrize("letters", ["elrRtpPTcW", "elrRtpPTc"], ids=["with names", "without"])
def test_a_recorded_day_is_answered_as_it_was_live(sim: Any, quick_path: Path, letters: str) -> None:
    """Restarts, CIDs used again, removals: nothing is wrong, live or replayed, and the journal gives the CIDs."""
    live: Counter[str] = Counter()
    found: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    for seed in range(4):
        folder = quick_path / f"{letters}{seed}"
        folder.mkdir()
        recording = Recording(folder, letters)
        made = day(sim, seed, beside=recording)
        recording.end()
        truth = made.machine.records
        data = made.machine.auditpr(letters, numeric="r" in letters)
        documents, stats = replayed(data, Options(format="json", journals=(folder / "journal",)))
        assert (stats.check(), stats.facts_skipped, stats.store_cut_bytes) == ([], 0, 0)
        alone, _ = replayed(data, Options(format="json"))
        live += judge(truth, recording.documents)
        found += judge(truth, documents)
        bare += judge(truth, alone)
        found += judge_sessions(made, truth, documents)
    for name, count in (("live", live), ("journal", found), ("alone", bare)):
        sys.stdout.write(f"{letters} {name} {dict(sorted(count.items()))}\n")
        assert {name: many for name, many in count.items() if name.startswith("WRONG")} == {}
    assert not bare["right cid"], "a text trail alone has no CID"
    assert found["right cid"] > 0.5 * found["right name"]
    assert found["right name"] >= live["right name"]


@pytest.mark.parametrize("letters", ["elrRtpPTcW", "elrRtpPTc"], ids=["with names", "without"])
def test_nothing_is_wrong_where_commands_are_not_audited(sim: Any, quick_path: Path, letters: str) -> None:
    """WPARs start, stop, and hand on their CIDs and names, and no record tells; only looks and listings do."""
    found: Counter[str] = Counter()
    for seed in range(4):
        folder = quick_path / f"{letters}{seed}"
        folder.mkdir()
        recording = Recording(folder, letters)
        made = day(quiet(sim), seed, beside=recording)
        recording.end()
        data = made.machine.auditpr(letters, numeric=True)
        journal, _ = replayed(data, Options(format="json", journals=(folder / "journal",)))
        listed, _ = replayed(data, Options(format="json", wpars=wpars_of(made, folder)))
        for documents in (recording.documents, journal, listed):
            found += judge(made.machine.records, documents)
    assert {name: many for name, many in found.items() if name.startswith("WRONG")} == {}
    assert found["right cid"] > 0.2 * (found["right name"] + found["no name"])


def test_a_look_takes_its_time(sim: Any, tmp_path: Path) -> None:
    """What it shows was so when it began; of a WPAR that was restarted meanwhile nothing of before is known after."""
    machine = sim.Machine()
    machine.make("web")
    machine.start("web", 7)
    init_ms = machine.seconds * 1000
    machine.tick(60)
    machine.records.clear()
    begun_ms = machine.seconds * 1000
    shown = (Sighting("perfstat", "web", cid=7, start_ms=init_ms),)
    machine.tick(2)
    machine.stop("web")
    pid = machine.start("web", 9)
    machine.tick(8)
    machine.record(pid, "FS_Chdir", "/")
    kept = Journaling(tmp_path / "journal", HEADER)
    Writer(kept.append).note(Listing(shown, begun_ms, frozenset(("perfstat",)), took_ms=9000))
    kept.close()
    documents, _ = replayed(machine.auditpr("elrRtpPTcW"), Options(format="json", journals=(tmp_path / "journal",)))
    assert documents[-1]["container"]["name"] == "web"
    assert "cid" not in documents[-1]["provenance"].get("aix", {})


@pytest.mark.parametrize(("starts", "known"), [((None, None), False), ((500, 500), True), ((500, 900), False)])
def test_the_same_cid_hours_later(sim: Any, tmp_path: Path, starts: tuple[int | None, int | None], known: bool) -> None:
    """Between two looks with hours in between only the start of its init shows that it is the same life."""
    machine = sim.Machine()
    machine.make("web")
    pid = machine.start("web", 7)
    machine.records.clear()
    kept = Journaling(tmp_path / "journal", HEADER)
    writer = Writer(kept.append)
    for at, start in enumerate(starts):
        start_ms = None if start is None else start * 1000
        seen = (Sighting("perfstat", "web", cid=7, start_ms=start_ms),)
        writer.note(Listing(seen, (machine.seconds + at * 20_000) * 1000, frozenset(("perfstat",))))
    kept.close()
    machine.tick(30)
    machine.record(pid, "FS_Chdir", "/")
    machine.tick(9000)
    machine.record(pid, "FS_Chdir", "/")
    documents, _ = replayed(machine.auditpr("elrRtpPTcW"), Options(format="json", journals=(tmp_path / "journal",)))
    assert ("cid" in documents[1]["provenance"].get("aix", {})) is known


def test_a_journal_of_another_kind_is_refused(sim: Any, tmp_path: Path) -> None:
    """One without a look for a trail; one of an AIX machine for a Linux log."""
    linux, aix = tmp_path / "linux", tmp_path / "aix"
    Journaling(linux, HEADER).close()
    with pytest.raises(UsageError, match="no look at WPARs"):
        replayed(sim.scenario().auditpr(), Options(journals=(linux,)))
    kept = Journaling(aix, HEADER)
    Writer(kept.append).note(Listing((Sighting("perfstat", "web", cid=3),), 1000))
    kept.close()
    log = tmp_path / "audit.log"
    log.write_bytes(b"type=LOGIN msg=audit(1.000:1): pid=1\n")
    run = Replay(Options(journals=(aix,)))
    with pytest.raises(UsageError, match="says nothing of Linux logs"):
        run.feed(next(iter(blocks_of([str(log)]))))


def test_of_another_node_nothing_is_known(tmp_path: Path) -> None:
    """A trail can name several machines (auditpr -h h): the journal is of one, and the same names are on the others."""
    for name in ("hostA", "hostB"):
        kept = Journaling(tmp_path / name, Header(name.encode(), "", 0, 100))
        for second in (1772446500, 1772446530):
            Writer(kept.append).note(Listing((Sighting("perfstat", "web", cid=3, uuid=UUID),), second * 1000))
        kept.close()
    widths = (15, 16, 8, 11, 24, 31, 25)
    rows = [["event", "hostname", "login", "status", "time", "command", "wpar name"], ["-" * one for one in widths]]
    hosts = ("hostB", "hostA", "none")
    rows += [["FS_Chdir", host, "root", "OK", "Mon Mar 02 10:15:10 2026", "ksh", "web"] for host in hosts]
    lines = [" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " " for row in rows]
    trail = "\n".join([*lines, ""]).encode()
    found, _ = replayed(trail, Options(format="json", journals=(tmp_path / "hostA",)))
    assert [one["provenance"].get("aix", {}).get("cid") for one in found] == [None, "3", "3"]
    assert [one["container"].get("id") for one in found] == [None, UUID, UUID]
    with pytest.raises(StoreError, match="'hostB', not 'hostA'"):
        replayed(trail, Options(format="json", journals=(tmp_path / "hostA", tmp_path / "hostB")))


def test_this_machine_s_processes_are_not_those_of_a_trail(sim: Any) -> None:
    """`--host live` on Linux would ask for the pids of another machine; on AIX it is asked (`test_stripped` knows)."""
    with pytest.raises(UsageError, match=r"answered by an AIX machine only|is no Linux|has no /proc"):
        replayed(sim.scenario().auditpr(), Options(host="live"))


def test_the_same_as_what_was_lost_is_not_what_was_before_it() -> None:
    """After a gap a look that says `the same` means one that is not there."""
    reader = Reader()
    assert reader.listing(1, {"sightings": [{"source": "perfstat", "name": "web", "cid": 3}]}) is not None
    reader.gap()
    assert reader.listing(2, {}) is None
    assert reader.skipped == 1


def test_a_file_that_a_process_begins_has_a_whole_look_too(sim: Any, tmp_path: Path) -> None:
    """A journal is rotated with whatever entry is next: what is the same as in the file before says nothing there."""
    recording = Recording(tmp_path, "elrRtpPTc")
    machine = sim.Machine()
    machine.make("web")
    machine.start("web", 7)
    made = Day(machine, 0)
    recording(made)
    recording.stream.journal.journal._max_entries = 1
    child = machine.fork(machine.wpars["web"].init, record=False)
    machine.record(child, "FS_Chdir", "/")
    recording(made)
    recording.stream.journal.journal._max_entries = 1000
    for _ in range(3):
        machine.tick(31)
        recording(made)
    recording.end()
    stats = Stats()
    loaded = HostContext(Observations(Registry()), stats)
    loaded.load(tmp_path / "journal", b"host1")
    assert (tmp_path / "journal.1").exists()
    assert len(loaded.listings) == recording.stream.scans.count


@pytest.mark.parametrize("many", [1000, 4000, 20_000])
def test_a_look_that_does_not_fit_is_not_the_one_before(tmp_path: Path, many: int) -> None:
    """More WPARs than one entry can hold: what is the same as they is not the same as what was before them."""
    path = tmp_path / "journal"
    kept = Journaling(path, HEADER)
    writer = Writer(kept.append)
    crowd = tuple(Sighting("lswpar", f"w{n}", cid=n % 65000 + 1, uuid=UUID, hostname="h" * 255) for n in range(many))
    for at_ms, seen in ((1000, (Sighting("perfstat", "web", cid=3),)), (2000, crowd), (3000, crowd)):
        writer.note(Listing(seen, at_ms))
    kept.close()
    loaded = HostContext(Observations(Registry()), Stats())
    loaded.load(path, b"host1")
    assert [one.at_ms for one in loaded.listings] == [1000, 2000, 3000]
    assert [one.sightings for one in loaded.listings[1:]] == [crowd if many == 1000 else ()] * 2


def test_a_journal_with_damage_gives_what_is_sound(tmp_path: Path) -> None:
    """What is not used is counted."""
    path = tmp_path / "journal"
    kept = Journaling(path, HEADER)
    for second in (1, 2):
        Writer(kept.append).note(Listing((Sighting("perfstat", "web", cid=second),), second * 1000))
    kept.append(3_000_000_000, "of-a-later-version", {})
    kept.close()
    path.write_bytes(path.read_bytes()[:-3])
    stats = Stats()
    loaded = HostContext(Observations(Registry()), stats)
    loaded.load(path, b"host1")
    assert [one.at_ms for one in loaded.listings] == [1000, 2000]
    assert stats.store_cut_bytes > 0
