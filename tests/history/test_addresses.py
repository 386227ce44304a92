"""Rules of whose an address was: one namespace's alone, at that time, by readings before and after; else nobody's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Container, ContId, Evidence, NetnsId, Ns, Reason
from annotator.history.addresses import MAX_ADDRESSES, SWEEP_MS, Addresses, normal
from annotator.history.netns_timeline import LAST_MS, MAX_INSIDE, MAX_SPANS

HOST, POD, WEB = NetnsId(4, 4026531840), NetnsId(4, 4026532001), NetnsId(4, 4026532002, 77)
A, B, C = (Container(ContId(at), name * 64) for at, name in enumerate("abc", 1))
IP = "10.0.0.2"


def seen(pid: int, ms: int, netns: NetnsId, container: Container | None = None, **more: Any) -> HostProcess:
    """A process in a namespace."""
    own = Ns.NONE if netns == HOST else Ns.NET
    values = {"ppid": 1, "start_ms": 0, "ticks": pid, "evidence": Evidence.CGROUP, "own": own, **more}
    return HostProcess(pid=pid, read_ms=ms, container=container, netns=netns, **values)


def read(table: Addresses, netns: NetnsId, ms: int, *addresses: str, name: str = "") -> bool:
    """One reading."""
    return table.read(HostNetwork(netns, addresses, ms, name=name, host=netns == HOST))


def table_of(*there: tuple[int, NetnsId, Container | None], until: int = 1000) -> Addresses:
    """Processes that are there from 100 on, in namespaces that have an address each, `10.0.0.N`, read until then."""
    table = Addresses()
    for pid, netns, container in there:
        table.seen(seen(pid, 100, netns, container))
        at = {POD: 2, WEB: 3, HOST: 1}[netns]
        for ms in (100, until):
            read(table, netns, ms, f"10.0.0.{at}")
    return table


def test_an_address_leads_to_the_containers_of_the_one_namespace_that_has_it() -> None:
    """All of them, in the order in which they came; the host's leads nowhere, nor does one that nobody has."""
    table = table_of((1, HOST, None), (7, POD, A), (8, POD, B), (9, POD, A), (10, WEB, C))
    assert table.at(IP, 500) == (A, B)
    assert table.at("::ffff:10.0.0.3", 500) == (C,)
    assert [table.at(text, 500) for text in ("10.0.0.1", "10.9.9.9", "", "nonsense")] == [Reason.NOT_SEEN] * 4


def test_what_every_namespace_has_is_nobody_s() -> None:
    """Loopback, link-local, multicast, "any" and scoped addresses, though a container has them."""
    table = Addresses()
    table.seen(seen(7, 100, POD, A))
    common = ("127.0.0.1", "::1", "fe80::1", "169.254.1.1", "224.0.0.1", "ff02::1", "0.0.0.0", "::", "fe80::1%eth0")
    read(table, POD, 100, *common, IP)
    read(table, POD, 1000, *common, IP)
    assert table.at(IP, 500) == (A,)
    assert [table.at(text, 500) for text in common] == [Reason.NOT_SEEN] * len(common)


def test_an_address_that_two_may_have_is_nobody_s() -> None:
    """Two containers', or a container's and the host's; also where the other is a namespace without any container."""
    for other, who in ((WEB, B), (WEB, None), (HOST, None)):
        table = table_of((7, POD, A))
        table.seen(seen(8, 100, other, who))
        read(table, other, 400, IP)
        assert table.at(IP, 500) is Reason.AMBIGUOUS
        assert table.at(IP, 300) == (A,)
        read(table, other, 600, "10.0.0.9")
        assert table.at(IP, 590) is Reason.AMBIGUOUS, "when it lost it nobody saw"
        assert table.at(IP, 700) == (A,)


def test_between_readings_that_differ_nobody_has_it() -> None:
    """And before the first, after the last, before the container came, after it went."""
    table = table_of((7, POD, A))
    table.seen(seen(8, 100, POD))  # of the host, so that the namespace lives on
    read(table, POD, 1100)
    assert [table.at(IP, ms) for ms in (99, 100, 1000, 1001, 1099, 1200)] == [
        Reason.NOT_SEEN, (A,), (A,), Reason.NOT_SEEN, Reason.NOT_SEEN, Reason.NOT_SEEN
    ]  # fmt: skip
    table = table_of((7, POD, A), (8, POD, None))
    table.gone(7, 600)
    assert [table.at(IP, ms) for ms in (600, 601)] == [(A,), Reason.NOT_SEEN]


def test_one_namespace_for_one_container_after_the_other() -> None:
    """Each has the address while it is there."""
    table = table_of((1, POD, None), until=5000)
    for at, who in enumerate((A, B, A)):
        table.seen(seen(7 + at, 1000 * at + 1000, POD, who))
        table.gone(7 + at, 1000 * at + 1500)
    assert [table.at(IP, ms) for ms in (1200, 1600, 2200, 3200)] == [(A,), Reason.NOT_SEEN, (B,), (A,)]


def test_an_address_that_goes_to_another_container() -> None:
    """It is the first one's until it was seen there last, the other's from when it was seen there first."""
    table = table_of((7, POD, A), (8, WEB, B))
    read(table, POD, 1100)
    read(table, WEB, 1150, "10.0.0.3", IP)
    read(table, WEB, 1900, "10.0.0.3", IP)
    assert [table.at(IP, ms) for ms in (900, 1120, 1200)] == [(A,), Reason.AMBIGUOUS, (B,)]


def test_who_is_in_no_container_that_is_known_leaves_it_open() -> None:
    """Not all that share the namespace are known then: the set would be false."""
    table = table_of((7, POD, A))
    table.seen(seen(8, 400, POD, reason=Reason.AMBIGUOUS))
    assert [table.at(IP, ms) for ms in (300, 500)] == [(A,), Reason.NOT_SEEN]
    table.seen(seen(8, 600, POD, B))
    assert table.at(IP, 700) == (A, B)
    table.seen(seen(9, 650, POD, reason=Reason.ZOMBIE))
    assert table.at(IP, 700) == (A, B)


def test_a_process_that_goes_elsewhere_takes_its_container_along() -> None:
    """From when it was seen there; and a number that is used again is another process."""
    table = table_of((7, POD, A), (8, WEB, B))
    table.seen(seen(7, 500, WEB, A))
    assert [table.at(IP, ms) for ms in (100, 500)] == [(A,), Reason.NOT_SEEN]
    assert table.at("10.0.0.3", 600) == (B, A)
    table.seen(seen(7, 700, POD, C, ticks=99))
    assert table.at("10.0.0.3", 800) == (B,)


def test_the_last_reading_of_what_has_ended_counts_while_it_is_young() -> None:
    """Nobody can read it after that; but not beyond its end, nor long after the reading."""
    table = table_of((7, POD, A), until=100)
    assert table.at(IP, 300) is Reason.NOT_SEEN, "it lives: there may be a reading after this"
    table.gone(7, 400)
    assert [table.at(IP, ms) for ms in (300, 401)] == [(A,), Reason.NOT_SEEN]
    table = table_of((7, POD, A), until=100)
    table.gone(7, 10 * LAST_MS)
    assert [table.at(IP, ms) for ms in (100 + LAST_MS, 101 + LAST_MS)] == [(A,), Reason.NOT_SEEN]


class Machine:
    """Namespaces as they are now; who is asked about, and when."""

    def __init__(self, table: Addresses, now: int) -> None:
        self.now = now
        self.there: dict[int, tuple[NetnsId, tuple[str, ...]]] = {}
        self.asked: list[int] = []
        self.told: list[HostNetwork] = []
        table.ask, table.note = self.ask, lambda found: (self.told.append(found), table.read(found))

    def ask(self, pid: int) -> HostNetwork | None:
        """As the host view answers."""
        self.asked.append(pid)
        found = self.there.get(pid)
        return HostNetwork(*found, self.now, pid, host=found[0] == HOST) if found is not None else None


def test_live_a_namespace_is_read_again_before_it_is_named() -> None:
    """Once for all packets that were before; one that has lost the address is not named; what is read is told."""
    table = table_of((7, POD, A), until=100)
    machine = Machine(table, 1000)
    machine.there[7] = (POD, (IP,))
    assert [table.at(IP, ms) for ms in (900, 950, 1000)] == [(A,)] * 3
    assert machine.asked == [7]
    assert [one.read_ms for one in machine.told] == [1000]
    machine.now, machine.there[7] = 2000, (POD, ("10.0.0.4",))
    assert table.at(IP, 1500) is Reason.NOT_SEEN
    assert table.at(IP, 1000) == (A,)


def test_live_the_others_are_read_where_the_one_is_gone() -> None:
    """An address that another has by now may have been that one's already; else it was still the first one's."""
    for took, found in ((True, Reason.AMBIGUOUS), (False, (A,))):
        table = table_of((1, HOST, None), (7, POD, A), (8, WEB, B), until=100)
        table.gone(7, 950)
        machine = Machine(table, 1000)
        machine.there[1] = (HOST, ("10.0.0.1",))
        machine.there[8] = (WEB, ("10.0.0.3", *((IP,) if took else ())))
        assert table.at(IP, 900) == found
        assert sorted(machine.asked) == [1, 8]
        assert table.at(IP, 960) is (Reason.AMBIGUOUS if took else Reason.NOT_SEEN)


def test_live_not_all_is_read_at_every_packet() -> None:
    """Of many short containers some remain without a name: that is bounded, and nothing is guessed."""
    table = table_of((1, HOST, None), (7, POD, A), (8, WEB, B), until=100)
    table.gone(7, 950)
    machine = Machine(table, 850)
    machine.there = {1: (HOST, ("10.0.0.1",)), 8: (WEB, ("10.0.0.3",))}
    answers = []
    for ms in (800, 851, 900, 851 + SWEEP_MS):
        machine.now = max(machine.now, ms + 1)
        answers.append(table.at(IP, ms))
    assert answers == [(A,), Reason.NOT_SEEN, Reason.NOT_SEEN, Reason.NOT_SEEN]
    assert len(machine.asked) == 2


def test_live_who_does_not_live_there_any_more_is_not_believed() -> None:
    """The number is another process's by now, in another namespace."""
    table = table_of((7, POD, A), (8, WEB, B), until=100)
    machine = Machine(table, 1000)
    machine.there[7] = machine.there[8] = (WEB, (IP,))
    assert table.at(IP, 900) is Reason.AMBIGUOUS
    table = table_of((7, POD, A), (8, WEB, B), until=100)
    machine = Machine(table, 1000)
    machine.there[7] = machine.there[8] = (WEB, ("10.0.0.3",))
    assert table.at(IP, 900) == (A,), "nobody else has it: it was the one's until its end"
    assert machine.asked == [7, 8]


def test_a_reading_that_comes_late_finds_its_place() -> None:
    """Two readers: what the one saw in between splits what the other thought to be one."""
    table = table_of((7, POD, A))
    assert not read(table, POD, 500, IP)
    assert read(table, POD, 600, "10.0.0.9")
    assert [table.at(IP, ms) for ms in (100, 300, 600, 1000)] == [(A,), Reason.NOT_SEEN, Reason.NOT_SEEN, (A,)]
    assert table.at("10.0.0.9", 600) == (A,)


def test_a_name_is_that_of_its_time() -> None:
    """The first is taken for what was before it: a namespace gets it when it is made."""
    table = Addresses()
    read(table, POD, 100, IP, name="blue")
    read(table, POD, 200, IP, name="")
    read(table, POD, 300, IP, name="green")
    assert [table.name(POD, ms) for ms in (50, 100, 250, 400)] == ["blue", "blue", "", "green"]
    assert table.name(WEB, 100) == ""


def test_the_newest_readings_say_all_that_lives() -> None:
    """For a journal that begins anew."""
    table = table_of((7, POD, A), (8, WEB, B))
    table.gone(8, 1200)
    again = Addresses()
    for one in table.newest():
        again.read(one)
    again.seen(seen(7, 1000, POD, A))
    assert [(one.netns, one.read_ms) for one in table.newest()] == [(POD, 1000)]
    assert again.at(IP, 1000) == (A,)


def test_all_is_bounded() -> None:
    """Namespaces, times, addresses, containers of one; what is forgotten leads nowhere."""
    table = Addresses(max_spaces=50)
    for ino in range(200):
        netns = NetnsId(4, ino)
        table.seen(seen(ino, 100, netns, A))
        read(table, netns, 100, f"10.0.0.{ino}")
    assert len(table.spaces) == len(table._there) == len(table._owners) == 50
    for ms in range(3 * MAX_SPANS):
        read(table, POD, ms, f"10.1.{ms // 256}.{ms % 256}")
    assert len(table.spaces[POD].spans) == MAX_SPANS
    for ms in range(40):
        read(table, POD, 1000 + ms, *[f"10.{ms + 2}.{at // 256}.{at % 256}" for at in range(MAX_ADDRESSES)])
    assert len(table._owners) <= 50 + 4 * MAX_ADDRESSES
    read(table, WEB, 1, *[f"10.99.{at // 256}.{at % 256}" for at in range(MAX_ADDRESSES + 1)])
    assert not table.spaces[WEB].spans[-1].addresses
    for at in range(3 * MAX_INSIDE):
        table.seen(seen(5000, 100, WEB, Container(ContId(9), str(at)), ticks=at))
    assert len(table.spaces[WEB].inside) <= MAX_INSIDE
    table.gone(5000, 200)
    table.forget(10**9)
    assert WEB not in table.spaces


@given(st.text(max_size=70) | st.ip_addresses().map(str))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """And a normal one stays as it is."""
    found = normal(text)
    assert found is None or normal(found) == found


IPS = tuple(f"10.0.0.{at}" for at in range(3))
SPACES = (HOST, POD, WEB)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(1, 2), st.sampled_from(IPS)),
        st.tuples(st.just("take"), st.integers(1, 2), st.sampled_from(IPS)),
        st.tuples(st.just("read"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("start"), st.integers(1, 2), st.sampled_from("ab")),
        st.tuples(st.just("end"), st.integers(1, 2), st.just("")),
        st.tuples(st.just("packet"), st.integers(0, 2), st.sampled_from(IPS)),
    ),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_no_story_makes_an_answer_untrue(steps: list[tuple[str, int, str]], live: bool) -> None:
    """A world where addresses come and go, containers start and end: who is named had the address then.

    Live nobody tells of a change, but all can be asked; in a journal there is a reading before and after each.
    """
    table = Addresses()
    has: list[set[str]] = [{"10.0.0.0"}, set(), set()]
    inside: list[tuple[int, Container] | None] = [(1, A), None, None]
    packets: list[tuple[str, int, set[str]]] = []
    now, pid = 0, 100
    table.seen(seen(1, 0, HOST))

    def reading(at: int) -> HostNetwork:
        return HostNetwork(SPACES[at], tuple(sorted(has[at])), now, host=at == 0)

    def ask(who: int) -> HostNetwork | None:
        return next((reading(at) for at, one in enumerate(inside) if one is not None and one[0] == who), None)

    def check(address: str, ms: int, true: set[str]) -> None:
        found = table.at(address, ms)
        assert isinstance(found, Reason) or {one.id for one in found} <= true

    table.ask = ask if live else None
    for kind, at, what in steps:
        now += 50
        there = inside[at]
        if kind in ("give", "take"):
            if there is not None and not live:
                table.read(reading(at))
                now += 1
            (has[at].add if kind == "give" else has[at].discard)(what)
        if kind == "start" and there is None:
            pid += 1
            there = inside[at] = (pid, {"a": A, "b": B}[what])
            table.seen(seen(pid, now, SPACES[at], there[1]))
        if there is not None and (kind in ("read", "start") or (kind in ("give", "take") and not live)):
            table.read(reading(at))
        if kind == "end" and there is not None:
            table.gone(there[0], now)
            inside[at] = None
        if kind == "packet":
            both = zip(inside[1:], has[1:], strict=True)
            packets.append((what, now, {one[1].id for one, own in both if one is not None and what in own}))
            if live:
                check(*packets[-1])
    for packet in packets:
        check(*packet)
