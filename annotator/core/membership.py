"""Who is in which container, as intervals: registration, inheritance, engine commands, entering.

Each life has `Residence`s, its answers with the stamp from which they hold. A residence is only ever followed by a
deeper one: none to X, X to Y nested in X. What is asked is resolved when asked, from the parent as of the birth, so
that facts that come late still count. Host is an answer that needs proof, as a container does.

Budget: questions and facts are rules over the same few tables; apart, neither can be checked against the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.corroboration import Corroboration
from annotator.core.model import (
    CONTID_UNSET,
    OWN_SESSION,
    Actor,
    Attribution,
    Booted,
    CapabilityProven,
    Chain,
    Container,
    ContId,
    Dropped,
    EngineCommand,
    Evidence,
    Executed,
    Exited,
    Fact,
    Flag,
    Forked,
    Gap,
    Mark,
    Moved,
    Named,
    Ns,
    Registered,
    Role,
    RootChanged,
    Session,
    Stamp,
)
from annotator.core.registry import Registry, derive_contid

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable


VOUCHED_MS = 1000
"""How long after it was vouched for a process may register, which follows at once. A pid may be another's soon: where
there are 32,768 of them, in the seconds that a container needs to fork so often. A kernel that is so busy that it holds
the sender for longer leaves the registration unproven."""


class Residence(NamedTuple):
    """Where a life is from `since` on. `container` None: on the host (or `lost`: no longer certain)."""

    since: Stamp
    container: Container | None
    evidence: Evidence
    session: Session | None = None
    flags: tuple[Flag, ...] = ()
    lost: bool = False
    epoch: int = 0


class PendingOperation(NamedTuple):
    """What an engine's command line announced, and who called it. It becomes a stay by a change of namespaces."""

    since: Stamp
    command: EngineCommand
    who: Actor
    how: str
    inside: Container | None
    node: bytes


@dataclass(slots=True)
class Occupants:
    """By whom a container lives: its first process, who registered it, and every life that was seen inside.

    `dropped`: an op=drop was read while somebody we know of was alive inside; the kernel patches write such.
    """

    init: ProcessLifetime | None = None
    owner: ProcessLifetime | None = None
    members: list[ProcessLifetime] = field(default_factory=list)
    limit: int = 32
    dropped: tuple[ProcessLifetime | None, Stamp] | None = None


class Membership:
    """Applies facts, answers `where`. The tables are the processes' and the registry's; this holds the rules."""

    def __init__(self, processes: ProcessTable, registry: Registry) -> None:
        self.processes = processes
        self.registry = registry
        self.version = 0
        self.inside: dict[Container, Occupants] = {}
        self.support = Corroboration()
        self.unsure: dict[ProcessLifetime, ContId] = {}
        """Registrations whose result is not in the log, by target."""
        self.refused = 0
        self.tentative = 0

    # --- questions ----------------------------------------------------------------------------------------------

    def where(self, life: ProcessLifetime, stamp: Stamp, depth: int = 0) -> Residence | None:
        """The stay that holds at `stamp`; None when nothing is proven."""
        for stay in reversed(life.stays):
            if stay.since <= stamp:
                return None if stay.lost else self._still(life, stay)
        if depth > 32 or (life.unknown_version == self.version and not life.stays):
            return None
        stay = self._born(life, stamp, depth)
        if stay is None:
            life.unknown_version = self.version
        else:
            life.stays.insert(0, stay)
            life.answer = None
            if stay.container is not None:
                self._count_in(stay.container, life)
            if not life.bound:
                self.version += 1  # others may have asked for this one's container before it was seen
        return stay

    def _still(self, life: ProcessLifetime, stay: Residence) -> Residence | None:
        """Host holds only while nothing was lost; pid 1 and kernel threads are always host."""
        if stay.container is not None or stay.evidence is not Evidence.INIT or life.pid <= 2:
            return stay
        return stay if stay.epoch == self.processes.node(life.node).epoch else None

    def _born(self, life: ProcessLifetime, stamp: Stamp, depth: int) -> Residence | None:
        """What a life has from its birth: its parent's container, or an engine's new one."""
        node = self.processes.node(life.node)
        if life.pid in (1, 2) or life.ppid == 2:
            return Residence(life.born, None, Evidence.INIT, epoch=node.epoch)
        parent = life.parent if life.bound else self.processes.at(life.node, life.ppid, stamp)
        if parent is None or parent is life:
            return None
        birth = life.hinted or life.born if life.bound else stamp
        above = self.where(parent, birth, depth + 1)
        made = self._made(life, birth, above.container if above is not None else None)
        if made is not None or above is None:
            return made
        if above.container is None:
            proven = life.bound and node.moves and life.birth_epoch == node.epoch and life.ns == Ns.NONE
            proven = proven and self.intent(life) is None  # an engine may be about to put it into a cgroup
            return Residence(life.born, None, Evidence.INIT, epoch=node.epoch) if proven else None
        if not life.bound and (parent.ses, parent.auid) != (life.ses, life.auid):
            return None  # a re-used pid, or a login: not to be told apart
        evidence = Evidence.LINEAGE if life.bound else Evidence.PPID
        if above.evidence in (Evidence.REGISTERED, Evidence.RECORD):
            evidence = Evidence.REGISTERED
        return Residence(min(life.born, stamp), above.container, evidence, above.session, above.flags, epoch=node.epoch)

    def _made(self, life: ProcessLifetime, birth: Stamp, above: Container | None) -> Residence | None:
        """A child that an engine bore into a new mount namespace is its container's init."""
        if not life.ns or not life.ns & Ns.MNT:
            return None
        intent = self.intent(life)
        if intent is None or intent.command.role is not Role.CREATE or intent.inside is not above:
            return None
        return Residence(birth, self._container(intent, birth), Evidence.COMMAND, OWN_SESSION)

    def intent(self, life: ProcessLifetime, depth: int = 0) -> PendingOperation | None:
        """What was announced for this life: by its own command line, else by its parent's at its birth."""
        if life.intent is not None or depth > 16:
            return life.intent or None
        parent = life.parent if life.bound else self.processes.at(life.node, life.ppid, life.born)
        if parent is None or parent is life:
            return None
        found = self.intent(parent, depth + 1)
        birth = life.hinted or life.born
        if found is not None and found.since <= birth and (life.bound or parent.intent):
            life.intent = found
            return found
        return None

    # --- facts --------------------------------------------------------------------------------------------------

    def apply(self, fact: Fact, life: ProcessLifetime | None, actor: Actor | None, node: bytes, stamp: Stamp) -> None:
        """Take note of one fact. `life` and `actor` are those of the event's process."""
        match fact:
            case Forked() if life is not None:
                born = self.processes.forked(node, life, fact.child, stamp, fact.ns, sibling=fact.sibling)
                if born is not None:
                    self._rebind(born)
            case Executed() if life is not None:
                self._executed(fact, life, stamp)
                self._doubt(life, stamp)
            case Exited() if life is not None:
                self._exited(life, stamp)
            case Moved() if life is not None:
                self.processes.node(node).moves = True
                self._moved(fact, life, stamp)
                self._doubt(life, stamp)
            case RootChanged() if life is not None:
                self._rooted(life, stamp)
            case EngineCommand() if life is not None and actor is not None:
                self._commanded(fact, life, actor, stamp)
            case Registered():
                self._registered(fact, life, actor, node, stamp)
            case CapabilityProven() if life is not None:
                life.vouched = stamp
            case Dropped():
                self._dropped(fact, node, stamp)
            case Named():
                if life is not None and self._is_trusted(life, actor, stamp):
                    self.registry.named(node, fact, stamp)
            case Gap():
                self.gap(node)
            case Booted() if life is None or self._may_boot(life, actor, stamp):
                self.processes.booted(node, fact.boot)
                self.registry.booted(node, fact.boot, stamp)
                self.support.booted(node)
                self.version += 1
            case _:
                pass

    def _may_boot(self, life: ProcessLifetime, actor: Actor | None, stamp: Stamp) -> bool:
        """A user-space record of a boot: not from inside a container, whose root can send one too."""
        stay = self.where(life, stamp)
        return actor is not None and actor.uid == 0 and (stay is None or stay.container is None)

    def gap(self, node: bytes) -> None:
        """Records of this node may be missing."""
        self.processes.gap(node)
        self.version += 1

    def learn(self, life: ProcessLifetime, container: Container | None, stamp: Stamp) -> None:
        """The trail states where this life is (CONTAINER_ID): that is what its children inherit."""
        held = self.where(life, stamp)
        if container is not None and (held is None or held.container is not container):
            session = held.session if held is not None and held.container is not None else None
            self._stay(life, Residence(stamp, container, Evidence.RECORD, session))

    def stated(self, life: ProcessLifetime, contids: tuple[ContId, ...], stamp: Stamp) -> Chain:
        """The containers the trail states for a life, nearest first: those it is known to be in, if the numbers agree.

        Else those that have the numbers now, and the life is there from now on.
        """
        held = self.where(life, stamp)
        if held is not None and held.container is not None:
            chain = held.container.chain()
            if tuple(one.contid for one in chain) == contids[:16]:
                return chain
        chain = self.registry.chain(life.node, contids, stamp)
        if chain:
            self.learn(life, chain[0], stamp)
        return chain

    def placed(
        self,
        life: ProcessLifetime,
        container: Container | None,
        evidence: Evidence,
        stamp: Stamp,
        *,
        leaving: bool = False,
    ) -> Session | None:
        """The trail says with each record where its process is: returns its session, and its children inherit both.

        `leaving`: it is about to enter somewhere, so that nothing is known of it until its next record. Nobody moves
        from one such place into another: who is elsewhere now is another process under a pid that was used again.
        """
        held = self.where(life, stamp)
        session: Session | None = None
        if container is not None:
            inside = held.container if held is not None else None
            intent = self.intent(life) if inside is None else None
            if held is not None and inside is not None and inside.name == container.name:
                session = held.session
            elif intent is not None and intent.command.role is Role.ENTER and intent.command.name == container.name:
                who = intent.who
                session = Session(
                    str(intent.since), intent.how, who.auid, who.ses, who.uid, _show(who.tty), _show(who.exe), who.pid
                )
        if leaving or held is None or held.container is not container:
            self._stay(life, Residence(stamp, container, evidence, session, lost=leaving))
        return session

    def _rebind(self, life: ProcessLifetime) -> None:
        """A late fork record named the parent: what was unknown, or known by ppid alone, may be better known now."""
        if life.stays and life.stays[0].evidence is Evidence.PPID:
            del life.stays[0]
        life.answer = None
        self.version += 1

    def _stay(self, life: ProcessLifetime, stay: Residence) -> None:
        at = len(life.stays)
        while at and life.stays[at - 1].since > stay.since:
            at -= 1
        life.stays.insert(at, stay)
        if len(life.stays) > 64:
            del life.stays[1]
        life.answer = None
        if stay.container is not None:
            self._count_in(stay.container, life)
            self.unsure.pop(life, None)
        self.version += 1

    # --- who keeps a container alive ----------------------------------------------------------------------------

    def _count_in(self, container: Container, life: ProcessLifetime) -> None:
        """Note who is inside; those that have ended are dropped from the list when it has doubled."""
        for one in container.chain():
            found = self.inside.get(one)
            if found is None:
                if len(self.inside) >= self.registry.max_containers:
                    self.inside.pop(next(iter(self.inside)))
                self._let_go()
                found = self.inside[one] = Occupants()
            found.members.append(life)
            if len(found.members) > found.limit:
                found.members = [each for each in dict.fromkeys(found.members) if self._lives(each)]
                found.limit = 2 * len(found.members) + 32

    def _let_go(self) -> None:
        """Of two containers in turn the ended members: not every end is told, and what is kept must not grow."""
        for container in list(islice(self.inside, 2)):
            found = self.inside[container] = self.inside.pop(container)
            found.members = [each for each in dict.fromkeys(found.members) if self._lives(each)]
            found.limit = 2 * len(found.members) + 32

    def _lives(self, life: ProcessLifetime) -> bool:
        return life.end is None and self.processes.node(life.node).now.get(life.pid) is life

    def is_alive(self, container: Container, but: ProcessLifetime | None = None) -> bool:
        """Whether anybody who is known to be inside, or in a container nested in it, lives. `but` does not count."""
        found = self.inside.get(container)
        return found is not None and any(one is not but and self._lives(one) for one in found.members)

    def _end(self, container: Container, stamp: Stamp) -> None:
        self.registry.ended(container, stamp)
        self.inside.pop(container, None)

    def _dropped(self, fact: Dropped, node: bytes, stamp: Stamp) -> None:
        """An op=drop: the number is free, unless somebody is known to live inside.

        The patches have defects (see `registration`): V7 and V8 write it at every logged call of a process that is
        alone, V10 and V11 at those of one whose network namespace has forgotten the container. So it is noted, and
        believed when the number is set again and its writer was not seen since.
        """
        container = self.registry.numbered(node, fact.contid)
        if container is None:
            return
        if self.is_alive(container):
            found = self.inside[container]
            found.dropped = (self.processes.at(node, fact.pid, stamp), stamp)
            return
        self._end(container, stamp)

    def _is_over(self, container: Container, writer: ProcessLifetime | None) -> bool:
        """Whether a number that is set now must have been free before: what it named then is another container.

        So it is when all that were known inside have ended, or when the last was dropped and is silent since. From V7
        on only the owner may put a second process inside: a drop before another's set was true.
        """
        found = self.inside.get(container)
        if found is None or not found.members:
            return False
        if found.dropped is None:
            return not self.is_alive(container)
        dropper, when = found.dropped
        quiet = dropper is not None and dropper.seen.ms <= when.ms
        if not self.is_alive(container, dropper if quiet else None):
            return True
        return quiet and writer is not None and found.owner is not None and writer is not found.owner

    # --- programs, engines ------------------------------------------------------------------------------------------

    def _doubt(self, life: ProcessLifetime, stamp: Stamp) -> None:
        """Another program, other namespaces: what the host view said before says nothing of what comes after."""
        life.changed = stamp
        for stay in reversed(life.stays):
            if stay.since <= stamp:
                if stay.container is None and stay.evidence is Evidence.HOST_VIEW and not stay.lost:
                    self._stay(life, Residence(stamp, None, Evidence.HOST_VIEW, lost=True))
                return

    def begun(self, life: ProcessLifetime, marks: tuple[Mark, ...], answer: Attribution, stamp: Stamp) -> bool:
        """It runs another program, which shows these marks; whether its answer is another one now."""
        support, against = self.support.weigh(life.node, marks, answer) if marks else ((), False)
        if against:
            self._stay(life, Residence(stamp, None, Evidence.CONFLICT, lost=True))
        elif support == life.support:
            return False
        life.support = support
        life.answer = None
        return True

    def accept(self, life: ProcessLifetime, stay: Residence) -> Residence:
        """What was seen of this life from outside the log, where the log itself proves nothing."""
        self._stay(life, stay._replace(epoch=self.processes.node(life.node).epoch))
        return stay

    def _executed(self, fact: Executed, life: ProcessLifetime, stamp: Stamp) -> None:
        life.vouched = None  # for what it did before
        stay = self.where(life, stamp)
        if stay is not None and stay.container is not None:
            found = self.inside.get(stay.container)
            if stay.session is OWN_SESSION and stay.container.id and found is not None and found.init is None:
                found.init = life
            life.intent = None
        elif life.intent is not None or life.parent is not None:
            intent = self.intent(life)
            name = fact.exe.rpartition(b"/")[2]
            engine = name in _ENGINES or fact.exe == b"/" or fact.exe.startswith(b"/memfd:")
            if intent is not None and not engine:
                life.intent = False  # another program: a hook, a helper
        life.ran = stamp
        life.programs += 1
        life.runs = fact.exe or life.runs

    def _exited(self, life: ProcessLifetime, stamp: Stamp) -> None:
        life.vouched = None
        self.processes.exited(life.node, life, stamp)
        stay = self.where(life, stamp)
        if stay is not None and stay.container is not None:
            found = self.inside.get(stay.container)
            if found is not None and found.init is life:
                self._end(stay.container, stamp)

    def _commanded(self, command: EngineCommand, life: ProcessLifetime, actor: Actor, stamp: Stamp) -> None:
        """An engine's own executable ran with a command line that names a container."""
        stay = self.where(life, stamp)
        inside = stay.container if stay is not None else None
        outer = self.intent(life)
        who, how = actor, command.how
        if outer is not None and outer.command.role is not Role.CREATE and outer.how:
            who, how = outer.who, outer.how
        if command.id:
            known = self.registry.known(life.node, command.id, owner=actor.uid, inside=inside)
            if known is None and self.registry.is_anothers(life.node, command.id, actor.uid):
                self.refused += 1  # another user's engine cannot speak for this container
                return
            if command.name or command.role is Role.NAME:
                known = known or self.registry.engine(
                    life.node, command.id, command.engine, owner=actor.uid, parent=inside
                )
                if inside is None:
                    self.registry.named(life.node, Named(command.id, command.name, command.image), owner=known.owner)
        life.intent = PendingOperation(stamp, command, who, how, inside, life.node)

    def _moved(self, fact: Moved, life: ProcessLifetime, stamp: Stamp) -> None:
        """A change of namespaces: makes an announced container, or enters one."""
        self._place(fact, life, stamp)
        life.moved = stamp
        if fact.ns & Ns.NET or fact.ns == Ns.NONE:
            life.net_moved = stamp

    def _place(self, fact: Moved, life: ProcessLifetime, stamp: Stamp) -> None:
        stay = self.where(life, stamp)
        intent = self.intent(life)
        inside = stay.container if stay is not None else None
        if intent is None or (inside is not None and inside is not intent.inside):
            self._unannounced(fact, life, stay, stamp)
            return
        role = intent.command.role
        if role is Role.CREATE and not fact.joined and fact.ns & Ns.MNT:
            container = self._container(intent, stamp)
            self._stay(life, Residence(stamp, container, Evidence.COMMAND, OWN_SESSION))
        elif role is Role.ENTER and fact.joined and (fact.ns & Ns.MNT or fact.ns == Ns.NONE):
            self._entered(intent, life, stamp)
        elif role is Role.NAME:
            self._unannounced(fact, life, stay, stamp)

    def _unannounced(self, fact: Moved, life: ProcessLifetime, stay: Residence | None, stamp: Stamp) -> None:
        """Nobody said what for: who was proven host is no longer so once its view of files or processes changes."""
        if stay is not None and stay.container is None and (fact.ns & (Ns.MNT | Ns.PID) or fact.ns == Ns.NONE):
            self._stay(life, Residence(stamp, None, Evidence.INIT, lost=True))

    def _entered(self, intent: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> None:
        command, who = intent.command, intent.who
        flags: tuple[Flag, ...] = ()
        if command.target > 0:
            entered = self._entered_at(intent, life, stamp)
            if entered is None:
                self._unannounced(Moved(life.pid, Ns.MNT, joined=True), life, self.where(life, stamp), stamp)
                return
            container = entered
            flags = (Flag.ENTERED,)
        elif not command.id:
            return
        else:
            container = self._find(intent)
        session = Session(str(stamp), intent.how, who.auid, who.ses, who.uid, _show(who.tty), _show(who.exe), life.pid)
        self._stay(life, Residence(stamp, container, Evidence.COMMAND, session, flags))

    def _entered_at(self, intent: PendingOperation, life: ProcessLifetime, stamp: Stamp) -> Container | None:
        """The container of the process whose namespaces were joined, by a pid of the caller's pid namespace.

        So it says something only of a caller in the first one: not from inside a container, nor of unknown birth.
        """
        if intent.inside is not None or not life.tells_pids:
            return None
        target = self.processes.at(life.node, intent.command.target, stamp)
        stay = self.where(target, stamp) if target is not None else None
        return stay.container if stay is not None else None

    def _rooted(self, life: ProcessLifetime, stamp: Stamp) -> None:
        """Mounts changed by an engine's child whose namespaces its clone3 hid: it is the container's init."""
        intent = self.intent(life)
        if intent is None or intent.command.role is not Role.CREATE or life.ns is not None or not life.bound:
            return
        stay = self.where(life, stamp)
        if stay is None or stay.container is intent.inside:
            self._stay(life, Residence(stamp, self._container(intent, stamp), Evidence.COMMAND, OWN_SESSION))

    def _find(self, intent: PendingOperation) -> Container:
        """The container that was entered: known, or older than the log and named by the command alone."""
        command = intent.command
        known = self.registry.known(intent.node, command.id, owner=command.uid, inside=intent.inside)
        if known is not None:
            return known
        return self.registry.engine(intent.node, command.id, command.engine, owner=command.uid, parent=intent.inside)

    def _container(self, intent: PendingOperation, stamp: Stamp) -> Container:
        """The container that is made: the one just announced, or a new run of the same id."""
        command = intent.command
        found = self.registry.engine(
            intent.node, command.id, command.engine, owner=intent.command.uid, parent=intent.inside
        )
        if found.start_ms is not None and found.start_ms < intent.since.ms:
            found = self.registry.renew(found, stamp)
        if found.start_ms is None:
            found.start_ms = stamp.ms
        if command.name and not found.name:
            found.name = command.name
            found.version += 1
        return found

    def _registered(
        self, fact: Registered, life: ProcessLifetime | None, actor: Actor | None, node: bytes, stamp: Stamp
    ) -> None:
        """A contid was asked for. Refused: nothing. Without its result: nothing yet, a CONTAINER_ID will confirm it.

        What the target had before is stated by the kernel in any case.
        """
        if fact.pid <= 0:
            return
        target = self._target(fact, node, stamp)
        by_kernel = not fact.id and fact.contid != CONTID_UNSET
        if fact.old and target is not None:
            self.stated(target, fact.old, stamp)
        if fact.ok is None and by_kernel:
            self.tentative += 1
            if target is not None and len(self.unsure) < 4096:
                self.unsure[target] = fact.contid
                target.answer = None
        if not fact.ok:
            return
        if target is None:
            target = self.processes.begin(node, fact.pid, stamp)
        if not by_kernel:
            self._registered_by_user(fact, life, actor, target, stamp)
            return
        writer = self.processes.at(node, fact.by, stamp) if life is None or life.pid != fact.by else life
        found = self.registry.numbered(node, fact.contid)
        if found is not None and self._is_over(found, writer):
            self._end(found, stamp)
        container = self.registry.registered(node, fact.contid, fact.outer, stamp)
        self._stay(target, Residence(stamp, container, Evidence.REGISTERED, OWN_SESSION))
        inside = self.inside[container]
        if inside.owner is None:
            inside.owner = writer

    def _target(self, fact: Registered, node: bytes, stamp: Stamp) -> ProcessLifetime | None:
        """Who is registered: the child of a fork just before, even where the pid's last process was not seen to end."""
        life = self.processes.at(node, fact.pid, stamp)
        if life is not None and life.end is not None and life.end < stamp:
            life = None
        hints = self.processes.node(node).hints.get(fact.pid, ())
        newest = next((hint for hint in reversed(hints) if hint.stamp <= stamp), None)
        if newest is None or (life is not None and newest.stamp <= life.seen):
            return life
        above = newest.parent
        if life is not None and above.pid != fact.by and not above.tells_pids:
            return life  # perhaps a number of some other pid namespace
        parent = above.ppid if newest.sibling else above.pid
        return self.processes.see(node, Actor(fact.pid, parent, above.auid, above.uid, above.ses), stamp)

    def _registered_by_user(
        self, fact: Registered, life: ProcessLifetime | None, actor: Actor | None, target: ProcessLifetime, stamp: Stamp
    ) -> None:
        """A user-space record registers: believed only of a trusted sender, and only deeper.

        The number is the id's own or, where it was given by hand, one that no other container has.
        """
        if not fact.id or life is None or not self._is_trusted(life, actor, stamp):
            self.refused += 1
            return
        held = self.where(target, stamp)
        container = None
        if held is None or held.container is None or held.container.id == fact.id:
            contid = fact.contid if fact.contid != CONTID_UNSET else derive_contid(fact.id)
            container = self.registry.claimed(target.node, fact.id, fact.engine, contid)
        if container is None:
            self.refused += 1
            return
        self.registry.named(target.node, Named(fact.id, fact.name, fact.image))
        if container.start_ms is None:
            container.start_ms = stamp.ms
        session = held.session if held is not None and held.container is container else None
        self._stay(target, Residence(stamp, container, Evidence.REGISTERED, session or OWN_SESSION))

    def _is_trusted(self, life: ProcessLifetime, actor: Actor | None, stamp: Stamp) -> bool:
        """Uid 0 and proven host; or of unknown place, but the kernel has just vouched for it: for one record."""
        stay = self.where(life, stamp)
        if actor is None or actor.uid != 0:
            return False
        if stay is not None:
            return stay.container is None
        vouched, life.vouched = life.vouched, None
        return vouched is not None and -SLACK_MS <= stamp.ms - vouched.ms <= VOUCHED_MS


_ENGINES = frozenset(
    b"runc crun youki conmon containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 lxc-start lxc-execute "
    b"lxc-attach systemd-nspawn nsenter".split()
)
"""Programs that carry an announcement on when they run each other. Not the clients: conmon calls podman to clean up."""


def _show(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
