"""The only door to auparse, the audit library's parser: expressions in the language of ausearch-expression(5).

The binding is optional: only `--expr` needs it. It is built for the distribution's Python, so another Python of the
same version is shown the distribution's folder as well. What fields mean is read by `interpret`, not here.

One parser for one event (AUSOURCE_BUFFER), not one that is fed: with AUSOURCE_FEED `search_next_event` in the callback
answers for the event after the one at hand (audit 3.0.9, measured). It takes about 10 us for an event. Guarded traps of
the binding: text must be UTF-8 without NUL; an event that the library takes for two is searched in all its parts;
interpretations are kept process-wide before 4.1, so that only one parser lives at a time.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from annotator.core.errors import AnnotatorError, UsageError

if TYPE_CHECKING:
    from annotator.core.model import Event

DISTRIBUTION = "/usr/lib/python3/dist-packages"
"""Where Debian's python3-audit lies; others put it into site-packages, where it is found anyway."""

_FAILURES = (OSError, ValueError, LookupError, RuntimeError, SystemError)
"""What the binding raises for an expression, or an event, that it cannot handle."""


def auparse(folder: str = DISTRIBUTION) -> Any:
    """The module. Raises AnnotatorError when this Python cannot have it."""
    try:
        return import_module("auparse")
    except ImportError:
        pass
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing in it hides what this Python has itself
        try:
            return import_module("auparse")
        except ImportError:
            pass
        finally:
            sys.path.remove(folder)
    raise AnnotatorError(
        f"expressions need auparse, and this Python ({sys.version.split()[0]}) has none",
        "Install python3-audit (audit-libs-python3) and run with the distribution's Python.",
    )


class Expression:
    """A user's expression, made once. Raises UsageError for one that is none, AnnotatorError without auparse."""

    __slots__ = ("_library", "_text", "failures")

    def __init__(self, text: str) -> None:
        self._library = auparse()
        self._text = text
        self.failures = 0
        """Events that the library could not search; they count as not matching."""
        try:
            self._parser("")
        except _FAILURES as err:
            raise UsageError(
                f"--expr {text!r} is no expression", "See ausearch-expression(5). An example: comm i= bash"
            ) from err

    def _parser(self, lines: str) -> Any:
        library = self._library
        parser = library.AuParser(library.AUSOURCE_BUFFER, lines)
        parser.search_add_expression(self._text, library.AUSEARCH_RULE_CLEAR)
        parser.search_set_stop(library.AUSEARCH_STOP_EVENT)
        return parser

    def matches(self, event: Event) -> bool:
        """Whether one of the event's records matches. Any bytes have an answer."""
        lines = b"\n".join(event.in_order()).replace(b"\0", b"?") + b"\n"
        try:
            return bool(self._parser(lines.decode("utf-8", "replace")).search_next_event())
        except _FAILURES:
            self.failures += 1
            return False
