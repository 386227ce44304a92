"""The Linux backend: binds the siblings of this folder to the contract in `annotator.core.contracts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.contracts import Place
from annotator.linux.contid import link
from annotator.linux.records import translate
from annotator.linux.records.syntax import Completes, body_end, head, type_number
from annotator.linux.usual import Usual

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from annotator.core.contracts import Encoder, Written
    from annotator.core.model import Event, Signature, Translation

_BEFORE = {b"TTY": b" data=", b"USER_TTY": b" data=", b"USER_AVC": b" msg='", b"USER_SELINUX_ERR": b" msg='"}
"""Where fields must not stand at the end: `aureport --tty` takes all after `data=`, and its other reports take what
follows the `terminal=` that ends these user-space records."""


class Linux:
    """Linux audit records as auditd writes them."""

    name = "linux"

    def __init__(self) -> None:
        self.completes: Mapping[bytes, bool] = Completes()

    is_lost = staticmethod(link.is_lost)
    """Whether a line says that auditd could not write a record: it has no stamp, and the record is gone."""

    def read(self, event: Event) -> Translation:
        """See `facts.read`."""
        return translate.read(event)

    def usual(self, *, detailed: bool = False, networks: bool = False) -> Usual:
        """What reads usual events, for one run."""
        return Usual(detailed=detailed, networks=networks)

    def place(self, event: Event) -> Place | None:
        """At the end of the body of the record that `read` chose, before 0x1D."""
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
        return type_number(head(event.lines[event.at])[0]) in (1300, 1324)

    def interpret(self, event: Event) -> dict[str, Any]:
        """See `interpret.interpret`; imported when first asked for, since the raw form never does."""
        from annotator.linux.records.interpret import interpret

        return interpret(event)

    def interpreter(self, *, resolve_users: bool) -> Callable[[Event], dict[str, Any]]:
        """`interpret`, or with this machine's names for users: only ever when that was asked for."""
        from annotator.linux.records.interpret import interpret, interpreter_with_passwd

        return interpreter_with_passwd().interpret if resolve_users else interpret

    def writer(self, encoder: Encoder) -> Callable[[re.Match[bytes], Signature], Written | None]:
        """What writes usual events' parts without a detour through objects."""
        from annotator.linux.written import Writer

        return Writer(encoder).write

    @staticmethod
    def _end(event: Event, at: int) -> Place:
        line = event.lines[at]
        end = body_end(line, 0)
        if line[:10] != b"type=SYSCA":
            before = _BEFORE.get(head(line)[0])
            if before is not None:
                found = line.find(before, 0, end)
                end = found if found > 0 else end
        return Place(at, end)
