"""The kernel's rules of registration: refusals of each version by errno, ownership, nesting, drop and re-use."""

from __future__ import annotations

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import CONTID_UNSET, ContId
from tests.kernel_rules import Defect, Granted, Netns, Refused, Rules, Task, Version, parse
from tests.scoring import SAMPLES

ONE, TWO, THREE = ContId(1), ContId(2), ContId(3)
FROM_V7 = [version for version in Version if version >= Version.V7]
UP_TO_V6 = [version for version in Version if version <= Version.V6]


def family(version: Version, defects: frozenset[Defect] = frozenset()) -> tuple[Rules, Task, Task]:
    """An orchestrator below init, and its child."""
    rules = Rules(version, defects)
    writer = rules.fork(Task(1), 10)
    return rules, writer, rules.fork(writer, 11)


def name(said: Refused | Granted) -> str:
    """The errno's name, or what was granted."""
    if isinstance(said, Refused):
        return said.name
    return "created" if said.created else "injected"


@pytest.mark.parametrize("version", Version)
def test_a_child_without_children_is_registered_and_its_children_inherit(version: Version) -> None:
    """A set succeeds; what is born later has the number, and may be put nowhere else by a stranger."""
    rules, writer, child = family(version)
    assert name(rules.register(writer, child, ONE)) == "created"
    grandchild = rules.fork(child, 12)
    assert grandchild.held is child.held
    assert rules.numbers[ONE].chain() == (ONE,)


@pytest.mark.parametrize("version", Version)
def test_what_is_asked_is_not_done(version: Version) -> None:
    """`admit` says what a write would give, and changes nothing."""
    rules, writer, child = family(version)
    assert isinstance(rules.admit(writer, child, ONE), Granted)
    assert child.held is None
    assert not rules.numbers


REFUSALS = {
    # what is asked: (V3), V4 to V6, V7 and V8, V9 to v11
    "unset": ("EINVAL", "EINVAL", "EINVAL", "EINVAL"),
    "dead": ("ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT", "ENOPROTOOPT"),
    "powerless": ("EPERM", "EPERM", "EPERM", "EPERM"),
    "has children": ("EBUSY", "EBUSY", "EBUSY", "EBUSY"),
    "has threads": ("EALREADY", "EALREADY", "EALREADY", "EBUSY"),
    "a thread": ("EALREADY", "EALREADY", "EALREADY", "EBUSY"),
    "itself": ("created", "created", "EBADSLT", "EXDEV"),
    "no descendant": ("created", "created", "EXDEV", "EXDEV"),
    "same value again": ("EEXIST", "injected", "EADDRINUSE", "EEXIST"),
    "other value again": ("EEXIST", "created", "ECHILD", "EEXIST"),
    "of another owner": ("injected", "injected", "ENOTUNIQ", "ENOTUNIQ"),
    "injection": ("injected", "injected", "injected", "injected"),
}


def ask(case: str, version: Version) -> str:
    """Set up one case of the table and ask."""
    rules, writer, child = family(version)
    match case:
        case "unset":
            return name(rules.admit(writer, child, CONTID_UNSET))
        case "dead":
            rules.exit(child)
            return name(rules.admit(writer, child, ONE))
        case "powerless":
            writer.capable = False
            return name(rules.admit(writer, child, ONE))
        case "has children":
            rules.fork(child, 12)
        case "has threads":
            rules.fork(child, 12, thread=True)
        case "a thread":
            child = rules.fork(child, 12, thread=True)
        case "itself":
            rules.exit(child)
            return name(rules.admit(writer, writer, ONE))
        case "no descendant":
            return name(rules.admit(child, rules.fork(writer, 12), ONE))
        case "same value again":
            rules.register(writer, child, ONE)
        case "other value again":
            rules.register(writer, child, ONE)
            return name(rules.admit(writer, child, TWO))
        case "of another owner":
            other = rules.fork(Task(1), 20)
            rules.register(other, rules.fork(other, 21), ONE)
        case _:
            rules.register(writer, rules.fork(writer, 12), ONE)
    return name(rules.admit(writer, child, ONE))


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, version: Version) -> None:
    """The errno of each refusal, by version."""
    third, to_v6, to_v8, later = REFUSALS[case]
    want = (
        third
        if version == Version.V3
        else to_v6
        if version <= Version.V6
        else to_v8
        if version <= Version.V8
        else later
    )
    assert ask(case, version) == want


@pytest.mark.parametrize(
    ("version", "order"),
    [
        (Version.V8, ["ENOPROTOOPT", "EINVAL", "EPERM", "EBUSY", "EALREADY", "EXDEV"]),
        (Version.V11, ["ENOPROTOOPT", "EINVAL", "EPERM", "EBUSY", "EBUSY", "EXDEV"]),
    ],
)
def test_the_order_of_checks(version: Version, order: list[str]) -> None:
    """A target that is wrong in every way: one reason after the other is taken away, in the kernel's order."""
    rules, writer, _ = family(version)
    target = rules.fork(Task(1), 20)
    child, thread = rules.fork(target, 21), rules.fork(target, 22, thread=True)
    target.audited = writer.capable = False
    contid = CONTID_UNSET
    seen = [name(rules.admit(writer, target, contid))]
    target.audited = True
    seen.append(name(rules.admit(writer, target, contid)))
    contid = ONE
    seen.append(name(rules.admit(writer, target, contid)))
    writer.capable = True
    seen.append(name(rules.admit(writer, target, contid)))
    rules.exit(child)
    seen.append(name(rules.admit(writer, target, contid)))
    rules.exit(thread)
    seen.append(name(rules.admit(writer, target, contid)))
    assert seen == order


def test_capcontid_stands_in_for_the_capability_from_v9_on() -> None:
    """V7 and V8 keep the flag and do not look at it."""
    for version, want in ((Version.V8, "EPERM"), (Version.V9, "created"), (Version.V11, "created")):
        rules, writer, child = family(version)
        writer.capable, writer.capcontid = False, 1
        assert name(rules.admit(writer, child, ONE)) == want
    assert rules.fork(writer, 13).capcontid == 0


@pytest.mark.parametrize("version", FROM_V7)
def test_the_owner_is_the_task_itself(version: Version) -> None:
    """Only who made it may inject; not its own child, and when it is gone nobody, while somebody is inside."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    deputy = rules.fork(writer, 12)
    assert name(rules.admit(deputy, rules.fork(deputy, 13), ONE)) == "ENOTUNIQ"
    rules.exit(writer, reaper=Task(1))
    again = rules.fork(Task(1), writer.pid)  # the same pid
    assert name(rules.admit(again, rules.fork(again, 14), ONE)) == "ENOTUNIQ"


@pytest.mark.parametrize("version", FROM_V7)
def test_nesting_goes_once(version: Version) -> None:
    """A contained orchestrator may move what inherited its container one deeper, and then nobody again."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    inner = rules.fork(child, 12)
    granted = rules.register(child, inner, TWO)
    assert isinstance(granted, Granted)
    assert granted.created
    assert rules.numbers[TWO].chain() == (TWO, ONE)
    again = {True: "ECHILD", False: "EEXIST"}[version <= Version.V8]
    assert name(rules.admit(child, inner, THREE)) == again
    deeper = rules.fork(inner, 13)
    rules.register(inner, deeper, THREE)
    assert rules.numbers[THREE].chain() == (THREE, TWO, ONE)


@pytest.mark.parametrize("version", [Version.V9, Version.V10, Version.V11])
def test_a_grandparent_may_not_set_again(version: Version) -> None:
    """What a nested orchestrator has set is no longer the outer one's: it is not below the nested owner."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    inner = rules.fork(child, 12)
    rules.register(child, inner, TWO)
    assert name(rules.admit(writer, inner, THREE)) == "EEXIST"


@pytest.mark.parametrize("version", FROM_V7)
def test_a_number_is_free_when_all_is_gone(version: Version) -> None:
    """Tasks, nested containers and a pending signal to auditd keep a number; then anybody may use it."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    inner = rules.fork(child, 12)
    rules.register(child, inner, TWO)
    pinned = rules.pin(inner)
    assert pinned is not None
    rules.exit(child, reaper=writer)
    assert set(rules.numbers) == {ONE, TWO}
    rules.exit(inner, reaper=writer)
    assert set(rules.numbers) == {ONE, TWO}
    rules.unpin(pinned)
    assert not rules.numbers
    other = rules.fork(Task(1), 20)
    assert name(rules.register(other, rules.fork(other, 21), ONE)) == "created"


@pytest.mark.parametrize(
    ("version", "want"), [(Version.V8, "ENOTUNIQ"), (Version.V9, "ESHUTDOWN"), (Version.V11, "ENOTUNIQ")]
)
def test_a_number_that_only_a_signal_holds_is_not_its_owners_either(version: Version, want: str) -> None:
    """Between the last exit and auditd's question the number is in use by nobody."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    rules.pin(child)
    rules.exit(child)
    assert name(rules.admit(writer, rules.fork(writer, 12), ONE)) == want


def test_limits_of_v7_and_v8() -> None:
    """V7 nests five deep at most, V8 four by default; V8 allows so many containers in a network namespace."""
    for version, depth in ((Version.V7, 5), (Version.V8, 4), (Version.V11, 0)):
        rules, writer, child = family(version)
        answers = []
        for number in range(1, 9):
            answers.append(name(rules.register(writer, child, ContId(number))))
            writer, child = child, rules.fork(child, 11 + number)
        assert ("EMLINK" in answers) == bool(depth)
    rules = Rules(Version.V8, per_netns=1)
    writer = rules.fork(Task(1), 10)
    rules.register(writer, rules.fork(writer, 11), ONE)
    assert name(rules.admit(writer, rules.fork(writer, 12), TWO)) == "ENOSR"


def test_a_network_namespace_lists_its_containers_newest_first() -> None:
    """Each with its chain; forks and exits are counted; who leaves, or the last to exit, takes it off the list."""
    rules, writer, child = family(Version.V11)
    second = rules.fork(writer, 12)
    rules.register(writer, child, ONE)
    rules.register(writer, second, TWO)
    inner = rules.fork(child, 13)
    rules.register(child, inner, THREE)
    assert writer.netns.chains() == ((THREE, ONE), (TWO,), (ONE,))
    helper = rules.fork(second, 14)
    rules.exit(helper)
    assert (TWO,) in writer.netns.chains()
    own = Netns()
    rules.enter_netns(second, own)
    assert own.chains() == ((TWO,),)
    assert writer.netns.chains() == ((THREE, ONE), (ONE,))
    born = rules.fork(inner, 15, netns=Netns())
    assert born.netns.chains() == ((THREE, ONE),)


def test_a_drop_is_written_at_the_last_exit() -> None:
    """Intended: by the last task, in its last event, if that is logged; never while a nested container lives."""
    for version in FROM_V7:
        rules, writer, child = family(version)
        rules.register(writer, child, ONE)
        assert not rules.writes_drop(child, exiting=False)
        assert rules.writes_drop(child, exiting=True)
        second = rules.fork(child, 12)
        assert not rules.writes_drop(child, exiting=True)
        rules.register(child, second, TWO)
        assert not rules.writes_drop(child, exiting=True)
        assert not rules.writes_drop(writer, exiting=True)


def test_defects_are_replayed() -> None:
    """V7 and V8 drop at every call of a lone task; V9 never; v10 and v11 at every call once the list has lost it."""
    rules, writer, child = family(Version.V8, frozenset((Defect.REPEATED_DROP,)))
    rules.register(writer, child, ONE)
    assert rules.writes_drop(child, exiting=False)
    lost = {Version.V9: Defect.NO_DROP, Version.V10: Defect.EARLY_DROP, Version.V11: Defect.EARLY_DROP}
    for version, defect in lost.items():
        rules, writer, child = family(version, frozenset((Defect.NETNS_COUNT, defect)))
        rules.register(writer, child, ONE)
        assert not rules.writes_drop(child, exiting=False)
        assert rules.writes_drop(child, exiting=True) == (version != Version.V9)
        rules.exit(rules.fork(child, 12))
        assert writer.netns.chains() == ()
        assert rules.writes_drop(child, exiting=False)


@pytest.mark.parametrize("version", UP_TO_V6)
def test_up_to_v6_nobody_owns_and_nothing_is_dropped(version: Version) -> None:
    """Numbers may be shared by anybody, there is no nesting, and no drop is written."""
    rules, writer, child = family(version)
    rules.register(writer, child, ONE)
    assert rules.numbers[ONE].owner is None
    assert not rules.writes_drop(child, exiting=True)
    inner = rules.fork(child, 12)
    rules.register(child, inner, TWO)
    assert rules.numbers[TWO].chain() == (TWO,)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b"0", 0), (b"18446744073709551614\n", 2**64 - 2), (b"+7", 7), (b"007", 7),
        (b"18446744073709551615", CONTID_UNSET), (b"18446744073709551616", "ERANGE"), (b"9" * 400, "ERANGE"),
        (b"-1", "EINVAL"), (b"abc", "EINVAL"), (b"0x10", "EINVAL"), (b"", "EINVAL"),
        (b"1\n\n", "EINVAL"), (b"1 ", "EINVAL"),
    ],
)  # fmt: skip
def test_what_may_be_written(text: bytes, want: int | str) -> None:
    """A decimal u64 and one newline; the offset must be 0."""
    found = parse(text)
    assert (found.name if isinstance(found, Refused) else found) == want
    assert parse(text, offset=1) == Refused(errno.EINVAL)


@given(st.binary(max_size=64))
def test_anything_written_is_a_number_or_a_refusal(text: bytes) -> None:
    """No bytes raise."""
    found = parse(text)
    assert isinstance(found, Refused) or 0 <= found <= CONTID_UNSET


def test_the_refusals_of_a_recorded_kernel() -> None:
    """A kernel with v11 was asked all this: the model gives the same errno for each number it was asked to set."""
    said = {}
    for line in (SAMPLES / "contid-g05-v11" / "sets.jsonl").read_text().splitlines():
        each = json.loads(line)
        said.setdefault((each["contid"], each["pid"] in (1, 2, each["writer"])), each["err"])
    for (contid, of_another), err in said.items():
        number = parse(contid.encode())
        if isinstance(number, Refused):
            assert err == errno_text(number.errno)
            continue
        rules, writer, child = family(Version.V11)
        rules.fork(child, 12)
        if of_another:  # they have children, which comes before not being below the writer
            assert err == errno_text(errno.EBUSY)
            assert name(rules.admit(writer, writer, number)) == "EBUSY"
        elif number == CONTID_UNSET:
            assert err == errno_text(errno.EINVAL)


def errno_text(number: int) -> str:
    """As the shell of the scenario printed it."""
    import os

    return os.strerror(number)
