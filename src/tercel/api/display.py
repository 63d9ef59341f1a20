"""Log lines and progress bars (`core.progress`), shown on stderr once this module is imported."""

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tercel.core import progress
from tercel.core.errors import TercelError

if TYPE_CHECKING:
    from rich.console import Console


wording: Callable[[str], str] = str
"""Translator of parameter names in lines: the command line replaces them by its options while a command runs."""


@cache
def progress_console() -> "Console":
    """Rich console on stderr: logs, progress bars, warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write one line and flush. Write errors, such as a full disk, are ignored."""
        with suppress(OSError):
            sys.stderr.write(wording(record.getMessage()) + "\n")
            sys.stderr.flush()


progress.LOGGER.addHandler(_Lines())
progress.LOGGER.setLevel(logging.INFO)
progress.LOGGER.propagate = False
progress.console = progress_console


P = ParamSpec("P")
R = TypeVar("R")


def brief(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that tracebacks leave Tercel's frames out: only lines of the caller's code remain.

    >>> @brief
    ... def fails():
    ...     raise TercelError("this", "that", "do so")
    >>> try:
    ...     fails()
    ... except TercelError as error:
    ...     len(list(traceback.walk_tb(error.__traceback__))), error.__suppress_context__
    (2, True)
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TercelError as error:
            raise error.with_traceback(_own_lines(error)) from None

    return called


def _own_lines(error: BaseException) -> TracebackType | None:
    """The frames of a user's code that an error, or what it was made of, came through below us."""
    from tercel.execution.user_strategy import is_installed

    found = None
    for frame, line in reversed(list(traceback.walk_tb((error.__cause__ or error).__traceback__))):
        if not is_installed(frame.f_code.co_filename):
            found = TracebackType(found, frame, frame.f_lasti, line)
    return found
