"""Say in which container each audit event happened: Linux with and without contid records, and AIX WPARs.

    for event in annotator.replay("audit.log"): ...      events with their containers
    log = annotator.open("audit.log")                    containers, sessions, processes of a whole log
    stream = annotator.Stream(node="web1", form="json")  bytes in, annotated bytes out, with a state to go on from

The API is `annotator.api`, and is imported when it is first used: the plugin and the commands start without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotator.api import (
        AnnotatedEvent,
        AnnotatorError,
        Attribution,
        Container,
        ContainerSummary,
        Evidence,
        Flag,
        FormatError,
        FormError,
        Log,
        LossError,
        Netns,
        NetnsId,
        ProcessSummary,
        Reason,
        Session,
        SessionSummary,
        SourceError,
        Status,
        StoreError,
        Stream,
        StreamForm,
        Target,
        UsageError,
        open,
        replay,
    )

__version__ = "0.1.0"

__all__ = [
    "AnnotatedEvent",
    "AnnotatorError",
    "Attribution",
    "Container",
    "ContainerSummary",
    "Evidence",
    "Flag",
    "FormError",
    "FormatError",
    "Log",
    "LossError",
    "Netns",
    "NetnsId",
    "ProcessSummary",
    "Reason",
    "Session",
    "SessionSummary",
    "SourceError",
    "Status",
    "StoreError",
    "Stream",
    "StreamForm",
    "Target",
    "UsageError",
    "__version__",
    "open",
    "replay",
]


def __getattr__(name: str) -> object:
    """A name of the API, imported when it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from annotator import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
