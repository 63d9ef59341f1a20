"""A WebSocket that sends and receives JSON messages, without a thread.

The frames are those of the library `websockets`, without its I/O; bytes go through :class:`Connection`.
"""

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tercel.core.errors import VenueError
from tercel.core.extras import import_optional
from tercel.core.link.connection import Connection, TlsSettings
from tercel.venues.binance_venue.rest import read_json

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

LARGEST: Final = 1 << 25
OPEN_S: Final = 10.0
QUIET_S: Final = 15.0
"""Silence after which the other side is pinged; it is given up after as much again. Binance pings every 20 s."""


class JsonSocket:
    """A WebSocket that sends and receives JSON messages, without a thread.

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
        """Begin to connect to a URL, with TLS for wss; nothing can be sent before `up`."""
        client, uri = (
            import_optional(f"websockets.{module}", "trade") for module in ("client", "uri")
        )
        parts = urlsplit(url)
        self._secure = parts.scheme == "wss"
        self.host = parts.hostname or ""
        port = parts.port or (443 if self._secure else 80)
        self._connection = Connection.connect(self.host, port, tls if self._secure else None)
        self._protocol: ClientProtocol = client.ClientProtocol(uri.parse_uri(url), max_size=LARGEST)
        self._parts: list[bytes] = []
        self._request_sent = self.up = self._pinged = False
        self._received_s = self._began_s = time.monotonic()
        self.close_reason = ""
        """Reason why it is closed, else ""."""

    def fileno(self) -> int:
        """File descriptor for a selector; -1 once closed."""
        return self._connection.fileno()

    @property
    def closed(self) -> bool:
        """Whether the socket is closed."""
        return self._connection.closed

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait to be written."""
        return self._connection.wants_write

    def send(self, message: Any) -> None:
        """Send a message as JSON; VenueError where the socket is not open.

        Raises
        ------
        VenueError
            It is not open: nothing was sent.
        """
        if not self.up or self.closed:
            raise VenueError(
                f"a link to {self.host}",
                f"none: {self.close_reason or 'it is not open'}",
                "wait until it is up",
            )
        self._protocol.send_text(json.dumps(message, separators=(",", ":")).encode())
        self._write()

    def poll(self) -> list[Any]:
        """Read, write and ping as is due; the messages since the last call. One that is not JSON closes the socket."""
        if self.closed:
            return []
        if self._connection.wants_write:
            self._connection.flush()
        if not self._request_sent and self._connection.established:
            self._request_sent = True
            self._protocol.send_request(self._protocol.connect())
            self._write()
        messages: list[Any] = []
        while (data := self._connection.receive()) is not None and data:
            self._received_s = time.monotonic()
            self._pinged = False
            self._protocol.receive_data(data)
            messages += self._events()
            self._write()
        if data is None:
            self.close(self._connection.close_reason)
        self._check_silence()
        return messages

    def _events(self) -> list[Any]:
        """Messages in the frames received so far; the socket is closed by a failed handshake or a close frame."""
        from websockets.exceptions import WebSocketException
        from websockets.frames import Frame, Opcode

        messages = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self.up = self._protocol.handshake_exc is None
                if not self.up:
                    self.close(f"no WebSocket: {self._protocol.handshake_exc}")
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    data = b"".join(self._parts)
                    self._parts = []
                    try:
                        messages.append(read_json(data))
                    except ValueError as error:
                        self.close(f"a message that is not JSON: {error}")
            elif event.opcode is Opcode.CLOSE:
                self._write()
                self.close("the other side closed it")
        if (parse_error := self._protocol.parser_exc) is not None and not isinstance(
            parse_error, EOFError
        ):
            self.close(
                str(parse_error)
                if isinstance(parse_error, WebSocketException)
                else type(parse_error).__name__
            )
        return messages

    def _write(self) -> None:
        """Write the protocol's pending bytes to the connection."""
        data = b"".join(self._protocol.data_to_send())
        if data:
            self._connection.send(data)
        if self._connection.closed:
            self.close(self._connection.close_reason)

    def _check_silence(self) -> None:
        """Ping a silent server, and close the connection if it stays silent."""
        now = time.monotonic()
        if self.closed:
            return
        if not self.up and now - self._began_s > OPEN_S:
            self.close(f"no WebSocket within {OPEN_S:g} s")
        elif self.up and now - self._received_s > 2 * QUIET_S:
            self.close(f"nothing came in {2 * QUIET_S:g} s")
        elif self.up and not self._pinged and now - self._received_s > QUIET_S:
            self._pinged = True
            self._protocol.send_ping(b"")
            self._write()

    def close(self, reason: str = "closed here") -> None:
        """Close the socket now."""
        self.up = False
        self.close_reason = self.close_reason or reason
        self._connection.close(reason)
