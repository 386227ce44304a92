"""What goes on at the same time: jobs are generators that give the milliseconds until their next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.model.kernel import Task


class Gone(Exception):
    """A process of this job has ended, or there was no number for a new one: the job ends here."""


@dataclass(eq=False, slots=True)
class Job:
    """One script, and the processes it made. What still lives of these when it ends is ended too, unless kept."""

    steps: Iterator[float]
    tasks: list[Task] = field(default_factory=list)


@dataclass(eq=False)
class Schedule:
    """A clock in milliseconds, and jobs in the order in which their next steps are due."""

    now: float = 1_790_000_000_000.0
    heap: list[tuple[float, int, Job | Callable[[], None]]] = field(default_factory=list)
    count: int = 0
    job: Job | None = None
    pace: float = 1.0
    """How slow the machine is: the waits of jobs are as many times longer."""

    def later(self, ms: float, what: Job | Callable[[], None]) -> None:
        """Have it done in so many milliseconds."""
        self.count += 1
        heappush(self.heap, (self.now + ms, self.count, what))

    def start(self, steps: Iterator[float], ms: float = 0.0) -> Job:
        """A new job."""
        job = Job(steps)
        self.later(ms, job)
        return job

    def step(self) -> bool:
        """Do what is due next; whether there was anything."""
        if not self.heap:
            return False
        at, _, what = heappop(self.heap)
        self.now = max(self.now, at)
        if not isinstance(what, Job):
            what()
            return True
        self.job = what
        try:
            wait = next(what.steps)
        except StopIteration:
            self.over(what)
        except Gone:
            what.steps = iter(())
            self.over(what)
        else:
            self.later(wait * self.pace, what)
        self.job = None
        return True

    def over(self, job: Job) -> None:
        """A job has ended: what it left behind must not stay for ever."""
