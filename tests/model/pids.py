"""Process ids: a number on each level of pid namespaces, given in turn (kernel/pid.c of 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.kernel import Task

RESERVED_PIDS = 300
"""After the first round, numbers below this one are not given again (alloc_pid)."""


class NoNumber(Exception):
    """No free number in a namespace (EAGAIN), or the namespace's init has ended (ENOMEM)."""


@dataclass(eq=False, slots=True, repr=False)
class PidNamespace:
    """Numbers of one level. The host's is level 0."""

    pid_max: int
    parent: PidNamespace | None = None
    level: int = 0
    used: dict[int, Number] = field(default_factory=dict)
    cursor: int = 0
    init: Task | None = None
    dead: bool = False

    def give(self, number: Number) -> int:
        """The next free number from the cursor on, then from the bottom (idr_alloc_cyclic); never `pid_max` itself."""
        lowest = RESERVED_PIDS if self.cursor > RESERVED_PIDS else 1
        used = self.used
        for low, high in ((max(self.cursor, lowest), self.pid_max), (lowest, self.pid_max)):
            at = low
            while at < high and at in used:
                at += 1
            if at < high:
                used[at] = number
                self.cursor = at + 1
                return at
        raise NoNumber


@dataclass(eq=False, slots=True, repr=False)
class Number:
    """A `struct pid`: one number a level. It is taken as long as a task uses it as pid, group or session (free_pid)."""

    owner: Task | None
    namespaces: tuple[PidNamespace, ...] = ()
    values: tuple[int, ...] = ()
    users: int = 0

    @property
    def host(self) -> int:
        """As the host, and each audit record, shows it."""
        return self.values[0]

    def within(self, namespace: PidNamespace) -> int:
        """As seen in a namespace; 0 where it cannot be seen (pid_nr_ns)."""
        level = namespace.level
        return self.values[level] if level < len(self.values) and self.namespaces[level] is namespace else 0

    def drop(self) -> None:
        """One task less uses it; with the last, it is free."""
        self.users -= 1
        if self.users == 0:
            for namespace, value in zip(self.namespaces, self.values, strict=True):
                del namespace.used[value]


def allocate(namespace: PidNamespace, owner: Task | None) -> Number:
    """A number at each level, the deepest first (alloc_pid)."""
    if namespace.dead or (namespace.init is not None and not namespace.init.alive):
        raise NoNumber
    number = Number(owner)
    chain: list[PidNamespace] = []
    at: PidNamespace | None = namespace
    while at is not None:
        chain.append(at)
        at = at.parent
    values: list[int] = []
    try:
        for one in chain:
            values.append(one.give(number))  # noqa: PERF401 - what was given before a failure is needed
    except NoNumber:
        for one, value in zip(chain, values, strict=False):
            del one.used[value]
        raise
    number.namespaces = tuple(reversed(chain))
    number.values = tuple(reversed(values))
    return number
