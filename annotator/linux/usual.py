"""The usual Linux event, read from its SYSCALL record alone: no line is cut, and most of it is known already.

What one process repeats (from ` ppid=` to ` key=`) is looked up, not read; so is the call with its success. An event
that says more than these two, and more than a fork, is not for here: `facts` reads those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annotator.core.model import Executed, Signature
from annotator.linux.engines.programs import carries_announcement
from annotator.linux.records.labels import device, marks
from annotator.linux.records.syntax import body_end, split
from annotator.linux.records.translate import (
    LIMIT,
    MAX_PART,
    actor_of,
    call_of,
    changed,
    cloned,
    commanded,
    hexadecimal,
    is_engine,
)

if TYPE_CHECKING:
    from annotator.core.model import Fact

_CALL = (
    rb"\ntype=SYSCALL msg=audit\((\d{10}\.\d{3}:\d{1,20})\): (arch=\w+ syscall=\d+ (?:per=\w+ )?(?:success=\w+ )?)"
    rb"(?:exit=(-?\d+) )?a0=([0-9a-f]+) "
)
_OTHERS = (
    rb"(?:type=(?!PROCTITLE |EOE |SYSCALL )[^ \n]+ msg=audit\(\1\):[^\n]*\n)*"
    rb"type=PROCTITLE msg=audit\(\1\):[^\n]*"
)
_END = rb"(?:\ntype=EOE msg=audit\(\1\):[^\n]*)?"

SHAPE = re.compile(_CALL + rb"([^\n]*)\n" + _OTHERS + _END)
"""A usual event: SYSCALL first, PROCTITLE last, but for EOE. Groups: stamp, call, `exit`, `a0`, and the rest."""

DETAILED = re.compile(
    _CALL
    + rb"((a1=[0-9a-f]+ a2=[0-9a-f]+ a3=[0-9a-f]+ items=\d+ ppid=\d{1,10} pid=\d{1,10})( auid=[^\n]*))\n"
    + rb"("
    + _OTHERS
    + rb")"
    + _END
)
"""The same for forms that show fields. It has more groups: of the rest the numbers, and what stands behind them; and
the other records, but for EOE."""

_TARGET = re.compile(
    rb"\ntype=OBJ_PID msg=audit\([0-9.:]+\): opid=(\d{1,10}) [^\n]*\ntype=PROCTITLE [^\n]*(?:\ntype=EOE [^\n]*)?\Z"
)

_PROGRAM = re.compile(rb"\ntype=PATH msg=audit\([0-9.:]+\): (item=0 [^\n]*)")

_NOTHING: tuple[Fact, ...] = ()
_MORE: tuple[Signature | None, tuple[Fact, ...], int] = (None, (), 0)


class Usual:
    """The signatures of one run: they lead to its lives.

    `detailed`: a form will ask for the fields. `networks`: where a socket's process was is wanted too.
    """

    def __init__(self, *, detailed: bool = False, networks: bool = False) -> None:
        self.shape = DETAILED if detailed else SHAPE
        self._networks = networks
        self._known: dict[bytes, Signature] = {}
        self._kinds: dict[bytes, str] = {}

    def read(self, run: re.Match[bytes]) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """Whose event it is, its facts, and the pid it is aimed at (0: none); no signature where it says more.

        Budget: the hot path, read in one go.
        """
        call, exit, first, rest = run.group(2, 3, 4, 5)
        shared = rest.find(b" ppid=")
        part = rest[shared : rest.find(b" key=", shared)]
        signature = self._known.get(part) or self._new(rest, part)
        if signature is None:
            return _MORE
        kind = self._kinds.get(call)
        if not kind:
            if kind is None:
                kind = self._kind(call)
            if not kind:
                return signature, _NOTHING, 0
        known = signature.facts.get(kind)
        if known is not None:
            return signature, known, 0
        if kind == "target":
            found = _TARGET.match(run.string, run.end(5), run.end())
            return (signature, _NOTHING, int(found[1])) if found else _MORE
        if kind == "clone" and exit is not None and exit.isdigit() and len(exit) <= 10:
            return signature, cloned(signature.actor.pid, int(exit), hexadecimal(first)), 0
        if kind == "exec":
            return self._executed(signature, part, run)
        if kind == "socket":
            return _MORE
        facts = changed(kind, run[0].split(b"\n", 2)[1], signature.actor)
        if kind in ("exit", "root"):
            signature.facts[kind] = facts
        return signature, facts, 0

    def _kind(self, call: bytes) -> str:
        """The kind of a call that is not known yet: "" for one that changes nothing and is asked nothing."""
        kind, succeeded = call_of(call)
        if not (self._networks if kind == "socket" else succeeded or kind == "target"):
            kind = ""
        if len(self._kinds) >= LIMIT:
            self._kinds.clear()
        if len(call) <= MAX_PART:
            self._kinds[call] = kind
        return kind

    def signature(self, run: re.Match[bytes]) -> Signature | None:
        """Whose event it is, whatever else it says."""
        rest = run[5]
        shared = rest.find(b" ppid=")
        part = rest[shared : rest.find(b" key=", shared)]
        return self._known.get(part) or self._new(rest, part)

    @staticmethod
    def _executed(
        signature: Signature, part: bytes, run: re.Match[bytes]
    ) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """An execve: its facts are the same for a program on the same device, but for those of an engine."""
        path = _PROGRAM.search(run.string, run.end(5), run.end())
        if path is None:
            return _MORE
        dev = device(path[1][: body_end(path[1], 0)])
        key = f"exec {dev!r}"
        known = signature.facts.get(key)
        if known is not None:
            return signature, known, 0
        actor = signature.actor
        done = Executed(actor.pid, actor.exe, marks=marks(part, dev), engine=carries_announcement(actor.exe))
        if not is_engine(actor.exe):
            facts = signature.facts[key] = (done,)
            return signature, facts, 0
        records = map(split, run[0][1:].split(b"\n"))
        return signature, commanded([body for name, body in records if name == b"EXECVE"], actor, done), 0

    @staticmethod
    def place(run: re.Match[bytes]) -> int:
        """Where the SYSCALL record takes fields: at the end of its body."""
        return run.start(5) + body_end(run[5], 0)

    def _new(self, rest: bytes, part: bytes) -> Signature | None:
        """A signature that is not known yet; None for a record without ` key=`."""
        actor = actor_of(part) if rest.find(b" key=", rest.find(b" ppid=")) > 0 else None
        if actor is None:
            return None
        signature = Signature(actor)
        if len(self._known) >= LIMIT:
            self._known.clear()
        if len(part) <= MAX_PART:
            self._known[part] = signature
        return signature
