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
    """Progress bars with the remaining time: finished of total if `counted`, else a percentage; log lines without a terminal.
    `transient`: a bar disappears at the end. `now`: a task has a text field of that name behind its bar.

    Lines appear every :data:`EVERY_S` seconds at most.
    """
    from rich import progress as bar

    done_column = bar.MofNCompleteColumn() if counted else bar.TaskProgressColumn()
    columns = (
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        done_column,
        bar.TimeRemainingColumn(),
    )
    last_column = (bar.TextColumn("{task.fields[now]}"),) if now else ()
    terminal = console() if console else None
    is_drawn = terminal is not None and terminal.is_terminal

    class Bars(bar.Progress):
        """Progress bars that log lines where there is no terminal."""

        said_s = time.monotonic()

        def update(self, task_id: bar.TaskID, **fields: Any) -> None:
            """Update a bar, and log its state at most every `EVERY_S` seconds without a terminal."""
            task = self._tasks[task_id]
            was_finished = self._tasks[task_id].finished
            now_s = time.monotonic()
            super().update(task_id, **fields)
            if not (is_drawn or was_finished) and now_s - self.said_s >= EVERY_S:
                self.said_s = now_s
                state = (
                    f"{task.completed:,.0f} of {task.total or 0:,.0f}"
                    if counted
                    else f"{task.percentage:.0f} %"
                )
                if task.completed and task.remaining and task.remaining > 0.0:
                    state += f", some {(task.elapsed or 0.0) * task.remaining / task.completed:,.0f} s left"
                parts = (
                    f"{task.description}:",
                    state * (task.total is not None),
                    task.fields.get("now", ""),
                )
                say(" ".join(filter(None, parts)))

        def advance(self, task_id: bar.TaskID, advance: float = 1) -> None:
            """Advance a bar by `advance` steps."""
            self.update(task_id, advance=advance)

    hidden = terminal is None or (transient and not is_drawn)
    return Bars(*columns, *last_column, console=terminal, transient=transient, disable=hidden)
