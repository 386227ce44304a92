"""Identity: names, CIDs, keys and UUIDs over time."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix.inventory import Sighting
from annotator.aix.wpar import Inventory
from annotator.aix.wpar_lifetimes import HOLDS_MS
from annotator.core.model import Container, Evidence, Reason

UUID_A = "541ba314-c7ca-4f67-bc6e-a10d5eaa8541"
UUID_B = "6f1fd4be-8be5-4627-8ec0-3a8739cbd9e2"


def seen(name: str, cid: int | None = None, source: str = "perfstat", **values: Any) -> Sighting:
    """One sighting."""
    return Sighting(source, name, cid, **values)


def cid_of(inventory: Inventory, name: str, at_ms: int) -> int | None:
    """The contid that a record with this name gets."""
    found = inventory.container_for(name, at_ms)
    assert isinstance(found, Container)
    return found.contid


def test_global_is_host() -> None:
    """Global is not a container; inside a WPAR, where everything calls itself so, it is not known."""
    assert Inventory().container_for("Global", 0) == "global"
    assert Inventory(inside="web").container_for("Global", 0) is None
    assert Inventory().for_cid(0, 0) == "global"
    assert Inventory(inside="web").for_cid(0, 0) is Reason.HIDDEN


def test_a_name_that_nobody_knows() -> None:
    """A container with its name and nothing else; a name that cannot be is no answer."""
    inventory = Inventory(b"host1")
    found = inventory.container_for("web", 5)
    assert isinstance(found, Container)
    assert (found.contid, found.id, found.name, found.engine) == (None, "", "web", "wpar")
    assert inventory.container_for("web", 9) is found
    for name in ("", "a b", "x" * 26, "\udcff" * 30):
        assert inventory.container_for(name, 5) is None
    assert inventory.container_for("x" * 25, 5) is not None


def test_names_cost_nothing() -> None:
    """Names that a trail makes up do not fill the memory."""
    inventory = Inventory()
    for number in range(3000):
        inventory.container_for(f"w{number}", 0)
    assert len(inventory._unknown) <= 1024


def test_all_sources_together() -> None:
    """CID from perfstat, key from the index, the rest from lswpar; the UUID is the identity."""
    inventory = Inventory(b"host1")
    inventory.observe(
        [
            seen("web", 40000),
            seen("web", None, "lswpar", type="S", uuid=UUID_A, state="A", hostname="h", directory="/wpars/web"),
            seen("web", 40000, "index", ckey=3, type="S"),
        ],
        1000,
        {"perfstat", "lswpar"},
    )
    found = inventory.container_for(b"web", 1000)
    assert isinstance(found, Container)
    assert (found.contid, found.id, found.uuid, found.name) == (40000, UUID_A, UUID_A, "web")
    assert found.identifiers == {"cid": "40000", "ckey": "3", "uuid": UUID_A, "type": "system"}
    assert inventory.evidence(found, 1000) is Evidence.INVENTORY
    assert inventory.conflicts == []
    assert inventory.for_cid(40000, 1000) is found


def test_identity_without_uuid() -> None:
    """Node, key and name; the UUID takes over when it is learnt, for the same container."""
    inventory = Inventory(b"host1")
    inventory.observe([seen("web", 7), seen("web", None, "index", ckey=3)], 1000)
    found = inventory.container_for("web", 1000)
    assert isinstance(found, Container)
    assert found.id == "host1/3/web"
    version = found.version
    inventory.observe([seen("web", 7, "perfstat"), seen("web", None, "lswpar", uuid=UUID_A)], 2000)
    assert inventory.container_for("web", 2000) is found
    assert found.id == UUID_A
    assert found.version > version


def test_restart_with_another_cid() -> None:
    """Each life has its CID; in the time between, in which either may be right, there is none."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, uuid=UUID_A)], 1000)
    inventory.observe([seen("web", 7, uuid=UUID_A)], 2000)
    inventory.observe([seen("web", 9, uuid=UUID_A)], 60_000)
    assert [cid_of(inventory, "web", at) for at in (1000, 1500, 2000, 30_000, 60_000, 61_000)] == [7, 7, 7, None, 9, 9]
    old, new = inventory.container_for("web", 1000), inventory.container_for("web", 60_000)
    assert isinstance(old, Container)
    assert isinstance(new, Container)
    assert old is not new
    assert old.id == new.id == UUID_A


def test_the_start_of_init_fills_the_gap() -> None:
    """When its init's start is known, the new life begins there; a restart under the same CID is seen by it too."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, start_ms=500)], 1000)
    inventory.observe([seen("web", 7, start_ms=40_000)], 60_000)
    first, second = inventory.container_for("web", 900), inventory.container_for("web", 45_000)
    assert isinstance(first, Container)
    assert isinstance(second, Container)
    assert first is not second
    assert (first.contid, second.contid, first.end_ms) == (7, 7, 40_000)


def test_a_cid_is_used_again() -> None:
    """Another WPAR gets a stopped one's CID: each time has its own answer."""
    inventory = Inventory()
    inventory.observe([seen("a", 1)], 1000, {"perfstat"})
    inventory.observe([seen("b", 1)], 31_000, {"perfstat"})
    for at_ms, name in ((1000, "a"), (31_000, "b")):
        found = inventory.for_cid(1, at_ms)
        assert isinstance(found, Container)
        assert found.name == name
    assert cid_of(inventory, "a", 31_000) is None


def test_two_wpars_exchange_their_cids() -> None:
    """After an exchange a late record of before still gets the old ones."""
    inventory = Inventory()
    inventory.observe([seen("a", 1), seen("b", 2)], 1000)
    inventory.observe([seen("a", 2), seen("b", 1)], 61_000)
    assert (cid_of(inventory, "a", 1000), cid_of(inventory, "b", 1000)) == (1, 2)
    assert (cid_of(inventory, "a", 62_000), cid_of(inventory, "b", 62_000)) == (2, 1)


def test_a_hint_ends_certainty() -> None:
    """After a command about a WPAR its CID is not known until the next look."""
    inventory = Inventory()
    inventory.observe([seen("web", 7), seen("db", 8)], 1000)
    inventory.hint("web", 5000)
    assert inventory.stale
    assert (cid_of(inventory, "web", 4000), cid_of(inventory, "web", 6000)) == (7, None)
    assert cid_of(inventory, "db", 6000) == 8
    inventory.observe([seen("web", 7), seen("db", 8)], 9000)
    assert cid_of(inventory, "web", 9000) == 7
    inventory.hint("", 10_000)
    assert cid_of(inventory, "db", 11_000) is None


def test_a_hint_that_came_to_nothing() -> None:
    """The same init after the command: it was no restart, and the container is the same one."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, start_ms=500)], 1000)
    before = inventory.container_for("web", 1000)
    inventory.hint("web", 5000)
    inventory.observe([seen("web", 7), seen("web", 7, "psinfo", start_ms=500)], 9000)
    assert inventory.container_for("web", 6000) is before


def test_a_look_does_not_hold_for_ever() -> None:
    """Long after the last look the CID is no more believed; the identity is."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, uuid=UUID_A)], 1000)
    late = inventory.container_for("web", 1000 + HOLDS_MS + 1)
    assert isinstance(late, Container)
    assert (late.contid, late.id) == (None, UUID_A)


def test_live_a_name_may_have_been_given_away_since_the_last_look() -> None:
    """It runs, and not under the CID that was seen: unless commands are heard, it may be another WPAR."""
    inventory = Inventory()
    inventory.live = True
    inventory.confirm = lambda _life, _at_ms: False
    inventory.observe([seen("web", 7, uuid=UUID_A)], 1000)
    assert cid_of(inventory, "web", 1000) == 7
    doubtful = inventory.container_for("web", 5000)
    assert isinstance(doubtful, Container)
    assert (doubtful.contid, doubtful.id, doubtful.name) == (None, "", "web")
    inventory.hears_commands = True
    heard = inventory.container_for("web", 5000)
    assert isinstance(heard, Container)
    assert (heard.contid, heard.id) == (None, UUID_A)
    inventory.hears_commands = False
    inventory.observe([seen("web", 9, uuid=UUID_A)], 6000)
    assert cid_of(inventory, "web", 6000) == 9
    inventory.observe([seen("db", uuid=UUID_B, source="lswpar")], 6000)
    never_ran = inventory.container_for("db", 7000)
    assert isinstance(never_ran, Container)
    assert never_ran.id == UUID_B, "where nothing shows CIDs, the name is what there is"


def test_before_the_first_look() -> None:
    """A record older than the first look: the WPAR of that name, its name learnt late, and no CID."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, uuid=UUID_A)], 1_000_000)
    early = inventory.container_for("web", 1)
    assert isinstance(early, Container)
    assert (early.contid, early.id, early.late_name) == (None, UUID_A, True)


def test_stopped_and_removed() -> None:
    """A stopped WPAR keeps its identity for late records; another of the same name is another."""
    inventory = Inventory()
    inventory.observe([seen("web", 7), seen("web", None, "lswpar", uuid=UUID_A, state="A")], 1000, {"perfstat"})
    inventory.observe([seen("web", None, "lswpar", uuid=UUID_A, state="D")], 2000, {"perfstat", "lswpar"})
    assert cid_of(inventory, "web", 2000) is None
    inventory.observe([], 3000, {"perfstat", "lswpar"})
    inventory.observe([seen("web", 7), seen("web", None, "lswpar", uuid=UUID_B)], 4000, {"perfstat", "lswpar"})
    ids = [getattr(inventory.container_for("web", at), "uuid", None) for at in (1000, 2500, 3500, 4000)]
    assert ids == [UUID_A, UUID_A, "", UUID_B]


def test_another_uuid_is_another_wpar() -> None:
    """Removed and made anew between two looks: the UUID tells."""
    inventory = Inventory()
    inventory.observe([seen("web", 7, uuid=UUID_A)], 1000)
    inventory.observe([seen("web", 7, uuid=UUID_B)], 2000)
    ids = [getattr(inventory.container_for("web", at), "uuid", None) for at in (1000, 2000)]
    assert ids == [UUID_A, UUID_B]


def test_conflicts_are_listed_once() -> None:
    """Where sources differ the more trusted one stands, and the difference is told once."""
    inventory = Inventory()
    for at_ms in (1000, 2000, 3000):
        inventory.observe([seen("web", 5, "index", type="L", ckey=1), seen("web", 7, type="S")], at_ms)
    assert sorted(one.attribute for one in inventory.conflicts) == ["cid", "type"]
    assert cid_of(inventory, "web", 3000) == 7


def test_index_alone_is_inferred() -> None:
    """Only the index gave the CID: it is used, and said to be inferred."""
    inventory = Inventory()
    inventory.observe([seen("web", 5, "index", ckey=1, type="S")], 1000)
    found = inventory.container_for("web", 1000)
    assert isinstance(found, Container)
    assert found.contid == 5
    assert inventory.evidence(found, 1000) is Evidence.INFERRED


def test_two_holders_of_one_cid() -> None:
    """Two WPARs in one look under one CID: a conflict, both are marked, and the CID alone answers nothing."""
    inventory = Inventory()
    inventory.observe([seen("a", 1), seen("b", 1)], 1000)
    assert inventory.for_cid(1, 1000) is Reason.AMBIGUOUS
    assert [one.attribute for one in inventory.conflicts] == ["cid"]


def test_a_cid_that_nobody_names() -> None:
    """The process is inside of something: a contid without a name."""
    found = Inventory().for_cid(7, 1000)
    assert isinstance(found, Container)
    assert (found.contid, found.name) == (7, "")


def test_paths() -> None:
    """A Global path below a base directory names its WPAR; an application WPAR's `/` names nothing."""
    inventory = Inventory()
    inventory.observe([seen("web", 1, directory="/wpars/web"), seen("app", 2, directory="/", type="A"),
                       seen("web2", 3, directory="/wpars/web/inner")], 1)  # fmt: skip
    assert inventory.of_path("/wpars/web/audit/trail") == "web"
    assert inventory.of_path("/wpars/web/inner/x") == "web2"
    assert inventory.of_path("/wpars/website") is None
    assert inventory.of_path("/etc/passwd") is None


NAMES = st.sampled_from(["a", "b", "c"])
SIGHTINGS = st.lists(
    st.builds(Sighting, st.sampled_from(["perfstat", "index", "lswpar", "filesystems"]), NAMES,
              st.none() | st.integers(1, 3), st.none() | st.integers(1, 2), st.sampled_from([None, "S", "A"]),
              st.sampled_from([None, UUID_A, UUID_B]), st.sampled_from([None, "A", "D"])),
    max_size=6,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(SIGHTINGS, st.integers(1, 50_000), st.sets(st.sampled_from(["perfstat", "lswpar"]))), max_size=8)
)
def test_never_the_cid_of_another_life(looks: list[tuple[list[Sighting], int, set[str]]]) -> None:
    """Whatever the sources say: a contid is given only where some look showed that very CID, and never changes."""
    inventory = Inventory()
    at_ms = 0
    shown: dict[str, set[int]] = {}
    for sightings, passed, complete in looks:
        at_ms += passed
        inventory.observe(sightings, at_ms, complete)
        for one in sightings:
            if one.cid:
                shown.setdefault(one.name, set()).add(one.cid)
        for name in ("a", "b", "c"):
            for when in (at_ms, at_ms - passed // 2, at_ms + 10):
                found = inventory.container_for(name, when)
                assert isinstance(found, Container)
                assert found.name == name
                assert found.contid is None or found.contid in shown[name]
                assert found.identifiers.get("cid") == (None if found.contid is None else str(found.contid))


def test_a_look_has_a_beginning_and_an_end() -> None:
    """What went on did so until it began; what is new is known from its end, or from the start of its init."""
    inventory = Inventory()
    inventory.observe([seen("web", 7)], 1000)
    inventory.observe([seen("web", 9), seen("db", 7, start_ms=61_000)], 60_000, took_ms=5000)
    assert cid_of(inventory, "web", 60_500) is None, "it may still have been the old life"
    assert cid_of(inventory, "db", 60_500) is None
    assert cid_of(inventory, "db", 61_000) == 7
    assert cid_of(inventory, "web", 65_000) == 9
