"""Process trees for people: one line a process, its children below it, each with its time, command and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.io.console import local_time, plain, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annotator.engine.process_tree import ProcessNode

TEE, LAST, BAR, NONE = "├─ ", "└─ ", "│  ", "   "


def drawn(trees: Iterable[ProcessNode], width: int | None) -> str:
    """The trees as text; each container and session is named where it begins. `width` None: lines are not cut."""
    lines: list[str] = []
    for tree in trees:
        lines += [_cut(line, width) for line in _lines(tree, "", "", None)]
    return "".join(line + "\n" for line in lines)


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def _lines(node: ProcessNode, first: str, rest: str, above: ProcessNode | None) -> Iterator[str]:
    """The lines of one process and those below it; `first` stands before its own, `rest` before the others."""
    time = local_time(node.born_ms, "%m-%d %H:%M:%S") + f".{node.born_ms % 1000:03d}"
    own = [f"{time} {first}{node.pid}", _program(node), _end(node)]
    place = _place(node, above)
    yield " ".join(part for part in (*own, place) if part)
    pad = " " * len(time)
    lead = rest + (BAR if node.children else NONE)
    for command in node.commands[1:]:
        yield f"{pad} {lead}then {plain(command.line)}"
    for at, child in enumerate(node.children):
        is_last = at == len(node.children) - 1
        yield from _lines(child, rest + (LAST if is_last else TEE), rest + (NONE if is_last else BAR), node)


def _program(node: ProcessNode) -> str:
    return plain(node.commands[0].line if node.commands else f"({node.exe})" if node.exe else "(no program seen)")


def _end(node: ProcessNode) -> str:
    """How long it lived, and its exit code."""
    if node.ended_ms is None:
        return ""
    lived = max(0, node.ended_ms - node.born_ms) / 1000
    code = f", exit {node.exit_code}" if node.exit_code is not None else ""
    return f"({lived:.3f} s{code})"


def _place(node: ProcessNode, above: ProcessNode | None) -> str:
    """Where it is, said where that is another place, or session, than its parent's."""
    here = (node.container, node.session)
    if above is not None and here == (above.container, above.session):
        return ""
    where = node.name or short(node.container) or node.status.value
    entered = f" via {plain(node.how)}, session {node.session}" if node.session not in ("", "0") else ""
    return f"[{plain(where)}{entered}]"
