"""Shell completions of `annotator`, as the installed version of click writes them."""

from __future__ import annotations

from click import Command
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}


def completion(shell: str) -> str:
    """The completion script for bash, fish or zsh: it asks `annotator` itself for the words, so it names no command."""
    writer = _SHELLS[shell](Command("annotator"), {}, "annotator", "_ANNOTATOR_COMPLETE")
    # not writer.source(): for bash that runs the shell of this machine, to warn of an old version
    return (writer.source_template % writer.source_vars()).rstrip() + "\n"
