"""A file of AIX: lstat and stat data, its mount, and the WPAR below whose base directory it lies.

An application WPAR has no files of its own: its base directory is `/`, Global's. So a path never shows that it is such
a WPAR's, and for Global's files those that may use them as their own are listed.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.errors import AnnotatorError
from annotator.core.model import Evidence, Reason, Status
from annotator.lookup import parse_args, paths
from annotator.lookup.answer import Answer, Code, Collector, How, Problem, Refused, Where, unknown
from annotator.lookup.render import known, text

if TYPE_CHECKING:
    from annotator.lookup.aix.view import AixView

_MOUNT = re.compile(
    rb"(?P<node>\S+)?\s+(?P<source>\S+)\s+(?P<point>/\S*)\s+(?P<kind>\S+)\s+"
    rb"[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d(?:\s+(?P<options>\S+))?\s*"
)
MAX_LINES = 16_384


class Mount(NamedTuple):
    """One line of `mount`. `node` is the server of a remote file system."""

    node: str
    source: str
    point: str
    kind: str
    options: str


def mounts(data: bytes) -> list[Mount]:
    """The lines of `mount`; titles, and what is no line, are left out."""
    found = []
    for line in data.split(b"\n")[:MAX_LINES]:
        row = _MOUNT.fullmatch(line[:4096])
        if row is not None:
            found.append(Mount(*(text(row[name] or b"") for name in ("node", "source", "point", "kind", "options"))))
    return found


def collect(value: str, view: AixView) -> Answer:
    """The file at a path of Global, the last link of it not followed; `stat` is of what it leads to."""
    path = parse_args.path(value, live=view.live)
    bases = {said["directory"].rstrip("/"): name for name in view.names if (said := view.host.inventory.details(name))
             and said.get("directory", "/") != "/"}  # fmt: skip

    def base_of(place: str) -> str:
        return max((one for one in bases if paths.below(place, one)), key=len, default="/")

    found = paths.walk(view.root, path, base_of, follow=False, live=False)
    body: dict[str, Any] = {"path": text(found.path), "lstat": paths.shown(found.status)}
    problems: list[Problem] = []
    if stat.S_ISLNK(found.status.st_mode):
        body["target"] = text(paths.link_text(view.root, found.path))
        try:
            followed = paths.walk(view.root, found.path, base_of, follow=True, live=False)
            body |= {"resolved": text(followed.path), "stat": paths.shown(followed.status)}
        except Refused as refusal:
            problems.append(refusal.problem)
    else:
        body["stat"] = body["lstat"]
    try:
        body["mount"] = _mount(mounts(view.run("/usr/sbin/mount")), found.path)
    except AnnotatorError as err:
        problems.append(Problem(Code.UNSUPPORTED, err.what, err.advice))
    where, notes = _where(view, found.path, body)
    return Answer("file", known(body), where, problems=problems, notes=notes, verified=False)


def _mount(found: list[Mount], path: str) -> dict[str, Any] | None:
    holding = [one for one in found if paths.below(path, one.point)]
    if not holding:
        return None
    one = max(reversed(holding), key=lambda each: len(each.point))
    source = f"{one.node}:{one.source}" if one.node else one.source
    return known({"point": one.point, "type": one.kind, "source": source, "options": one.options})


def _where(view: AixView, path: str, body: dict[str, Any]) -> tuple[Where, list[str]]:
    """By the longest base directory of a system WPAR; Global's only where it is certain that we look from Global."""
    if not view.in_global:
        return unknown(Reason.HIDDEN), []
    name = view.host.inventory.of_path(path)
    one = view.container(name) if name is not None else None
    if one is not None:
        directory = (view.host.inventory.details(one.name).get("directory") or f"/wpars/{one.name}").rstrip("/")
        body["inside"] = path[len(directory) :] or "/"
        body["holders"] = [{"how": How.DIRECTORY.value, "name": one.name, "path": body["inside"]}]
        return Where(Status.CONTAINER, one, None, (How.DIRECTORY.value,)), []
    sharing = [each for each in view.names if view.host.inventory.details(each).get("type") == "A"]
    if not sharing:
        return Where(Status.HOST, None, None, (Evidence.INVENTORY.value,)), []
    body["holders"] = [{"how": How.BIND.value, "name": each, "path": path} for each in sharing]
    note = "Application WPARs have Global's files: those in `holders` may use this one as their own."
    return Where(Status.HOST, None, None, (Evidence.INVENTORY.value,)), [note]


COLLECTOR = Collector("file", "aix", collect)
