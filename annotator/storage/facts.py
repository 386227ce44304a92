"""Facts as the bodies of entries: every fact of the model, and what was seen on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from annotator.core import model
from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.errors import EntryError, FormatError
from annotator.storage.serialize import Nouns, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

OBSERVED = "observed"
"""The kind of a `HostProcess`."""

NETWORK = "network"
"""The kind of a `HostNetwork`."""

_NOUNS = Nouns(
    {kind_of(cls): cls for cls in get_args(model.Fact)}
    | {OBSERVED: HostProcess, NETWORK: HostNetwork, "container": model.Container},
    vars(model),
)

Stored = model.Fact | HostProcess | HostNetwork | model.Container


def encode_fact(fact: Stored) -> tuple[str, dict[str, Any]]:
    """Kind and body. A container takes those around it along. Raises EntryError when it is in itself."""
    try:
        return _NOUNS.plain(fact)
    except FormatError as err:
        raise EntryError(f"a fact cannot be stored: {err.what}") from err


def decode_fact(kind: str, body: Mapping[str, Any]) -> Stored | None:
    """The fact; None for a kind or a body this version cannot read, to be counted (`Stats.facts_skipped`).

    Containers are new objects each time: which of them are one and the same is the registry's to say.
    """
    try:
        fact: Stored = _NOUNS.restore(kind, body)
    except FormatError:
        return None
    return fact
