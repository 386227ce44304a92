"""The model of the kernel: numbers, parents, ends."""

from __future__ import annotations

from random import Random

import pytest

from tests.model.calls import Host
from tests.model.jobs import Gone
from tests.model.kernel import (
    CLONE_PARENT,
    NEWPID,
    SIGCHLD,
    SIGHUP,
    SIGKILL,
    SIGTERM,
    Kernel,
    Task,
)
from tests.model.pids import NoNumber, allocate


def machine(**more: object) -> Host:
    """A machine without delays of its own."""
    return Host(rng=Random(1), pid_max=400, late=0.0, **more)  # type: ignore[arg-type]


def calls(m: Host) -> list[str]:
    """What is in the log."""
    return [event.call for event in m.log]


def container(k: Kernel, by: Task) -> Task:
    """The init of a new pid namespace."""
    return k.fork(by, NEWPID | SIGCHLD)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_numbers_are_cyclic_and_begin_again_at_300() -> None:
    """A number comes again only after all others had their turn, and never one below 300 after the first round."""
    k = Kernel(310)
    given = []
    for _ in range(330):
        task = k.fork(k.init)
        given.append(task.pid)
        k.exit(task)
        k.reap(task)
    assert given[:307] == list(range(3, 310))
    assert given[307:327] == [*range(300, 310), *range(300, 310)]


def test_a_taken_number_is_passed_over_and_none_left_is_an_error() -> None:
    """The cursor goes on behind numbers in use."""
    k = Kernel(306)
    kept = [k.fork(k.init) for _ in range(303)]
    assert kept[-1].pid == 305
    with pytest.raises(NoNumber):
        k.fork(k.init)
    k.exit(kept[300])
    with pytest.raises(NoNumber):  # a zombie has its number
        k.fork(k.init)
    k.reap(kept[300])
    assert k.fork(k.init).pid == kept[300].pid


def test_threads_and_kernel_threads_take_numbers() -> None:
    """They are of the same sequence."""
    k = Kernel()
    task = k.fork(k.init)
    number = k.thread(task)
    other = k.fork(k.kthreadd, 0)
    assert (task.pid, number.host, other.pid) == (3, 4, 5)
    k.exit(task)
    assert 4 not in k.root.used


def test_a_number_stays_taken_while_a_session_or_group_goes_by_it() -> None:
    """A dead session leader's number is not given again while the session has members (free_pid)."""
    k = Kernel()
    leader = k.fork(k.init)
    k.setsid(leader)
    member = k.fork(leader)
    k.exit(leader)
    k.reap(leader)
    assert leader.pid in k.root.used
    k.exit(member)
    k.reap(member)
    assert leader.pid not in k.root.used
    assert member.pid not in k.root.used


def test_local_numbers() -> None:
    """Each level has numbers of its own; `exit=` of a fork is the caller's namespace's."""
    k = Kernel()
    shell = k.fork(k.init)
    init = container(k, shell)
    child = k.fork(init)
    assert init.number.within(init.namespace) == 1
    assert child.number.within(init.namespace) == 2
    assert child.number.within(k.root) == child.pid == 5
    assert shell.number.within(init.namespace) == 0
    inner = container(k, child)
    assert [inner.number.within(one) for one in inner.number.namespaces] == [6, 3, 1]


def test_exit_of_clone_is_the_callers_number() -> None:
    """In the record of a fork, and in no other way."""
    m = machine()
    init = m.fork(m.kernel.init, NEWPID | SIGCHLD)
    m.fork(init)
    first, second = (event.records[0][1] for event in m.log)
    assert f"exit={init.pid} a0={NEWPID | SIGCHLD:x} " in first
    assert " exit=2 " in second


def test_unshare_and_setns_of_a_pid_namespace_are_for_the_children() -> None:
    """A process never leaves its own."""
    k = Kernel()
    shell = k.fork(k.init)
    k.unshare(shell, NEWPID)
    assert shell.namespace is k.root
    init = k.fork(shell)
    assert init.is_init
    enters = k.fork(k.init)
    k.setns(enters, init, NEWPID)
    assert k.fork(enters).number.within(init.namespace) == 2
    assert enters.namespace is k.root


def test_no_child_is_born_into_a_namespace_whose_init_has_ended() -> None:
    """ENOMEM of alloc_pid."""
    k = Kernel()
    shell = k.fork(k.init)
    k.unshare(shell, NEWPID)
    init = k.fork(shell)
    k.exit(init)
    with pytest.raises(NoNumber):
        k.fork(shell)
    with pytest.raises(NoNumber):
        allocate(init.namespace, None)


# --- parents ----------------------------------------------------------------------------------------------------------


def test_an_orphan_goes_to_the_nearest_living_subreaper() -> None:
    """Not to the nearest ancestor: shells adopt nobody."""
    k = Kernel()
    far = k.fork(k.init)
    k.become_subreaper(far)
    near = k.fork(far)
    k.become_subreaper(near)
    shell = k.fork(near)
    dies = k.fork(shell)
    orphan = k.fork(dies)
    k.exit(dies)
    assert orphan.parent is near
    k.exit(near)
    assert orphan.parent is far
    k.exit(far)
    assert orphan.parent is k.init


def test_a_subreaper_outside_the_pid_namespace_adopts_nobody_in_it() -> None:
    """Inside it is the namespace's init; the init itself, born from outside, is adopted outside."""
    k = Kernel()
    shim = k.fork(k.init)
    k.become_subreaper(shim)
    runc = k.fork(shim)
    init = container(k, runc)
    dies = k.fork(init)
    orphan = k.fork(dies)
    k.exit(dies)
    assert orphan.parent is init
    k.exit(runc)
    assert init.parent is shim


def test_who_was_brought_in_is_adopted_outside_and_its_children_inside() -> None:
    """The dead parent's namespace counts, not the orphan's."""
    k = Kernel()
    shim = k.fork(k.init)
    k.become_subreaper(shim)
    init = container(k, shim)
    runc = k.fork(shim)
    k.setns(runc, init, NEWPID)
    entered = k.fork(runc)
    child = k.fork(entered)
    k.exit(runc)
    assert entered.parent is shim
    k.exit(entered)
    assert child.parent is init


def test_a_subreaper_that_comes_later_has_the_descendants_that_were_there() -> None:
    """propagate_has_child_subreaper, which stops at an init."""
    k = Kernel()
    top = k.fork(k.init)
    dies = k.fork(k.fork(top))
    orphan = k.fork(dies)
    init = container(k, top)
    k.become_subreaper(top)
    assert not init.has_subreaper
    k.exit(dies)
    assert orphan.parent is top


def test_clone_parent_makes_a_sibling_and_an_init_cannot() -> None:
    """The child's parent is the caller's."""
    k = Kernel()
    shell = k.fork(k.init)
    task = k.fork(shell)
    assert k.fork(task, CLONE_PARENT | SIGCHLD).parent is shell
    with pytest.raises(NoNumber):
        k.fork(container(k, shell), CLONE_PARENT)


# --- ends -------------------------------------------------------------------------------------------------------------


def test_with_an_init_ends_all_of_its_namespace_and_of_those_below() -> None:
    """Also who was brought in from outside; nobody else."""
    k = Kernel()
    shell = k.fork(k.init)
    init = container(k, shell)
    child = k.fork(init)
    inner = container(k, child)
    k.setns(shell, init, NEWPID)
    entered = k.fork(shell)
    killed = k.exit(init)
    assert set(killed) == {child, inner, entered}
    assert shell.alive
    assert not shell.children or shell.children == [init]


def test_a_killed_process_writes_no_exit_record() -> None:
    """Nor do those who end with it."""
    m = machine()
    shell = m.fork(m.kernel.init)
    task = m.fork(shell)
    m.kill(shell, task.pid, SIGKILL)
    assert not task.alive
    assert calls(m) == ["clone", "clone", "kill"]
    with pytest.raises(Gone):
        m.exit(task)
    m.exit(shell)
    assert calls(m)[-1] == "exit_group"


def test_an_init_drops_signals_from_inside_and_obeys_sigkill_from_outside() -> None:
    """The call succeeds in either case, and OBJ_PID names the init."""
    m = machine()
    init = m.fork(m.kernel.init, NEWPID | SIGCHLD)
    child = m.fork(init)
    assert m.kill(child, 1, SIGKILL) == []
    assert init.alive
    assert f"opid={init.pid} " in m.log[-1].records[1][1]
    assert "success=yes" in m.log[-1].records[0][1]
    shell = m.fork(m.kernel.init)
    assert m.kill(shell, init.pid, SIGTERM) == []  # it has no handler, and is an init
    assert m.kill(shell, init.pid, SIGKILL) == [init]
    assert not child.alive


def test_who_handles_sigterm_ends_by_itself() -> None:
    """With a record, and an init with a handler too."""
    m = machine()
    shell = m.fork(m.kernel.init)
    init = m.fork(shell, NEWPID | SIGCHLD)
    init.handles_term = True
    assert m.kill(shell, init.pid, SIGTERM) == []
    assert init.alive
    while m.step():
        pass
    assert calls(m)[-1] == "exit_group"
    with pytest.raises(Gone):
        m.works(init)


def test_kill_minus_one_considers_all_that_it_sees_and_ends_those_it_may() -> None:
    """Not itself, not the init; root's processes are named in OBJ_PID, and live on."""
    m = machine()
    root = m.fork(m.kernel.init)
    user = m.fork(m.kernel.init)
    m.become(user, 1000)
    other = m.fork(user)
    assert m.kill(user, -1, SIGHUP) == [other]
    assert root.alive
    said = [body for kind, body in m.log[-1].records if kind == "OBJ_PID"]
    assert {f"opid={one.pid} " for one in (root, other, m.kernel.kthreadd)} == {
        one[: one.index(" ") + 1] for one in said
    }
    init = m.fork(root, NEWPID | SIGCHLD)
    inside = m.fork(init)
    more = m.fork(init)
    assert m.kill(inside, -1, SIGKILL) == [more]


def test_a_group_is_signalled_by_its_number() -> None:
    """kill(-pgid) reaches all members."""
    m = machine()
    shell = m.fork(m.kernel.init)
    job = m.fork(shell)
    m.kernel.setpgid(job)
    child = m.fork(job)
    assert set(m.kill(shell, -job.pid, SIGTERM)) == {job, child}
