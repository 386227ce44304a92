"""House rules that no linter knows: budgets of size, complete samples, and nothing of our machines in the tree."""

from __future__ import annotations

import ast
import gzip
import lzma
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 300
FUNCTION_LINES = 40

EXEMPT = re.compile(r"\bBudget: \S+(?: \S+){3,}|^Generat(?:ed by|ed from|or:) \S", re.MULTILINE)
"""What a docstring says to be longer: `Budget: ` and why, in a sentence. Generated tables say what they come from."""

FORBIDDEN = re.compile(rb"(?<![\w.])/wor" + rb"k/|\bfar" + rb"m-|\.\./sha" + rb"red|2F776F72" + rb"6B2F", re.IGNORECASE)
"""Paths and names of our machines, the last in hex, as audit writes it. Cut in two, so as not to find itself."""


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
