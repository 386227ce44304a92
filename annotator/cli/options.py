"""What command lines have in common: times, listings with their time, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli.times import human_time
from annotator.core.errors import UsageError
from annotator.engine.factory import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable


class Time(click.ParamType[int]):
    """A time as people type it; `end`: a day means its end."""

    name = "time"

    def __init__(self, *, end: bool = False) -> None:
        self.end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds."""
        if isinstance(value, int):
            return value
        try:
            return human_time(str(value), end=self.end)
        except UsageError as err:
            self.fail(str(err), param, ctx)


class Listing(click.ParamType[tuple[str, int | None]]):
    """A file, with the time it was taken behind an `@`."""

    name = "listing"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int | None]:
        """The file's name, and milliseconds or None."""
        if isinstance(value, tuple):
            return value
        path, at, when = str(value).rpartition("@")
        if not at or Path(value).exists():
            return str(value), None
        return path, TIME.convert(when, param, ctx)


TIME = Time()
FILE = click.Path(path_type=Path, dir_okay=False)
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
REPORT_FORMS = ("table", "json", "csv")
inputs = click.argument("inputs", nargs=-1, metavar="[FILE]...")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
output_file = click.option(
    "-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write there instead."
)


def _all(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a report leaves: its form, where to, how wide. `--output` is `--format`, as it was called first."""
    return _all(
        command,
        (
            click.option(
                "--format", "--output", "form", type=click.Choice(REPORT_FORMS), default="table", show_default=True,
                help="Form. JSON and CSV have everything, in full.",
            ),
            output_file,
            click.option("--wide", is_flag=True, help="Table: all columns, nothing cut, however wide."),
        ),
    )  # fmt: skip


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which events count: by time, container, node."""
    return _all(
        command,
        (
            since_option,
            until_option,
            click.option("--container", default="", metavar="NAME|ID-PREFIX", help="Only this container."),
            click.option("--node", "only_node", default="", metavar="NAME", help="Only this host, of logs of several."),
        ),
    )


since_option = click.option(
    "--since", "since_ms", type=TIME, metavar="TIME",
    help="Only events from this time on: -1h, today, yesterday, recent, 14:05, 2026-01-31, RFC 3339, or a stamp.",
)  # fmt: skip
until_option = click.option(
    "--until", "until_ms", type=Time(end=True), metavar="TIME", help="Only events up to this time; a day: to its end."
)


def context_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name what a run may use beside its logs: see `annotator.engine.host_context`."""
    return _all(
        command,
        (
            click.option(
                "--host",
                default="none",
                metavar="none|live|DIR",
                show_default=True,
                help="A machine that may be asked.",
            ),
            click.option(
                "--journal", "journals", type=FILE, multiple=True, help="What was seen live, from `annotator plugin`."
            ),
            click.option("--strict-evidence", is_flag=True, help="Believe engines' command lines of the host alone."),
            click.option(
                "--engine-program",
                "engine_programs",
                multiple=True,
                metavar="NAME|PATH",
                help="A program that has runc's command line.",
            ),
            click.option(
                "--engine-directory",
                "engine_directories",
                multiple=True,
                metavar="DIR",
                help="A directory where only root puts engines' programs.",
            ),
            click.option("--one-machine", is_flag=True, help="All records without node= are of one machine."),
        ),
    )


def aix_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that AIX trails need; `--system` is for all."""
    return _all(
        command,
        (
            click.option("--system", type=click.Choice(SYSTEMS), default="auto", show_default=True, help="Whose logs."),
            click.option("--tz", default="", metavar="ZONE", help="AIX: zone of the printed times; default UTC."),
            click.option("--origin", default="", metavar="global|wpar:NAME", help="AIX: whose own trail this is."),
            click.option(
                "--wpars", type=Listing(), multiple=True, metavar="FILE[@TIME]", help="AIX: lswpar's output, and when."
            ),
            click.option(
                "--columns", default="", metavar="LETTERS", help="AIX: what auditpr -h was given, as e,l,R,t,c,W."
            ),
            click.option(
                "--aix-events", default="", metavar="FILE", help="AIX: the site's /etc/security/audit/events."
            ),
        ),
    )
