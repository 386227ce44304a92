"""A kernel with contid patches, as far as its log shows it: tasks fork, register, move and exit; the records of it.

It keeps to the rules in `kernel_rules` and to the record forms of V5 to v11, and remembers the truth: in
which containers the actor of each event was, nearest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.kernel_rules import Defect, Granted, Netns, Refused, Rules, Task, Version

if TYPE_CHECKING:
    from annotator.core.model import ContId

FIRST_MS = 1_700_000_000_000
FORK, EXIT, WRITE, UNSHARE, KILL, UNLINK = 57, 231, 1, 272, 62, 87
LONG_UNSET = str(2**64 - 1)


class Truth(NamedTuple):
    """One event: the actor's containers, all it or its parents were ever in, and when it was last registered (ms)."""

    chain: tuple[ContId, ...]
    ever: frozenset[ContId]
    set_ms: int


class PatchedKernel:
    """Tasks by pid; the log so far, each event with its milliseconds. All calls are logged."""

    def __init__(self, version: Version, defects: frozenset[Defect] = frozenset()) -> None:
        self.rules = Rules(version, defects)
        self.version = version
        self.tasks: dict[int, Task] = {1: Task(1)}
        self.ms = FIRST_MS
        self.serial = 1
        self.events: list[tuple[int, list[bytes]]] = []
        self.truth: dict[tuple[int, int], Truth] = {}
        self.set_at: dict[Task, int] = {}
        self.ever: dict[Task, frozenset[ContId]] = {}

    # --- what tasks do ------------------------------------------------------------------------------------------

    def fork(self, parent: Task, pid: int) -> Task:
        """The parent's event; the child has not been heard of yet."""
        child = self.rules.fork(parent, pid)
        self.tasks[pid] = child
        self.set_at[child] = self.set_at.get(parent, 0)
        self.ever[child] = self.ever.get(parent, frozenset())
        self.log(parent, FORK, exit=pid)
        return child

    def exit(self, task: Task) -> None:
        """exit_group; children go to init."""
        self.log(task, EXIT, exiting=True)
        self.rules.exit(task, reaper=self.tasks[1])
        del self.tasks[task.pid]

    def unshare(self, task: Task) -> None:
        """A network namespace of its own."""
        self.rules.enter_netns(task, Netns())
        self.log(task, UNSHARE, a0=0x40000000)

    def register(self, writer: Task, target: Task, contid: ContId) -> Refused | Granted:
        """The write, and its CONTAINER_OP whether it succeeds or not."""
        old = target.held.chain() if target.held is not None else ()
        said = self.rules.register(writer, target, contid)
        errno = said.errno if isinstance(said, Refused) else 0
        if not errno:
            self.set_at[target] = self.ms
            self.ever[target] = self.ever.get(target, frozenset()) | {contid}
        new: tuple[ContId, ...] = (contid,)
        if self.version in (Version.V7, Version.V8) and target.held is not None and not errno:
            new = target.held.chain()
        self.log(writer, WRITE, exit=-errno or 4, before=[self._set(writer, target, new, old, failed=bool(errno))])
        if writer is target:  # up to V6; its own record says what it is in after the call, the registry what before
            self.truth.popitem()
        return said

    def kill(self, task: Task, target: Task) -> None:
        """A signal: the target's containers are stated too."""
        self.log(task, KILL, target=target)

    def work(self, task: Task) -> None:
        """Anything that changes nothing."""
        self.log(task, UNLINK)

    # --- what is written ----------------------------------------------------------------------------------------

    def _set(
        self, writer: Task, target: Task, new: tuple[ContId, ...], old: tuple[ContId, ...], *, failed: bool
    ) -> str:
        was = self.chain(old) or ("-1" if self.version >= Version.V9 else LONG_UNSET)
        who = f'pid={writer.pid} uid=0 auid=1000 tty=(none) ses=1 comm="o" exe="/usr/bin/o" res={int(not failed)}'
        if self.version == Version.V5:
            return f"op=set opid={target.pid} old-contid={was} contid={self.chain(new)} {who}"
        body = f"op=set opid={target.pid} contid={self.chain(new)} old-contid={was}"
        return f"{body} {who}" if self.version <= Version.V7 else body

    def _drop(self, task: Task) -> str:
        unset = "-1" if self.version >= Version.V10 else LONG_UNSET
        old = self.chain(task.held.chain() if task.held is not None else ())
        body = f"op=drop opid={task.pid} contid={unset} old-contid={old}"
        if self.version == Version.V7:
            body += f' pid={task.pid} uid=0 auid=1000 tty=(none) ses=1 comm="o" exe="/usr/bin/o" res=1'
        return body

    def chain(self, contids: tuple[ContId, ...]) -> str:
        """A chain as this version writes it."""
        return ("^" if self.version <= Version.V8 else ",^").join(map(str, contids))

    def log(
        self,
        task: Task,
        call: int,
        *,
        exit: int = 0,
        a0: int = 0,
        before: list[str] | None = None,
        target: Task | None = None,
        exiting: bool = False,
    ) -> None:
        """One event of `task`, with every record the patches would write."""
        own = self.chain(task.held.chain()) if task.held is not None else ""
        its = self.chain(target.held.chain()) if target is not None and target.held is not None else ""
        dropped = [self._drop(task)] if self.rules.writes_drop(task, exiting=exiting) else []
        numbered = self.version >= Version.V10
        parent = task.parent.pid if task.parent is not None else 0
        syscall = (
            f"arch=c000003e syscall={call} success={'no' if exit < 0 else 'yes'} exit={exit} a0={a0:x} a1=0 a2=0 a3=0 "
            f"items=0 ppid={parent} pid={task.pid} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 "
            f'tty=(none) ses=1 comm="o" exe="/usr/bin/o" key=(null)'
        )
        records = [("CONTAINER_OP", body) for body in (before or []) + dropped]
        if numbered and own:
            records += [("CONTAINER_ID", f"record=1 contid={own}"), ("SYSCALL", syscall + " record=1")]
        else:
            records.append(("SYSCALL", syscall))
        if target is not None:
            records += self._target(target, its, 2 if own else 1)
        records.append(("PROCTITLE", "proctitle=6F"))
        if own and not numbered:
            records.append(("CONTAINER_ID", f"contid={own}"))
        stamp = f"{self.ms // 1000}.{self.ms % 1000:03d}:{self.serial}"
        self.events.append((self.ms, [f"type={name} msg=audit({stamp}): {body}".encode() for name, body in records]))
        held = task.held.chain() if task.held is not None else ()
        self.truth[self.ms, self.serial] = Truth(held, self.ever.get(task, frozenset()), self.set_at.get(task, 0))
        self.serial += 1

    def _target(self, target: Task, its: str, number: int) -> list[tuple[str, str]]:
        body = f'opid={target.pid} oauid=1000 ouid=0 oses=1 ocomm="o"'
        if not its:
            return [("OBJ_PID", body)]
        if self.version >= Version.V10:
            return [("CONTAINER_ID", f"record={number} contid={its}"), ("OBJ_PID", f"{body} record={number}")]
        return [("OBJ_PID", body), ("CONTAINER_ID", f"contid={its}")]
