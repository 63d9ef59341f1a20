"""A non-blocking TCP connection, with optional TLS: the transport of FIX sessions and WebSockets, of either side.

Its owner waits with a selector for reading, and for writing while :attr:`Connection.wants_write` is true.
"""

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from errno import EINPROGRESS
from pathlib import Path
from typing import Final, Self

from tercel.core.errors import ConfigError, VenueError

MOST_WAITING: Final = 64 << 20
"""Bytes that may wait for a peer that does not read; it is dropped beyond."""
_CHUNK: Final = 1 << 16
# Bytes that one call reads or writes, so that no peer keeps the owner from the others.
_MOST_AT_ONCE: Final = 1 << 17


@dataclass(frozen=True)
class WaitLimits:
    """Timeouts of an initiator.

    Parameters
    ----------
    logon_s : float
        For the logon, and for answers that take no time.
    step_s : float
        For the answer to a step while the link is up.
    outage_s : float
        For a link that is down, all steps together, before one raises.
    """

    logon_s: float = 5.0
    step_s: float = 300.0
    outage_s: float = 20.0


@dataclass(frozen=True)
class TlsSettings:
    """TLS settings of a connection.

    Parameters
    ----------
    certificate, key : Path, optional
        Own certificate and key, in PEM. An acceptor needs both; `key` None: it is in the file of the certificate.
    authorities : Path, optional
        Certificates of the authorities of the other side, in PEM. Default: the system's for an initiator; an acceptor
        requests a client certificate only with them.
    server_name : str
        Name that the acceptor's certificate must have; "": the host that is connected to.

    >>> TlsSettings().client().verify_mode.name
    'CERT_REQUIRED'
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    server_name: str = ""

    def client(self) -> ssl.SSLContext:
        """SSL context of an initiator.

        Raises
        ------
        ConfigError
            For a file that is missing or no PEM.
        """
        return self._load_context(ssl.Purpose.SERVER_AUTH)

    def server(self) -> ssl.SSLContext:
        """SSL context of an acceptor.

        Raises
        ------
        ConfigError
            Without a certificate, and for a file that is missing or no PEM.
        """
        if self.certificate is None:
            raise ConfigError(
                "the acceptor's certificate", "none", "name its PEM file, and that of its key"
            )
        context = self._load_context(ssl.Purpose.CLIENT_AUTH)
        if self.authorities is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load_context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """SSL context for one side, with the configured authorities, certificate and key."""
        try:
            context = ssl.create_default_context(purpose, cafile=self.authorities)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(
                str(path) for path in (self.certificate, self.key, self.authorities) if path
            )
            raise ConfigError(
                "certificates and a key in PEM", f"{error} in {files}", "mend the files"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class Connection:
    """A TCP connection, possibly still being established.

    Parameters
    ----------
    raw_socket : socket.socket
        It belongs to the connection from now on.
    context : ssl.SSLContext, optional
        Of TLS.
    server_name : str, optional
        Of an acceptor whose certificate is checked; None: this side is the acceptor.
    most_waiting : int
        Bytes that may wait for the other side to read.

    >>> ours, theirs = (Connection(one) for one in socket.socketpair())
    >>> ours.send(b"8=FIX.4.4"), theirs.receive(), theirs.receive()
    (None, b'8=FIX.4.4', b'')
    >>> ours.close(), theirs.receive(), theirs.close_reason
    (None, None, 'the other side closed the connection')
    """

    def __init__(
        self,
        raw_socket: socket.socket,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Make the socket non-blocking; a TLS handshake follows in `receive` and `flush`."""
        raw_socket.setblocking(False)
        if raw_socket.family in (socket.AF_INET, socket.AF_INET6):
            raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = raw_socket
        self._context = context
        self._server_name = server_name
        self._outgoing = bytearray()
        self._most_waiting = most_waiting
        self._connecting = self._handshaking = self._blocked = self._ending = self._end_sent = False
        self.close_reason = ""
        """Reason why it is closed, else ""."""
        self.closed = False
        if context is not None:
            self._handshaking = True

    @classmethod
    def connect(
        cls, host: str, port: int, tls: TlsSettings | None = None, most_waiting: int = MOST_WAITING
    ) -> Self:
        """Begin to connect to a host and port; waits for nothing but the look-up of the name.

        All else happens in `receive` and `flush`. A connection that cannot be made is closed, with `close_reason`.

        Raises
        ------
        VenueError
            When the name is unknown.
        ConfigError
            For TLS settings that cannot be used.
        """
        context = tls.client() if tls is not None else None
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )[0]
            raw_socket = socket.socket(family, kind, protocol)
        except (OSError, OverflowError, UnicodeError) as error:
            raise VenueError(
                f"the address of {host}:{port}", f"{error}", "give another host or port"
            ) from None
        connection = cls(
            raw_socket,
            context,
            (tls.server_name or host) if tls is not None else None,
            most_waiting,
        )
        code = raw_socket.connect_ex(address)
        connection._connecting = code == EINPROGRESS
        if code not in (0, EINPROGRESS):
            connection.close(f"no connection: {os.strerror(code)}")
        return connection

    def fileno(self) -> int:
        """File descriptor of the socket, for a selector; -1 once closed."""
        return self._socket.fileno()

    @property
    def established(self) -> bool:
        """Whether the connection is up, TLS handshake included."""
        return not (self.closed or self._connecting or self._handshaking)

    @property
    def wants_write(self) -> bool:
        """Whether `flush` has something to do when the socket becomes writable."""
        return not self.closed and (
            self._connecting or self._blocked or bool(self._outgoing and not self._handshaking)
        )

    def receive(self) -> bytes | None:
        """Received bytes: b"" is nothing now, None a connection closed by either side; see `close_reason`."""
        if not self._is_ready():
            return None if self.closed else b""
        parts = []
        size = 0
        ended = False
        try:
            while size < _MOST_AT_ONCE or (
                isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            ):
                part = self._socket.recv(_CHUNK)
                if not part:
                    ended = True
                    break
                parts.append(part)
                size += len(part)
                if len(part) < _CHUNK and self._context is None:
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ssl.SSLWantWriteError:
            self._blocked = True
        except OSError as error:
            self.close(_reason(error))
        if ended and not parts:
            self.close("the other side closed the connection")
        if not parts:
            return None if self.closed else b""
        return b"" if self._ending else b"".join(parts)

    def send(self, data: bytes) -> None:
        """Write what the socket takes now and buffer the rest, closing the connection beyond `most_waiting` bytes;
        once it is closed or ending, do nothing."""
        if self.closed or self._ending:
            return
        self._outgoing += data
        self.flush()
        if len(self._outgoing) > self._most_waiting:
            self.close(f"the other side does not read: {len(self._outgoing)} bytes wait for it")

    def flush(self) -> None:
        """Write buffered bytes, as many as the socket takes."""
        if not self._is_ready():
            return
        try:
            while self._outgoing:
                with memoryview(self._outgoing) as view:
                    sent = self._socket.send(view[:_MOST_AT_ONCE])
                del self._outgoing[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self.close(_reason(error))
            return
        self._blocked = False
        if self._ending and not self._end_sent:
            self._end_sent = True
            if isinstance(self._socket, ssl.SSLSocket):
                with suppress(OSError, ValueError):
                    self._socket.unwrap()
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Write pending bytes and shut down sending; what the other side still sends is ignored.

        `receive` returns None once the other side has closed too.
        """
        self._ending = True
        self.flush()
        if self._connecting or self._handshaking:
            self.close("closed before it was made")

    def close(self, reason: str = "closed here") -> None:
        """Close now; buffered bytes are lost."""
        if not self.closed:
            self.closed = True
            self.close_reason = reason
            self._outgoing.clear()
            self._socket.close()

    def _is_ready(self) -> bool:
        """Whether bytes can flow: connected, and TLS agreed; a connection that failed is closed."""
        if self.closed:
            return False
        if self._connecting:
            try:
                self._socket.getpeername()
            except OSError:  # not connected yet, or never
                if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.close(_reason(OSError(code, f"no connection: {os.strerror(code)}")))
                return False
            self._connecting = False
        return self._continue_handshake() if self._handshaking else True

    def _continue_handshake(self) -> bool:
        """Continue TLS's handshake; whether it is done. One that fails closes the connection."""
        self._blocked = False
        try:
            if not isinstance(self._socket, ssl.SSLSocket) and self._context is not None:
                self._socket = self._context.wrap_socket(
                    self._socket,
                    server_side=self._server_name is None,
                    server_hostname=self._server_name,
                    do_handshake_on_connect=False,
                )
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._blocked = True
            return False
        except (OSError, ValueError) as error:
            self.close(f"TLS: {_reason(error)}")
            return False
        self._handshaking = False
        return True


def _reason(error: Exception) -> str:
    """Text of a socket error."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
