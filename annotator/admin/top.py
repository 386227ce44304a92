"""`annotator top`: the counters of a running plugin, again and again, as rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.admin.status import Counts, Status, dropped, lines, rates
from annotator.io.console import plain, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

SHOWN = ("lines", "events", "container", "host", "unknown", "none", "annotated", "late", "lost", "possible_loss")


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


def picture(status: Status, rate: Counts, *, rows: int) -> RenderableType:
    """One frame. `rows`: how many containers there is room for."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    for name, text in lines(status):
        if name in ("plugin", "counts", "loss", "queue", "not read"):
            style = "bold red" if name == "not read" or text == "not running" else ""
            head.add_row(Text(name, "dim"), Text(plain(text), style))
    counts = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("COUNT", "TOTAL", "/S"):
        counts.add_column(name, justify="left" if name == "COUNT" else "right")
    for name in SHOWN:
        counts.add_row(name, f"{status.counts.get((name, ''), 0):.0f}", f"{rate.get((name, ''), 0):.1f}")
    outputs = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("OUTPUT", "KIB/S", "WAITS KIB", "DROPPED", "/S", "LAG S"):
        outputs.add_column(name, justify="left" if name == "OUTPUT" else "right")
    for label, value in dropped(status.counts).items():
        key = ("output_written_bytes", label)
        waits = status.counts.get(("output_queue_bytes", label))
        outputs.add_row(
            Text(plain(label)),
            f"{rate.get(key, 0) / 1024:.1f}",
            "-" if waits is None else f"{waits / 1024:.0f}",
            Text(f"{value:.0f}", "bold red" if value else ""),
            f"{dropped(rate).get(label, 0):.1f}",
            f"{status.lags[label]:.3f}" if label in status.lags else "-",
        )
    return Group(head, "", counts, "", outputs, "", _containers(status.containers, rows))


def _containers(rows: list[dict[str, Any]], room: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("CONTAINER", "NAME", "ENGINE", "IMAGE", "CONTID"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for row in rows[:room]:
        names = ("id", "name", "engine", "image", "contid")
        table.add_row(*(Text(short(plain(str(row.get(name, ""))))) for name in names))
    if len(rows) > room:
        table.add_row(f"and {len(rows) - room} more")
    return table


def show(console: Console, statuses: Iterator[tuple[float, Status]], pause: Callable[[], None]) -> None:
    """Draw each status until there is none, or the user stops it (KeyboardInterrupt)."""
    from rich.live import Live

    rates_ = Rates()
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as view:
        for now, status in statuses:
            rates_.update(status, now)
            room = max(3, console.size.height - 26)
            view.update(picture(status, rates_.now, rows=room), refresh=True)
            pause()
