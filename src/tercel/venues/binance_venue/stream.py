"""A WebSocket without a thread: JSON messages over a non-blocking connection, whose descriptor a selector can watch.

The frames are those of the library `websockets`, without its I/O; bytes go through :class:`Connection`.
"""

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tercel.core.errors import VenueError
from tercel.core.extras import needed
from tercel.fix.connection import Connection, TlsSettings
from tercel.venues.binance_venue.rest import read_json

if TYPE_CHECKING:
    from websockets.client import ClientProtocol
    from websockets.frames import Frame

LARGEST: Final = 1 << 25
OPEN_S: Final = 10.0
QUIET_S: Final = 15.0
"""Silence after which the other side is pinged; it is given up after as much again. Binance pings every 20 s."""


class JsonSocket:
    """A WebSocket that says and hears JSON.

    Parameters
    ----------
    url : str
    tls : TlsSettings

    Raises
    ------
    VenueError
        The name of its host is unknown.
    ConfigError
        The library `websockets` is missing.
    """

    def __init__(self, url: str, tls: TlsSettings) -> None:
        client, uri = (needed(f"websockets.{one}", "trade") for one in ("client", "uri"))
        parts = urlsplit(url)
        self._secure = parts.scheme == "wss"
        self.host = parts.hostname or ""
        port = parts.port or (443 if self._secure else 80)
        self._connection = Connection.to(self.host, port, tls if self._secure else None)
        self._protocol: ClientProtocol = client.ClientProtocol(uri.parse_uri(url), max_size=LARGEST)
        self._parts: list[bytes] = []
        self._begun = self.up = self._pinged = False
        self._heard_s = self._began_s = time.monotonic()
        self.why = ""
        """Why it is closed."""

    def fileno(self) -> int:
        """For a selector; -1 once closed."""
        return self._connection.fileno()

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._connection.closed

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be written."""
        return self._connection.wants_write

    def send(self, message: Any) -> None:
        """Say something.

        Raises
        ------
        VenueError
            It is not open: nothing was sent.
        """
        if not self.up or self.closed:
            raise VenueError(
                f"a link to {self.host}",
                f"none: {self.why or 'it is not open'}",
                "wait until it is up",
            )
        self._protocol.send_text(json.dumps(message, separators=(",", ":")).encode())
        self._write()

    def poll(self) -> list[Any]:
        """What came since the last call; a message that is no JSON closes it."""
        if self.closed:
            return []
        if self._connection.wants_write:
            self._connection.flush()
        if not self._begun and self._connection.established:
            self._begun = True
            self._protocol.send_request(self._protocol.connect())
            self._write()
        found: list[Any] = []
        while (data := self._connection.receive()) is not None and data:
            self._heard_s = time.monotonic()
            self._pinged = False
            self._protocol.receive_data(data)
            found += self._events()
            self._write()
        if data is None:
            self.close(self._connection.why)
        self._watch()
        return found

    def _events(self) -> list[Any]:
        from websockets.exceptions import WebSocketException
        from websockets.frames import Frame, Opcode

        found = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self.up = self._protocol.handshake_exc is None
                if not self.up:
                    self.close(f"no WebSocket: {self._protocol.handshake_exc}")
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                try:
                    found += self._whole(event)
                except ValueError as error:
                    self.close(f"a message that is no JSON: {error}")
            elif event.opcode is Opcode.CLOSE:
                self._write()
                self.close("the other side closed it")
        if (wrong := self._protocol.parser_exc) is not None and not isinstance(wrong, EOFError):
            self.close(
                str(wrong) if isinstance(wrong, WebSocketException) else type(wrong).__name__
            )
        return found

    def _whole(self, frame: "Frame") -> list[Any]:
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return []
        data = b"".join(self._parts)
        self._parts = []
        return [read_json(data)]

    def _write(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data:
            self._connection.send(data)
        if self._connection.closed:
            self.close(self._connection.why)

    def _watch(self) -> None:
        """Ping who is silent, and give up who stays so."""
        now = time.monotonic()
        if self.closed:
            return
        if not self.up and now - self._began_s > OPEN_S:
            self.close(f"no WebSocket within {OPEN_S:g} s")
        elif self.up and now - self._heard_s > 2 * QUIET_S:
            self.close(f"nothing came in {2 * QUIET_S:g} s")
        elif self.up and not self._pinged and now - self._heard_s > QUIET_S:
            self._pinged = True
            self._protocol.send_ping(b"")
            self._write()

    def close(self, why: str = "closed here") -> None:
        """Close it now."""
        self.up = False
        self.why = self.why or why
        self._connection.close(why)
