"""The host view, over a simulated machine: every way to learn a process's WPAR, and what it says when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from annotator.aix import getprocs, inventory_scan, perfstat, wpar_resolvers
from annotator.aix.host import AixHost
from annotator.aix.inventory import MAX_CID
from annotator.core.contracts import HostProcess
from annotator.core.errors import SourceError
from annotator.core.model import Container, Evidence, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Site:
    """A simulated machine with its tree, and the host view over it."""

    def __init__(self, machine: Any, root: Path) -> None:
        self.machine = machine
        self.root = root
        self.asked: list[str] = []
        machine.write_tree(root)

    def run(self, argv: Sequence[str]) -> bytes:
        """Run a simulated command."""
        self.asked.append(argv[0])
        return bytes(self.machine.run(tuple(argv)))

    def now(self) -> int:
        """The simulated clock."""
        return int(self.machine.seconds * 1000)

    def host(self, **options: Any) -> AixHost:
        """The view, with everything a real machine has unless an option takes it away."""
        shell = self.machine.processes[self.machine.shell]
        given: dict[str, Any] = {"run": self.run, "total": self.machine.perfstat_wpar_total(), "node": b"host1"}
        return AixHost(self.root, self.now, (shell.pid, shell.ppid), **(given | options))


@pytest.fixture
def site(sim: Any, tmp_path: Path) -> Site:
    """The scenario in which everything that is hard has happened once."""
    return Site(sim.scenario(), tmp_path)


def told(host: AixHost, machine: Any) -> None:
    """Check every process of the machine against the truth."""
    for pid, process in machine.processes.items():
        found = host.process(pid)
        assert isinstance(found, HostProcess), pid
        assert (found.pid, found.ppid) == (pid, process.ppid)
        if process.wpar is None:
            assert (found.container, found.evidence, found.reason) == (None, Evidence.HOST_VIEW, None)
            continue
        assert found.container is not None
        assert found.container.name == process.wpar.name
        assert found.container.uuid == process.wpar.uuid
        assert found.container.contid == process.cid


@pytest.mark.parametrize("way", ["psinfo", "getprocs64", "ps"])
def test_each_way_tells_the_truth(site: Site, way: str) -> None:
    """psinfo, getprocs64 and ps give each process its WPAR: CIDs above 32768, 25 bytes of name, every type."""
    host = site.host(call=site.machine.getprocs64())
    assert [one.name for one in host.ways] == ["psinfo", "getprocs64", "ps"]
    assert host.report["uname -W"] == "Global"
    host.ways = [one for one in host.ways if one.name == way]
    told(host, site.machine)
    assert len(host.processes()) == len(site.machine.processes)


def test_start_is_the_birth(site: Site) -> None:
    """The start identifies a process: nanoseconds of the epoch."""
    pid = site.machine.wpars["webapp_prod"].init
    found = site.host().process(pid)
    assert isinstance(found, HostProcess)
    assert found.ticks == site.machine.processes[pid].start_ns
    assert found.start_ms == found.ticks // 1_000_000


def test_parents_come_first(site: Site) -> None:
    """The start-up scan gives parents before their children."""
    order = [one.pid for one in site.host().processes()]
    place = {pid: at for at, pid in enumerate(order)}
    for pid, process in site.machine.processes.items():
        assert process.ppid not in place or place[process.ppid] < place[pid]


def test_a_process_that_is_gone(site: Site) -> None:
    """Gone before anybody looked: said so, and never host; no command is tried after psinfo said it."""
    host = site.host()
    site.asked.clear()
    assert host.process(9_999_998) is Reason.GONE
    assert site.asked == []


def test_a_pid_that_is_used_again(site: Site) -> None:
    """The same pid with another start is another process, in another WPAR."""
    machine = site.machine
    first = machine.fork(machine.wpars["webapp_prod"].init)
    machine.write_tree(site.root)
    host = site.host()
    before = host.process(first)
    machine.exit(first)
    machine.tick(5)
    machine.fork(machine.wpars["db_test-01"].init, pid=first)
    machine.write_tree(site.root)
    after = host.process(first)
    assert isinstance(before, HostProcess)
    assert isinstance(after, HostProcess)
    assert before.ticks != after.ticks
    assert [one.container and one.container.name for one in (before, after)] == ["webapp_prod", "db_test-01"]


def test_a_restart_under_the_same_cid(site: Site) -> None:
    """The start of its init tells one life of a WPAR from the next, even when the CID is the same."""
    host, machine = site.host(), site.machine
    first = host.inventory.container_for("webapp_prod", site.now())
    machine.stop("webapp_prod")
    machine.start("webapp_prod", 2)
    machine.tick(5)
    for path in (site.root / "proc").iterdir():
        (path / "as").unlink()
    machine.write_tree(site.root)
    host.refresh()
    second = host.inventory.container_for("webapp_prod", site.now())
    assert isinstance(first, Container)
    assert isinstance(second, Container)
    assert first is not second
    assert (first.contid, second.contid, first.id == second.id) == (2, 2, True)


def test_a_file_of_another_process(site: Site) -> None:
    """A psinfo that shows another pid, twice, is not believed; the next way is asked."""
    pid = site.machine.wpars["webapp_prod"].init
    (site.root / f"proc/{pid}/psinfo").write_bytes(site.machine.psinfo(1))
    host = site.host()
    found = host.process(pid)
    assert isinstance(found, HostProcess)
    assert found.container is not None
    assert found.container.name == "webapp_prod"
    host.ways = host.ways[:1]
    assert host.process(pid) is Reason.REUSED


def test_zombies(site: Site) -> None:
    """A zombie without a CID is not host; one with a CID is inferred to be where it was."""
    machine = site.machine
    outside, inside = machine.fork(machine.shell), machine.fork(machine.wpars["db_test-01"].init)
    for pid in (outside, inside):
        machine.exit(pid, zombie=True)
    machine.write_tree(site.root)
    host = site.host()
    first, second = host.process(outside), host.process(inside)
    assert isinstance(first, HostProcess)
    assert isinstance(second, HostProcess)
    assert (first.container, first.reason) == (None, Reason.ZOMBIE)
    assert (second.container is not None, second.evidence) == (True, Evidence.INFERRED)


def test_global_is_never_assumed(site: Site) -> None:
    """Inside a WPAR, or when uname cannot say, a CID of 0 and the name Global are no answer."""
    site.machine.inside = 6
    for options in ({}, {"run": None}):
        found = site.host(**options).process(1)
        assert isinstance(found, HostProcess)
        assert (found.container, found.reason) == (None, Reason.HIDDEN)


def test_a_captured_tree(site: Site) -> None:
    """Without commands and libraries the tree alone answers: psinfo, and the index for names (inferred)."""
    host = site.host(run=None, total=None, in_global=True)
    assert host.report["ps"] == "no commands are run"
    found = host.process(site.machine.wpars["app_batch"].init)
    assert isinstance(found, HostProcess)
    assert found.container is not None
    assert (found.container.name, found.container.contid, found.evidence) == ("app_batch", 40000, Evidence.INFERRED)
    shell = host.process(site.machine.shell)
    assert isinstance(shell, HostProcess)
    assert (shell.container, shell.evidence) == (None, Evidence.HOST_VIEW)


def test_a_layout_that_does_not_hold(site: Site, sim: Any) -> None:
    """Psinfo of another layout is found out at the start and left out, with the reason, and ps answers."""
    for path in (site.root / "proc").glob("*/psinfo"):
        path.write_bytes(b"\0" * 8 + path.read_bytes())
    host = site.host()
    assert host.report["psinfo"]
    assert [one.name for one in host.ways] == ["ps"]
    told(host, site.machine)


def test_two_bytes_that_are_no_cid(site: Site) -> None:
    """When ps contradicts what lies at 144, psinfo is left out."""
    pid = site.machine.wpars["webapp_prod"].init
    data = bytearray(site.machine.psinfo(pid))
    data[144:146] = b"\0\0"
    (site.root / f"proc/{pid}/psinfo").write_bytes(bytes(data))
    host = site.host()
    assert "ps says webapp_prod" in host.report["psinfo"]
    assert [one.name for one in host.ways] == ["ps"]


def test_the_parent_as_last_resort(site: Site, sim: Any) -> None:
    """A process that only its parent can tell about is inside with its parent; never in Global with it."""
    host = site.host()
    machine = site.machine

    class Nameless:
        """A way that knows the process, not its WPAR."""

        name = "nameless"

        def one(self, pid: int) -> wpar_resolvers.Seen | Reason:
            """Of children nothing but the parent."""
            process = machine.processes[pid]
            if pid in (child_in, child_out):
                return wpar_resolvers.Seen(pid, process.ppid, 0, None, b"")
            return wpar_resolvers.Seen(pid, process.ppid, 0, process.cid)

        def every(self) -> list[wpar_resolvers.Seen]:
            """Nothing."""
            return []

    child_in = machine.fork(machine.wpars["webapp_prod"].init)
    child_out = machine.fork(machine.shell)
    host.ways = [Nameless()]
    inside, outside = host.process(child_in), host.process(child_out)
    assert isinstance(inside, HostProcess)
    assert isinstance(outside, HostProcess)
    assert inside.container is not None
    assert (inside.container.name, inside.evidence) == ("webapp_prod", Evidence.PPID)
    assert (outside.container, outside.evidence, outside.reason) == (None, None, Reason.HIDDEN)


@pytest.mark.parametrize(("size", "at"), [(4952, 4944), (4952, 4950), (5000, 4998), (4944, 4916)])
def test_calibration(site: Site, size: int, at: int) -> None:
    """Wherever this release has pi_cid: the size is probed, the place found by psinfo's CIDs."""
    host = site.host(call=site.machine.getprocs64(size, at))
    way = next(one for one in host.ways if isinstance(one, wpar_resolvers.GetprocsLookup))
    assert (way.size, way.offset) == (size, at)


def test_nothing_to_calibrate_by(sim: Any, tmp_path: Path) -> None:
    """Without any WPAR process there is nothing to tell the place by, so getprocs64 is left out."""
    site = Site(sim.Machine(), tmp_path)
    host = site.host(call=site.machine.getprocs64())
    assert "cannot be told" in host.report["getprocs64"]
    told(host, site.machine)
    refusing = site.host(call=lambda *_: -1)
    assert "accepts no size" in refusing.report["getprocs64"]


def test_ambiguous_place_is_no_place() -> None:
    """Two places that agree are none."""
    entry = bytearray(4960)
    entry[4944:4946] = entry[4946:4948] = b"\0\7"
    assert getprocs.calibrate({2: bytes(entry)}, {2: 7}) is None


@pytest.mark.parametrize("size", [72, 64])
def test_perfstat_sizes(site: Site, size: int) -> None:
    """The structures of 7.1 and 6.1 are both tried; the application bit gives the type."""
    found = {one.name: one for one in perfstat.active(site.machine.perfstat_wpar_total(size))}
    assert {name: one.cid for name, one in found.items()} == {
        wpar.name: wpar.cid for wpar in site.machine.wpars.values() if wpar.cid
    }
    assert (found["app_batch"].type, found["webapp_prod"].type) == ("A", None)


def test_perfstat_of_another_layout(site: Site) -> None:
    """A size that neither release has, or entries that are no WPARs, are refused; the other sources go on."""
    with pytest.raises(SourceError):
        perfstat.active(site.machine.perfstat_wpar_total(80))
    with pytest.raises(SourceError):
        perfstat.active(lambda _name, _buffer, _size, _number: 1)
    host = site.host(total=site.machine.perfstat_wpar_total(80))
    assert "neither of the known sizes" in host.report["perfstat"]
    told(host, site.machine)


def test_libraries_are_of_aix() -> None:
    """On another system, and where the library is missing, it says so."""
    for load in (perfstat.load, getprocs.load):
        with pytest.raises(SourceError):
            load(platform="linux")
        with pytest.raises(SourceError):
            load(platform="aix")


def test_every_source_is_reported(site: Site) -> None:
    """Each source says whether it was used; one that fails takes nothing away from the others."""
    found = inventory_scan.look(site.run, site.root, site.machine.perfstat_wpar_total())
    assert set(found.report.values()) == {""}
    assert found.complete == {"perfstat", "lswpar"}

    def broken(argv: Sequence[str]) -> bytes:
        raise SourceError(f"{argv[0]} is not there")

    found = inventory_scan.look(broken, site.root)
    assert found.report["lswpar -c"] == "/usr/sbin/lswpar is not there"
    assert (found.report["index"], found.complete) == ("", frozenset())
    assert all(one.cid is None or one.cid <= MAX_CID for one in found.sightings)


def test_a_listing_of_another_form(site: Site) -> None:
    """Output that does not parse is refused; it never means that all WPARs were removed."""
    found = inventory_scan.look(lambda _argv: b"some other form\n")
    assert found.report["lswpar -c"].endswith("has another form")
    assert found.report["lswpar -L"].endswith("has another form")
    assert (found.sightings, found.complete) == ([], frozenset())


def test_commands_are_run_in_c_locale() -> None:
    """A real command runs in the C locale; a missing or failing one is our own error."""
    assert inventory_scan.run_command(("/bin/sh", "-c", "echo $LC_ALL")) == b"C\n"
    for argv in (("/nonexistent/lswpar",), ("/bin/sh", "-c", "exit 3")):
        with pytest.raises(SourceError):
            inventory_scan.run_command(argv)


@pytest.mark.parametrize(("text", "seconds"), [(b"00:05", 5), (b"01:00:05", 3605), (b"2-01:00:05", 176405),
                                               (b"-", None), (b"x", None), (b"1-2", None)])  # fmt: skip
def test_etime(text: bytes, seconds: int | None) -> None:
    """The elapsed time of ps; a zombie has none."""
    assert wpar_resolvers.etime(text) == seconds


def blank_cids(root: Path) -> None:
    """As on a release that has its CID elsewhere: the two bytes at 144 are 0 for every process."""
    for path in root.glob("proc/*/psinfo"):
        data = path.read_bytes()
        path.write_bytes(data[:144] + b"\0\0" + data[146:])


def test_a_cid_of_0_is_global_only_once_another_was_proven(sim: Any, tmp_path: Path) -> None:
    """While no WPAR runs all is Global; when one runs and its processes show 0, psinfo is not believed any more."""
    site = Site(sim.Machine(), tmp_path)
    machine = site.machine
    host = site.host(call=machine.getprocs64())
    shell = host.process(machine.shell)
    assert isinstance(shell, HostProcess)
    assert shell.evidence is Evidence.HOST_VIEW
    machine.make("web")
    machine.start("web", 7)
    machine.write_tree(tmp_path)
    blank_cids(tmp_path)
    machine.tick(30)
    host.refresh()
    assert "ps says web" in host.report["psinfo"]
    assert [one.name for one in host.ways] == ["ps"]
    found = host.process(machine.wpars["web"].init)
    assert isinstance(found, HostProcess)
    assert found.container is not None
    assert found.container.name == "web"
    told_by_ps = host.process(machine.shell)
    assert isinstance(told_by_ps, HostProcess)
    assert told_by_ps.evidence is Evidence.HOST_VIEW


def test_without_ps_a_cid_of_0_proves_nothing(site: Site) -> None:
    """A CID that lies elsewhere would make every process of a WPAR one of the host."""

    def run(argv: Sequence[str]) -> bytes:
        if argv[0].endswith("ps"):
            raise SourceError("ps cannot be run")
        return site.run(argv)

    blank_cids(site.root)
    host = site.host(run=run)
    for pid in site.machine.processes:
        found = host.process(pid)
        assert isinstance(found, Reason) or found.evidence is not Evidence.HOST_VIEW
    assert all(one.evidence is not Evidence.HOST_VIEW for one in host.processes())


def test_without_ps_perfstat_confirms_the_cids(site: Site) -> None:
    """CIDs above 0 that are those of perfstat prove the place of the CID."""

    def run(argv: Sequence[str]) -> bytes:
        if argv[0].endswith("ps"):
            raise SourceError("ps cannot be run")
        return site.run(argv)

    found = site.host(run=run).process(site.machine.shell)
    assert isinstance(found, HostProcess)
    assert found.evidence is Evidence.HOST_VIEW
