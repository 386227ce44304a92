"""House rules that no linter knows: budgets of size, names, complete samples, nothing of our machines in the tree."""

from __future__ import annotations

import ast
import gzip
import lzma
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 300
FUNCTION_LINES = 40

EXEMPT = re.compile(r"\bBudget: \S+(?: \S+){3,}|^Generat(?:ed by|ed from|or:) \S", re.MULTILINE)
"""What a docstring says to be longer: `Budget: ` and why, in a sentence. Generated tables say what they come from."""

FORBIDDEN = re.compile(rb"(?<![\w.])/wor" + rb"k/|\bfar" + rb"m-|\.\./sha" + rb"red|2F776F72" + rb"6B2F", re.IGNORECASE)
"""Paths and names of our machines, the last in hex, as audit writes it. Cut in two, so as not to find itself."""

DISTRIBUTION = "audit-containers"
"""Our name on the package index. `annotator` there, the name of our package and command, is another project."""

ANOTHER_PROJECT = re.compile(
    r"\bpipx?3?\s+(?:--?\S+\s+)*(?:install|download|wheel|uninstall|show)\s+(?:-\S+\s+)*[\"'`]?annotator\b(?![./-])"
    r"|\bannotator\[[a-z]+(?:, ?[a-z]+)*\]|pypi\.org/project/annotator\b"
)
"""A text that has its reader install or remove the other project."""

ENTRIES = 22
"""Files and folders directly below annotator/: as many as one picture can show."""

RIDDLES = frozenset(("chores", "found", "held", "looks", "nouns", "people", "said", "told", "whole"))
"""Words that name nothing: no module or folder is called so, nor has one as a part of its name."""


def exempt(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """The docstring says why this one is longer."""
    return bool(EXEMPT.search(ast.get_docstring(node) or ""))


def too_long(name: str, source: str) -> list[str]:
    """What of a module is over its budget. A function counts from `def` to its last line, docstring included."""
    tree = ast.parse(source)
    count = len(source.splitlines())
    found = [f"{name}: {count} lines, {MODULE_LINES} allowed"] if count > MODULE_LINES and not exempt(tree) else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not exempt(node):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{name}:{node.lineno}: {node.name} has {lines} lines, {FUNCTION_LINES} allowed")
    return found


def incomplete(case: Path) -> list[str]:
    """What a folder of samples lacks: where it comes from, what goes in, what must come out.

    A folder of cases is as complete as they are. `Fixture:` in ORIGIN.md says that the files are no pair of input and
    output, and what reads them.
    """
    inner = sorted(path for path in case.glob("*/") if any(path.glob("ORIGIN.md")))
    if inner and not any(case.glob("input.*")):
        return [why for path in inner for why in incomplete(path)]
    origin = case / "ORIGIN.md"
    fixture = origin.exists() and re.search(r"^Fixture: \S+", origin.read_text("utf-8"), re.MULTILINE)
    return [
        f"{case.parent.name}/{case.name}: no {want}"
        for want in (("ORIGIN.md",) if fixture else ("ORIGIN.md", "input.*", "expected.*"))
        if not any(case.glob(want))
    ]


def traces(path: str, data: bytes) -> list[str]:
    """Where a file, or its name, says something of our machines. Compressed samples are looked into."""
    found = [f"{path}: the name itself"] if FORBIDDEN.search(path.encode()) else []
    plain = {".gz": gzip.decompress, ".xz": lzma.decompress}.get(Path(path).suffix)
    if plain is not None:
        try:
            data = plain(data)
        except (OSError, EOFError, lzma.LZMAError):
            pass  # a damaged archive is a sample too
    for number, line in enumerate(data.split(b"\n"), 1):
        if hit := FORBIDDEN.search(line):
            found.append(f"{path}:{number}: {hit[0].decode('ascii', 'replace')}")
    return found


def names_another_project(path: str, text: str) -> list[str]:
    """Where a text names the other project `annotator` of the package index instead of our distribution."""
    return [
        f"{path}:{number}: {hit[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        if (hit := ANOTHER_PROJECT.search(line))
    ]


def undescribed(package: Path) -> list[str]:
    """The folders of a package whose `__init__.py` does not begin with a sentence that says what the folder is for."""
    wrong = []
    for folder in sorted({file.parent for file in package.rglob("*.py")}):
        initial = folder / "__init__.py"
        text = ast.get_docstring(ast.parse(initial.read_text("utf-8"))) if initial.is_file() else None
        first = (text or "").split("\n\n")[0]
        if not re.fullmatch(r"[A-Z].{20,}[.:]", first, re.DOTALL) or len(re.findall(r"[.!](?:\s|$)", first)) > 3:
            wrong.append(f"{folder.relative_to(package.parent)}: __init__.py does not say in a sentence what it is for")
    return wrong


def riddles(paths: list[Path]) -> list[str]:
    """The paths whose own name has one of the words that name nothing."""
    return [path.as_posix() for path in paths if RIDDLES & set(path.stem.lower().split("_"))]


def tracked() -> list[str]:
    """The files that git knows, by their path from the root."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [name.decode("utf-8", "surrogateescape") for name in out.split(b"\0") if name]


def test_modules_and_functions_keep_their_budget() -> None:
    """Modules have at most 300 lines and functions 40, or say in their docstring why not."""
    files = sorted([*(ROOT / "annotator").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
    found = [why for file in files for why in too_long(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))]
    assert files
    assert not found, "\n" + "\n".join(found)


def test_every_sample_is_complete() -> None:
    """A sample says where it comes from, and has an input and what is expected of it."""
    cases = sorted(path for path in (ROOT / "samples").glob("*/*/") if path.is_dir())
    found = [why for case in cases for why in incomplete(case)]
    assert cases, "no samples: the golden tests would check nothing"
    assert not found, "\n" + "\n".join(found)


def test_nothing_of_our_machines_is_in_the_tree() -> None:
    """No file that git knows names a path or a machine of ours, nor does its own name."""
    files = [name for name in tracked() if (ROOT / name).is_file()]
    found = [why for name in files for why in traces(name, (ROOT / name).read_bytes())]
    assert files
    assert not found, "\n" + "\n".join(found)


def test_no_text_has_its_reader_install_another_project() -> None:
    """The distribution is called audit-containers; no text that git knows says `pip install` of the other name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    files = [name for name in tracked() if not name.startswith("samples/") and (ROOT / name).is_file()]
    wrong = [why for name in files for why in names_another_project(name, (ROOT / name).read_text("utf-8", "replace"))]
    assert project["name"] == DISTRIBUTION
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_folder_says_what_it_is_for() -> None:
    """Each folder of the package begins its docstring with one to three sentences: its duty."""
    wrong = undescribed(ROOT / "annotator")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_package_has_few_entries() -> None:
    """The layers can be seen: at most 22 entries lie directly below annotator/."""
    entries = {name.split("/")[1] for name in tracked() if name.startswith("annotator/") and (ROOT / name).exists()}
    assert 0 < len(entries) <= ENTRIES, sorted(entries)


def test_no_module_has_a_riddle_for_a_name() -> None:
    """Modules and folders are named after things of the field."""
    wrong = riddles(
        [path.relative_to(ROOT) for path in (ROOT / "annotator").rglob("*") if "__pycache__" not in path.parts]
    )
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_budget_is_seen_and_can_be_lifted() -> None:
    """A long module and a long function are found, unless their own docstring says why, in more than a word."""
    body = "    x = 1\n" * FUNCTION_LINES
    assert len(too_long("m", "x = 1\n" * (MODULE_LINES + 1))) == 1
    assert len(too_long("m", f"def f():\n{body}")) == 1
    assert len(too_long("m", f'"""Budget: big."""\ndef f():\n    """Budget: big."""\n{body * 9}')) == 2
    assert too_long("m", f'def f():\n    """F.\n\n    Budget: one table of cases read in order.\n    """\n{body}') == []
    assert too_long("m", '"""T.\n\nGenerator: scripts/tables\n"""\n' + "x = 1\n" * MODULE_LINES) == []


def test_an_incomplete_sample_is_seen(tmp_path: Path) -> None:
    """Each of the three things a sample lacks is named."""
    assert len(incomplete(tmp_path)) == 3
    for name in ("ORIGIN.md", "input.log", "expected.json"):
        (tmp_path / name).write_text("x", "utf-8")
    assert incomplete(tmp_path) == []


@pytest.mark.parametrize("text", ["cwd=/wor" + "k/x", "far" + "m-12", "../sha" + "red/a", "2f776f72" + "6b2f61"])
def test_a_trace_is_seen(text: str) -> None:
    """A path or machine of ours is found in the text, in a compressed text, and in a name."""
    data = f"a\nb {text}\n".encode()
    assert len(traces("x.log", data)) == 1
    assert len(traces("x.log.gz", gzip.compress(data))) == 1
    assert len(traces("x.log.xz", lzma.compress(data))) == 1
    assert len(traces(f"a {text}", b"")) == 1


@pytest.mark.parametrize("text", ["/home/wor" + "k/x", "./wor" + "k/x", "shared/libs", "farming"])
def test_other_words_are_no_trace(text: str) -> None:
    """Words that only look like it are left alone."""
    assert traces("x", text.encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "pip install anno" + "tator",
        "/opt/x/bin/pip install --upgrade anno" + "tator",
        "python3 -m pip -q install 'anno" + "tator[kafka]'",
        "pip uninstall anno" + "tator && echo",
        "needs the extra `anno" + "tator[kafka]`",
    ],
)
def test_the_other_project_is_seen(text: str) -> None:
    """Each way of naming the stranger's package is seen."""
    assert len(names_another_project("x", f"a\n{text}\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "/opt/annotator/bin/pip install audit-containers",
        "pip install audit-containers && annotator install",
        "annotator install --dry-run",
        "pip install annotator/dist/x.whl",
    ],
)
def test_the_commands_keep_their_name(text: str) -> None:
    """The command, a path and our own distribution are no other project."""
    assert names_another_project("x", text) == []


def test_a_folder_without_a_duty_is_seen(tmp_path: Path) -> None:
    """No `__init__.py`, no docstring, a word instead of a sentence, and a page are all seen; a sentence is not."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text("x = 1\n")
    assert len(undescribed(package)) == 1
    for text in ("x = 1\n", '"""Things."""\n', '"""' + "This sentence is one of many on a page. " * 5 + '"""\n'):
        (package / "__init__.py").write_text(text)
        assert len(undescribed(package)) == 1, text
    (package / "__init__.py").write_text('"""Reads records and hands them on as events."""\n')
    assert undescribed(package) == []


def test_a_riddle_is_seen() -> None:
    """As a name, or as a part of one; a word that only holds it is none."""
    paths = [
        Path("a/nouns.py"),
        Path("a/process_looks.py"),
        Path("looks/a.py"),
        Path("a/outlooks.py"),
        Path("a/lookup.py"),
    ]
    assert riddles(paths) == ["a/nouns.py", "a/process_looks.py"]
