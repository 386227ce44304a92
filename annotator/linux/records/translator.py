"""Reads events by position, out of their text: most are one SYSCALL record that changes nothing.

What a process repeats in each of its SYSCALL records is looked up, and so is the call; no line is cut. An event that
says more goes to `translate.full_reading`. Both say the same: a test holds them equal on all samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, Translation
from annotator.linux.engines.commands import BUNDLE
from annotator.linux.engines.programs import DEFAULT, Engines
from annotator.linux.records.labels import device
from annotator.linux.records.signals import SIGNALS, killed
from annotator.linux.records.syntax import body_end, is_call_whole, number, split
from annotator.linux.records.translate import (
    actor_of,
    call_of,
    changed,
    commanded,
    executed,
    full_reading,
)

if TYPE_CHECKING:
    from annotator.core.model import Actor, Event, Fact

_NOTHING: tuple[Fact, ...] = ()

LIMIT = 16_384
"""Entries of each table of a `Translator`; a full one is emptied. What is in them follows from the key alone."""

MAX_PART = 1024
"""Bytes of a key that is remembered: most of it may be the path of a program, which a user chooses."""

_DETAILS = {
    b"PATH": b"item=", b"CWD": b"cwd=", b"EXECVE": b"argc=", b"PROCTITLE": b"proctitle=", b"FD_PAIR": b"fd0=",
    b"MMAP": b"fd=", b"BPRM_FCAPS": b"fver=", b"CAPSET": b"pid=", b"EOE": b"",
}  # fmt: skip
"""Records that only add to what a SYSCALL record says, with the beginning of their bodies."""


class Caller:
    """What every SYSCALL record of one process repeats, from ` ppid=` to ` key=`, read once.

    `readings` are those of events that say no more than the kind of call does, by that kind; of an execve by the device
    of the program's file. `engine`: its program carries on what an engine's announced; `reads`: its words count.
    """

    __slots__ = ("actor", "engine", "part", "readings", "reads")

    def __init__(self, part: bytes, actor: Actor, engines: Engines) -> None:
        self.part = part
        self.actor = actor
        self.engine = engines.carries(actor.exe, actor.uid)
        self.reads = engines.reads(actor.exe)
        self.readings: dict[str | bytes, Translation] = {}


class Translator:
    """Reads events; keeps what processes repeat, in tables with a bound. `engines` are what the site has added."""

    def __init__(self, engines: Engines = DEFAULT) -> None:
        self.engines = engines
        self._callers: dict[bytes, Caller] = {}
        self._calls: dict[bytes, str] = {}

    def read(self, event: Event) -> Translation:
        """Translate one event. Sets `event.at` to the record that takes the annotation (-1: none)."""
        text = event.text
        start = len(event.node) + 6 if event.node and text.startswith(b"node=") else 0  # behind `node=NAME `
        reading = None
        if text.startswith(b"type=SYSCALL ", start) and not event.reversed:
            reading = self._syscall(event, text, start)
        reading = reading or full_reading(event, self.engines)
        if b"type=PROCTITLE " in text:
            event.titled = True
        elif b"type=SYSCALL " in text:
            event.titled = False
        return reading

    def _syscall(self, event: Event, text: bytes, start: int) -> Translation | None:
        """An event that begins with its SYSCALL record; None where other records say more of it.

        The event ends with PROCTITLE (no record of another process or container stands before that but an OBJ_PID), or
        all of its other records are details.
        """
        end = text.find(b"\n")
        end = end if end >= 0 else len(text)
        last = text.rfind(b"\n") + 1
        if last and text.startswith(b"type=EOE ", last + start):
            last = text.rfind(b"\n", 0, last - 1) + 1
        own = len(event.key) - (len(event.node) + 1 if event.node else 0)
        begin = start + 26 + own  # behind `type=SYSCALL msg=audit(STAMP): `
        if text.find(b" msg=audit(", begin, end) >= 0:  # another record has begun in its line
            return None
        call = text.find(b" a0=", begin, end)
        call = call if call >= 0 else end
        result = text.find(b" exit=", begin, call)
        kind = self._kind(text[begin : (result if result >= 0 else call) + 1])
        if (
            last
            and not text.startswith(b"type=PROCTITLE ", last + start)
            and not _is_detailed(text, start, begin, kind)
        ):
            return None
        shared = text.find(b" ppid=", begin, end)
        key = text.find(b" key=", shared, end)
        part = text[shared : key if key >= 0 else body_end(text[:end], 0)] if shared >= 0 else b""
        caller = self._callers.get(part) or self._caller(part)
        if caller is None or not is_call_whole(text, key, end) or text.find(b" record=", key, end) >= 0:
            return None  # torn; or a patched kernel's, whose CONTAINER_ID is lost
        reading = caller.readings.get(kind) or _reading_of(kind, event, text, start, end, caller, self.engines)
        if reading is not None:
            event.at = 0
        return reading

    def _caller(self, part: bytes) -> Caller | None:
        """A process that is not known yet; None for a record of another shape."""
        actor = actor_of(part)
        if actor is None:
            return None
        caller = Caller(part, actor, self.engines)
        if len(self._callers) >= LIMIT:
            self._callers.clear()
        if len(part) <= MAX_PART:
            self._callers[part] = caller
        return caller

    def _kind(self, call: bytes) -> str:
        """What a call is, by its record up to `exit=` or `a0=`; "" for one that has no consequence."""
        known = self._calls.get(call)
        if known is None:
            kind, succeeded = call_of(call)
            known = kind if succeeded or kind in ("target", "socket") else ""
            if len(self._calls) >= LIMIT:
                self._calls.clear()
            if len(call) <= MAX_PART:
                self._calls[call] = known
        return known


def _reading_of(
    kind: str, event: Event, event_text: bytes, start: int, end: int, caller: Caller, engines: Engines
) -> Translation | None:
    """What an event of this kind says; None where other records say more. `end` is that of the SYSCALL record."""
    if kind == "target" or kind in SIGNALS:
        return _targeted(kind, event_text, start, end, caller.actor)
    if kind == "exec":
        return _executed(event, event_text, start, caller, engines)
    facts = changed(kind, event_text[:end], caller.actor, engine=caller.engine) if kind else _NOTHING
    reading = Translation(caller.actor, facts, network=kind == "socket")
    if kind in ("", "socket", "mount", "pivot"):
        caller.readings[kind] = reading
    return reading


def _is_detailed(text: bytes, start: int, begin: int, kind: str) -> bool:
    """Whether all records behind the first only add to it. `begin` is where the first one's body begins."""
    head = text[start + 12 : begin]  # ` msg=audit(STAMP): `
    prefix = text[:start]
    at = text.find(b"\n") + 1
    while at:
        stop = text.find(b" ", at + start + 5)
        name = text[at + start + 5 : stop]
        body = _DETAILS.get(name)
        if body is None:
            if kind == "socket" and name == b"SOCKADDR":
                body = b"saddr="
            elif (kind == "target" or kind in SIGNALS) and name == b"OBJ_PID":
                body = b"opid="
            else:
                return False
        if not text.startswith(prefix + b"type=" + name + (head + body if body else head[:-1]), at):
            return False
        at = text.find(b"\n", stop) + 1
    return True


def _targeted(kind: str, event_text: bytes, start: int, end: int, actor: Actor) -> Translation | None:
    """A signal or trace of one process: its OBJ_PID record is the second, and but for PROCTITLE and EOE the last."""
    at = end + 1 + start
    if end == len(event_text):
        return Translation(actor)
    if not event_text.startswith(b"type=OBJ_PID ", at):
        return None if event_text.count(b"\n") > 1 else Translation(actor)
    stop = event_text.find(b" opid=", at, at + 128) + 6
    pid = number(event_text[stop : event_text.find(b" ", stop)], NO_PID)
    rest = event_text.find(b"\n", at) + 1
    if rest and event_text.startswith(b"type=PROCTITLE ", rest + start):
        rest = event_text.find(b"\n", rest) + 1
    if rest and event_text.startswith(b"type=EOE ", rest + start):
        rest = event_text.find(b"\n", rest) + 1
    if stop <= 6 or pid <= 0 or rest:
        return None
    return Translation(actor, killed(kind, event_text[:end], pid) if kind in SIGNALS and pid > 1 else _NOTHING, (pid,))


def _executed(event: Event, event_text: bytes, start: int, caller: Caller, engines: Engines) -> Translation:
    """An exec. Two of one process with the same device say the same, but for those of an engine."""
    stamp = event.key[event.key.rfind(b" ") + 1 :]
    path = event_text.find(b"\n" + event_text[:start] + b"type=PATH msg=audit(" + stamp + b"): item=0 ") + 1
    stop = event_text.find(b"\n", path) if path else -1
    dev = device(split(event_text[path : stop if stop >= 0 else len(event_text)])[1]) if path else b""
    reading = caller.readings.get(dev)
    if reading is None:
        actor = caller.actor
        done = executed(actor, caller.part, dev, engine=caller.engine)
        if caller.reads or BUNDLE in event_text:
            bodies = [body for name, body in map(split, event.lines) if name == b"EXECVE"]
            return Translation(actor, commanded(bodies, actor, done, engines))
        reading = Translation(actor, (done,))
        if len(caller.readings) < 64:
            caller.readings[dev] = reading
    return reading
