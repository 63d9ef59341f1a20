"""Errors as whoever calls from Python reads them: their own lines, and the three parts."""

import traceback
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from tercel.core.errors import TercelError
from tercel.execution.user_strategy import is_installed

P = ParamSpec("P")
R = TypeVar("R")


def brief(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose errors leave our frames out: the caller's line, the line of the caller's code that failed.

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
    found = None
    for frame, line in reversed(list(traceback.walk_tb((error.__cause__ or error).__traceback__))):
        if not is_installed(frame.f_code.co_filename):
            found = TracebackType(found, frame, frame.f_lasti, line)
    return found
