"""Recorder of a WebSocket feed: connect, subscribe, write every message, request snapshots, reconnect.

A message is written before the next one is read. Snapshots are fetched beside the stream, which continues meanwhile,
and written in their place among its messages; the importer does the aligning. A connection that ends is followed by
another one after a pause that doubles up to half a minute and shrinks again with the first message.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from tercel.core.extras import import_optional
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.capture_writer import CaptureWriter
from tercel.feeds.live_streams import Stream

FIRST_PAUSE_NS: Final = NS_PER_SECOND // 10
LONGEST_PAUSE_NS: Final = 30 * NS_PER_SECOND
POLL_S: Final = 0.05
"""Time-out of one wait for a message, after which stop and snapshots are checked, seconds."""
HTTP_S: Final = 10.0
LARGEST_MESSAGE: Final = 1 << 26
_NO_ANSWER: Final = (OSError, HTTPException, ValueError)


__all__ = ["Recorder", "RecorderClock", "RecordingSummary"]


class RecorderClock(Protocol):
    """Protocol of the recorder's clock, with whether a person has stopped it."""

    def now_ns(self) -> int:
        """Local time, ns since 1970."""

    def sleep_ns(self, ns: int) -> None:
        """Sleep for `ns`."""

    def stopping(self) -> bool:
        """Whether a person has asked the recorder to stop."""


@dataclass
class RecordingSummary:
    """Counts of a recording."""

    connections: int = 0
    failures: int = 0
    """Connections that could not be made, or that broke."""
    snapshots: int = 0
    failed_snapshots: int = 0


class Recorder:
    """Records one stream into one capture.

    Parameters
    ----------
    stream : Stream
        What to record.
    writer : CaptureWriter
        Where it goes.
    clock : RecorderClock
        Time, and whether a person has asked to stop.
    notify : callable, optional
        Called with a sentence when a connection ends.
    """

    def __init__(
        self,
        stream: Stream,
        writer: CaptureWriter,
        clock: RecorderClock,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._stream = stream
        self._writer = writer
        self._clock = clock
        self._notify = notify or (lambda _: None)
        self._answer: Future[str] | None = None
        """A requested snapshot."""
        self._details: Future[str] | None = None
        """The answer about tick and lot."""
        self._again_ns = 0
        self._pause = FIRST_PAUSE_NS
        self.summary = RecordingSummary()

    def run(self) -> RecordingSummary:
        """Record, connecting again and again, until the clock says that a person stopped it; returns the counts.

        Raises
        ------
        ConfigError
            When the WebSocket library is not installed.
        """
        connect, errors = websocket_client()
        if self._stream.information_url:
            self._details = _fetch_page(self._stream.information_url)
        broken: tuple[type[Exception], ...] = (OSError, TimeoutError, *errors)
        while not self._clock.stopping():
            try:
                with connect(
                    self._stream.url, max_size=LARGEST_MESSAGE, open_timeout=HTTP_S
                ) as socket:
                    self.summary.connections += 1
                    self._stream.begin_connection()
                    for message in self._stream.subscriptions:
                        socket.send(message)
                    self._listen(socket)
            except broken as error:
                self.summary.failures += 1
                if not self._clock.stopping():
                    self._notify(
                        f"the connection ended ({error or type(error).__name__}); connecting again"
                    )
                    self._wait_to_reconnect()
        return self.summary

    def _wait_to_reconnect(self) -> None:
        """Pause before the next connection, in short steps so that a stop is noticed; the pause after it is twice as long."""
        left = self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_NS)
        while left > 0 and not self._clock.stopping():
            step = min(left, NS_PER_SECOND // 10)
            self._clock.sleep_ns(step)
            left -= step

    def _listen(self, socket: Any) -> None:
        """Record messages of one connection until it ends or the recorder stops."""
        while not self._clock.stopping():
            self._poll_snapshot()
            self._poll_information()
            try:
                message = socket.recv(timeout=POLL_S)
            except TimeoutError:
                continue
            text = (
                message if isinstance(message, str) else message.decode("utf-8", errors="replace")
            )
            self._pause = FIRST_PAUSE_NS
            now = self._clock.now_ns()
            if self._should_record(text):
                self._writer.append(now, text.replace("\n", " "))

    def _should_record(self, text: str) -> bool:
        """Whether a message is to be recorded; one that cannot be parsed is, for the importer to name."""
        try:
            return self._stream.accept(text)
        except (ValueError, KeyError, TypeError):
            return True

    def _poll_snapshot(self) -> None:
        """Request a snapshot when one is due; record it once it arrived, or ask again a second later."""
        now = self._clock.now_ns()
        if self._stream.wants_snapshot and self._answer is None and now >= self._again_ns:
            self._stream.wants_snapshot = False
            self._answer = _fetch_page(self._stream.snapshot_url)
        if self._answer is None or not self._answer.done():
            return
        answer = self._answer
        self._answer = None
        try:
            line = self._stream.snapshot(answer.result())
        except _NO_ANSWER as error:
            self.summary.failed_snapshots += 1
            self._stream.wants_snapshot = True
            self._again_ns = now + NS_PER_SECOND
            self._notify(f"no snapshot from {self._stream.snapshot_url} ({error}); asking again")
            return
        self.summary.snapshots += 1
        self._writer.append(now, line)
        if self._stream.wants_snapshot:  # it came too late to meet the stream
            self._again_ns = now + NS_PER_SECOND

    def _poll_information(self) -> None:
        """Record the exchange's tick and lot once the answer arrived; if it failed say so: the importer then infers both."""
        if self._details is None or not self._details.done():
            return
        answer = self._details
        self._details = None
        try:
            self._writer.append(self._clock.now_ns(), self._stream.information(answer.result()))
        except _NO_ANSWER as error:
            self._notify(
                f"no tick and lot from {self._stream.information_url} ({error}): they will be inferred"
            )


def _fetch_page(url: str) -> Future[str]:
    """Fetch a URL in a thread of its own; returns the future of its text."""
    answer: Future[str] = Future()

    def fetch() -> None:
        """Fetch the page and set the future's result or error."""
        try:
            with urlopen(Request(url, headers={"User-Agent": "tercel"}), timeout=HTTP_S) as page:
                answer.set_result(page.read().decode())
        except Exception as error:  # reported by the recorder, which asks again
            answer.set_exception(error)

    threading.Thread(target=fetch, daemon=True).start()
    return answer


def websocket_client() -> tuple[Any, tuple[type[Exception], ...]]:
    """Connect function and error classes of the WebSocket library; ConfigError if it is not installed.

    Raises
    ------
    ConfigError
        When it is not installed; names the extra.
    """
    client = import_optional("websockets.sync.client", "record")
    return client.connect, (import_optional("websockets.exceptions", "record").WebSocketException,)
