"""Hosts: listening sockets of this machine, and whether a host is provably a test's, or money counts as behind it.

A test is proved by a host on :data:`TEST_NETWORKS`, a host on the installation's own list (`core.installation`), or a
server on this machine that answers as `tercel venue serve` does (`core.installation`). A name or loopback alone is none.
"""

import secrets
import socket
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from tercel.core import installation
from tercel.core.errors import ConfigError, VenueError
from tercel.core.installation import PATH, proof

LOOPBACK = "127.0.0.1"


def bind(port: int, host: str = LOOPBACK) -> socket.socket:
    """A listening socket, so that a port in use is reported before anything starts; port 0 takes a free one.

    Raises
    ------
    ConfigError
        When the port is taken or not allowed.
    """
    listening = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio then sends at once
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(
            f"a free port at {host}", f"port {port}: {error}", "choose another with `port=`"
        ) from None
    return listening


def is_loopback(host: str) -> bool:
    """Whether a host is this machine (loopback).

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("localhost.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


TEST_NETWORKS: Final = frozenset(
    {
        *(
            "testnet.binance.vision",
            "stream.testnet.binance.vision",
            "ws-api.testnet.binance.vision",
        ),
        *(
            "fix-oe.testnet.binance.vision",
            "fix-md.testnet.binance.vision",
            "fix-dc.testnet.binance.vision",
        ),
        *("api-testnet.bybit.com", "stream-testnet.bybit.com"),
    }
)
"""Whole names of hosts. Sources: https://testnet.binance.vision (REST, streams, WebSocket API, FIX);
https://bybit-exchange.github.io/docs/v5/guide ("Testnet") and .../v5/ws/connect. An exchange that tells its tests from
production by a header or an account, at one host, has no host here."""
REMEDY: Final = "name a place that is one, or show all that live asks: docs/howto/gate.md"
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_PATIENCE_S: Final = 5.0


def why_money(url: str, seconds: float = 0.0) -> str:
    """Reason why the host of a URL counts as production; "" if it is provably a test.

    Parameters
    ----------
    url : str
        fix://, http:// or ws://, or the same over TLS: fixs://, https://, wss://.
    seconds : float
        Time-out of a local server's answer; 0: that of a server that was never reached.

    Raises
    ------
    VenueError
        No server listens there.
    ConfigError
        See `core.installation`.

    >>> why_money("wss://stream.testnet.binance.vision/ws"), why_money("https://testnet.example.com")[:34]
    ('', 'testnet.example.com:443, which cou')
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    where, here = f"{host}:{port}", is_loopback(host)
    if host in TEST_NETWORKS or (
        here and _proves(parts.scheme, host, port, seconds or _PATIENCE_S)
    ):
        return ""
    if where in installation.installation().test_hosts:
        return ""
    return (
        f"{where}, which counts as production: it is on no list of test networks, not on that of {installation.FILE}, "
        f"and {'no `tercel venue serve` answers there' if here else 'it is not on this machine'}. A test is a host of "
        "a test network, a `tercel venue serve` on this machine, or what its administrator writes into that file: "
        f'test_hosts = ["{where}"]'
    )


def still_test(url: str) -> None:
    """Connect no more where a test was, and none is.

    Raises
    ------
    VenueError
        Money is there, or no server listens.
    """
    if money := why_money(url, 1.0):  # the caller that waits for the link waits for this, too
        raise VenueError("a venue that is still provably a test", money, REMEDY)


def _proves(scheme: str, host: str, port: int, seconds: float) -> bool:
    """Whether a server on this machine proves that it is a simulated exchange.

    Raises
    ------
    VenueError
        No server listens there.
    """
    nonce = secrets.token_hex(16)
    try:
        if scheme == "fix":
            from tercel.fix import dialect

            return dialect.proves(host, port, nonce, seconds)
        link = HTTPConnection(host, port, timeout=seconds)
        link.request("GET", f"{PATH}?nonce={nonce}")
        return link.getresponse().read(1000) == proof("binance", nonce).encode()
    except ConnectionRefusedError as error:
        raise VenueError(
            f"a {scheme.upper()} server at {host}:{port}",
            f"{error}",
            "start it, or give the address it listens at",
        ) from None
    except (OSError, HTTPException):
        return False
