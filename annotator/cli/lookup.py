"""`annotator lookup`: the command line of the look-ups. The clock is handed in; standard output is data.

The collectors are imported when they are asked, for no other command needs them.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from annotator.cli.output import width_of
from annotator.core.errors import ExitCode
from annotator.io.console import table
from annotator.io.sinks import FdSink, SinkClosed

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEMS = ("auto", "linux", "aix")


class Kind(click.ParamType[str]):
    """What is looked up: the kinds there are collectors for."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One of the kinds."""
        from annotator.lookup.collectors import KINDS

        if value not in KINDS:
            self.fail(f"{value!r} is none of {', '.join(KINDS)}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """The kinds that begin so."""
        from annotator.lookup.collectors import KINDS

        return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]


def system_of(root: Path, platform: str) -> str:
    """Whose machine this is: of `/` the one we run on, of a recorded tree the one whose files it has."""
    if str(root) == "/":
        return "aix" if platform == "aix" else "linux"
    marks = (root / "etc/corrals", root / "commands", *(root / f"proc/{pid}/psinfo" for pid in ("1", "0")))
    return "aix" if any(mark.exists() for mark in marks) else "linux"


def answer(
    kind: str, value: str, *, root: Path, system: str, now: Callable[[], int], rmsock: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """The document of one question, and the exit code. `now` is Unix time in milliseconds. Raises UsageError."""
    from annotator.lookup import document
    from annotator.lookup.aix.view import opened as open_aix
    from annotator.lookup.answer import Refused
    from annotator.lookup.linux.view import opened as open_linux

    try:
        if system == "aix":
            return document.ask(system, kind, value, open_aix(root, now, rmsock=rmsock))
        with open_linux(root, now) as view:
            return document.ask(system, kind, value, view)
    except Refused as refusal:
        return document.refused(system, kind, value, refusal.problem), ExitCode.FAILED


def rows(body: Any, path: str = "") -> list[dict[str, Any]]:
    """The document as lines of a name and a value, for people."""
    if isinstance(body, dict):
        pairs = [(f"{path}.{name}" if path else name, inner) for name, inner in body.items()]
    elif isinstance(body, list) and any(isinstance(one, dict) for one in body):
        pairs = [(f"{path}.{at}", inner) for at, inner in enumerate(body)]
    else:
        return [] if body in ([], None) else [{"what": path, "value": body}]
    return [row for name, inner in pairs for row in rows(inner, name)]


def command(now: Callable[[], int]) -> click.Command:
    """The click command. `now` is the clock, Unix time in milliseconds."""

    @click.command(name="lookup")
    @click.argument("kind", type=Kind(), metavar="process|file|port|container")
    @click.argument("value", metavar="PID|PATH|N[/PROTO]|CONTAINER")
    @click.option(
        "--format", "--output", "output", type=click.Choice(("table", "json")), default="table", show_default=True,
        help="Form.",
    )  # fmt: skip
    @click.option(
        "--root",
        type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
        default=Path("/"),
        metavar="DIR",
        help="A recorded machine instead of this one.",
    )
    @click.option("--system", type=click.Choice(SYSTEMS), default="auto", show_default=True, help="Whose machine.")
    @click.option(
        "--rmsock",
        is_flag=True,
        help="AIX, port: ask rmsock who holds the socket. It REMOVES sockets that nobody holds.",
    )
    def lookup(kind: str, value: str, output: str, root: Path, system: str, *, rmsock: bool) -> int:
        """Say what a process, file, port or container is, and in which container it is.

        Exit code 0: answered; 1: gone, denied or not supported (JSON says which); 2: usage.

        Example: annotator lookup port 443/tcp --output json
        """
        chosen = system_of(root, sys.platform) if system == "auto" else system
        found, code = answer(kind, value, root=root, system=chosen, now=now, rmsock=rmsock)
        _write(found, output, code)
        return code

    return lookup


def _write(found: dict[str, Any], output: str, code: ExitCode) -> None:
    sink = FdSink(1)
    with contextlib.suppress(SinkClosed):
        if output == "json":
            sink.write(json.dumps(found).encode() + b"\n")
        else:
            for error in found.get("errors", []):
                click.echo(
                    f"annotator: {error['what']}" + (f"\n  {error['advice']}" if error["advice"] else ""), err=True
                )
            if code is ExitCode.DONE:
                shown = rows({name: one for name, one in found.items() if name not in ("schema", "question", "errors")})
                width = width_of(None, wide=False)
                sink.write(table(shown, ("what", "value"), width=width, flexible=("value",)).encode())
        sink.flush()


COMMANDS = (command(lambda: time.time_ns() // 1_000_000),)
