"""Looks up a container of Linux by name, id, the beginning of an id, or contid: its engine's files, its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.model import Evidence, Status
from annotator.core.times import show_time
from annotator.lookup import parse_args
from annotator.lookup.answer import Answer, Code, Collector, Problem, Refused, Where
from annotator.lookup.linux.view import netns_name
from annotator.lookup.render import known, text

if TYPE_CHECKING:
    from annotator.core.model import Container
    from annotator.linux.engines import EngineState
    from annotator.lookup.linux.view import LinuxView

SHORTEST = 4
"""Characters of an id's beginning that are taken for one."""

MAX_PIDS = 1024
MAX_NAMED = 16


def collect(value: str, view: LinuxView) -> Answer:
    """The one container of that name. A full id, name or contid goes before the beginning of an id."""
    asked = parse_args.container(value)
    every = dict.fromkeys([*(view.of_state(state) for state in view.states), *view.known.values()])
    matching = [
        container
        for container in every
        if asked in (container.id, container.name, str(container.contid), container.uuid)
    ]
    if not matching and len(asked) >= SHORTEST:
        matching = [container for container in every if container.id.startswith(asked)]
    if len(matching) > 1:
        named = ", ".join(f"{container.engine}:{container.id or container.name}" for container in matching[:MAX_NAMED])
        raise Refused(Code.AMBIGUOUS, f"{len(matching)} containers are called {asked!r}: {named}", "Give the whole id.")
    if not matching:
        if not view.privileged:
            raise Refused(Code.DENIED, f"no container {asked!r} can be seen by this user", "Ask as root.")
        raise Refused(
            Code.GONE, f"no container is called {asked!r}", "Removed ones are in the log: annotator containers."
        )
    return _answer(view, matching[0])


def _answer(view: LinuxView, container: Container) -> Answer:
    inside = [
        process
        for process in view.processes
        if process.container is not None and container in process.container.chain()
    ]
    state = next((state for state in view.states if view.of_state(state) is container), None)
    evidence = [process.evidence.value for process in inside if process.evidence is not None]
    if state is not None:
        evidence.append(Evidence.INVENTORY.value)
    netns = dict.fromkeys(process.netns for process in inside if process.netns is not None)
    body = known(
        {
            "state": "running" if inside else "not-running",
            "pids": [process.pid for process in inside[:MAX_PIDS]],
            "processes": len(inside),
            "netns": [netns_name(each) for each in netns],
            **_from_engine(state),
        }
    )
    problems = []
    if not view.privileged:
        problems.append(Problem(Code.DENIED, "other users' processes may not be read", "Ask as root."))
    where = Where(Status.CONTAINER, container, None, tuple(dict.fromkeys(evidence)))
    return Answer("container", None, where, also=body, problems=problems)


def _from_engine(state: EngineState | None) -> dict[str, Any]:
    """The properties that only the engine's files have."""
    if state is None:
        return {}
    return {
        "init_pid": state.init_pid,
        "created": show_time(state.created_ms) if state.created_ms is not None else None,
        "rootfs": text(state.rootfs),
        "cgroup": text(state.cgroup),
    }


COLLECTOR = Collector("container", "linux", collect)
