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


P = ParamSpec("P")
R = TypeVar("R")


@cache
def progress_console() -> "Console":
    """Rich console on stderr: logs, progress bars, warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class _Lines(logging.Handler):
    """Logging handler that writes each record as a line to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line and flush. Write errors, such as a full disk, are ignored."""
        with suppress(OSError):
            sys.stderr.write(wording(record.getMessage()) + "\n")
            sys.stderr.flush()


progress.LOGGER.addHandler(_Lines())
progress.LOGGER.setLevel(logging.INFO)
progress.LOGGER.propagate = False
progress.console = progress_console


def trim_traceback(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that tracebacks leave Tercel's frames out: only lines of the caller's code remain.

    >>> @trim_traceback
    ... def fails():
    ...     raise TercelError("this", "that", "do so")
    >>> try:
    ...     fails()
    ... except TercelError as error:
    ...     len(list(traceback.walk_tb(error.__traceback__))), error.__suppress_context__
    (2, True)
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; an error leaves with a traceback of the user's frames alone."""
        try:
            return function(*args, **kwargs)
        except TercelError as error:
            raise error.with_traceback(_user_frames(error)) from None

    return call


def _user_frames(error: BaseException) -> TracebackType | None:
    """Traceback of an error that keeps only the frames of the user's own code; None if there are none."""
    from tercel.execution.source_mark import is_installed

    frames = None
    for frame, line in reversed(list(traceback.walk_tb((error.__cause__ or error).__traceback__))):
        if not is_installed(frame.f_code.co_filename):
            frames = TracebackType(frames, frame, frame.f_lasti, line)
    return frames
