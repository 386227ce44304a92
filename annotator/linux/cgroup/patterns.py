"""One cgroup path to the containers, pods, applications, virtual machines and engine helpers that it names.

Each rule is one engine's way of naming its cgroups (see samples/linux/cgroup/ORIGIN.md for where each was seen). A path
is read from the root down, so that a container inside a container is found as such. Nothing below a container's own
cgroup can take the container away again: the workload may name its cgroups as it likes.

The rules stand in tables: `units.SCOPES` by the prefix of a scope, `directories.PARENTS` by the directory above,
`directories.NAMES` by the name, `names.PREFIXES` and `names.SUFFIXES` by its beginning and end, `path.ENGINES` for
`PREFIX-ID`. A new engine is a row in one of them, and a line in samples/linux/cgroup.
"""

from __future__ import annotations

from annotator.linux.cgroup.directories import NAMED_BELOW, read_directory
from annotator.linux.cgroup.path import NAME_MAX, UNITS, PathReading, Walk, segment_text
from annotator.linux.cgroup.units import UNITS_READ


def read_path(path: bytes) -> PathReading:
    """Read one cgroup path. Leading `..` (the reader's own cgroup namespace is elsewhere) are an unknown prefix."""
    walk = Walk()
    for raw in path.split(b"/"):
        if not raw or raw == b".." or len(raw) > NAME_MAX:
            continue
        name = segment_text(raw)
        head, _, kind = name.rpartition(".")
        if head and kind in UNITS and walk.parent not in NAMED_BELOW and not name.startswith("lxc."):
            depth, supposed = len(walk.chain), walk.supposed()
            read_unit = UNITS_READ.get(kind)
            if read_unit is not None:
                read_unit(walk, head)
            if supposed and kind in ("service", "scope") and len(walk.chain) == depth:
                walk.suppose(name)  # `/lab/web.service`: systemd has no units below a plain directory of its own
        else:
            read_directory(walk, name)
        walk.grandparent, walk.parent, walk.taken = walk.parent, "." if walk.taken else name, False
    return walk.reading()
