"""What a process has from its birth. DESIGN section 5, *Inheritance* and *Host*.

- A process is where its parent was when it was born; its parent is proven by a fork record (evidence `lineage`), else
  it is the life that had its ppid at the stamp asked for (`ppid`: proves inside, never host, and nothing across a
  change of session or login id).
- A child that an engine bore into all namespaces that it gives a container is in the one it announced (`claims`).
- One whose birth is not recorded, of an engine inside a container, may be in one nested there: at least the outer one.
- Pid 1, pid 2 and kernel threads are on the host. Any other is on the host only by an unbroken chain of fork records
  from them, on a node whose rules record namespaces, with no gap since its birth, born into no new namespace, and with
  no engine's announcement pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from annotator.core.contracts import SLACK_MS
from annotator.core.membership.claims import created, flags_of, pending
from annotator.core.model import OWN_SESSION, Evidence, Flag, Ns, Role
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership.state import State
    from annotator.core.model import Container, Stamp
    from annotator.core.residence import PendingOperation

SOON_MS = 300
"""For how long a number cannot have been given to another process (DESIGN section 5, *A life*)."""

KTHREADD = 2
"""The parent of all kernel threads."""


class Ask(Protocol):
    """How the parent's residence is asked for: `where.where`."""

    def __call__(
        self, state: State, life: ProcessLifetime, stamp: Stamp, depth: int, /, *, record: bool
    ) -> Residence | None:
        """The residence that holds at `stamp`."""
        ...


def from_birth(
    state: State, life: ProcessLifetime, stamp: Stamp, ask: Ask, depth: int, *, record: bool
) -> Residence | None:
    """What a life has from its birth: its parent's container, or an engine's new one."""
    epoch = state.processes.peek(life.node).epoch
    if life.pid in (1, KTHREADD) or life.ppid == KTHREADD:
        return Residence(life.born, None, Evidence.INIT, epoch=epoch)
    parent = state.processes.parent_of(life, stamp)
    if parent is None or (life.in_doubt and not life.bound):
        return None
    birth = life.birth if life.bound else stamp
    above = ask(state, parent, birth, depth + 1, record=record)
    outer = above.container if above is not None else None
    made = _born_of_engine(state, life, parent, birth, outer, record=record) or _entered_below(life, parent, stamp)
    if made is not None or above is None:
        if made is not None and record and life.ns is not None and not life.ns & Ns.PID:
            share_pid_namespace(state, life)
        return made
    if outer is None:
        proven = _is_born_on_host(state, life) and pending(state, life, record=record) is None
        return Residence(life.born, None, Evidence.INIT, epoch=epoch) if proven else None
    if not life.bound and not _tells_by_ppid(life, parent):
        return None
    evidence = Evidence.LINEAGE if life.bound else Evidence.PPID
    if above.evidence in (Evidence.REGISTERED, Evidence.RECORD):
        evidence = Evidence.REGISTERED
    flags = above.flags
    operation = pending(state, parent, record=record) if not life.bound else None
    if operation is not None and operation.inside is outer:
        if operation.command.role in (Role.CREATE, Role.ENTER):
            # in the container that its parent makes or enters, or not yet, or a helper; whoever adopts it later
            life.membership.of_engine = life.membership.of_engine or record
            return None
        if operation.command.role is Role.OPAQUE and Flag.AT_LEAST not in flags:
            flags = (*flags, Flag.AT_LEAST)
    if life.membership.of_engine and not life.bound:
        return None
    if not life.bound and Flag.AT_LEAST not in flags and _adopts_from_below(state, parent, outer):
        flags = (*flags, Flag.AT_LEAST)
    return Residence(min(life.born, stamp), outer, evidence, above.session, flags, epoch=epoch)


def _entered_below(life: ProcessLifetime, parent: ProcessLifetime, stamp: Stamp) -> Residence | None:
    """What a runtime's command to enter has borne for it, at the beginning of its own program.

    One of the runtime's processes has joined the container's namespaces, and has borne this one as its sibling. Soon
    after that the ppid can be nobody else's yet.
    """
    entered, operation = parent.membership.entered, parent.membership.pending
    if entered is None or operation is None or operation.command.role is not Role.ENTER or life.bound:
        return None
    if not 0 <= stamp.ms - entered.since.ms <= SOON_MS or (parent.ses, parent.auid) != (life.ses, life.auid):
        return None
    if not life.exe or life.exe in (parent.exe, parent.runs, parent.membership.entered_exe):
        return None  # the runtime's own, on its way
    return entered._replace(since=stamp, evidence=Evidence.PPID)


def _born_of_engine(
    state: State, life: ProcessLifetime, parent: ProcessLifetime, birth: Stamp, outer: Container | None, *, record: bool
) -> Residence | None:
    """A child that an engine bore with all namespaces of a container is its init. The engine was in `outer`.

    What counts is what was announced for the parent: the child may have run the container's program before its birth
    is read.
    """
    operation = pending(state, parent, record=record) if life.ns or not life.bound else None
    if operation is None or operation.since > birth or operation.inside is not outer:
        return None
    command = operation.command
    if command.role is not Role.CREATE:
        return None
    ns = life.ns if life.bound else _only_birth(state, life, parent, operation)
    if ns is None or not ns & command.needs or (ns | _made_above(parent, operation)) & command.needs != command.needs:
        return None
    container = created(state, operation, birth, record=record)
    return Residence(birth, container, Evidence.COMMAND, OWN_SESSION, flags_of(state, operation, life, birth))


def _made_above(parent: ProcessLifetime, operation: PendingOperation) -> Ns:
    """The namespaces into which the engine's processes down to this one were born, since the announcement."""
    made = Ns.NONE
    for one in (parent, *parent.ancestors()):
        if not one.bound or one.birth < operation.since:
            break
        made |= one.ns or Ns.NONE
    return made


def _adopts_from_below(state: State, parent: ProcessLifetime, outer: Container) -> bool:
    """Whether a child that shows this parent may be an orphan out of a container that an engine has made in `outer`."""
    occupants = state.inside.get(outer)
    if occupants is None or not occupants.engines:
        return False
    first = parent.membership.residences[0] if parent.membership.residences else None
    return first is not None and first.evidence in (Evidence.COMMAND, Evidence.REGISTERED)


def _only_birth(state: State, life: ProcessLifetime, parent: ProcessLifetime, operation: PendingOperation) -> Ns | None:
    """Into which namespaces a child of an engine inside a container was born, if all that the engine bore were alike.

    There the fork records have numbers of the container's own pid namespace, and bind to no child.
    """
    if operation.inside is None:
        return None
    born = {
        hint.ns
        for waiting in state.processes.peek(life.node).hints.values()
        for hint in waiting
        if hint.parent is parent and hint.stamp >= operation.since and hint.stamp.ms <= life.born.ms + SLACK_MS
    }
    return born.pop() if len(born) == 1 else None


def share_pid_namespace(state: State, life: ProcessLifetime) -> None:
    """A container is made in a pid namespace that is not its own: of the host, or of another container.

    Of which one, no record tells: of one that the same monitor made, if it has made one, else of any whose monitor is
    such a program. Orphans of the new container are adopted by that one's init.
    """
    node = state.processes.node(life.node)
    monitors = {older.ppid for older in (life, *life.ancestors()[:3]) if older.ppid > 1}
    programs = {node.now[pid].runs for pid in monitors if pid in node.now}
    inits = [one for one in node.now.values() if one.is_pid_init and one is not life and one.end is None]
    near = [one for one in inits if one.ppid in monitors]
    for init in near or [one for one in inits if one.ppid not in node.now or node.now[one.ppid].runs in programs]:
        init.adopts_others = True
        state.version += 1


def _tells_by_ppid(life: ProcessLifetime, parent: ProcessLifetime) -> bool:
    """Whether the ppid alone proves that a life is where its parent is.

    Not across a login, which may be a re-used pid; not from an engine's stage, which has no children but those that it
    is seen to bear; and not from an init who may adopt from other containers too, but for a child just born.
    """
    if (parent.ses, parent.auid) != (life.ses, life.auid):
        return False
    own = parent.membership
    if own.pending is not None and own.residences and (parent.ran is None or parent.ran < own.residences[-1].since):
        return False
    if not (parent.is_pid_init and parent.adopts_others):
        return True
    return abs(life.born.ms - parent.forked_ms) <= SLACK_MS  # its own child, and no orphan


def _is_born_on_host(state: State, life: ProcessLifetime) -> bool:
    """Whether its birth is recorded, shows no new namespaces, and no gap came since; its parent was on the host."""
    node = state.processes.peek(life.node)
    if not life.bound or node.open_hole or life.parent is None or life.parent.bears_inside:
        return False
    return node.moves and life.birth_epoch == node.epoch and life.ns == Ns.NONE


def parent_known(state: State, life: ProcessLifetime) -> None:
    """A late fork record named the parent: what was unknown, or known by ppid alone, may be better known now."""
    residences = life.membership.residences
    if residences and residences[0].evidence is Evidence.PPID:
        del residences[0]
    life.in_doubt = False
    life.cache.withdraw()
    state.version += 1
