"""Lines and bars on the way to a result (`core.progress`), shown on stderr to whoever imports this."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from tercel.core import progress

if TYPE_CHECKING:
    from rich.console import Console

wording: Callable[[str], str] = str
"""How a line names parameters: the command line puts its options in their place while a command runs."""


@cache
def progress_console() -> "Console":
    """Rich console on stderr: logs, progress bars, warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, at once. A log on a disk that is full changes nothing of what is done."""
        with suppress(OSError):
            sys.stderr.write(wording(record.getMessage()) + "\n")
            sys.stderr.flush()


progress.LOGGER.addHandler(_Lines())
progress.LOGGER.setLevel(logging.INFO)
progress.LOGGER.propagate = False
progress.console = progress_console
