"""Progress lines and bars of long calculations; `api.display` shows them on a terminal."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

LOGGER: Final = logging.getLogger("tercel.progress")
say: Final[Callable[[str], None]] = LOGGER.info
"""Say one plain line."""
console: "Callable[[], Console] | None" = None
"""Console of progress bars; None: no bars."""


EVERY_S: Final = 10.0
"""Seconds between two lines where no bar can be drawn."""


def progress(counted: bool = False, transient: bool = False, now: bool = False) -> "Progress":
    """Progress bars with the remaining time: finished of total if `counted`, else a percentage.

    Without a terminal, text lines appear instead, every :data:`EVERY_S` seconds at most. A `transient` bar disappears
    at the end; with `now` a task has a field of that name behind its bar.
    """
    from rich import progress as bar

    done = bar.MofNCompleteColumn() if counted else bar.TaskProgressColumn()
    columns = (
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        done,
        bar.TimeRemainingColumn(),
    )
    last = (bar.TextColumn("{task.fields[now]}"),) if now else ()
    shown_on = console() if console else None
    drawn = shown_on is not None and shown_on.is_terminal

    class Bars(bar.Progress):
        said_s = time.monotonic()

        def update(self, task_id: bar.TaskID, **fields: Any) -> None:
            task, over, now_s = (
                self._tasks[task_id],
                self._tasks[task_id].finished,
                time.monotonic(),
            )
            super().update(task_id, **fields)
            if not (drawn or over) and now_s - self.said_s >= EVERY_S:
                self.said_s = now_s
                far = (
                    f"{task.completed:,.0f} of {task.total or 0:,.0f}"
                    if counted
                    else f"{task.percentage:.0f} %"
                )
                if task.completed and task.remaining and task.remaining > 0.0:
                    far += f", some {(task.elapsed or 0.0) * task.remaining / task.completed:,.0f} s left"
                words = (
                    f"{task.description}:",
                    far * (task.total is not None),
                    task.fields.get("now", ""),
                )
                say(" ".join(filter(None, words)))

        def advance(self, task_id: bar.TaskID, advance: float = 1) -> None:
            self.update(task_id, advance=advance)

    hidden = shown_on is None or (transient and not drawn)
    return Bars(*columns, *last, console=shown_on, transient=transient, disable=hidden)
