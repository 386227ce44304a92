"""The registry: derived numbers, names, scopes of ids; with membership, all of it against a model of the kernel."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from annotator.core.model import CONTID_UNSET, ContId, Named, Reason, Stamp, Status
from annotator.core.registry import Registry, derive_contid
from tests.degrade import without_contids
from tests.kernel_rules import Defect, Task, Version
from tests.patched_kernel import PatchedKernel
from tests.scoring import Answers

NODE = b""
T = Stamp(1_700_000_000_000, 1)


def test_sixty_four_digits_give_their_first_sixteen() -> None:
    """An engine id of exactly 64 lower-case hex digits is its own number; no state is needed to know it."""
    assert derive_contid("0123456789abcdef" + "0" * 48) == 0x0123456789ABCDEF


@given(st.text())
def test_any_id_has_a_number_that_is_neither_0_nor_unset(engine_id: str) -> None:
    """Whatever an engine calls its container, the number is a u64, stable, and means nothing else."""
    number = derive_contid(engine_id)
    assert 0 < number < CONTID_UNSET
    assert number == derive_contid(engine_id)


@pytest.mark.parametrize("digits", ["0" * 16, "f" * 16])
def test_a_number_that_means_something_else_is_taken_again(digits: str) -> None:
    """Ids whose first digits are 0 or unset get another number."""
    assert derive_contid(digits + "0" * 47 + "1") not in (0, CONTID_UNSET)


def test_an_id_of_upper_case_or_other_length_is_hashed() -> None:
    """Only 64 lower-case digits are taken as they are."""
    assert derive_contid("ABCDEF0123456789" * 4) != 0xABCDEF0123456789
    assert derive_contid("a" * 63) != int("a" * 16, 16)


def test_two_live_holders_of_one_number_are_shared_and_keep_it() -> None:
    """Ids that share their first 16 digits collide by construction: both keep the number, and say so."""
    registry = Registry()
    one = registry.engine(NODE, "ab" * 8 + "0" * 48, "docker")
    two = registry.engine(NODE, "ab" * 8 + "1" * 48, "docker")
    assert one.contid == two.contid
    assert one.shared
    assert two.shared
    assert registry.known(NODE, one.id) is one


def test_an_id_is_the_callers_own() -> None:
    """Two users' engines may call their containers the same: each means its own, root too."""
    registry = Registry()
    users = registry.engine(NODE, "web", "podman", owner=1000)
    assert registry.known(NODE, "web", owner=0) is None
    assert registry.known(NODE, "web") is users
    assert registry.known(NODE, "web", owner=1001) is None
    roots = registry.engine(NODE, "web", "podman", owner=0)
    assert roots is not users
    assert registry.known(NODE, "web", owner=1000) is users
    assert registry.known(NODE, "web", owner=0) is roots
    assert registry.known(NODE, "web") is roots
    assert registry.is_anothers(NODE, "web", 1001)


def test_inside_a_container_ids_are_those_of_what_is_nested_in_it() -> None:
    """Who is inside X and says `web` means a container nested in X, not the host's `web`."""
    registry = Registry()
    outer = registry.engine(NODE, "outer", "docker")
    host = registry.engine(NODE, "web", "docker")
    assert registry.known(NODE, "web", inside=outer) is None
    nested = registry.engine(NODE, "web", "docker", parent=outer)
    assert nested is not host
    assert registry.known(NODE, "web", inside=outer) is nested
    assert registry.known(NODE, "web") is host
    assert nested.chain() == (nested, outer)


def test_a_name_once_known_stays_and_a_late_one_says_so() -> None:
    """Names are learnt whenever they come; empty values say nothing; what is known is not overwritten."""
    registry = Registry()
    container = registry.engine(NODE, "abc", "docker")
    container.start_ms = T.ms - 1
    registry.named(NODE, Named("abc"), T)
    assert not container.late_name
    registry.named(NODE, Named("abc", "web", "nginx"), T)
    registry.named(NODE, Named("abc", "other"), T)
    assert (container.name, container.image, container.late_name) == ("web", "nginx", True)


def test_a_contid_used_again_is_another_entry() -> None:
    """After a drop the number is free; the earlier entry keeps its end and its place in what is remembered."""
    registry = Registry()
    first = registry.registered(NODE, ContId(7), (), T)
    registry.ended(first, Stamp(T.ms + 5, 9))
    second = registry.registered(NODE, ContId(7), (), Stamp(T.ms + 6, 10))
    assert second is not first
    assert (first.end_ms, second.start_ms) == (T.ms + 5, T.ms + 6)
    assert registry.node(NODE).remembered == [first, second]


def test_a_stated_chain_makes_what_is_not_known() -> None:
    """A CONTAINER_ID of a log whose head is cut enters the whole chain, nearest first, and finds it again."""
    registry = Registry()
    chain = registry.chain(NODE, (ContId(3), ContId(2), ContId(1)), T)
    assert [one.contid for one in chain] == [3, 2, 1]
    assert registry.chain(NODE, (ContId(3), ContId(2), ContId(1)), T) == chain
    assert registry.chain(NODE, (ContId(9), ContId(2), ContId(1)), T)[1:] == chain[1:]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60))
def test_the_registry_is_bounded(chains: list[tuple[int, int]]) -> None:
    """A log of made-up numbers does not make it grow: what is forgotten is found by no number or id either."""
    registry = Registry(max_containers=8)
    for at, (one, two) in enumerate(chains):
        registry.chain(NODE, (ContId(one), ContId(two)), T)
        registry.engine(NODE, f"id{at}", "docker")
    node = registry.node(NODE)
    assert len(node.remembered) <= 8
    assert set(map(id, node.by_contid.values())) <= set(map(id, node.remembered))
    assert {id(one) for same in node.by_id.values() for one in same} <= set(map(id, node.remembered))


def test_a_boot_ends_every_container_of_its_node_only() -> None:
    """Nothing of before a boot is found again by number or id."""
    registry = Registry()
    one = registry.engine(b"a", "web", "docker")
    two = registry.engine(b"b", "web", "docker")
    registry.booted(b"a", "", T)
    assert (one.end_ms, two.end_ms) == (T.ms, None)
    assert registry.known(b"a", "web") is None
    assert registry.known(b"b", "web") is two


# --- registry and membership against the kernel's own rules ---------------------------------------------------------

DEFECTS = {
    Version.V7: frozenset((Defect.NETNS_COUNT, Defect.REPEATED_DROP)),
    Version.V8: frozenset((Defect.NETNS_COUNT, Defect.REPEATED_DROP)),
    Version.V9: frozenset((Defect.NETNS_COUNT, Defect.NO_DROP)),
    Version.V10: frozenset((Defect.NETNS_COUNT, Defect.EARLY_DROP)),
    Version.V11: frozenset((Defect.NETNS_COUNT, Defect.EARLY_DROP)),
}

PIDS = st.integers(100, 107)
CONTIDS = st.sampled_from([0, 1, 2, 3, 2**64 - 2]).map(ContId)


class KernelAgainstRegistry(RuleBasedStateMachine):
    """Any history of tasks on a patched kernel; what became of each is asked of its log alone.

    The log is read as it is, without CONTAINER_ID (the registry alone must know), with records lost, and with events
    late: complete logs must give each event's container exactly, damaged ones never another.
    """

    @initialize(version=st.sampled_from([v for v in Version if v >= Version.V5]), defective=st.booleans())
    def boot(self, version: Version, defective: bool) -> None:
        """A kernel of some version, with the known defects of its patches or without."""
        self.kernel = PatchedKernel(version, DEFECTS.get(version, frozenset()) if defective else frozenset())
        self.ended: dict[int, int] = {}
        self.reused = self.at_once = False
        self.kernel.fork(self.kernel.tasks[1], 50)
        self.kernel.fork(self.kernel.tasks[1], 51)

    def task(self, pid: int) -> Task:
        """A live task, some."""
        live = sorted(self.kernel.tasks)[1:]
        return self.kernel.tasks[live[pid % len(live)]]

    @rule(parent=PIDS, pid=PIDS, speaks=st.booleans())
    def fork(self, parent: int, pid: int, speaks: bool) -> None:
        """A pid is used again as soon as it is free."""
        if pid not in self.kernel.tasks:
            self.reused = self.reused or pid in self.ended
            self.at_once = self.at_once or self.kernel.ms - self.ended.get(pid, 0) < 60
            child = self.kernel.fork(self.task(parent), pid)
            if speaks:
                self.kernel.work(child)

    @rule(writer=PIDS, child=st.integers(0, 3), contid=CONTIDS, own=st.booleans())
    def register(self, writer: int, child: int, contid: ContId, own: bool) -> None:
        """Mostly of an own child, else of anybody: refused or not, as the kernel says."""
        by = self.task(writer)
        target = by.children[child % len(by.children)] if own and by.children else self.task(writer + child)
        self.kernel.register(by, target, contid)

    @rule(pid=PIDS)
    def work(self, pid: int) -> None:
        """An event."""
        self.kernel.work(self.task(pid))

    @rule(pid=PIDS, other=PIDS)
    def kill(self, pid: int, other: int) -> None:
        """An event with a target."""
        self.kernel.kill(self.task(pid), self.task(other))

    @rule(pid=PIDS)
    def unshare(self, pid: int) -> None:
        """Namespaces change nothing about a contid."""
        self.kernel.unshare(self.task(pid))

    @precondition(lambda self: len(self.kernel.tasks) > 3)
    @rule(pid=PIDS)
    def exit(self, pid: int) -> None:
        """Children are init's from then on."""
        task = self.task(pid)
        self.ended[task.pid] = self.kernel.ms
        self.kernel.exit(task)

    @rule(ms=st.integers(1, 200))
    def wait(self, ms: int) -> None:
        """Time goes on; without it many events have one stamp's milliseconds."""
        self.kernel.ms += ms

    def teardown(self) -> None:
        """Ask for every event."""
        if not hasattr(self, "kernel"):
            return
        lines = [line for _, event in self.kernel.events for line in event]
        self.must_be_right(lines)
        self.must_be_right(without_contids(lines))
        random = Random(len(lines))
        if not self.reused:  # of a life whose exit and next birth are both lost, nothing tells it has ended
            self.may_be_unknown(self.damaged(lines, random))
            self.may_be_unknown(self.damaged(without_contids(lines), random))
        if self.at_once or self.kernel.version < Version.V10:  # those end in a CONTAINER_ID, and so close late anyway
            return
        late = sorted((ms + random.randrange(20), at, event) for at, (ms, event) in enumerate(self.kernel.events))
        self.may_be_unknown([line for _, _, event in late for line in event])

    def damaged(self, lines: list[bytes], random: Random) -> list[bytes]:
        """A tenth is lost. Before V10 an OBJ_PID must stay: without it and PROCTITLE its contid is the actor's."""
        kept = b"type=OBJ_PID" if self.kernel.version < Version.V10 else b"-"
        return [line for line in lines if line.startswith(kept) or random.random() > 0.1]

    def must_be_right(self, lines: list[bytes]) -> None:
        """Nothing is missing: the nearest container of each event is known, and nobody else is in one.

        Who is known by its parent alone is so while that parent was seen not long ago.
        """
        given_answers = Answers().run(lines)
        for stamp, truth in self.kernel.truth.items():
            answer = given_answers[stamp]
            have = [one.contid for one in answer.chains[0]] if answer.chains else []
            if truth.chain and answer.reason is Reason.NOT_SEEN:
                continue
            assert have[:1] == list(truth.chain[:1]), (stamp, have, truth, answer)
            if truth.chain:
                assert answer.status is Status.CONTAINER

    def may_be_unknown(self, lines: list[bytes]) -> None:
        """Something is missing or late: never a container it was not in (that it was moved may be what is missing)."""
        given_answers = Answers().run(lines)
        for stamp, truth in self.kernel.truth.items():
            answer = given_answers.get(stamp)
            if answer is None or not answer.chains or stamp[0] - truth.set_ms <= 40:
                continue
            assert answer.chains[0][0].contid in truth.ever, (stamp, truth, answer)


TestKernelAgainstRegistry = KernelAgainstRegistry.TestCase
TestKernelAgainstRegistry.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
