"""Processes as Linux keeps them: numbers, parents, namespaces, signals. No text and no time.

What is here follows kernel 6.1 (kernel/pid.c, kernel/fork.c, kernel/exit.c, kernel/signal.c, kernel/pid_namespace.c);
each rule names the function it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.display import Display
from tests.model.pids import NoNumber, Number, PidNamespace, allocate

CLONE_VM, CLONE_VFORK, CLONE_PARENT, CLONE_THREAD = 0x100, 0x4000, 0x8000, 0x10000
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
SIGHUP, SIGABRT, SIGKILL, SIGSEGV, SIGTERM, SIGCHLD = 1, 6, 9, 11, 15, 17
UNSET = 2**32 - 1


@dataclass(eq=False, slots=True, repr=False)
class Task:
    """A process (a thread group), from fork to its last record."""

    number: Number
    parent: Task | None
    namespace: PidNamespace
    group: Number
    session: Number
    child_namespace: PidNamespace
    alive: bool = True
    reaped: bool = False
    children: list[Task] = field(default_factory=list)
    threads: list[Number] = field(default_factory=list)
    subreaper: bool = False
    has_subreaper: bool = False
    kernel_thread: bool = False
    handles_term: bool = False
    mnt: int = 1
    user: int = 1
    net: int = 1
    uid: int = 0
    auid: int = UNSET
    ses: int = UNSET
    display: Display = field(default_factory=Display)

    @property
    def pid(self) -> int:
        """Its number on the host."""
        return self.number.values[0]

    @property
    def ppid(self) -> int:
        """Its parent's number on the host; 0 of the first process and of kthreadd (task_ppid_nr)."""
        return self.parent.number.values[0] if self.parent is not None else 0

    @property
    def is_init(self) -> bool:
        """Whether it is the first process of its pid namespace (is_child_reaper)."""
        return self.namespace.init is self


@dataclass(eq=False, slots=True, repr=False)
class Kernel:
    """All tasks of one boot."""

    pid_max: int = 32768
    root: PidNamespace = field(init=False)
    init: Task = field(init=False)
    made: int = 1
    tasks: dict[Task, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Process 1, and 2 (kthreadd), whose parent is nobody."""
        self.root = PidNamespace(self.pid_max)
        self.init = self._first()
        self.root.init = self.init
        self.kthreadd = self._first()
        self.kthreadd.kernel_thread = True

    kthreadd: Task = field(init=False)

    def _first(self) -> Task:
        number = allocate(self.root, None)
        number.users = 3
        task = Task(number, None, self.root, number, number, self.root)
        number.owner = task
        self.tasks[task] = None
        return task

    # --- births -----------------------------------------------------------------------------------------------------

    def fork(self, by: Task, flags: int = SIGCHLD) -> Task:
        """copy_process: the parent is the caller, with CLONE_PARENT the caller's parent."""
        if flags & CLONE_PARENT and by.is_init:
            raise NoNumber  # EINVAL: an init has no siblings (SIGNAL_UNKILLABLE)
        namespace = by.child_namespace
        if flags & NEWPID:
            namespace = PidNamespace(self.pid_max, by.child_namespace, by.child_namespace.level + 1)
        number = allocate(namespace, None)
        parent = by.parent if flags & CLONE_PARENT else by
        task = Task(
            number, parent, namespace, by.group, by.session, namespace,
            has_subreaper=by.has_subreaper or by.subreaper, mnt=by.mnt, user=by.user, net=by.net,
            uid=by.uid, auid=by.auid, ses=by.ses,
        )  # fmt: skip
        number.owner = task
        number.users += 1
        by.group.users += 1
        by.session.users += 1
        if namespace.init is None:
            namespace.init = task
        self.make(task, flags)
        if parent is not None:
            parent.children.append(task)
        self.tasks[task] = None
        return task

    def make(self, task: Task, flags: int) -> None:
        """New namespaces of a task, but for the pid namespace, which only its children can be in (unshare)."""
        if flags & NEWNS:
            self.made += 1
            task.mnt = self.made
        if flags & NEWUSER:
            self.made += 1
            task.user = self.made
        if flags & NEWNET:
            self.made += 1
            task.net = self.made

    def unshare(self, task: Task, flags: int) -> None:
        """New namespaces of its own. CLONE_NEWPID is for the children to come."""
        self.make(task, flags)
        if flags & NEWPID:
            task.child_namespace = PidNamespace(self.pid_max, task.namespace, task.namespace.level + 1)

    def setns(self, task: Task, other: Task, flags: int) -> None:
        """Another's namespaces are joined. A pid namespace is for the children to come."""
        if flags & NEWNS:
            task.mnt = other.mnt
        if flags & NEWUSER:
            task.user = other.user
        if flags & NEWNET:
            task.net = other.net
        if flags & NEWPID:
            task.child_namespace = other.namespace

    def thread(self, task: Task) -> Number:
        """A thread: a number, and no process."""
        number = allocate(task.namespace, task)
        number.users = 1
        task.threads.append(number)
        return number

    def join(self, task: Task) -> None:
        """Its threads end (by themselves, or as an exec ends them)."""
        for number in task.threads:
            number.drop()
        task.threads.clear()

    def setsid(self, task: Task) -> None:
        """A session and a group of its own."""
        for old in (task.session, task.group):
            task.number.users += 1
            old.drop()
        task.session = task.group = task.number

    def setpgid(self, task: Task) -> None:
        """A group of its own, as a shell with job control gives it to each job."""
        task.number.users += 1
        task.group.drop()
        task.group = task.number

    def become_subreaper(self, task: Task) -> None:
        """prctl(PR_SET_CHILD_SUBREAPER). All its descendants know that there is one (propagate_has_child_subreaper)."""
        task.subreaper = True
        waiting = list(task.children)
        while waiting:
            one = waiting.pop()
            if one.has_subreaper or one.is_init:
                continue
            one.has_subreaper = True
            waiting += one.children

    # --- ends -------------------------------------------------------------------------------------------------------

    def reaper(self, dead: Task) -> Task:
        """Who adopts the children of a process that ends (find_new_reaper).

        Its nearest ancestor that is a subreaper, as long as the ancestors are on its own pid level; else the init of
        its pid namespace.
        """
        if dead.has_subreaper:
            level = dead.namespace.level
            at = dead.parent
            while at is not None and at.namespace.level == level and at.parent is not None:
                if at.subreaper and at.alive:
                    return at
                at = at.parent
        init = dead.namespace.init
        return init if init is not None else self.init

    def exit(self, task: Task) -> list[Task]:
        """do_exit of the whole process. Gives those who die with it: all of the namespace whose init it was."""
        if not task.alive:
            return []
        killed: list[Task] = []
        if task.is_init and task is not self.init:
            killed = self._zap(task)
        task.alive = False
        self.join(task)
        orphans, task.children = task.children, []
        # Whom an init leaves is dead already, and was waited for while its namespace ended.
        reaper = task if task.is_init else self.reaper(task)
        for child in orphans:
            child.parent = reaper
            reaper.children.append(child)
            if not child.alive:
                self.reap(child)  # whoever adopts, waits
        return killed

    def _zap(self, init: Task) -> list[Task]:
        """All others of a pid namespace, and of those below it, are killed (zap_pid_ns_processes)."""
        namespace = init.namespace
        namespace.dead = True
        inside = {number.owner for number in namespace.used.values() if number.owner is not None}
        found = [one for one in self.tasks if one in inside and one is not init and one.alive]
        for one in found:
            one.alive = False
        for one in found:
            self.join(one)
            one.number.namespaces[-1].dead |= one.is_init
            for child in one.children:
                if child.parent is one:
                    child.parent = init
                    init.children.append(child)
            one.children.clear()
        for one in found:
            if not one.reaped:
                self.reap(one)
        return found

    def reap(self, task: Task) -> None:
        """wait4 by its parent: the number is free, if no group and no session goes by it (release_task)."""
        if task.alive or task.reaped:
            return
        task.reaped = True
        self.tasks.pop(task, None)
        if task.parent is not None and task in task.parent.children:
            task.parent.children.remove(task)
        task.number.drop()
        task.group.drop()
        task.session.drop()

    # --- signals ----------------------------------------------------------------------------------------------------

    def targets(self, by: Task, pid: int) -> list[Task]:
        """Who kill(pid) considers; `pid` is a number of the caller's namespace (kill_something_info)."""
        if pid > 0:
            number = by.namespace.used.get(pid)
            owner = number.owner if number is not None else None
            return [owner] if owner is not None and owner.alive else []
        if pid == -1:
            return [one for one in self.tasks if one.alive and one is not by and one.number.within(by.namespace) > 1]
        number = by.group if pid == 0 else by.namespace.used.get(-pid)
        return [one for one in self.tasks if one.alive and one.group is number]

    def kills(self, by: Task | None, target: Task, signal: int) -> bool:
        """Whether a signal that may be sent ends its target (sig_task_ignored); `by` None is the kernel itself."""
        if target.kernel_thread or target is self.init:
            return False
        if signal == SIGKILL:
            # An init heeds SIGKILL only from outside its namespace.
            return not (target.is_init and by is not None and target.namespace in by.number.namespaces)
        return not (target.is_init or target.handles_term)

    def permitted(self, by: Task, target: Task) -> bool:
        """kill_ok_by_cred, where root of the first user namespace may do all, and others reach their own uid."""
        return by.uid == target.uid or (by.uid == 0 and by.user == 1)
