"""Records to facts: who acted, on whom, in which WPAR the record says, and what changed.

Event names and their tails are those of IBM's *events File* and of public samples. A call that failed changed nothing.
A WPAR's life is seen only through the commands that root runs in Global (no WPAR_* audit event is known): these are
hints that the inventory should be looked at again, never the change itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import tail_format, wpar_commands
from annotator.aix.record import Form, Record, user_id
from annotator.core.model import NO_PID, Actor, Evidence, Executed, Exited, Fact, Forked, Gap, RootChanged, Translation

if TYPE_CHECKING:
    from annotator.aix.wpar_commands import WparCommand


class StatedWpar(NamedTuple):
    """The WPAR that the record itself names (`Global` outside of WPARs), and how far that can be believed.

    `evidence` is TRAIL for the record's own column, INFERRED for one found in a layout that is not verified.
    """

    name: str
    evidence: Evidence
    ckey: int | None = None


class RecordTranslation(NamedTuple):
    """One record, translated."""

    reading: Translation
    wpar: StatedWpar | None
    commands: tuple[WparCommand, ...] = ()
    tail: tail_format.Tail | None = None


def translate(record: Record, formats: tail_format.Formats = tail_format.BUILT_IN) -> RecordTranslation:
    """What one record says. Never raises for bad bytes: what cannot be read gives no fact."""
    tail = read_tail(record, formats)
    pid = NO_PID if record.pid is None else record.pid
    wpar = None
    if record.wpar is not None and record.wpar_evidence is not None:
        wpar = StatedWpar(record.wpar.decode("utf-8", "backslashreplace"), record.wpar_evidence, record.ckey)
    facts: list[Fact] = []
    targets: tuple[int, ...] = ()
    commands: tuple[WparCommand, ...] = ()
    if record.event in (b"PROC_Kill", b"AUD_Proc") and tail:
        target = tail.number("pid")
        targets = (target,) if target is not None and target > 0 else ()
    if record.ok is not False:
        facts, commands = _changes(record, tail, pid)
    return RecordTranslation(Translation(_actor(record, tail, pid), tuple(facts), targets), wpar, commands, tail)


def read_tail(record: Record, formats: tail_format.Formats) -> tail_format.Tail | None:
    """The tail's values by the event's format; None where there is no format or the tail does not follow it."""
    form = formats.get(record.event)
    if form is None:
        return None
    if record.form is Form.BINARY:
        return tail_format.read_binary(form, record.tail, record.order)
    return tail_format.read_text(form, record.tail)


def _actor(record: Record, tail: tail_format.Tail | None, pid: int) -> Actor:
    tty = tail.values.get("tty", b"").strip() if tail and record.event == b"USER_Login" else b""
    return Actor(
        pid=pid,
        ppid=NO_PID if record.ppid is None else record.ppid,
        auid=user_id(record.login),
        uid=user_id(record.ruser),
        comm=record.command or b"",
        tty=b"" if tty == b"#012" else tty.removesuffix(b"#012"),
    )


def _changes(record: Record, tail: tail_format.Tail | None, pid: int) -> tuple[list[Fact], tuple[WparCommand, ...]]:
    """What a call that succeeded changed."""
    match record.event:
        case b"PROC_Create":
            child = tail.number("forked child process") if tail else None
            child = _only_number(tail) if child is None else child
            # A record with fork's child is written in Global's numbering: real pids, as everything in the trail.
            if child is not None and child > 1 and pid != NO_PID:
                return [Forked(pid, child, trusted=record.form is not Form.LOOSE)], ()
        case b"PROC_Delete":
            return _exit(tail, pid), ()
        case b"PROC_Execute":
            return _execute(record, tail, pid)
        case b"FS_Chroot":
            return ([RootChanged(pid)] if pid != NO_PID else []), ()
        case b"AUD_It":
            # Auditing was switched: what happened around it may not be in the trail. The values of cmd are not public.
            return [Gap(0)], ()
    return [], ()


def _only_number(tail: tail_format.Tail | None) -> int | None:
    """The one value of a tail whose words are another site's."""
    if tail is None or len(tail.values) != 1:
        return None
    return tail.number(next(iter(tail.values)))


def _exit(tail: tail_format.Tail | None, pid: int) -> list[Fact]:
    """The process that is gone. Which one the tail names is from memory, so two different pids end neither."""
    gone = _only_number(tail)
    if gone is None or gone == pid:
        return [Exited(pid)] if pid != NO_PID else []
    return [Exited(gone)] if pid == NO_PID and gone > 1 else []


def _execute(record: Record, tail: tail_format.Tail | None, pid: int) -> tuple[list[Fact], tuple[WparCommand, ...]]:
    """The new program. The trail joins the arguments with blanks, so a blank inside of one cannot be told."""
    name = tail.values.get("name", b"") if tail else b""
    words = tuple(name.split())
    if not words:
        return [], ()
    facts: list[Fact] = [Executed(pid, words[0], words)] if pid != NO_PID else []
    command = wpar_commands.read(words, pid, record.wpar)
    return facts, (command,) if command is not None else ()
