"""The Linux backend: binds the siblings of this folder to the contract in `annotator.core.contracts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.contracts import Place
from annotator.linux.contid import link
from annotator.linux.engines.commands import line_of
from annotator.linux.engines.programs import DEFAULT, Engines
from annotator.linux.records.kernel_fields import appended_at, fields_at
from annotator.linux.records.syntax import Completes, arguments, body_end, head, split, type_number
from annotator.linux.records.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from annotator.core.model import Event


class Linux:
    """Linux audit records as auditd writes them."""

    name = "linux"

    def __init__(self, engines: Engines = DEFAULT) -> None:
        """`engines` are the site's own, beside all that are known."""
        self.completes: Mapping[bytes, bool] = Completes()
        self.read = Translator(engines).read

    def is_lost(self, line: bytes) -> bool:
        """Whether a line says that auditd could not write a record: it has no stamp, and the record is gone."""
        return link.is_lost(line)

    def words(self, event: Event) -> bytes:
        """A digest of the words of an execve."""
        records = [split(line) for line in event.in_order()]
        return line_of(arguments([body for name, body in records if name == b"EXECVE"]))

    def place(self, event: Event) -> Place | None:
        """At the end of the body of the record that `read` chose, before 0x1D (but see `fields_at`)."""
        return self._end(event, event.at) if event.at >= 0 else None

    def targets(self, event: Event) -> list[Place]:
        """Where the OBJ_PID records of an event end."""
        return [
            self._end(event, at)
            for at, line in enumerate(event.lines)
            if type_number(head(line)[0]) == 1318
        ]  # fmt: skip

    def is_linked(self, event: Event) -> bool:
        """Whether the annotated record is the kernel's: only those carry the ` record=N` link."""
        return type_number(head(event.line(event.at))[0]) in (1300, 1324)

    def interpreter(self, *, resolve_users: bool) -> Callable[[Event], dict[str, Any]]:
        """See `interpret`; imported when first asked for, since the raw form never does.

        This machine's names for users are looked up only when that was asked for.
        """
        from annotator.linux.records.interpret import Interpreter, interpreter_with_passwd

        return (interpreter_with_passwd() if resolve_users else Interpreter()).interpret

    def own_fields(self, event: Event, place: Place) -> int:
        """Behind the kernel's last field of that record; -1 where nothing can be ours."""
        line = event.line(place.record)
        name, body = head(line)
        at = appended_at(name, line[body : body_end(line, body)]) if name else -1
        return body + at if at >= 0 else -1

    @staticmethod
    def _end(event: Event, at: int) -> Place:
        line = event.line(at)
        if line[:10] == b"type=SYSCA":
            return Place(at, body_end(line, 0))
        name, body = head(line)
        return Place(at, body + fields_at(name, line[body : body_end(line, body)]))
