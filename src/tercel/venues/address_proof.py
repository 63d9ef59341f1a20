"""Whether the host of a venue is provably a test, or counts as one with real money.

A test is proved by a host on :data:`TEST_NETWORKS`, a host on the installation's own list (`core.installation`), or a
server on this machine that answers as `tercel venue serve` does (`core.installation`). A name or loopback alone is none.
"""

import secrets
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from tercel.core import installation
from tercel.core.errors import VenueError
from tercel.core.installation import PROOF_PATH, simulation_proof
from tercel.venues.hosts import is_loopback

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
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    host_port = f"{host}:{port}"
    is_local = is_loopback(host)
    if host in TEST_NETWORKS or (
        is_local and _proves_simulated(parts.scheme, host, port, seconds or _PATIENCE_S)
    ):
        return ""
    if host_port in installation.read_installation().test_hosts:
        return ""
    return (
        f"{host_port}, which counts as production: it is on no list of test networks, not on that of {installation.FILE}, "
        f"and {'no `tercel venue serve` answers there' if is_local else 'it is not on this machine'}. A test is a host of "
        "a test network, a `tercel venue serve` on this machine, or what its administrator writes into that file: "
        f'test_hosts = ["{host_port}"]'
    )


def check_still_test(url: str) -> None:
    """Raise VenueError if the host of a URL is no longer provably a test's.

    Raises
    ------
    VenueError
        Money is there, or no server listens.
    """
    if money := why_money(url, 1.0):  # the caller that waits for the link waits for this, too
        raise VenueError("a venue that is still provably a test", money, REMEDY)


def _proves_simulated(scheme: str, host: str, port: int, seconds: float) -> bool:
    """Whether a server on this machine proves that it is a simulated exchange.

    Raises
    ------
    VenueError
        No server listens there.
    """
    nonce = secrets.token_hex(16)
    try:
        if scheme == "fix":
            from tercel.fix import own_dialect

            return own_dialect.is_simulated_exchange(host, port, nonce, seconds)
        link = HTTPConnection(host, port, timeout=seconds)
        link.request("GET", f"{PROOF_PATH}?nonce={nonce}")
        return link.getresponse().read(1000) == simulation_proof("binance", nonce).encode()
    except ConnectionRefusedError as error:
        raise VenueError(
            f"a {scheme.upper()} server at {host}:{port}",
            f"{error}",
            "start it, or give the address it listens at",
        ) from None
    except (OSError, HTTPException):
        return False
