"""The API as a caller with `mypy --strict` uses it: `scripts/check` looks at the types, a test runs it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, assert_type

import annotator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def count_by_container(path: Path) -> dict[str, int]:
    """Events of each container, by its name or id."""
    counts: dict[str, int] = {}
    for event in annotator.replay(path, node="web1", journal=None, strict=False):
        assert_type(event, annotator.AnnotatedEvent)
        assert_type(event.time, datetime | None)
        assert_type(event.serial, int)
        assert_type(event.records, tuple[bytes, ...])
        assert_type(event.raw, bytes)
        container = event.attribution.container
        assert_type(container, annotator.Container | None)
        if container is not None:
            assert_type(container.contid, int | None)
            name = container.name or container.id
            counts[name] = counts.get(name, 0) + 1
    return counts


def entered(path: Path) -> Iterator[tuple[str, int | None]]:
    """Containers and the login of who entered them."""
    log = annotator.open([path], system="linux")
    assert_type(log.containers(), tuple[annotator.ContainerSummary, ...])
    for one in log.sessions():
        assert_type(one, annotator.SessionSummary)
        for process in log.process(one.session.pid or 1, at=one.first_ms):
            assert_type(process.reason, annotator.Reason | None)
        yield one.container, one.session.auid


def ship(data: bytes) -> bytes:
    """A stream that moves in the middle."""
    first = annotator.Stream(node="web1", form="msgpack")
    out = first.feed(data[:1000])
    assert_type(first.state(), bytes)
    second = annotator.Stream(node="web1", form="msgpack", state=first.state())
    return out + second.feed(data[1000:]) + second.idle(2000) + second.finish()


def unknown(path: Path) -> list[annotator.Reason]:
    """Why it is not known where some events happened; none where the log cannot be read."""
    try:
        return [
            event.attribution.reason
            for event in annotator.replay(str(path))
            if event.attribution.status is annotator.Status.UNKNOWN and event.attribution.reason is not None
        ]
    except annotator.SourceError as err:
        assert_type(err.advice, str)
        return []
