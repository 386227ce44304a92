"""Records to answers: whose record it was, under which CID and identity, and who entered; never more than is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from annotator.aix import listing
from annotator.aix.backend import Aix, origin_of
from annotator.aix.site import backend as site_backend
from annotator.core.errors import SourceError, UsageError
from annotator.core.model import Container, Event, Evidence, Flag, Reason, Stamp, Status, Translation
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline, Tables
from annotator.formats.raw import tail_start

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.core.lifetimes import WparLifetime
    from annotator.core.model import Attribution

ALL = "elrRdpPTcW"


class Silent:
    """A form without output."""

    ordered = False
    shows_parents = False

    def write(self, event: Event, answer: Attribution) -> bytes:
        """No bytes."""
        return b""


def answers(backend: Aix, data: bytes, *, binary: bool = False) -> list[Attribution]:
    """What the core answers for each record of a trail."""
    found: list[Attribution] = []

    def watch(event: Event, reading: Translation, life: WparLifetime | None, answer: Attribution) -> None:
        found.append(answer)

    stats = Stats()
    grouper = backend.grouper(stats, ordered=False)
    grouper.begin(binary=binary)
    pipeline = Pipeline(backend, Silent(), stats, grouper=grouper, tables=Tables(), watch=watch)
    pipeline.feed([data] if binary else data.split(b"\n")[:-1])
    pipeline.finish()
    assert stats.check() == []
    return found


def machine_with(sim: Any, *names: str) -> Any:
    """A machine on which these WPARs run, with CIDs from 1."""
    machine = sim.Machine()
    for cid, name in enumerate(names, 1):
        machine.make(name)
        machine.start(name, cid)
    machine.records.clear()
    return machine


def now_ms(machine: Any) -> int:
    """The machine's clock."""
    return int(machine.seconds * 1000 + machine.nanos // 1_000_000)


def looked(machine: Any, at_ms: int | None) -> list[listing.Listing]:
    """Both listings of now."""
    texts = (machine.index().encode(), machine.lswpar("-L").encode())
    return [listing.read(text, "listing", at_ms) for text in texts if text]


def test_a_name_and_nothing_else(sim: Any) -> None:
    """Without an inventory a WPAR has its name alone: no contid, no identity; Global is the host."""
    machine = machine_with(sim, "web")
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    machine.record(machine.shell, "FS_Chdir", "/")
    inside, outside = answers(Aix(), machine.auditpr(ALL))
    assert inside.status is Status.CONTAINER
    assert inside.container is not None
    assert (inside.container.name, inside.container.contid, inside.container.id) == ("web", None, "")
    assert inside.container.engine == "wpar"
    assert inside.evidence == (Evidence.TRAIL,)
    assert (outside.status, outside.evidence) == (Status.HOST, (Evidence.TRAIL,))


def test_the_inventory_gives_cid_and_identity(sim: Any) -> None:
    """A listing of before: the CID of that life, which only the index gave and is said so, and what lasts."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    (answer,) = answers(Aix(listings=taken), machine.auditpr(ALL))
    found = answer.container
    assert found is not None
    assert (found.contid, found.uuid, found.id) == (1, machine.wpars["web"].uuid, machine.wpars["web"].uuid)
    assert found.identifiers == {"cid": "1", "ckey": "1", "uuid": found.uuid, "type": "system"}
    assert answer.evidence == (Evidence.TRAIL, Evidence.INFERRED)
    assert answer.flags == (Flag.TENTATIVE,)


def test_without_uuid_the_identity_is_node_key_and_name(sim: Any) -> None:
    """It lasts over restarts, and is another on another node."""
    machine = machine_with(sim, "web")
    taken = [listing.read(machine.index().encode(), "index", now_ms(machine))]
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    (answer,) = answers(Aix(node=b"aix1", listings=taken), machine.auditpr(ALL))
    assert answer.container is not None
    assert answer.container.id == "aix1/1/web"


def test_a_restart_has_another_cid(sim: Any) -> None:
    """From its command on the old CID is not believed, and the new one when a listing shows it; identity stays."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    record = machine.record
    record(machine.wpars["web"].init, "FS_Chdir", "/1")
    taken += looked(machine, now_ms(machine))
    machine.stop("web")
    record(machine.start("web", 9), "FS_Chdir", "/2")
    machine.tick(5)
    taken += looked(machine, now_ms(machine))
    record(machine.wpars["web"].init, "FS_Chdir", "/3")
    found = [one.container for one in answers(Aix(listings=taken), machine.auditpr(ALL)) if one.container]
    assert [one.contid for one in found] == [1, None, 9]
    assert len({one.id for one in found}) == 1


def test_two_wpars_exchange_their_cids(sim: Any) -> None:
    """Each record has the CID that its WPAR had then."""
    machine = machine_with(sim, "a", "b")
    taken = looked(machine, now_ms(machine))
    for name in ("a", "b"):
        machine.record(machine.wpars[name].init, "FS_Chdir", "/")
    taken += looked(machine, now_ms(machine))
    machine.stop("a")
    machine.stop("b")
    machine.start("a", 2)
    machine.start("b", 1)
    machine.tick(5)
    taken += looked(machine, now_ms(machine))
    for name in ("a", "b"):
        machine.record(machine.wpars[name].init, "FS_Chdir", "/")
    found = [one.container for one in answers(Aix(listings=taken), machine.auditpr(ALL)) if one.container]
    assert [(one.name, one.contid) for one in found] == [("a", 1), ("b", 2), ("a", 2), ("b", 1)]


def test_whole_seconds(sim: Any) -> None:
    """Of the second in which a WPAR was restarted nothing is known when the trail prints no fractions."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    machine.tick(3)
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    machine.stop("web")
    machine.start("web", 9)
    record = machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    for one in machine.records:
        one.seconds = record.seconds
    found = [one.container for one in answers(Aix(listings=taken), machine.auditpr("elrRtpPTcW")) if one.container]
    assert [one.contid for one in found][1:] == [None]


def test_a_listing_of_the_very_second(sim: Any) -> None:
    """Taken between two records of one printed second: a command may have come after it, so its CID is no news."""
    machine = machine_with(sim, "web")
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    machine.stop("web")
    machine.start("web", 9)
    old, new = machine.records[-2], machine.records[-1]
    new.seconds = old.seconds
    taken = [listing.read(b"1:S:web:1\n", "index", old.seconds * 1000 + 200)]
    machine.tick(2)
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    found = [one.container for one in answers(Aix(listings=taken), machine.auditpr("elrRtpPTcW")) if one.container]
    assert [one.contid for one in found] == [None, None]


def test_a_listing_without_its_time(sim: Any) -> None:
    """It names, and says that the names are late; a CID is true for one life only, so it gives none."""
    machine = machine_with(sim, "web")
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    (answer,) = answers(Aix(listings=looked(machine, None)), machine.auditpr(ALL))
    assert answer.container is not None
    assert (answer.container.uuid, answer.container.contid) == (machine.wpars["web"].uuid, None)
    assert answer.flags == (Flag.LATE_NAME,)


def test_a_name_is_given_to_another_wpar(sim: Any) -> None:
    """After `rmwpar` a name means nothing that was known before."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    machine.stop("web")
    machine.remove("web")
    machine.make("web")
    machine.start("web", 1)
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    for listings in (taken, [one._replace(at_ms=None) for one in taken]):
        (answer,) = [one for one in answers(Aix(listings=listings), machine.auditpr(ALL)) if one.container]
        assert answer.container is not None
        assert (answer.container.name, answer.container.id, answer.container.contid) == ("web", "", None)


def test_clogin_is_an_entered_session(sim: Any) -> None:
    """Who runs clogin in Global and is then inside has entered, with the login user; so have its children."""
    machine = machine_with(sim, "web", "db")
    pid = machine.fork(machine.shell)
    machine.processes[pid].luid, machine.processes[pid].uid = 301, 0
    machine.execute(pid, "/usr/sbin/clogin", "web", "/usr/bin/ksh")
    machine.processes[pid].wpar, machine.processes[pid].cid = machine.wpars["web"], 1
    machine.execute(pid, "/usr/bin/ksh")
    child = machine.fork(pid)
    machine.record(child, "FS_Chdir", "/")
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    machine.record(machine.wpars["db"].init, "FS_Chdir", "/")
    found = answers(Aix(), machine.auditpr(ALL, numeric=True))
    inside = [one for one in found if one.status is Status.CONTAINER]
    sessions = [one.session for one in inside]
    assert [session is not None for session in sessions] == [True, True, True, False, False]
    assert sessions[0] is not None
    assert (sessions[0].how, sessions[0].auid, sessions[0].uid, sessions[0].pid) == ("clogin", 301, 0, pid)
    assert sessions[0] == sessions[1] == sessions[2]
    assert str(machine.records[1].seconds) in sessions[0].id
    assert found[1].status is Status.HOST  # clogin itself acted in Global


def test_clogin_elsewhere_is_no_session(sim: Any) -> None:
    """A command line inside a WPAR, or about another one, or that failed, makes no session."""
    for wpar, target, status in (("web", "web", "OK"), (None, "db", "OK"), (None, "web", "FAIL")):
        machine = machine_with(sim, "web", "db")
        pid = machine.fork(machine.wpars[wpar].init if wpar else machine.shell)
        machine.execute(pid, "/usr/sbin/clogin", target, status=status)
        machine.processes[pid].wpar = machine.wpars["web"]
        machine.record(pid, "FS_Chdir", "/")
        assert answers(Aix(), machine.auditpr(ALL))[-1].session is None


def test_after_clogin_the_process_is_not_said_to_be_on_the_host(sim: Any) -> None:
    """Whoever has run clogin may be inside already: as a target it is unknown until it says where it is."""
    machine = machine_with(sim, "web")
    pid = machine.fork(machine.shell)
    machine.record(pid, "FS_Chdir", "/")
    machine.record(machine.shell, "PROC_Kill", pid, 15)
    machine.execute(pid, "/usr/sbin/clogin", "web")
    machine.record(machine.shell, "PROC_Kill", pid, 15)
    found = answers(Aix(), machine.auditpr(ALL))
    assert [one.targets[0].status for one in found if one.targets] == [Status.HOST, Status.UNKNOWN]


def test_a_target_in_another_wpar(sim: Any) -> None:
    """Who is signalled has an answer of its own."""
    machine = machine_with(sim, "web")
    init = machine.wpars["web"].init
    machine.record(init, "FS_Chdir", "/")
    machine.record(machine.shell, "PROC_Kill", init, 9)
    answer = answers(Aix(), machine.auditpr(ALL))[-1]
    assert answer.status is Status.HOST
    assert [one.name for target in answer.targets for chain in target.chains for one in chain] == ["web"]
    assert Flag.CROSSED in answer.flags


def test_without_the_column_a_process_is_known_by_its_parent(sim: Any) -> None:
    """A record that names no WPAR: what lineage proves, else unknown with the reason; pid 1 proves nothing."""
    machine = machine_with(sim, "web")
    init = machine.wpars["web"].init
    machine.record(init, "FS_Chdir", "/")
    with_column = machine.auditpr("elrRdpPTcW")
    machine.records.clear()
    machine.record(machine.fork(init), "FS_Chdir", "/")
    machine.record(machine.shell, "FS_Chdir", "/")
    machine.record(1, "FS_Chdir", "/")
    without = machine.auditpr("elrRdpPTc")
    found = answers(Aix(), with_column + without)
    assert [one.status for one in found] == [*[Status.CONTAINER] * 3, Status.UNKNOWN, Status.UNKNOWN]
    assert found[2].container is found[0].container
    assert {one.reason for one in found[3:]} == {Reason.NOT_SEEN}
    machine.records.pop()
    nobody = answers(Aix(), machine.auditpr("elRtc"))
    assert {(one.status, one.reason) for one in nobody} == {(Status.UNKNOWN, Reason.NOT_SEEN)}


def test_a_wpars_own_trail(sim: Any) -> None:
    """It calls itself Global: `--origin` says which it is, and so does the place where Global sees it."""
    machine = sim.Machine()
    machine.record(machine.shell, "FS_Chdir", "/")
    data = machine.auditpr(ALL)
    (answer,) = answers(Aix(origin="web"), data)
    assert (answer.container.name if answer.container else "", answer.evidence) == ("web", (Evidence.TRAIL,))
    placed = Aix()
    placed.of_file("/wpars/web/audit/trail")
    (answer,) = answers(placed, data)
    assert (answer.container.name if answer.container else "", answer.evidence) == ("web", (Evidence.INFERRED,))
    said = Aix(origin="global")
    said.of_file("/wpars/web/audit/trail")
    assert [one.status for one in answers(said, data)] == [Status.HOST]


def test_a_wpars_own_trail_that_names_another(sim: Any) -> None:
    """Then it is not what it was said to be: no answer."""
    machine = machine_with(sim, "db")
    machine.record(machine.wpars["db"].init, "FS_Chdir", "/")
    (answer,) = answers(Aix(origin="web"), machine.auditpr(ALL))
    assert (answer.status, answer.reason) == (Status.UNKNOWN, Reason.AMBIGUOUS)


def test_the_repeated_hour(sim: Any) -> None:
    """In the hour that a clock change repeats, no life of a WPAR is chosen: no CID, but its identity."""
    machine = machine_with(sim, "web")
    machine.seconds = 1792888200  # 2026-10-25 02:30 local, in summer time
    taken = looked(machine, now_ms(machine))
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    machine.seconds += 7200  # the simulator prints UTC: this reads as 02:30 in Berlin
    for one in machine.records:
        one.seconds += 7200
    (answer,) = answers(Aix(zone=ZoneInfo("Europe/Berlin"), listings=taken), machine.auditpr(ALL))
    assert answer.container is not None
    assert (answer.container.contid, answer.container.uuid) == (None, machine.wpars["web"].uuid)


def test_a_binary_trail(sim: Any) -> None:
    """A name in an extension that is not public is inferred, and said to be."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    (answer,) = answers(Aix(listings=taken), machine.trail(version=5), binary=True)
    assert answer.container is not None
    assert (answer.container.name, answer.container.contid) == ("web", 1)
    assert answer.evidence[0] is Evidence.INFERRED


def test_listings_are_of_one_node(sim: Any) -> None:
    """A WPAR of another host with the same name has no identity from them."""
    machine = machine_with(sim, "web")
    taken = looked(machine, now_ms(machine))
    backend = Aix(node=b"aix1", listings=taken)
    here = backend._inventory(b"aix1").container_for("web", now_ms(machine))
    elsewhere = backend._inventory(b"aix2").container_for("web", now_ms(machine))
    assert not isinstance(here, Container) or here.identifiers == {}  # its time has not come
    backend._observe(now_ms(machine))
    here = backend._inventory(b"aix1").container_for("web", now_ms(machine))
    assert isinstance(here, Container)
    assert isinstance(elsewhere, Container)
    assert (here.contid, elsewhere.contid, elsewhere.identifiers) == (1, None, {})


def test_an_event_that_is_no_record() -> None:
    """It is about nothing, takes no text, and has a form."""
    backend = Aix()
    event = Event(b"", b"", Stamp(0, 0), b"\xff")
    assert backend.read(event) == Translation(None)
    assert backend.place(event) is None
    assert backend.interpreter(resolve_users=False)(event)["event"]["module"] == "aix_audit"


@pytest.mark.parametrize("text", ["wpar", "wpar:", "wpar:Global", "wpar:a b", "x", "global:web", "wpar:" + "x" * 26])
def test_an_origin_that_is_none(text: str) -> None:
    """Refused, with what it must look like."""
    with pytest.raises(ValueError, match=re.escape(text)):
        origin_of(text)
    with pytest.raises(UsageError, match="--origin"):
        site_backend(own_tail=tail_start, origin=text)


def test_what_a_site_says_is_checked(tmp_path: Path) -> None:
    """A zone that does not exist, a listing that lists nothing, a file that is not there: said before anything runs."""
    with pytest.raises(UsageError, match="--tz"):
        site_backend(own_tail=tail_start, tz="Mars/Base")
    (tmp_path / "empty").write_text("nothing here\n")
    with pytest.raises(UsageError, match="no WPAR"):
        site_backend(own_tail=tail_start, wpars=[(str(tmp_path / "empty"), None)])
    with pytest.raises(SourceError):
        site_backend(own_tail=tail_start, events=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    "case", ["lswpar-table", "lswpar-table-application", "lswpar-colon", "lswpar-asked", "lswpar-long", "index"]
)
def test_every_listing_is_told_by_its_form(samples: Path, case: str) -> None:
    """Whatever command it is of: its WPARs are found, and nothing else."""
    data = (samples / case / "input.txt").read_bytes()
    names = {one.name for one in listing.read(data, case).sightings}
    assert names
    assert all(name.encode() in data for name in names)


# --- what the audited write themselves --------------------------------------------------------------------------------


def test_titles_in_a_tail_change_no_columns(sim: Any) -> None:
    """A file name may hold titles that exchange the command and the WPAR: a program called Global is no host."""
    machine = machine_with(sim, "web")
    pid = machine.wpars["web"].init
    real = machine.auditpr("elRtcW").split(b"\n")
    swapped = real[0].replace(b"command".ljust(31), b"wpar name".ljust(31))
    swapped = (swapped[:94] + b"command".ljust(25)).decode()
    machine.record(pid, "FILE_Unlink", f"/tmp/x\n{swapped}\n{real[1].decode()}")
    machine.processes[pid].comm = "Global"
    machine.record(pid, "FS_Chdir", "/")
    found = answers(Aix(), machine.auditpr("elRtcW"))
    assert [one.status for one in found] == [Status.CONTAINER, Status.CONTAINER]


def test_a_trail_that_goes_on_with_other_columns(sim: Any) -> None:
    """Its records are read, but who can tell such titles from a file's name: Global is not believed there."""
    machine = machine_with(sim, "web")
    machine.record(machine.shell, "FS_Chdir", "/")
    first = machine.auditpr("elRtcW")
    machine.record(machine.wpars["web"].init, "FS_Chdir", "/")
    found = answers(Aix(), first + machine.auditpr("elRtcpW"))
    assert [one.status for one in found] == [Status.HOST, Status.UNKNOWN, Status.CONTAINER]
    assert found[1].reason is Reason.AMBIGUOUS
    assert found[2].flags == (Flag.TENTATIVE,)


def test_a_tail_in_the_place_of_the_column(sim: Any) -> None:
    """Without titles a short line may end with a WPAR's name or with a tail (-w): it is no proof of the host."""
    machine = machine_with(sim, "web")
    machine.record(machine.wpars["web"].init, "USER_SU", "Global")
    machine.record(machine.wpars["web"].init, "USER_SU", "other")
    (host, other) = answers(Aix(), machine.auditpr("elRtc", titles=0, one_line=True))
    assert (host.status, host.reason) == (Status.UNKNOWN, Reason.AMBIGUOUS)
    assert (other.evidence, other.flags) == ((Evidence.INFERRED,), (Flag.TENTATIVE,))
