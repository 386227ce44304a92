"""The installed program, run many times: its command line alone, and none of its modules.

Starting Python costs more than most of our logs do. So one process loads the program by its entry point and forks for
each run, with files as standard output and standard error; the program notices nothing of it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "annotator"
DISTRIBUTION = "audit-containers"


class Ran(NamedTuple):
    """What one run left."""

    code: int
    out: bytes
    err: bytes


class Program:
    """The program in a folder: paths of arguments, and in its messages, are relative to it. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = tempfile.TemporaryDirectory(prefix="golden-")
        self.scratch = Path(self._files.name)

    def __enter__(self) -> Self:
        """Start the process that forks."""
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._server.communicate()
        self._files.cleanup()

    def run(self, arguments: Sequence[str]) -> Ran:
        """One run, from its arguments to its exit code."""
        out, err = self.scratch / "out", self.scratch / "err"
        server = self._server
        if server.stdin is None or server.stdout is None:
            raise AssertionError("both are pipes")
        server.stdin.write(json.dumps([list(arguments), str(out), str(err)]) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        if not answer:
            raise SystemExit(f"golden: the program {NAME} could not be loaded\nRun scripts/setup --dev first.")
        return Ran(int(answer), out.read_bytes(), err.read_bytes())


def load() -> Any:
    """The function behind the command, as the installed distribution says."""
    found = metadata.distribution(DISTRIBUTION).entry_points.select(group="console_scripts", name=NAME)
    return next(iter(found)).load()


def child(program: Any, arguments: list[str], out: str, err: str) -> int:
    """In the forked process: run it, as the command would be run; returns its exit code."""
    for number, path in enumerate((os.devnull, out, err)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o600), number)
    sys.argv = [NAME, *arguments]
    try:
        code = program()
    except SystemExit as end:
        code = end.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return int(code or 0)


def fork(program: Any, arguments: list[str], out: str, err: str) -> int:
    """One run in a process of its own; returns its exit code. Modules it imported are imported for later runs too."""
    modules = Path(f"{out}.modules")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = child(program, arguments, out, err)
            modules.write_text("\n".join(sys.modules))
        except BaseException:  # noqa: BLE001  (nothing of a child may get back into the loop)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for name in modules.read_text().split() if modules.exists() else ():
        if name not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    return code


def serve() -> None:
    """Read one run a line, fork for it, print its exit code."""
    program = load()
    for line in sys.stdin:
        print(fork(program, *json.loads(line)), flush=True)


if __name__ == "__main__":
    serve()
