"""`annotator help`: the pages that are installed with the program."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import click

from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def topics() -> dict[str, Traversable]:
    """The pages by their topic."""
    found: dict[str, Traversable] = {}
    data = files("annotator") / "data"
    for folder in (data, data / "doc"):
        if folder.is_dir():
            pages = (page for page in folder.iterdir() if page.name.endswith(".md"))
            found |= {page.name.removesuffix(".md").lower(): page for page in pages}
    return dict(sorted(found.items()))


@click.command(name="help")
@click.argument("topic", required=False, default="")
@click.pass_context
def help_command(ctx: click.Context, topic: str) -> None:
    """Show a page, or a command's help: `annotator help reasons`. Without a topic: which there are.

    A single word of an answer is explained too: `annotator help gap`.
    """
    known = topics()
    if not topic:
        click.echo(f"Pages: {', '.join(known)}.\nCommands: {', '.join(_commands(ctx))}.")
        click.echo("Words of an answer (not-seen, gap, lineage, crossed, …): each has its help too.")
        return
    name = topic.lower()
    if name in known:
        _show(_word(name, known, needed=False) + known[name].read_text("utf-8"))
    elif name in _commands(ctx):
        command = _commands(ctx)[name]
        click.echo(command.get_help(click.Context(command, info_name=f"annotator {name}")))
    else:
        _show(_word(name, known))


COMMANDS = (help_command,)


def _commands(ctx: click.Context) -> dict[str, click.Command]:
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, click.Group):
        return {}
    commands = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: command for name, command in commands.items() if command is not None}


def _word(name: str, known: dict[str, Traversable], *, needed: bool = True) -> str:
    """What one word of an answer means; "" for one that is none. `needed`: that is a UsageError."""
    from annotator.report.glossary import EVIDENCE, FLAGS, REASONS, STATUS

    kinds = (("status", STATUS), ("reason", REASONS), ("evidence", EVIDENCE), ("flag", FLAGS))
    found = [(kind, words[name]) for kind, words in kinds if name in words]
    if not found and needed:
        raise UsageError(
            f"there is no help on {name!r}", f"There are: {', '.join(known)}; commands; words of an answer."
        )
    return "\n".join(
        f"**{name}** ({kind}): {word.meaning}\n\n*Example:* {word.example}\n\n*What to do:* {word.advice}\n"
        for kind, word in found
    )


def _show(text: str) -> None:
    """A page: drawn and paged on a terminal, as it is elsewhere."""
    import sys

    from annotator.cli.output import has_colour

    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(no_color=not has_colour(None))
    with console.capture() as drawn:
        console.print(Markdown(text))
    click.echo_via_pager(drawn.get())
