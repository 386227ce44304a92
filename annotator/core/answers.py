"""The last answer given about one process, kept because most events of a process have the same one.

A cache, and nothing else: it may be emptied at any time, and the same answer comes again. `core.recording` fills it,
and whoever changes what an answer rests on withdraws it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from annotator.core.model import NOT_SAVED

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Netns, Parent, Stamp, Target


class Versioned(Protocol):
    """What an answer rests on: a container, or the tables as a whole. `version` grows with each change of it."""

    version: int


@dataclass(slots=True, eq=False)
class AnswerCache:
    """One answer with the conditions under which it holds. `answer` None: none is kept.

    It holds from stamp `since` on while `source.version` is `version`. `answer_at` holds for the event at stamp `at`
    alone, not for those after it. The last three fields are variants of an answer, kept because output
    forms recognise an answer they have rendered before by its identity.
    """

    answer: Attribution | None = None
    since: Stamp | None = None
    version: int = 0
    source: Versioned | None = field(default=None, metadata=NOT_SAVED)
    at: Stamp | None = field(default=None, metadata=NOT_SAVED)
    answer_at: Attribution | None = field(default=None, metadata=NOT_SAVED)
    at_itself: tuple[Attribution, Attribution] | None = field(default=None, metadata=NOT_SAVED)
    in_network: tuple[Attribution, Attribution] | None = field(default=None, metadata=NOT_SAVED)
    below: tuple[Attribution, Attribution] | None = field(default=None, metadata=NOT_SAVED)

    def get(self, stamp: Stamp) -> Attribution | None:
        """The answer for an event at this stamp; None when it has to be worked out."""
        source, since, answer = self.source, self.since, self.answer
        if answer is not None and source is not None and since is not None:  # noqa: SIM102
            if self.version == source.version and stamp >= since:
                return answer
        return self.answer_at if stamp == self.at else None

    def put(self, answer: Attribution, since: Stamp, tables: Versioned) -> None:
        """Keep an answer that holds from `since` on, until its container changes, or for want of one the tables do."""
        source: Versioned = answer.container or tables
        self.answer, self.since, self.source, self.version = answer, since, source, source.version

    def loaded(self, tables: Versioned) -> None:
        """A checkpoint was loaded: what the answer rests on follows from it, as in `put`."""
        self.source = (self.answer.container if self.answer is not None else None) or tables

    def put_at(self, stamp: Stamp, answer: Attribution) -> None:
        """Keep an answer for the event at this stamp."""
        self.at, self.answer_at = stamp, answer

    def withdraw(self) -> None:
        """What the answer rests on has changed."""
        self.answer = self.at = self.answer_at = None

    def aimed_at_itself(self, answer: Attribution, target: Target) -> Attribution:
        """The same answer with the process itself as its target: one object for all such events."""
        known = self.at_itself
        if known is None or known[0] is not answer:
            known = self.at_itself = (answer, answer._replace(targets=(target,)))
        return known[1]

    def with_network(self, answer: Attribution, netns: Netns) -> Attribution:
        """The same answer with the network namespace: one object for all events that have it."""
        known = self.in_network
        if known is None or known[0] is not answer or known[1].netns != netns:
            known = self.in_network = (answer, answer._replace(netns=netns))
        return known[1]

    def with_parent(self, answer: Attribution, parent: Parent) -> Attribution:
        """The same answer with the process's parent: one object for all events that have it."""
        known = self.below
        if known is None or known[0] is not answer or known[1].parent != parent:
            known = self.below = (answer, answer._replace(parent=parent))
        return known[1]
