"""The command line: arguments in, exit code out. The only place that prints; standard output is data."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator import __version__
from annotator.cli import inputs
from annotator.cli.options import HELP
from annotator.core.errors import AnnotatorError, ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

DEBUG = "ANNOTATOR_DEBUG"
"""Set in the environment, it shows the traceback of a fault of this program."""


class Commands(click.Group):
    """The commands by the module each is in: none is imported before it is asked for."""

    modules = {  # noqa: RUF012  (click's own style of class attributes)
        "containers": "reports", "doctor": "admin", "explain": "explain", "help": "help", "install": "admin",
        "lookup": "lookup", "register": "registration", "replay": "replay", "sessions": "reports", "status": "admin",
        "top": "admin", "tree": "reports", "uninstall": "admin", "watch": "watch", "who": "reports",
    }  # fmt: skip

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in order."""
        return sorted({*super().list_commands(ctx), *self.modules})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them; None for a word that is none."""
        if cmd_name not in self.modules:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"annotator.cli.{self.modules[cmd_name]}")
        commands: tuple[click.Command, ...] = module.COMMANDS
        return next(command for command in commands if command.name == cmd_name)


@click.group(cls=Commands, context_settings=HELP)
@click.version_option(__version__, prog_name="annotator")
def cli() -> None:
    """Say in which container each audit event happened.

    First: `annotator containers LOG`, `annotator sessions LOG`, `annotator replay --format text LOG`.
    What words mean: `annotator help reasons`.
    """


@cli.command()
@click.option("--config", type=click.Path(), default="", help="TOML file; default /etc/annotator/annotator.toml.")
@click.option("--check-config", is_flag=True, help="Say whether the configuration can be used, and end.")
@click.option(
    "--source",
    type=click.Choice(("auditd", "auditstream", "auditpr")),
    default="auditd",
    show_default=True,
    help="AIX: auditstream runs the pipe auditstream | auditpr; auditpr reads what such a pipe prints.",
)
def plugin(config: str, source: str, *, check_config: bool) -> int:
    """Run as auditd's plugin: records on standard input (in plugins.d, name the lighter `audisp-contid`)."""
    if source == "auditd" and not check_config and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            "auditd starts this, and hands it the records: there is nothing to read on a terminal",
            "`annotator install` puts it beside auditd. To read a log use `annotator replay` or `annotator watch`.",
        )
    from annotator.plugin import main as run_plugin

    if source != "auditd" and not check_config:
        from annotator.plugin.aix import auditstream  # auditd's reader forks its worker before it imports much

        return auditstream.run(source, Path(config) if config else None)
    return run_plugin([*(["--check-config"] if check_config else []), *([config] if config else [])])


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code. An error is one line of what, and one of what to do; never a traceback."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # events are made and dropped by the million, and hold no cycles
    run: Callable[..., Any] = cli.main
    code = _run(run, arguments)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as err:
        _lose_output()
        if not isinstance(err, BrokenPipeError):
            return _failed(f"standard output: {getattr(err, 'strerror', err)}", "The output is incomplete.", code)
    return code


def _run(run: Callable[..., Any], arguments: list[str] | None) -> int:
    try:
        result = run(args=arguments, prog_name="annotator", standalone_mode=False)
    except AnnotatorError as err:
        return _failed(err.what, err.advice, err.exit_code)
    except click.ClickException as err:
        err.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        where = inputs.interrupted()
        _failed("stopped" + (f": {where}. What was printed is incomplete." if where else ""), "", INTERRUPTED)
        return INTERRUPTED
    except BrokenPipeError:
        _lose_output()
        return ExitCode.DONE
    except SystemExit as err:
        return err.code if isinstance(err.code, int) else ExitCode.FAILED
    except OSError as err:
        name = f"{err.filename}: " if err.filename else ""
        advice = "Run it as root." if isinstance(err, PermissionError) else ""
        return _failed(f"{name}{err.strerror or err}", advice, ExitCode.FAILED)
    except Exception as err:
        if os.environ.get(DEBUG):
            raise
        advice = f"This is a fault of annotator {__version__}: please report it, with the output of {DEBUG}=1."
        return _failed(f"{type(err).__name__}: {err}", advice, ExitCode.FAILED)
    return result if isinstance(result, int) else ExitCode.DONE


def _failed(what: str, advice: str, code: int) -> int:
    """Say it; where even that cannot be said, the exit code does."""
    from annotator.io.console import plain

    with contextlib.suppress(OSError, ValueError):
        click.echo("annotator: " + "\n  ".join(map(plain, what.split("\n"))), err=True)
        if advice:
            click.echo(f"  {advice}", err=True)
    return code or ExitCode.FAILED


def _lose_output() -> None:
    """Let what is left in standard output's buffer go nowhere: nobody takes it, and the interpreter would complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
