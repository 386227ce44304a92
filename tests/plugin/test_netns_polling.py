"""Rules of when network namespaces are read: at once, often while young, and then on rounds that are bounded."""

from __future__ import annotations

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Evidence, NetnsId, Ns
from annotator.plugin.worker.netns_polling import AGAIN_MS, EVERY_MS, PER_ROUND, ROUND_MS, YOUNG_MS, NetnsPoller

POD, WEB = NetnsId(4, 1), NetnsId(4, 2)


class Machine:
    """Processes and where they are; who was asked about."""

    def __init__(self, addresses: tuple[str, ...] = ("10.0.0.2",)) -> None:
        self.there: dict[int, NetnsId] = {}
        self.addresses = addresses
        self.asked: list[int] = []

    def network(self, pid: int) -> HostNetwork | None:
        """As the host view answers."""
        self.asked.append(pid)
        netns = self.there.get(pid)
        return HostNetwork(netns, self.addresses, 0, pid) if netns is not None else None

    def process(self, pid: int, netns: NetnsId) -> HostProcess:
        """One that is there, as it is looked at."""
        self.there[pid] = netns
        return HostProcess(pid, 1, 0, 0, 0, None, Evidence.HOST_VIEW, own=Ns.NET, netns=netns)


def test_a_new_namespace_is_read_at_once() -> None:
    """And a young one at each look, not more often than is useful; an old one not for a look's sake."""
    machine = Machine()
    rounds = NetnsPoller(machine)
    one = machine.process(7, POD)
    answers = [rounds.process_read(one, 1000 + ms) is not None for ms in (0, 1, AGAIN_MS - 1, AGAIN_MS, YOUNG_MS)]
    assert answers == [True, False, False, True, False]


def test_one_that_has_no_address_yet_stays_young() -> None:
    """An engine gives it one sooner or later."""
    machine = Machine(())
    rounds = NetnsPoller(machine)
    one = machine.process(7, POD)
    rounds.process_read(one, 1000)
    assert rounds.process_read(one, 1000 + 2 * YOUNG_MS) is not None


def test_rounds_read_what_is_old_through_whoever_lives() -> None:
    """Once a second what was not read for long; a namespace without processes is out of mind."""
    machine = Machine()
    rounds = NetnsPoller(machine)
    for pid, netns in ((7, POD), (8, POD), (9, WEB)):
        rounds.process_read(machine.process(pid, netns), 1000)
    assert rounds.round(1001) == []
    machine.asked.clear()
    del machine.there[7]
    found = rounds.round(1000 + ROUND_MS)
    assert [(one.netns, one.pid) for one in found] == [(POD, 8), (WEB, 9)]
    assert machine.asked == [7, 8, 9]


def test_a_round_is_bounded_and_goes_on_where_the_last_one_ended() -> None:
    """All get their turn."""
    machine = Machine()
    rounds = NetnsPoller(machine)
    for pid in range(10, 10 + 2 * PER_ROUND):
        rounds.process_read(machine.process(pid, NetnsId(4, pid)), 1000)
    now = 1000 + ROUND_MS
    first = rounds.round(now)
    assert rounds.round(now + EVERY_MS - 1) == []
    second = rounds.round(now + EVERY_MS)
    assert len(first) == len(second) == PER_ROUND
    assert {one.netns for one in first}.isdisjoint({one.netns for one in second})
    assert rounds.round(now + 2 * EVERY_MS) == []


def test_who_went_elsewhere_does_not_speak_for_where_it_was() -> None:
    """A reading of another namespace is not taken, nor is a process asked that has ended."""
    machine = Machine()
    rounds = NetnsPoller(machine)
    for pid in (7, 8):
        rounds.process_read(machine.process(pid, POD), 1000)
    machine.there[7] = WEB
    found = rounds.round(1000 + ROUND_MS)
    assert [(one.netns, one.pid) for one in found] == [(POD, 8)]
    rounds.gone(8)
    rounds.process_read(machine.process(7, WEB), 1000 + ROUND_MS)
    machine.asked.clear()
    assert rounds.round(1000 + 3 * ROUND_MS) != []
    assert machine.asked == [7]
    rounds.gone(7)
    rounds.gone(7)
    assert rounds.round(1000 + 9 * ROUND_MS) == []


def test_a_clock_that_is_set_back_does_not_stop_the_rounds() -> None:
    """Times are those of the wall clock."""
    machine = Machine()
    rounds = NetnsPoller(machine)
    rounds.process_read(machine.process(7, POD), 10**9)
    rounds.round(10**9 + ROUND_MS)
    assert len(rounds.round(5000)) == 1
