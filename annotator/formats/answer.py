"""An attribution as plain data: the `provenance`, `container` and `orchestrator` parts of the JSON form.

Names are ECS's where it has them (container.*, orchestrator.*), ours under `provenance`. Contids, uids and other ids
are text: a contid does not fit into the 53 bits that JSON readers keep of a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.model import UNSET_ID, Status
from annotator.formats.values import numbered

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Chain, Container, Netns, ProcKey, Session, Target

MAX_KNOWN = 4096
"""Answers that are kept; when there are more, all are forgotten."""


class Answer(NamedTuple):
    """The parts; None where there is nothing to say. `session` only keeps its object, and so its id(), alive."""

    attributor: dict[str, Any]
    container: dict[str, Any] | None
    orchestrator: dict[str, Any] | None
    session: Session | None


class Answers:
    """Attributions rendered lately: most events of a process have the same answer."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Answer] = {}

    def of(self, given: Attribution) -> Answer:
        """The parts for one attribution. They are shared: never change one."""
        chains, session = given.chains, given.session
        versions = [container.version for chain in chains for container in chain]
        key = (
            given.status,
            given.reason,
            chains,
            given.evidence,
            given.flags,
            given.unset,
            id(session),
            given.netns,
            *versions,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = _answer(given)
        if given.targets or given.src or given.dst:
            return known._replace(attributor={**known.attributor, **_others(given)})
        return known


def _answer(given: Attribution) -> Answer:
    attributor = {
        "status": given.status.value,
        **_known(
            reason=given.reason.value if given.reason else "",
            chains=[] if given.unset else chain_ids(given.chains),
            evidence=[one.value for one in given.evidence],
            flags=[one.value for one in given.flags],
            session=_session(given.session) if given.session else None,
            netns=_netns(given.netns) if given.netns else None,
        ),
    }
    nearest = given.container if given.status is Status.CONTAINER else None
    if nearest is None:
        return Answer(attributor, None, None, given.session)
    if nearest.identifiers:
        attributor["aix"] = {
            name: nearest.identifiers[name] for name in ("cid", "ckey", "uuid", "type") if nearest.identifiers.get(name)
        }
    return Answer(attributor, container_part(nearest) or None, _orchestrator(nearest) or None, given.session)


def _known(**values: Any) -> dict[str, Any]:
    """Those that are not empty."""
    return {name: value for name, value in values.items() if value}


def chain_ids(chains: tuple[Chain, ...]) -> list[list[str]]:
    """Contids as decimal text, nearest first; the engine's id, else the name, where there is no contid.

    Where the system has identifiers of its own (AIX), the name comes first: a contid there is of one start only, and
    not always known, so one container would have several spellings.
    """
    return [[_spelling(one) for one in numbered(chain)] for chain in chains]


def _spelling(one: Container) -> str:
    if one.identifiers and one.name:
        return one.name
    return str(one.contid) if one.contid is not None else one.id or one.name


def _others(given: Attribution) -> dict[str, Any]:
    """Whom the event was aimed at, and whose addresses a packet has."""
    return _known(
        targets=[_target(target) for target in given.targets], src=chain_ids(given.src), dst=chain_ids(given.dst)
    )


def _target(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {"pid": target.pid, "status": target.status.value}
    if target.reason is not None:
        found["reason"] = target.reason.value
    if target.chains:
        found["chains"] = chain_ids(target.chains)
    if len(target.chains) == 1 and target.chains[0] and target.status is Status.CONTAINER:
        container = container_part(target.chains[0][0])
        if container:
            found["container"] = container
    return found


def _session(session: Session) -> dict[str, Any]:
    """Who entered, and how; what is unset is absent."""
    ids = {"auid": session.auid, "ses": session.ses, "uid": session.uid}
    by = {name: str(number) for name, number in ids.items() if number != UNSET_ID}
    by |= _known(tty=session.tty, exe=session.exe, inferred=session.inferred, unattended=session.unattended)
    return {"id": session.id, **_known(how=session.how, by=by)}


def _netns(given: Netns) -> dict[str, Any]:
    """The namespace; under which name it is mounted, and whether it is the host's own, only where that is so."""
    found: dict[str, Any] = {"dev": given.id.dev, "ino": given.id.ino}
    if given.id.unique:
        found["id"] = str(given.id.unique)
    return found | _known(name=given.name, host=given.host)


def container_part(container: Container) -> dict[str, Any]:
    """ECS `container`: only what is known."""
    return _known(
        id=container.id,
        name=container.name,
        runtime=container.engine,
        image=image_part(container.image) if container.image else None,
        labels=dict(container.labels),
    )


def image_part(reference: str) -> dict[str, Any]:
    """`registry:5000/name:tag@digest` as name (with the digest) and tag; a colon before a slash is a port."""
    name, at, digest = reference.partition("@")
    base, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or not base or reference.startswith("sha256:"):
        return {"name": reference}
    return {"name": base + at + digest, "tag": [tag]}


def _orchestrator(container: Container) -> dict[str, Any]:
    """ECS `orchestrator`: the pod a container is in."""
    if not (container.pod or container.pod_name):
        return {}
    resource = {"type": "pod", **_known(name=container.pod_name, id=container.pod)}
    kind = "kubernetes" if container.namespace else ""  # podman has pods too, without namespaces
    return _known(type=kind, namespace=container.namespace, resource=resource)


def entity_id(key: ProcKey) -> str:
    """One process, once, over all nodes and boots: `node/boot/pid@birth`, birth in ms, or in ticks: then with a `t`."""
    node = key.node.decode("utf-8", "backslashreplace")
    return f"{node}/{key.boot}/{key.pid}@{key.birth}{'t' if key.ticks else ''}"
