"""Renders values of a machine for the document: text, ids, containers, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.model import UNSET_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from annotator.core.model import Container
    from annotator.lookup.answer import Where


def text(value: bytes | str) -> str:
    """Bytes or a path of the machine as text that can be encoded."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


def known(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs whose value is known."""
    return {name: value for name, value in pairs.items() if value is not None and value not in ("", [], {})}


def user(number: int) -> str | None:
    """A uid, gid, auid or session as text; None for unset (2**32 - 1)."""
    return None if number == UNSET_ID else str(number)


def container(one: Container) -> dict[str, Any]:
    """The names of one container, and of those around it, nearest first."""
    return known(
        {
            "contid": None if one.contid is None else str(one.contid),
            "id": text(one.id),
            "name": text(one.name),
            "engine": one.engine,
            "image": text(one.image),
            "uuid": one.uuid,
            "owner": str(one.owner) if one.owner else None,
            "inside": [text(outer.id or outer.name) for outer in one.chain()[1:]],
            "pod": known({"uid": text(one.pod), "name": text(one.pod_name), "namespace": text(one.namespace)}),
            "labels": {text(key): text(value) for key, value in one.labels.items()},
            "wpar": known({name: one.identifiers.get(name) for name in ("cid", "ckey", "type", "uuid")}),
        }
    )


def where(answer: Where) -> dict[str, Any]:
    """Status, container, reason, evidence and flags; `container` is null for the host and where it is not known."""
    body: dict[str, Any] = {
        "status": answer.status.value,
        "container": container(answer.container) if answer.container is not None else None,
        "evidence": list(answer.evidence),
    }
    if answer.reason is not None:
        body["reason"] = answer.reason.value
    if answer.flags:
        body["flags"] = [flag.value for flag in answer.flags]
    return body
