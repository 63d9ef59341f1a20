"""From an address to a venue: `wire://host:port`, `fix://[COMPID@]host:port` and `gate:PATH`, a gate before one."""

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tercel.core.errors import ConfigError
from tercel.core.ports import Venue

SCHEMES = ("wire", "fix")
TRADER = "TRADER"
SIMULATED = "simulated"
GATE = "gate:"


def address(where: str) -> tuple[str, str, str, int]:
    """Scheme, user, host and port of a venue's address.

    Raises
    ------
    ConfigError
        For what is no address.
    """
    if where.startswith(GATE) and len(where) > len(GATE):
        return "gate", "", where.removeprefix(GATE), 0
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in SCHEMES:
        ways = "simulated, wire://host:port, fix://[COMPID@]host:port or gate:PATH"
        raise ConfigError(ways, repr(where), "see `tercel venue serve --help` and `tercel gate --help`")
    return parts.scheme, parts.username or "", host, port


def mark_of(where: str) -> str:
    """What stands in the names of a session: at a venue that others trade at too, no two have the same."""
    return "" if where == SIMULATED else f"{time.time_ns() // 10**9:x}-"


def connect(where: str, accounts: Sequence[str], store: Path | None = None) -> Venue:
    """Connect to a venue that is served somewhere.

    Parameters
    ----------
    where : str
        Its address.
    accounts : sequence of str
        Names that orders will be sent under.
    store : Path, optional
        Folder in which a FIX session keeps its sequence numbers, so that it goes on after a restart. Where it holds
        none yet, a new session begins, whatever the venue remembers of an earlier one under the same name.

    Raises
    ------
    ConfigError
        For what is no address.
    VenueError
        Nobody answers there, or the logon is refused.
    """
    scheme, user, host, port = address(where)
    if scheme in ("wire", "gate"):
        from tercel.venues.wire import RemoteVenue

        return RemoteVenue(f"unix:{host}" if scheme == "gate" else host, port, list(accounts))
    from tercel.venues.fix.client import FixVenue, holds_session

    reset = store is not None and not holds_session(store)
    return FixVenue(host, port, user or TRADER, store=store, reset=reset)
