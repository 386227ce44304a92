"""The inputs of the golden data, and how each is run: file names and command lines, nothing else.

A run is named for its form and, behind a dot, for what is asked besides: `json.journal`. `-q --summary json` goes with
each, so that the counters of the run are on standard error.
"""

from __future__ import annotations

import lzma
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path("samples/golden")
LISTING = str(GOLDEN / "input-lswpar.txt")
FORMS = ("raw", "record", "json", "msgpack")

LINUX = {
    **{form: (f"--format={form}",) for form in FORMS},
    "raw.unknown": ("--format=raw", "--mark-unknown"),
    "raw.reannotate": ("--format=raw", "--reannotate"),
}
AIX = {
    **{form: (f"--format={form}",) for form in FORMS},
    "raw.unknown": ("--format=raw", "--mark-unknown"),
    "json.original": ("--format=json", "--original", "--only-containers", "--node=golden.example"),
    "json.wpars": ("--format=json", f"--wpars={LISTING}"),
    "json.inside": ("--format=json", "--origin=wpar:webapp_prod", "--tz=Europe/Berlin"),
}
JOURNAL = ("raw", "json", "msgpack")
"""The forms of a sample that has a journal beside it are also made with that."""


class Input(NamedTuple):
    """One log. `path` is relative to the root of the tree; `journal` too, compressed."""

    name: str
    path: Path
    runs: dict[str, tuple[str, ...]]
    journal: Path | None = None

    def data(self) -> bytes:
        """What is in it, unpacked."""
        data = (ROOT / self.path).read_bytes()
        return lzma.decompress(data) if self.path.suffix == ".xz" else data

    def commands(self, scratch: Path) -> dict[str, list[str]]:
        """The arguments of each run; a journal is unpacked into `scratch` for them."""
        found = {run: command(self.path, options) for run, options in self.runs.items()}
        if self.journal is not None:
            journal = scratch / "journal"
            journal.write_bytes(lzma.decompress((ROOT / self.journal).read_bytes()))
            for form in JOURNAL:
                found[f"{form}.journal"] = command(self.path, (f"--format={form}", f"--journal={journal}"))
        return found


def command(path: Path, options: tuple[str, ...]) -> list[str]:
    """The arguments of one run."""
    return ["replay", "-q", "--summary", "json", *options, str(path)]


def _input(path: Path) -> Input:
    """A log of the tree: named for its folder below `samples`, or for itself in the folder of the golden data."""
    if path.parent == GOLDEN:
        name = re.sub(r"^input-|\..*", "", path.name)
        return Input(f"generated-{name}", path, AIX if name.startswith("aix") else LINUX)
    parts = path.parent.relative_to("samples").parts
    journal = path.with_name("journal.xz")
    has = (ROOT / journal).exists()
    return Input("-".join(parts), path, AIX if parts[0] == "aix" else LINUX, journal if has else None)


def inputs() -> list[Input]:
    """All that is run: every log among the samples, and the generated ones."""
    samples = ROOT / "samples"
    found = [
        *samples.glob("linux/**/input.log*"),
        *samples.glob("aix/auditpr-*/input.*"),
        *samples.glob("aix/trail-*/input.*"),
        *(ROOT / GOLDEN).glob("input-*.xz"),
    ]
    return [_input(path.relative_to(ROOT)) for path in sorted(found)]


def captures(folder: Path) -> list[Path]:
    """The logs of a folder of captures, relative to it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("audit.log") if path.is_file())
