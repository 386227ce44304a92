"""A WPAR by name, CID, key or UUID: its state, directory, addresses and processes.

A number is a CID first (that is what processes and audit show), then a key; where they mean two WPARs it is ambiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.model import Evidence, Status
from annotator.lookup import parse_args
from annotator.lookup.answer import Answer, Code, Collector, Problem, Refused, Where
from annotator.lookup.render import known

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.core.model import Container
    from annotator.lookup.aix.view import AixView

MAX_PIDS = 1024
RUNNING = frozenset("APFT")
"""States in which a WPAR has processes: active, paused, frozen, in transition (lswpar)."""


def collect(value: str, view: AixView) -> Answer:
    """The one WPAR that is meant."""
    asked = parse_args.container(value)
    every = {name: view.container(name) for name in view.names}
    found = [one for name, one in every.items() if one is not None and _meant(asked, name, one)]
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise Refused(Code.AMBIGUOUS, f"{len(found)} WPARs are meant by {asked!r}: {names}", "Give the name or UUID.")
    if not found:
        if not view.names and not view.in_global:
            raise Refused(Code.UNSUPPORTED, "no WPAR can be seen from here", "Ask in Global.")
        raise Refused(Code.GONE, f"no WPAR is called {asked!r}", "Removed ones are in the trail: annotator containers.")
    one = found[0]
    processes = [each for each in view.host.processes() if _inside(each, one)]
    also = described(view, one.name) | known(
        {"pids": [each.pid for each in processes[:MAX_PIDS]], "processes": len(processes)}
    )
    if not processes and "state" not in also:
        also["state"] = "not-running"
    evidence = (Evidence.INVENTORY.value, Evidence.INFERRED.value)
    problems = [view.addresses] if isinstance(view.addresses, Problem) else []
    return Answer(
        "container", None, Where(Status.CONTAINER, one, None, evidence), also, problems=problems, verified=False
    )


def _meant(asked: str, name: str, one: Container) -> bool:
    return (
        asked in (name, one.uuid, one.identifiers.get("cid"), one.identifiers.get("ckey")) or asked.lower() == one.uuid
    )


def _inside(process: HostProcess, one: Container) -> bool:
    container = process.container
    return container is one or (container is not None and container.name == one.name)


def described(view: AixView, name: str) -> dict[str, Any]:
    """What the inventory says beside the names: state, host name, base directory; and the WPAR's addresses."""
    said = view.host.inventory.details(name)
    letter = said.get("state", "")
    return known(
        {
            "state": ("running" if letter in RUNNING else "not-running") if letter else None,
            "wpar_state": letter,
            "hostname": said.get("hostname"),
            "rootfs": said.get("directory"),
            "addresses": view.addresses_of(name),
        }
    )


COLLECTOR = Collector("container", "aix", collect)
