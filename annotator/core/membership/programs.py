"""A program begins, a process ends.

The first program that runs in a container is its init; with the init's end the container is over (`containers`).
Outside containers another program than an engine's ends what was announced (`claims`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership import claims
from annotator.core.membership.containers import became_init, left
from annotator.core.membership.where import where
from annotator.core.model import OWN_SESSION

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Executed, Killed, LoggedIn, Stamp


def executed(state: State, fact: Executed, life: ProcessLifetime, stamp: Stamp) -> None:
    """The process runs another program."""
    own = life.membership
    own.vouched = None  # for what it did before
    residence = where(state, life, stamp, record=True)
    if residence is not None and residence.container is not None and residence.session is OWN_SESSION:
        became_init(state, residence.container, life)
    claims.executed(fact, life)
    life.ran = stamp
    life.programs += 1
    life.runs = fact.exe or life.runs
    if life.adopts is not True:  # a subreaper stays one (prctl(2))
        life.adopts = fact.adopts
    state.processes.node(life.node).execs = True


def exited(state: State, life: ProcessLifetime, stamp: Stamp, *, recorded: bool = True) -> None:
    """The process is gone, by its exit record, or (`recorded` false) as a signal or a crash tells.

    With the init of a pid namespace all others in it are gone (kernel/pid_namespace.c, zap_pid_ns_processes).
    """
    life.membership.vouched = None
    state.processes.exited(life.node, life, stamp, recorded=recorded)
    residence = where(state, life, stamp, record=True)
    if residence is not None and residence.container is not None:
        left(state, residence.container, life, stamp)
    if life.is_pid_init:
        for other in state.processes.peek(life.node).now.values():
            if other.pidns is life and other.end is None:
                other.end = stamp


def killed(state: State, fact: Killed, sender: ProcessLifetime, stamp: Stamp) -> None:
    """A SIGKILL that succeeded has ended its only target."""
    target = state.processes.at(sender.node, fact.pid, stamp)
    if target is None or target.pid <= 1 or target.end is not None:
        return
    if fact.unless_init and sender.level != 0 and (target.is_pid_init or target.level < 0):
        return  # it may be the init of the sender's own pid namespace
    exited(state, target, stamp, recorded=False)


def logged_in(fact: LoggedIn, life: ProcessLifetime) -> None:
    """A process has another login and session from now on; its children are born with them."""
    if life.pid == fact.pid:
        life.auid, life.ses = fact.auid, fact.ses
        life.cache.withdraw()
