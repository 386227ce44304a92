"""What the pages for contributors name is there: modules, folders, tables, links. A page that lags behind misleads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "annotator"
PAGES = (PACKAGE / "README.md", ROOT / "CONTRIBUTING.md")
LAYERS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"data"}

LINK = re.compile(r"\]\(([^)#:]*)(#[^)]+)?\)")
CODE = re.compile(r"`([^`\n]+)`")


def is_there(name: str) -> bool:
    """Whether a path is one of the repository, or of a module or folder of the package, with or without `.py`."""
    places = (ROOT / name, PACKAGE / name, PACKAGE / f"{name}.py")
    return any(place.exists() for place in places)


def paths(text: str) -> list[str]:
    """The words in backticks that are written like a path whose first part is a folder of ours."""
    heads = LAYERS | {"annotator", "samples", "scripts", "tests"}
    words = [code.split()[0] for code in CODE.findall(text)]
    found = [word.rstrip("/") for word in words if "/" in word and word.split("/")[0] in heads]
    return [word for word in found if not re.search(r"[<*]", word)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    """Each path in backticks is a file, folder or module; each link leads to a file and a heading of it."""
    text = page.read_text("utf-8")
    named = paths(text)
    assert named
    assert [name for name in named if not is_there(name)] == []
    for target, anchor in LINK.findall(text):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}{anchor}"


def test_the_architecture_page_has_every_layer() -> None:
    """Each folder of the package is in the table of layers with its duty, and each room of the Linux backend too."""
    rows = [row for row in PAGES[0].read_text("utf-8").splitlines() if row.startswith("| `")]
    described = {code for row in rows for code in CODE.findall(row.split("|")[1])}
    rooms = {f"linux/{path.parent.name}" for path in (PACKAGE / "linux").glob("*/__init__.py")}
    assert LAYERS | rooms <= described


def test_the_tables_that_contributors_extend_are_there() -> None:
    """Each table that CONTRIBUTING sends a contributor to is in the module that it names."""
    text = PAGES[1].read_text("utf-8")
    for name, module in (
        ("SCOPES", "linux/cgroup/units"),
        ("PARENTS", "linux/cgroup/directories"),
        ("NAMES", "linux/cgroup/directories"),
        ("PREFIXES", "linux/cgroup/names"),
        ("ENGINES", "linux/cgroup/path"),
        ("READERS", "linux/engines/commands"),
        ("FORMATS", "engine/factory"),
    ):
        assert f"`{name}`" in text
        assert re.search(rf"^{name}\b", (PACKAGE / f"{module}.py").read_text("utf-8"), re.MULTILINE), name


def test_a_path_that_is_gone_is_seen() -> None:
    """Modules and folders are found with and without their suffix; other names in backticks are no paths."""
    assert paths("`core/model` `core/nothing.py` `a/b` `host` `scripts/check --fast`") == [
        "core/model",
        "core/nothing.py",
        "scripts/check",
    ]
    assert [is_there(name) for name in ("core/model", "linux/records", "core/nothing")] == [True, True, False]
