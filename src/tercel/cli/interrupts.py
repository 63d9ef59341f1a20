"""Ends of a command: Ctrl-C, SIGTERM, deadlines, and errors as exit codes without a traceback."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer

from tercel.api import display
from tercel.cli.output import in_options, print_error, print_json, say
from tercel.core.errors import ConfigError, TercelError, file_error
from tercel.core.system import MonotonicClock

INTERRUPTED = 130
NOTHING_HALF_DONE = "nothing was left half done"
Body = TypeVar("Body", bound=Callable[..., int | None])


class BoundedClock(MonotonicClock):
    """Wall clock that asks to stop after some seconds (None: never), or after SIGINT or SIGTERM."""

    def __init__(self, seconds: float | None) -> None:
        """Start the time, and from now on record SIGINT and SIGTERM instead of ending the process."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: self._signals.append(got))

    def stopping(self) -> bool:
        """Whether the seconds are over, or SIGINT or SIGTERM has come."""
        return bool(self._signals) or (
            self._deadline is not None and time.monotonic() >= self._deadline
        )


def end_on_termination() -> None:
    """Make SIGTERM, by which a container or a service manager ends a process, raise KeyboardInterrupt like Ctrl-C."""

    def stop(_number: int, _frame: object) -> None:
        """Raise KeyboardInterrupt."""
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


@contextmanager
def catch_interrupt() -> Iterator[list[bool]]:
    """Context in which the first Ctrl-C only appends True to the yielded list, and a second one raises KeyboardInterrupt.
    Outside the main thread it yields a list that stays empty.
    """
    requested_stops: list[bool] = []

    def ask(*_: object) -> None:
        """Note the first interrupt; raise KeyboardInterrupt at the second."""
        if requested_stops:
            raise KeyboardInterrupt
        requested_stops.append(True)
        say("stopping after this update ...")

    try:
        previous_handler = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread, which alone gets signals
        yield requested_stops
        return
    try:
        yield requested_stops
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def run_app(app: typer.Typer) -> None:
    """Run a command line on the process's arguments, and end the process; with `--json` usage errors are printed as JSON too."""
    try:
        app()
    except SystemExit as stop:
        usage = getattr(stop.__context__, "format_message", None)  # usage errors, printed on stderr
        if usage is not None and "--json" in sys.argv[1:]:
            parts = {
                "expected": "a command as its --help says",
                "received": usage(),
                "remedy": "see --help",
            }
            print_json({"error": {"kind": "UsageError", **parts}})
        raise
    except KeyboardInterrupt:
        say("\nstopped")
        sys.exit(INTERRUPTED)


@contextmanager
def report_errors(as_json: bool = False, on_interrupt: str = NOTHING_HALF_DONE) -> Iterator[None]:
    """Context that prints an error without a traceback and ends the command: exit code 2, or 130 after Ctrl-C.

    ``TERCEL_TRACEBACK=1`` lets errors through as they are. A body may say better than `on_interrupt` how to go on after
    Ctrl-C: ``raise KeyboardInterrupt("...")``.
    """
    previous_wording = display.wording
    display.wording = in_options
    try:
        yield
    except KeyboardInterrupt as stop:
        say(f"\nstopped: {stop.args[0] if stop.args else on_interrupt}")
        raise typer.Exit(INTERRUPTED) from None
    except (TercelError, OSError, RecursionError) as error:
        if os.environ.get("TERCEL_TRACEBACK") == "1":
            raise
        if isinstance(error, RecursionError):
            error = ConfigError(
                "files nested less deep", f"{error}", "see with TERCEL_TRACEBACK=1 which one it is"
            )
        print_error(error if isinstance(error, TercelError) else file_error(error), as_json)
        raise typer.Exit(2) from None
    finally:
        display.wording = previous_wording


def on_interrupt(text: str) -> Callable[[Body], Body]:
    """Decorator that sets a command's message after Ctrl-C; braces in it hold names of options."""

    def set_text(body: Body) -> Body:
        """Store the text on the command's function."""
        body.interrupted = text  # type: ignore[attr-defined]
        return body

    return set_text
