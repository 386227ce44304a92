"""The usual Linux event, read from its SYSCALL record alone: no line is cut, and most of it is known already.

What one process repeats (from ` ppid=` to ` key=`) is looked up, not read; so is the call with its success. An event
that says more than these two, and more than a fork, is not for here: `facts` reads those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.linux.facts import LIMIT, actor_of, call_of, calls, changed, cloned, commanded, hexadecimal, is_engine
from annotator.linux.marks import device, marks
from annotator.linux.records import body_end
from annotator.model import Executed, Signature

if TYPE_CHECKING:
    from annotator.model import Fact

SHAPE = (
    b"SYSCALL",
    b"PROCTITLE",
    frozenset((b"CONFIG_CHANGE", b"NETFILTER_CFG", b"BPF", b"LOGIN", b"ANOM_PROMISCUOUS", b"AVC")),
)
"""The types of the first and of the last record of a usual event, and what may stand once before the first."""

_EOE = b"\ntype=EOE"

_NOTHING: tuple[Fact, ...] = ()
_MORE: tuple[Signature | None, tuple[Fact, ...], int] = (None, (), 0)


class Usual:
    """The signatures of one run: they lead to its lives."""

    shape = SHAPE

    def __init__(self) -> None:
        self._known: dict[bytes, Signature] = {}

    def read(
        self, pieces: list[bytes], start: int, at: int, stop: int
    ) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """Whose event it is, its facts, and the pid it is aimed at (0: none); no signature where it says more.

        `pieces` are those of an `events.Stretch`; the event's begin at `start`, its SYSCALL record is at `at`, and what
        is behind it without interruption ends at `stop`. Budget: the hot path, read in one go.
        """
        if start != at and b"=tty_set " in pieces[start]:
            return _MORE
        record = pieces[at]
        shared = record.find(b" ppid=")
        part = record[shared : record.find(b" key=", shared)]
        signature = self._known.get(part) or self._new(record, part)
        if signature is None:
            return _MORE
        body = record.find(b")") + 3
        end = record.find(b" exit=", body, shared)
        if end < 0:
            end = record.find(b" a0=", body, shared)
        call = record[body : end + 1]
        kind, succeeded = calls.get(call) or call_of(call)
        if not kind or kind == "socket":
            return signature, _NOTHING, 0
        if kind == "target":
            if record[-13:] != b"\ntype=OBJ_PID" or (
                stop - at != 3 and (stop - at != 4 or pieces[stop - 2][-9:] != _EOE)
            ):
                return _MORE
            aim = pieces[at + 1]
            pid = aim[body + 5 : aim.find(b" ", body)]
            if aim[body : body + 5] != b"opid=" or not pid.isdigit() or len(pid) > 10:
                return _MORE
            return signature, _NOTHING, int(pid)
        if not succeeded:
            return signature, _NOTHING, 0
        if kind == "clone":
            rest = record.find(b" ", end + 6)
            child = record[end + 6 : rest]
            if child.isdigit() and len(child) <= 10 and record[rest : rest + 4] == b" a0=":
                flags = hexadecimal(record[rest + 4 : record.find(b" ", rest + 4)])
                return signature, cloned(signature.actor.pid, int(child), flags), 0
        known = signature.facts.get(kind)
        if known is not None:
            return signature, known, 0
        if kind == "exec":
            return self._executed(signature, part, pieces, at, stop, body)
        found = changed(kind, record, signature.actor)
        if kind in ("exit", "root"):
            signature.facts[kind] = found
        return signature, found, 0

    @staticmethod
    def _executed(
        signature: Signature, part: bytes, pieces: list[bytes], at: int, stop: int, body: int
    ) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """An execve: its facts are the same for a program on the same device, but for those of an engine."""
        for index in range(at, stop - 1):
            if pieces[index][-10:] == b"\ntype=PATH" and pieces[index + 1][body : body + 7] == b"item=0 ":
                line = pieces[index + 1]
                dev = device(line[body : body_end(line[: line.find(b"\n")], body)])
                break
        else:
            return _MORE
        key = f"exec {dev!r}"
        known = signature.facts.get(key)
        if known is not None:
            return signature, known, 0
        actor = signature.actor
        done = Executed(actor.pid, actor.exe, marks=marks(part, dev))
        if not is_engine(actor.exe):
            facts = signature.facts[key] = (done,)
            return signature, facts, 0
        named = [index for index in range(at, stop - 1) if pieces[index][-12:] == b"\ntype=EXECVE"]
        if len(named) != 1:
            return _MORE
        line = pieces[named[0] + 1]
        return signature, commanded([line[body : body_end(line[: line.find(b"\n")], body)]], actor, done), 0

    def _new(self, record: bytes, part: bytes) -> Signature | None:
        """A signature that is not known yet; None for a record without ` key=`."""
        actor = actor_of(part) if record.find(b" key=", record.find(b" ppid=")) > 0 else None
        if actor is None:
            return None
        if len(self._known) >= LIMIT:
            self._known.clear()
        signature = self._known[part] = Signature(actor)
        return signature
