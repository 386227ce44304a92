"""The parent of an event's process: who it is and what it runs, for the forms that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import Executed, Parent
from annotator.linux.records.fields import arguments_of, text_of

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable
    from annotator.core.model import Attribution, Event, Stamp, Translation

MAX_COMMAND = 256
"""Bytes of a command line that are kept of each process."""

MAX_TEXT = 4096
"""Bytes of EXECVE records that are read for it."""

GENERATIONS = 4
"""How far a process that has begun no program is what its parent is."""


def note_program(event: Event, reading: Translation, life: ProcessLifetime) -> None:
    """Keep what a process calls itself, and with which command line it began its program."""
    actor = reading.actor
    if actor is not None and actor.comm:
        life.comm = actor.comm
    for fact in reading.facts:
        if type(fact) is Executed:
            life.command = _command(event)


def with_parent(processes: ProcessTable, life: ProcessLifetime, stamp: Stamp, answer: Attribution) -> Attribution:
    """The answer with the parent; without where none is known."""
    parent = processes.parent_of(life, stamp)
    if parent is None:
        return answer
    shown = parent
    for _ in range(GENERATIONS):
        if shown.command or shown.programs or shown.parent is None or not shown.bound:
            break
        shown = shown.parent
    exe = parent.runs or parent.exe or shown.runs
    return life.cache.with_parent(answer, Parent(parent.key, exe, parent.comm or shown.comm, shown.command))


def _command(event: Event) -> bytes:
    text = event.text
    bodies: list[str] = []
    at = text.find(b"type=EXECVE ")
    while at >= 0 and len(bodies) < 4:
        stop = text.find(b"\n", at)
        bodies.append(text_of(text[at : min(stop if stop >= 0 else len(text), at + MAX_TEXT)].partition(b"): ")[2]))
        at = text.find(b"type=EXECVE ", stop) if stop >= 0 else -1
    if event.reversed:
        bodies.reverse()
    return " ".join(arguments_of(bodies).values).encode("utf-8", "backslashreplace")[:MAX_COMMAND]
