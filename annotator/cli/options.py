"""What command lines have in common: times, listings with their time, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.core.errors import UsageError
from annotator.core.times import parse_time
from annotator.engine.factory import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable


class Time(click.ParamType[int]):
    """RFC 3339 with a zone, or epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds."""
        if isinstance(value, int):
            return value
        try:
            return parse_time(str(value))
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
inputs = click.argument("inputs", nargs=-1, required=True, metavar="FILE...")
output_option = click.option(
    "--output", type=click.Choice(("table", "json")), default="table", show_default=True, help="Form."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress bar.")


def context_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name what a run may use beside its logs: see `annotator.engine.host_context`."""
    options = (
        click.option(
            "--host", default="none", metavar="none|live|DIR", show_default=True, help="A machine that may be asked."
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
    )
    for option in reversed(options):
        command = option(command)
    return command


def aix_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that AIX trails need; `--system` is for all."""
    options = (
        click.option("--system", type=click.Choice(SYSTEMS), default="auto", show_default=True, help="Whose logs."),
        click.option("--tz", default="UTC", metavar="ZONE", show_default=True, help="AIX: zone of the printed times."),
        click.option("--origin", default="", metavar="global|wpar:NAME", help="AIX: whose own trail this is."),
        click.option(
            "--wpars", type=Listing(), multiple=True, metavar="FILE[@TIME]", help="AIX: output of lswpar, when taken."
        ),
        click.option(
            "--columns", default="", metavar="LETTERS", help="AIX: what auditpr -h was given, as e,l,R,t,c,W."
        ),
        click.option("--aix-events", default="", metavar="FILE", help="AIX: the site's /etc/security/audit/events."),
    )
    for option in reversed(options):
        command = option(command)
    return command
