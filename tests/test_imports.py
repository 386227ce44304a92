"""The dependency rule and the doors: who may import what. Reads the source, imports nothing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "annotator"

ROWS = {
    **dict.fromkeys(("model", "errors"), 0),
    **dict.fromkeys(("backend", "codec", "nouns", "stats", "times"), 1),
    **dict.fromkeys(("sources", "events", "processes", "registry", "support", "formats", "sinks", "linux", "aix"), 2),
    **dict.fromkeys(("membership", "registration", "store", "control", "config", "view"), 3),
    "provenance": 4,
    "snapshot": 4,
    "journals": 4,
    "sightings": 4,
    "registrar": 4,
    "quick": 5,
    **dict.fromkeys(("pipeline", "outside", "live"), 6),
    "choices": 7,
    **dict.fromkeys(("replay", "reports", "lookup"), 8),
    **dict.fromkeys(("plugin", "admin", "oci", "options"), 9),
    "cli": 10,
    "__main__": 11,
}
"""The modules and folders of the package, with their row: each may import from lower rows only."""

BACKENDS = {"linux", "aix"}
CHOOSERS = frozenset(
    ("pipeline", "journals", "outside", "live", "lookup", "choices", "replay", "plugin", "oci", "admin", "cli")
)
"""Only these know that there is more than one backend, and which they are."""

DOORS = {
    "auparse": {"linux/fields.py"},
    "audit": {"linux/usermsg.py"},
    "pyroute2": {"linux/sockets.py"},
    "msgpack": {"codec.py"},
    "time": {"pipeline.py", "sources", "plugin", "cli.py", "outside.py", "admin/commands.py", "admin/doctor_aix.py"},
}
"""Outside modules that have one door: the file, or folder, that may import them."""

LAZY = {"audit", "pyroute2"}
"""These are imported where they are used, never when the module is read."""

CLOCKS = {"now", "utcnow", "today"}


class Import(NamedTuple):
    """One imported module by its full name; `typing` when under `if TYPE_CHECKING`, `inner` when in a function."""

    line: int
    name: str
    typing: bool
    inner: bool


def unit(path: str) -> str:
    """The row's name of a file: `linux` for `linux/engines/docker.py`, `cli` for `cli.py`."""
    return path.partition("/")[0].removesuffix(".py")


def base(path: str, level: int) -> list[str]:
    """The package a relative import of that level starts from."""
    parts = ["annotator", *Path(path).with_suffix("").parts]
    return parts[: len(parts) - level]


def named(node: ast.AST, path: str) -> Iterator[str]:
    """The modules one statement imports. `from annotator import x` is an import of `annotator.x`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = ".".join([*(base(path, node.level) if node.level else []), *([node.module] if node.module else [])])
        if start == "annotator":
            yield from (f"annotator.{alias.name}" for alias in node.names)
        else:
            yield start
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
        "import_module",
        "importlib.import_module",
        "__import__",
    }:
        yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def imports(tree: ast.AST, path: str, *, typing: bool = False, inner: bool = False) -> Iterator[Import]:
    """Every import below a node, with where it stands."""
    for node in ast.iter_child_nodes(tree):
        for name in named(node, path):
            yield Import(getattr(node, "lineno", 0), name, typing, inner)
        guarded = isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        if guarded and isinstance(node, ast.If):
            yield from imports(ast.Module(node.body, []), path, typing=True, inner=inner)
            yield from imports(ast.Module(node.orelse, []), path, typing=typing, inner=inner)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, path, typing=typing, inner=inner or function)


def wrong_row(path: str, found: Import) -> str | None:
    """Why a module may not import another of the package, or None."""
    here, there = unit(path), found.name.split(".")[1]
    if there.startswith("__version") or path == "__init__.py":
        return None
    if here not in ROWS or there not in ROWS:
        unknown = here if here not in ROWS else there
        return f"`{unknown}` has no row: give it one in ROWS of tests/test_imports.py"
    if here == there:
        return None  # siblings in one folder
    if there in BACKENDS and here not in CHOOSERS:
        return f"only {' and '.join(sorted(CHOOSERS))} may know the backend `{there}`"
    if found.typing:
        return f"`{there}` is above `{here}`, even for types" if ROWS[there] > ROWS[here] else None
    return f"`{there}` is not below `{here}`" if ROWS[there] >= ROWS[here] else None


def wrong_door(path: str, found: Import) -> str | None:
    """Why a module may not import this one of outside, or None."""
    top = found.name.partition(".")[0]
    doors = DOORS.get(top)
    if doors is None:
        return None
    if not any(path == door or unit(path) == door for door in doors):
        return f"`{top}` has its own door: {', '.join(sorted(doors)) or 'none'}"
    if top in LAZY and not (found.inner or found.typing):
        return f"`{top}` is imported where it is used, inside a function"
    return None


def calls(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Calls that only one module may make: print, and the clock by way of datetime."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name("print") if path != "cli.py":
                yield node.lineno, "only cli.py prints"
            case ast.Attribute(value, attr) if attr in CLOCKS and path != "pipeline.py":
                if ast.unparse(value) in {"datetime", "date", "datetime.datetime", "datetime.date", "dt.datetime"}:
                    yield node.lineno, "the only clock is in pipeline.py: take `now` as an argument"


def offences(path: str, source: str) -> list[str]:
    """What one file does against the rule, as `file:line: why: the line`. `path` is relative to the package."""
    tree = ast.parse(source)
    found: list[tuple[int, str]] = list(calls(tree, path))
    for each in imports(tree, path):
        ours = each.name.startswith("annotator.")
        if why := wrong_row(path, each) if ours else wrong_door(path, each):
            found.append((each.line, why))
    lines = source.splitlines()
    return [f"annotator/{path}:{line}: {why}: {lines[line - 1].strip()}" for line, why in sorted(found)]


def test_every_import_goes_to_a_lower_row_and_through_its_door() -> None:
    """The dependency rule of the design holds in every file; the message is the offending line."""
    files = sorted(PACKAGE.rglob("*.py"))
    assert files, f"no package at {PACKAGE}"
    found = [why for file in files for why in offences(file.relative_to(PACKAGE).as_posix(), file.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


BROKEN = {
    "upward": ("events.py", "from annotator.engine.pipeline import run"),
    "sideways": ("events.py", "import annotator.core.registry"),
    "within the lowest row": ("model.py", "from annotator import errors"),
    "inside a function": ("events.py", "def f():\n    from annotator.cli.main import main"),
    "types upward": ("events.py", "if TYPE_CHECKING:\n    from annotator.storage import Journal"),
    "else of a guard is run time": (
        "events.py",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import annotator.core.registry",
    ),
    "core knows a backend": ("provenance.py", "from annotator.linux import facts"),
    "core knows a backend's types": ("provenance.py", "if TYPE_CHECKING:\n    from annotator.aix.wpar import Wpar"),
    "one backend knows the other": ("aix/facts.py", "from ..linux import facts"),
    "relative": ("linux/host.py", "from ..pipeline import run"),
    "by name": ("events.py", "import importlib\nimportlib.import_module('annotator.cli.main')"),
    "no row": ("helpers.py", "import annotator.core.model"),
    "auparse": ("linux/facts.py", "import auparse"),
    "auparse by name": ("cli.py", "import_module('auparse')"),
    "audit": ("oci/hook.py", "import audit"),
    "audit not lazy": ("linux/usermsg.py", "import audit"),
    "msgpack": ("formats/msgpack.py", "from msgpack import packb"),
    "pyroute2 not lazy": ("linux/sockets.py", "from pyroute2.netlink import nlmsg"),
    "time": ("linux/host.py", "from time import monotonic"),
    "clock by datetime": ("formats/json.py", "from datetime import datetime, UTC\nx = datetime.now(UTC)"),
    "print": ("pipeline.py", "print('x')"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_rule_sees_what_breaks_it(case: str) -> None:
    """Each way of breaking the rule is found, and only once."""
    assert len(offences(*BROKEN[case])) == 1


ALLOWED = {
    "downward": ("events.py", "from annotator.core.model import Event"),
    "the version": ("cli.py", "from annotator import __version__"),
    "siblings of a backend": ("linux/facts.py", "from annotator.linux import tables\nfrom . import records"),
    "siblings below a backend": ("linux/engines/docker.py", "from .state import read\nfrom ..cgroup import identity"),
    "types sideways": ("registry.py", "if TYPE_CHECKING:\n    from annotator.core.lifetimes import Processes"),
    "a chooser": ("cli.py", "def f():\n    import annotator.aix.trail"),
    "doors": ("linux/fields.py", "import auparse"),
    "lazy": ("linux/sockets.py", "def f():\n    from pyroute2 import NetNS"),
    "time in its doors": ("sources/follow.py", "import time"),
    "the clock": ("pipeline.py", "import datetime\nx = datetime.datetime.now(datetime.UTC)"),
    "another now": ("formats/json.py", "x = host.now()"),
    "print": ("cli.py", "print('x')"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_the_rule_leaves_alone_what_keeps_it(case: str) -> None:
    """What the design allows is no offence."""
    assert offences(*ALLOWED[case]) == []
