"""Looks up a file of Linux: lstat and stat data, its mount, and the container whose file system it lies in."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Any

from annotator.core.model import Evidence, Reason, Status
from annotator.linux.engines.state import is_full_id
from annotator.linux.host.procfs import MAX_MOUNTS
from annotator.lookup import parse_args, paths
from annotator.lookup.answer import Answer, Code, Collector, How, Problem, Refused, Where, refused_process, unknown
from annotator.lookup.answer import where_of as process_where
from annotator.lookup.linux import mounts
from annotator.lookup.linux.claims import Claim, best, claims, host_mounts
from annotator.lookup.paths import PROCESS_ROOT, below
from annotator.lookup.render import known, text

if TYPE_CHECKING:
    from annotator.core.model import Container
    from annotator.lookup.linux.view import LinuxView

MAX_HOLDERS = 256
"""Containers that are listed for one file: an image's layer may have thousands."""

_ID = re.compile(r"/([0-9a-f]{64})(?=/|\Z)")


def collect(value: str, view: LinuxView) -> Answer:
    """The file at a path, the last link of it not followed; `stat` is of what it leads to."""
    path = parse_args.path(value, live=view.live)
    host = host_mounts(view)
    known_claims = claims(view, host)
    roots = [claim.path for claim in known_claims if claim.how in (How.ROOTFS, How.UPPER, How.MOUNTINFO)]

    def base_of(place: str) -> str:
        process = PROCESS_ROOT.match(place) if view.live else None
        if process is not None:
            return process[0]
        return max((root for root in roots if below(place, root)), key=len, default="/")

    walked = paths.walk(view.root, path, base_of, follow=False, live=view.live)
    body = known({"path": text(walked.path), "lstat": paths.shown(walked.status)})
    problems: list[Problem] = []
    if stat.S_ISLNK(walked.status.st_mode):
        body["target"] = text(paths.link_text(view.root, walked.path))
        try:
            followed = paths.walk(view.root, walked.path, base_of, follow=True, live=view.live)
            body |= {"resolved": text(followed.path), "stat": paths.shown(followed.status)}
        except Refused as refusal:
            problems.append(refusal.problem)
    else:
        body["stat"] = body["lstat"]
    where = _through_process(view, walked.path, body)
    if where is None:
        body["mount"] = _mount(host, walked.path)
        where = _where(view, walked.path, known_claims, body)
    if not view.privileged:
        problems.append(
            Problem(Code.DENIED, "other users' mounts may not be read: containers may be missed", "Ask as root.")
        )
    return Answer("file", known(body), where, problems=problems, notes=_notes(body, where))


def _through_process(view: LinuxView, path: str, body: dict[str, Any]) -> Where | None:
    """The container of the process through whose root the path leads; None when it does not lead through one."""
    through = PROCESS_ROOT.match(path) if view.live else None
    if through is None:
        return None
    pid = int(through[1])
    process = view.process(pid)
    if isinstance(process, Reason):
        raise refused_process(pid, process)
    inside = path[through.end() :] or "/"
    body["inside"] = text(inside)
    body["mount"] = _mount(mounts.parse(view.host.proc.text(pid, "mountinfo", MAX_MOUNTS)), inside)
    where = process_where(process)
    return (
        where if where.status is Status.UNKNOWN else where._replace(evidence=(How.PROCESS_ROOT.value, *where.evidence))
    )


def _mount(mounted: list[mounts.MountEntry], path: str) -> dict[str, Any] | None:
    mount = mounts.holder(mounted, path)
    if mount is None:
        return None
    return known(
        {
            "point": text(mount.point),
            "type": text(mount.kind),
            "source": text(mount.source),
            "root": text(mount.root),
            "device": mount.device,
            "options": text(mount.flags),
        }
    )


def _where(view: LinuxView, path: str, claims: list[Claim], body: dict[str, Any]) -> Where:
    """The container of a file. Containers that only have it mounted (a bind mount of the host's own) are listed too."""
    decisive = best(claims, path) or _kept(view, path)
    binds = [claim for claim in claims if claim.how is How.BIND and below(path, claim.path)]
    body["holders"] = [_holder(claim, path) for claim in (*decisive, *binds)[:MAX_HOLDERS]]
    if len(decisive) == 1:
        claim = decisive[0]
        body |= {"inside": body["holders"][0].get("path")} if claim.how is not How.FILES else {}
        return Where(Status.CONTAINER, claim.container, None, (claim.how.value,))
    if decisive:
        return unknown(Reason.AMBIGUOUS)
    if not view.privileged:
        return unknown(Reason.DENIED)
    if view.host.closed:
        return unknown(Reason.HIDDEN)
    return Where(Status.HOST, None, None, (Evidence.HOST_VIEW.value,))


def _holder(claim: Claim, path: str) -> dict[str, Any]:
    inside = "/".join(part for part in (claim.inside.rstrip("/"), path.removeprefix(claim.path).strip("/")) if part)
    at = None if claim.how is How.FILES else text(inside if inside.startswith("/") else "/" + inside)
    names = {"id": text(claim.container.id), "name": text(claim.container.name), "path": at}
    return {"how": claim.how.value, **known(names)}


def _kept(view: LinuxView, path: str) -> list[Claim]:
    """Engines keep a container's files in a directory of its id: logs, hostname, its configuration."""
    for match in reversed(list(_ID.finditer(path))):
        state = view.engines.lookup(match[1], owner=0) if is_full_id(match[1]) else None
        container: Container | None = view.of_state(state) if state is not None and not state.gone else None
        if container is not None:
            return [Claim(path[: match.end()], How.FILES, container, "/")]
    return []


def _notes(body: dict[str, Any], where: Where) -> list[str]:
    notes = []
    if where.status is Status.HOST and body.get("holders"):
        notes.append("The file is the host's own, and mounted into the containers in `holders`.")
    if How.IMAGE.value in where.evidence:
        notes.append("The file is in a layer of the container's image; other containers of the image will share it.")
    if "resolved" in body and where.status is Status.CONTAINER:
        notes.append("The link was followed as the container would follow it.")
    return notes


COLLECTOR = Collector("file", "linux", collect)
