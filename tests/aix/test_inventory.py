"""What lswpar, ps, the corrals index and /etc/filesystems say, and what nothing may be read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import inventory, inventory_scan, listing, psinfo
from annotator.aix.inventory import Sighting
from annotator.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_lswpar_long(samples: Path) -> None:
    """A real `lswpar -L`: name, state, type, host name, directory, UUID; no key and no CID are in it."""
    found = inventory.lswpar_long((samples / "lswpar-long/input.txt").read_bytes())
    assert found == [
        Sighting("lswpar", "wpar01-541ba3", type="S", uuid="541ba314-c7ca-4f67-bc6e-a10d5eaa8541", state="A",
                 hostname="wpar01.example.com", directory="/wpars/wpar01-541ba3"),
        Sighting("lswpar", "wpar02-5c969f", type="S", uuid="6f1fd4be-8be5-4627-8ec0-3a8739cbd9e2", state="D",
                 hostname="wpar02.example.com", directory="/wpars/wpar02-5c969f"),
    ]  # fmt: skip


def test_lswpar_table(samples: Path) -> None:
    """The table, also the real one with TABs in its row, whose application WPAR has `/`."""
    found = inventory.lswpar_table((samples / "lswpar-table/input.txt").read_bytes())
    assert [(one.name, one.state, one.type, one.directory) for one in found] == [
        ("webapp_prod", "A", "S", "/wpars/webapp_prod"),
        ("db_test-01", "A", "S", "/wpars/db_test-01"),
        ("legacy53", "D", "L", "/wpars/legacy53"),
        ("app_batch", "A", "A", "/"),
        ("brokenone", "B", "S", "/wpars/brokenone"),
    ]
    assert inventory.lswpar_table((samples / "lswpar-table-application/input.txt").read_bytes()) == [
        Sighting("lswpar", "appwpar", type="A", state="A", hostname="appwpar", directory="/")
    ]


def test_lswpar_colon_is_the_table(samples: Path) -> None:
    """`-c -q` gives what the table gives; with a header its fields are believed instead."""
    data = (samples / "lswpar-colon/input.txt").read_bytes()
    found = inventory.lswpar_colon(data)
    assert found == inventory.lswpar_table((samples / "lswpar-table/input.txt").read_bytes())
    assert inventory.lswpar_colon(b"name:state:type:hostname:directory:rootvg\n" + data) == found
    assert [one.type for one in inventory.lswpar_colon(b"Name:Type\nweb:S\n")] == ["S"]


def test_lswpar_asked(samples: Path) -> None:
    """Fields that were asked for by name give key and UUID."""
    fields = ("name", "state", "type", "key", "uuid")
    found = inventory.lswpar_colon((samples / "lswpar-asked/input.txt").read_bytes(), fields)
    assert [(one.name, one.ckey) for one in found] == [
        ("webapp_prod", 1), ("db_test-01", 2), ("legacy53", 3), ("app_batch", 7)
    ]  # fmt: skip
    assert all(one.uuid and one.cid is None for one in found)


def test_index(samples: Path) -> None:
    """Key, type, name and kernel CID; 0 is no CID."""
    found = inventory.corrals_index((samples / "index/input.txt").read_bytes())
    assert [(one.ckey, one.type, one.name, one.cid) for one in found] == [
        (1, "S", "webapp_prod", 1), (2, "S", "db_test-01", 2), (3, "L", "legacy53", None), (7, "A", "app_batch", 5)
    ]  # fmt: skip
    assert inventory.corrals_index((samples / "index-one-line/input.txt").read_bytes())[0].name == "wpar1"


def test_ps(samples: Path) -> None:
    """Names by pid, with the columns found by their titles."""
    pairs = inventory.ps_names((samples / "ps-pid-wpar/input.txt").read_bytes())
    assert pairs == {1: b"Global", 3473726: b"Global", 7405854: b"webapp_prod", 9306452: b"db_test-01",
                     9437508: b"app_batch"}  # fmt: skip
    table = inventory.ps_names((samples / "ps-ef-at/input.txt").read_bytes())
    assert table == {**pairs, 8257904: b"webapp_prod", 9240796: b"webapp_prod"}
    for case in ("ps-ef-global", "ps-ef-plus"):
        assert inventory.ps_names((samples / case / "input.txt").read_bytes()) == {}


def test_a_command_line_is_no_header() -> None:
    """Words of somebody's arguments do not move the columns."""
    data = b"WPAR PID CMD\nweb 4 sh PID WPAR\ndb 6 x\n"
    assert inventory.ps_names(data) == {4: b"web", 6: b"db"}


def test_filesystems(sim: Any) -> None:
    """The base directory is the shortest mount point of a type."""
    found = inventory.filesystems(sim.scenario().filesystems().encode())
    assert ("webapp_prod", "/wpars/webapp_prod") in [(one.name, one.directory) for one in found]


def test_uname(samples: Path) -> None:
    """0 is Global, above is inside, anything else is not known."""
    values = (samples / "uname-w/input.txt").read_bytes().split(b"\n")
    assert [inventory.own_key(value) == 0 for value in values[1:5]] == [True, False, False, False]
    assert inventory.own_key(values[0]) is None


@pytest.mark.parametrize("case", ["df-mount", "netstat", "lswpar-network", "audit-config", "ps-ef-global"])
def test_other_listings_are_not_wpars(samples: Path, case: str) -> None:
    """Another command's output given by mistake never yields a WPAR with a CID, nor one called Global."""
    for path in (samples / case).glob("*.txt"):
        data = path.read_bytes()
        for parser in (inventory.corrals_index, inventory.lswpar_long, inventory.lswpar_table, inventory.lswpar_colon):
            assert not [one for one in parser(data) if one.cid is not None or one.name == "Global"], parser


def test_bounds_of_values() -> None:
    """Names of 25 bytes are the longest; CIDs are 1 to 65534; what is malformed is left out, not the WPAR."""
    assert inventory.sighting("x", {"name": "n" * 25}) is not None
    for name in ("n" * 26, "", "a b", "Global", "a\nb"):
        assert inventory.sighting("x", {"name": name}) is None
    for cid, kept in (("0", None), ("40000", 40000), ("65534", 65534), ("65535", None), ("-1", None), ("x", None)):
        found = inventory.sighting("x", {"name": "n", "cid": cid, "uuid": "no"})
        assert found is not None
        assert (found.cid, found.uuid) == (kept, None)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    b"=" * 65,
                    b"a - Active",
                    b"GENERAL",
                    b"UUID: x",
                    b"1:S:a:1",
                    b"a:A:S:h:/wpars/a:no",
                    b"PID WPAR",
                    b"4 a",
                    b"/wpars/a:",
                    b"\ttype = a",
                    b":",
                    b"\xff\xfe",
                    b"99999999999:S:a:99999999999",
                ]
            )
        ).map(b"\n".join),
    )
)
def test_any_bytes(data: bytes) -> None:
    """Any listing is read without an error, and gives only valid names and CIDs."""
    parsers = (
        inventory.corrals_index,
        inventory.lswpar_long,
        inventory.lswpar_table,
        inventory.lswpar_colon,
        inventory.filesystems,
    )
    for parser in parsers:
        for one in parser(data):
            assert 0 < len(one.name.encode()) <= 25
            assert one.cid is None or 0 < one.cid < 65535
    inventory.ps_names(data)
    inventory.own_key(data)


def test_psinfo_samples(samples: Path) -> None:
    """pid, parent, start, CID (above the signed range too) and names of the three processes."""
    found = {case: psinfo.parse((samples / case / "input.bin").read_bytes())
             for case in ("psinfo-global-cid0", "psinfo-cid7", "psinfo-cid40000")}  # fmt: skip
    assert [one.cid for one in found.values()] == [0, 7, 40000]
    assert found["psinfo-cid7"] == psinfo.Psinfo(9240796, 8257904, 210, 1772446501_123456789, 7, b"ksh", b"-ksh", False)


def test_cross_check() -> None:
    """Psinfo and ps must tell the same story: one CID a name, 0 for Global and nothing else."""
    assert psinfo.cross_check({1: 0, 2: 7, 4: 7, 6: 9}, {1: b"Global", 2: b"a", 4: b"a", 6: b"b"}) == ""
    assert psinfo.cross_check({2: 0}, {2: b"a"})
    assert psinfo.cross_check({2: 7}, {2: b"Global"})
    assert psinfo.cross_check({2: 7, 4: 8}, {2: b"a", 4: b"a"})
    assert psinfo.cross_check({2: 7, 4: 7}, {2: b"a", 4: b"b"})
    assert psinfo.joined({2: 7, 4: 7, 6: 8}, {2: b"a", 4: b"a", 6: b"Global"}) == [(b"a", 7)]


def test_ps_of_all_wpars_is_a_listing(samples: Path) -> None:
    """`ps -ef@` names the WPARs that run: a name each, nothing that stays and no CID."""
    found = listing.read((samples / "ps-ef-at/input.txt").read_bytes(), "ps.txt").sightings
    assert [one.name for one in found] == ["webapp_prod", "db_test-01", "app_batch"]
    assert {(one.source, one.state, one.cid) for one in found} == {("ps", "A", None)}


def test_the_header_of_lswpar_names_the_fields(sim: Any) -> None:
    """Without -q: whatever their order. Where only -q is answered the order is the table's."""
    machine = sim.scenario()
    odd = b"#name:uuid:directory:state:type\nweb:541ba314-c7ca-4f67-bc6e-a10d5eaa8541:/w/web:A:S\n"
    (seen,) = inventory.lswpar_colon(odd)
    assert (seen.directory, seen.type, seen.uuid) == ("/w/web", "S", "541ba314-c7ca-4f67-bc6e-a10d5eaa8541")

    def refusing(argv: Sequence[str]) -> bytes:
        if argv[0].endswith("lswpar") and "-c" in argv and "-q" not in argv:
            raise SourceError("usage")
        return bytes(machine.run(tuple(argv)))

    for run in (machine.run, refusing):
        found = inventory_scan.look(run)
        assert found.report["lswpar -c"] == found.report["lswpar -a"] == ""
        assert {one.name for one in found.sightings if one.ckey} == set(machine.wpars)
