"""Venue addresses: `fix://[COMPID@]host:port[?profile=NAME]`, `fix:FILE`, `binance[:NET or FILE]`, `gate:PATH`,
`ccxt:EXCHANGE[:NET or FILE]`."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tercel.core.errors import ConfigError
from tercel.core.ports import Venue
from tercel.venues.hosts import REMEDY, still_test, why_money

FIX = "fix"
TRADER = "TRADER"
SIMULATED = "simulated"
GATE = "gate:"
BINANCE = "binance"
CCXT = "ccxt"
Agree = Callable[[str], Mapping[str, str]]
"""Consent to a venue with real money: see `connect`."""


@dataclass(frozen=True)
class VenueAddress:
    """A parsed venue address: scheme, host, port, login and FIX profile.

    Parameters
    ----------
    scheme, user, host : str
    port : int
        0: the profile says.
    profile : str
        How the venue wants to be spoken to, "" where the address does not say.
    """

    scheme: str
    user: str
    host: str
    port: int
    profile: str = ""


def address(where: str) -> VenueAddress:
    """Parse a venue's address.

    >>> address("fix://DESK@venue.example:9878?profile=generic-44")
    VenueAddress(scheme='fix', user='DESK', host='venue.example', port=9878, profile='generic-44')
    >>> address("fix:desks/venue.toml").profile
    'desks/venue.toml'
    >>> address("binance:production").profile
    'production'
    >>> address("ccxt:binance:testnet")
    VenueAddress(scheme='ccxt', user='', host='binance', port=0, profile='testnet')

    Raises
    ------
    ConfigError
        An invalid address.
    """
    if where.startswith(GATE) and len(where) > len(GATE):
        return VenueAddress("gate", "", where.removeprefix(GATE), 0)
    if where == BINANCE or where.startswith(f"{BINANCE}:"):
        return VenueAddress(BINANCE, "", "", 0, where.removeprefix(BINANCE).removeprefix(":"))
    if where.startswith(f"{CCXT}:") and where.split(":")[1]:
        _, exchange, *rest = where.split(":", 2)
        return VenueAddress(CCXT, "", exchange, 0, "".join(rest))
    try:
        parts = urlsplit(where)
        host, port = parts.hostname or "", parts.port or 0
        said = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        parts, host, port, said = urlsplit(""), "", 0, {}
    profile = said.pop("profile", [""])[-1]
    if not parts.netloc and parts.path:
        profile = profile or parts.path
    elif parts.path not in ("", "/"):
        host = ""
    complete = (host and port) or (profile and not (bool(host) ^ bool(port)))
    if not complete or said or parts.scheme != FIX or parts.password is not None:
        raise ConfigError(
            "simulated, fix://[COMPID@]host:port[?profile=NAME], fix:PROFILE.toml, binance[:FILE.toml],"
            " ccxt:EXCHANGE[:FILE.toml] or gate:PATH",
            "an address with a password (not shown)" if parts.password is not None else repr(where),
            f"write fix://{TRADER}@host:port for `tercel venue serve`; others: docs/howto/fix.md",
        )
    return VenueAddress(parts.scheme, parts.username or "", host, port, profile)


def urls_of(where: str, near: Path | None = None) -> list[str]:
    """URLs that orders or keys are sent to at a venue's address, as its file or profile has them.

    >>> urls_of("fix://DESK@venue.example:9878?profile=generic-44"), urls_of("binance")[0]
    (['fix://venue.example:9878'], 'https://testnet.binance.vision')
    """
    found = address(where)
    if found.scheme == BINANCE:
        from tercel.venues.binance_venue.terms import BinanceTerms

        return list(astuple(BinanceTerms.named(found.profile, near)[0].endpoints()))
    if found.scheme == CCXT:
        from tercel.venues.ccxt_venue import urls_at

        return urls_at(found.host, found.profile, near)
    from tercel.fix.link import address_of, market_terms

    user, terms = _fix_terms(found, near)
    sessions = (found.host, found.port, terms), ("", 0, market_terms(terms, user))
    return [
        f"{'fix' if one.tls() is None else 'fixs'}://{address_of(host, port, one)}"
        for host, port, one in sessions
        if one is not None
    ]


def money_at(where: str, near: Path | None = None) -> str:
    """Reason why a venue's address counts as one with real money; "" if it is provably a test. A gate reports its own.

    Raises
    ------
    TercelError
        An address or a file that cannot be read; no server answers there.

    >>> money_at("simulated"), money_at("binance")
    ('', '')
    """
    if where == SIMULATED:
        return ""
    if (found := address(where)).scheme == "gate":
        from tercel.venues.wire.client import RemoteVenue

        with closing(RemoteVenue(found.host)) as gate:
            return gate.money
    return next(filter(None, map(why_money, dict.fromkeys(urls_of(where, near) or [""]))), "")


def refuse_money(money: str) -> Mapping[str, str]:
    """Open no order session where money is: the default consent of `connect`.

    Raises
    ------
    ConfigError
    """
    raise ConfigError("an order session at a venue that is provably a test", money, REMEDY)


def placed(where: str, near: Path | None) -> str:
    """The address with a relative profile path made absolute, as a child process may have another working directory."""
    profile = address(where).profile
    if near is None or not profile or not (near / profile).is_file():
        return where
    return where.replace(profile, str((near / profile).resolve()))


def mark_of(where: str) -> str:
    """Prefix that makes a session's order names unique at a venue shared with others; "" for the simulated venue."""
    return "" if where == SIMULATED else f"{time.time_ns() // 10**9:x}-"


def connect(
    where: str,
    accounts: Sequence[str],
    store: Path | None = None,
    near: Path | None = None,
    link_s: int | None = None,
    wall: Callable[[], int] = time.time_ns,
    agree: Agree = refuse_money,
) -> Venue:
    """Connect to the venue at an address: an order session opens if it is provably a test or `agree` permits it.

    A session with a test checks before each further connection that it still is one.

    Parameters
    ----------
    where : str
        Its address.
    accounts : sequence of str
        Accounts of the orders.
    store : Path, optional
        Folder in which a FIX session stores its sequence numbers, so that it continues after a restart. If it is
        empty, a new session begins, regardless of an earlier one under the same name at the venue. A Binance
        venue stores the names of its orders there.
    near : Path, optional
        First folder of the search for a profile's file.
    link_s : int, optional
        Seconds between the heartbeats of a FIX session with a venue of this package; None: as the profile says.
    wall : callable
        ns since 1970, of a FIX session.
    agree : callable
        Called with the reason why the venue has real money, before any message is sent: raises, or returns the proof
        for a gate; {} for a session that may only cancel through a gate.

    Raises
    ------
    ConfigError
        An invalid address.
    VenueError
        No server answers there, or the logon is refused.
    """
    found = address(where)
    if found.scheme == "gate":
        from tercel.venues.wire.client import RemoteVenue

        return RemoteVenue(found.host, list(accounts), agree=agree)
    if money := money_at(where, near):
        agree(money)
    more: Mapping[str, Any] = {} if money else {"allow": still_test}
    if found.scheme == BINANCE:
        from tercel.venues.binance_venue.terms import BinanceTerms
        from tercel.venues.binance_venue.venue import BinanceVenue

        return BinanceVenue(*BinanceTerms.named(found.profile, near), store, wall, **more)
    if found.scheme == CCXT:
        from tercel.venues.ccxt_venue import CcxtTerms, CcxtVenue

        return CcxtVenue(found.host, *CcxtTerms.named(found.profile, near), store, wall, **more)
    from tercel.fix.client import FixVenue
    from tercel.fix.store import holds_session

    reset = store is not None and not holds_session(store)
    user, terms = _fix_terms(found, near)
    if link_s is not None and terms.profile.extension:
        terms = terms.beating(link_s)
    return FixVenue(
        found.host, found.port, user, profile=terms, store=store, reset=reset, wall=wall, **more
    )


def _fix_terms(found: VenueAddress, near: Path | None) -> tuple[str, Any]:
    """SenderCompID and profile of a FIX address."""
    from tercel.fix.profiles import load

    user = found.user or (TRADER if found.profile in ("", "tercel") else "")
    return user, load(profile_near(found.profile or "tercel", near), user)


def profile_near(name: str, near: Path | None) -> str:
    """Name or path of a profile to load: the file of that name in the folder `near` if it exists, else the name."""
    return str(near / name) if near is not None and (near / name).is_file() else name
