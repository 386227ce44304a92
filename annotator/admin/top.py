"""`annotator top`: a running plugin's counters as rates, again and again; containers, sessions, what is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotator.admin.status import Counts, Status, dropped, lines, rates
from annotator.io.console import plain, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType
    from rich.table import Table

    from annotator.admin.activity import Activity, Entered

SHOWN = ("lines", "events", "container", "host", "unknown", "none", "annotated", "late", "lost", "possible_loss")
SORTS = ("rate", "name", "started")
"""By what containers are sorted; the key s goes to the next."""

REASONS = 6
"""Reasons that are shown."""


class Rates:
    """Rates between the last two different states of the counts, which change less often than they are read."""

    def __init__(self) -> None:
        self.now: Counts = {}
        self._before: tuple[float, Counts] | None = None

    def update(self, status: Status, now: float) -> None:
        """Take a status that was read at `now` (seconds)."""
        if status.counts_age_s is None:
            return
        written = now - status.counts_age_s
        if self._before is None:
            self._before = (written, status.counts)
        elif written - self._before[0] > 0.05:
            self.now = rates(self._before[1], status.counts, written - self._before[0])
            self._before = (written, status.counts)


@dataclass(slots=True)
class View:
    """How it is shown: what containers are sorted by, and how many lines and columns there are."""

    sort: str = SORTS[0]
    height: int = 24
    width: int = 80

    def next_sort(self) -> None:
        """The next order."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]


def picture(status: Status, rate: Counts, view: View, activity: Activity | None = None) -> RenderableType:
    """One frame: the plugin, its counts beside the reasons of what is unknown, outputs, containers, sessions."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    for name, text in lines(status):
        if name in ("plugin", "counts", "loss", "queue", "not read"):
            style = "bold red" if name == "not read" or text == "not running" else ""
            head.add_row(Text(name, "dim"), Text(plain(text), style, no_wrap=True, overflow="ellipsis"))
    middle = Table.grid(padding=(0, 6))
    middle.add_row(_counts(status, rate), _reasons(status, rate))
    sessions = list(activity.sessions.values()) if activity is not None else []
    used = 7 + len(SHOWN) + 2 + len(dropped(status.counts)) + (len(sessions[:4]) + 2 if sessions else 0) + 4
    room = max(3, view.height - used)
    parts: list[RenderableType] = [head, "", middle, "", _outputs(status, rate), ""]
    parts.append(_containers(status.containers, room, view, activity))
    if sessions:
        parts += ["", _sessions(sessions)]
    parts.append(Text(f"q quit  s sort (by {view.sort})", "dim"))
    return Group(*parts)


def _table(*names: str, left: int = 1) -> Table:
    """A table without lines; the first `left` columns are text, the others numbers."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, name in enumerate(names):
        is_number = at >= left
        table.add_column(
            name, justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis",
            min_width=max(8, len(name)) if is_number else None,
        )  # fmt: skip
    return table


def _counts(status: Status, rate: Counts) -> RenderableType:
    counts = _table("COUNT", "TOTAL", "/S")
    for name in SHOWN:
        counts.add_row(name, f"{status.counts.get((name, ''), 0):.0f}", f"{rate.get((name, ''), 0):.1f}")
    return counts


def _reasons(status: Status, rate: Counts) -> RenderableType:
    """Why events are unknown, most first."""
    table = _table("UNKNOWN BECAUSE", "TOTAL", "/S")
    found = [(value, label) for (name, label), value in status.counts.items() if name == "unknown_reasons" and value]
    for value, label in sorted(found, reverse=True)[:REASONS]:
        table.add_row(plain(label), f"{value:.0f}", f"{rate.get(('unknown_reasons', label), 0):.1f}")
    if not found:
        table.add_row("nothing", "0", "0.0")
    return table


def _outputs(status: Status, rate: Counts) -> RenderableType:
    from rich.text import Text

    outputs = _table("OUTPUT", "KIB/S", "WAITS KIB", "DROPPED", "/S", "LAG S")
    for label, value in dropped(status.counts).items():
        waits = status.counts.get(("output_queue_bytes", label))
        outputs.add_row(
            Text(plain(label)),
            f"{rate.get(('output_written_bytes', label), 0) / 1024:.1f}",
            "-" if waits is None else f"{waits / 1024:.0f}",
            Text(f"{value:.0f}", "bold red" if value else ""),
            f"{dropped(rate).get(label, 0):.1f}",
            f"{status.lags[label]:.3f}" if label in status.lags else "-",
        )
    return outputs


def _rate_of(row: dict[str, Any], activity: Activity | None) -> float:
    """Events a second of a container, whichever of its names the output has."""
    if activity is None:
        return 0.0
    return max(activity.rates.get(str(row.get(name, "")), 0.0) for name in ("name", "id", "contid"))


def _containers(rows: list[dict[str, Any]], room: int, view: View, activity: Activity | None) -> RenderableType:
    from rich.text import Text

    table = _table("NAME", "CONTAINER", "ENGINE", "IMAGE", "EVENTS/S", left=4)
    table.columns[1].min_width = 12  # an id is there to be copied
    table.columns[0].max_width, table.columns[2].max_width = 20, 10
    table.columns[3].max_width = max(8, view.width - 60)
    orders: dict[str, Callable[[dict[str, Any]], Any]] = {
        "rate": lambda row: (-_rate_of(row, activity), str(row.get("name", ""))),
        "name": lambda row: str(row.get("name") or row.get("id", "")),
        "started": lambda row: -int(row.get("started") or 0),
    }
    for row in sorted(rows, key=orders[view.sort])[:room]:
        words = (Text(short(plain(str(row.get(name, ""))))) for name in ("name", "id", "engine", "image"))
        table.add_row(*words, "-" if activity is None or activity.why else f"{_rate_of(row, activity):.1f}")
    if len(rows) > room:
        table.add_row(f"and {len(rows) - room} more")
    return table


def _sessions(sessions: list[Entered]) -> RenderableType:
    from rich.text import Text

    table = _table("LIVE SESSION", "CONTAINER", "HOW", left=3)
    newest = sorted(sessions, key=lambda one: -one.seen_s)
    for one in newest[:4]:
        table.add_row(*(Text(plain(text)) for text in (one.id, short(one.container), one.how)))
    return table


def show(
    console: Console,
    statuses: Iterator[tuple[float, Status]],
    pause: Callable[[], str],
    *,
    activity: Activity | None = None,
    sort: str = SORTS[0],
) -> None:
    """Draw each status until there is none, or the user stops it: `pause` gives a key that was typed, or ""."""
    from rich.live import Live

    rates_, view = Rates(), View(sort, console.size.height)
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        for now, status in statuses:
            rates_.update(status, now)
            if activity is not None:
                activity.look(now)
            view.width, view.height = console.size
            live.update(picture(status, rates_.now, view, activity), refresh=True)
            match pause():
                case "q":
                    break
                case "s":
                    view.next_sort()
                case _:
                    pass
    if not console.is_terminal:
        console.print()  # a file of frames ends with a newline
