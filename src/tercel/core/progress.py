"""What is said on the way to a result, and how far it is: whoever has a person to show it to does (`api.stderr`)."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

LOGGER: Final = logging.getLogger("tercel.progress")
say: Final[Callable[[str], None]] = LOGGER.info
"""Say one plain line."""
console: "Callable[[], Console] | None" = None
"""Where bars are shown; None: nowhere."""


def progress(counted: bool = False, transient: bool = False, now: bool = False) -> "Progress":
    """Bars with the time that is left: how many of how many where `counted`, a share of 100 otherwise.

    What is `transient` is gone at the end, and shown on a terminal alone; with `now` a task has a field of that name
    behind its bar.
    """
    from rich import progress as bar

    done = bar.MofNCompleteColumn() if counted else bar.TaskProgressColumn()
    columns = (bar.TextColumn("{task.description}"), bar.BarColumn(), done, bar.TimeRemainingColumn())
    last = (bar.TextColumn("{task.fields[now]}"),) if now else ()
    shown_on = console() if console else None
    hidden = shown_on is None or (transient and not shown_on.is_terminal)
    return bar.Progress(*columns, *last, console=shown_on, transient=transient, disable=hidden)
