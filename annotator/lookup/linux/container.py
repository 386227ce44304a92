"""A container of Linux by name, id, the beginning of an id, or contid: what its engine and its processes say of it."""

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
    """The one container that is meant. A whole id, name or contid goes before the beginning of an id."""
    asked = parse_args.container(value)
    every = dict.fromkeys([*(view.of_state(state) for state in view.states), *view.known.values()])
    found = [one for one in every if asked in (one.id, one.name, str(one.contid), one.uuid)]
    if not found and len(asked) >= SHORTEST:
        found = [one for one in every if one.id.startswith(asked)]
    if len(found) > 1:
        named = ", ".join(f"{one.engine}:{one.id or one.name}" for one in found[:MAX_NAMED])
        raise Refused(Code.AMBIGUOUS, f"{len(found)} containers are called {asked!r}: {named}", "Give the whole id.")
    if not found:
        if not view.privileged:
            raise Refused(Code.DENIED, f"no container {asked!r} can be seen by this user", "Ask as root.")
        raise Refused(
            Code.GONE, f"no container is called {asked!r}", "Removed ones are in the log: annotator containers."
        )
    return _answer(view, found[0])


def _answer(view: LinuxView, one: Container) -> Answer:
    inside = [each for each in view.processes if each.container is not None and one in each.container.chain()]
    state = next((each for each in view.states if view.of_state(each) is one), None)
    evidence = [each.evidence.value for each in inside if each.evidence is not None]
    if state is not None:
        evidence.append(Evidence.INVENTORY.value)
    netns = dict.fromkeys(each.netns for each in inside if each.netns is not None)
    body = known(
        {
            "state": "running" if inside else "not-running",
            "pids": [each.pid for each in inside[:MAX_PIDS]],
            "processes": len(inside),
            "netns": [netns_name(each) for each in netns],
            **_said(state),
        }
    )
    problems = []
    if not view.privileged:
        problems.append(Problem(Code.DENIED, "other users' processes may not be read", "Ask as root."))
    where = Where(Status.CONTAINER, one, None, tuple(dict.fromkeys(evidence)))
    return Answer("container", None, where, also=body, problems=problems)


def _said(state: EngineState | None) -> dict[str, Any]:
    """What the engine's files say and nobody else."""
    if state is None:
        return {}
    return {
        "init_pid": state.init_pid,
        "created": show_time(state.created_ms) if state.created_ms is not None else None,
        "rootfs": text(state.rootfs),
        "cgroup": text(state.cgroup),
    }


COLLECTOR = Collector("container", "linux", collect)
