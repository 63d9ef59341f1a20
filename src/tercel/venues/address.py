"""Venue addresses: parsed, judged (test or real money), and connected to, for FIX, Binance, ccxt and gates.

An address is `fix://[COMPID@]host:port[?profile=NAME]`, `fix:FILE`, `gate:PATH`, `binance[:NET or FILE]`, or else
`ccxt:EXCHANGE[:NET or FILE]`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.ports import Venue
from tercel.venues.address_proof import REMEDY, check_still_test, why_money

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


def parse_address(venue_address: str) -> VenueAddress:
    """Parse a venue's address.

    >>> parse_address("fix://DESK@venue.example:9878?profile=generic-44")
    VenueAddress(scheme='fix', user='DESK', host='venue.example', port=9878, profile='generic-44')
    >>> parse_address("fix:desks/venue.toml").profile
    'desks/venue.toml'
    >>> parse_address("binance:production").profile
    'production'
    >>> parse_address("ccxt:binance:testnet")
    VenueAddress(scheme='ccxt', user='', host='binance', port=0, profile='testnet')

    Raises
    ------
    ConfigError
        An invalid address.
    """
    if venue_address.startswith(GATE) and len(venue_address) > len(GATE):
        return VenueAddress("gate", "", venue_address.removeprefix(GATE), 0)
    if venue_address == BINANCE or venue_address.startswith(f"{BINANCE}:"):
        return VenueAddress(
            BINANCE, "", "", 0, venue_address.removeprefix(BINANCE).removeprefix(":")
        )
    if venue_address.startswith(f"{CCXT}:") and venue_address.split(":")[1]:
        _, exchange, *rest = venue_address.split(":", 2)
        return VenueAddress(CCXT, "", exchange, 0, "".join(rest))
    try:
        parts = urlsplit(venue_address)
        host = parts.hostname or ""
        port = parts.port or 0
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        parts = urlsplit("")
        host = ""
        port = 0
        query = {}
    profile = query.pop("profile", [""])[-1]
    if not parts.netloc and parts.path:
        profile = profile or parts.path
    elif parts.path not in ("", "/"):
        host = ""
    complete = (host and port) or (profile and not (bool(host) ^ bool(port)))
    refuse_if(
        not complete or query or parts.scheme != FIX or parts.password is not None,
        "simulated, fix://[COMPID@]host:port[?profile=NAME], fix:PROFILE.toml, binance[:FILE.toml],"
        " ccxt:EXCHANGE[:FILE.toml] or gate:PATH",
        "an address with a password (not shown)"
        if parts.password is not None
        else repr(venue_address),
        f"write fix://{TRADER}@host:port for `tercel venue serve`; others: docs/howto/fix.md",
    )
    return VenueAddress(parts.scheme, parts.username or "", host, port, profile)


def urls_of(venue_address: str, near: Path | None = None) -> list[str]:
    """URLs that orders or keys are sent to at a FIX, Binance or ccxt address, as its file or profile has them.

    >>> urls_of("fix://DESK@venue.example:9878?profile=generic-44"), urls_of("binance")[0]
    (['fix://venue.example:9878'], 'https://testnet.binance.vision')
    """
    parsed = parse_address(venue_address)
    if parsed.scheme == BINANCE:
        from tercel.venues.binance_venue.terms import BinanceTerms

        return list(astuple(BinanceTerms.load_named(parsed.profile, near)[0].endpoints()))
    if parsed.scheme == CCXT:
        from tercel.venues.ccxt_venue.terms import urls_at

        return urls_at(parsed.host, parsed.profile, near)
    from tercel.fix.link import address_of, market_terms

    user, terms = _load_fix_terms(parsed, near)
    sessions = (parsed.host, parsed.port, terms), ("", 0, market_terms(terms, user))
    return [
        f"{'fix' if session_terms.tls() is None else 'fixs'}://{address_of(host, port, session_terms)}"
        for host, port, session_terms in sessions
        if session_terms is not None
    ]


def why_money_at(venue_address: str, near: Path | None = None) -> str:
    """Reason why a venue's address counts as one with real money; "" if it is provably a test. A gate reports its own.

    Raises
    ------
    TercelError
        An address or a file that cannot be read; no server answers there.

    >>> why_money_at("simulated"), why_money_at("binance")
    ('', '')
    """
    if venue_address == SIMULATED:
        return ""
    if (parsed := parse_address(venue_address)).scheme == "gate":
        from tercel.venues.wire.client import RemoteVenue

        with closing(RemoteVenue(parsed.host)) as gate:
            return gate.money
    return next(
        filter(None, map(why_money, dict.fromkeys(urls_of(venue_address, near) or [""]))), ""
    )


def refuse_money(money: str) -> Mapping[str, str]:
    """Raise ConfigError with the reason `money` why real money is there: the default consent of `connect`, a refusal.

    Raises
    ------
    ConfigError
    """
    raise ConfigError("an order session at a venue that is provably a test", money, REMEDY)


def resolve_profile_path(venue_address: str, near: Path | None) -> str:
    """A venue address whose relative profile path is made absolute, for a child process with another working directory."""
    profile = parse_address(venue_address).profile
    if near is None or not profile or not (near / profile).is_file():
        return venue_address
    return venue_address.replace(profile, str((near / profile).resolve()))


def mark_of(venue_address: str) -> str:
    """Prefix, the time in seconds, that makes a session's order names unique at a venue; "" for the simulated one."""
    return "" if venue_address == SIMULATED else f"{time.time_ns() // 10**9:x}-"


def connect(
    venue_address: str,
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
    venue_address : str
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
    parsed = parse_address(venue_address)
    if parsed.scheme == "gate":
        from tercel.venues.wire.client import RemoteVenue

        return RemoteVenue(parsed.host, list(accounts), agree=agree)
    if money := why_money_at(venue_address, near):
        agree(money)
    link_options: Mapping[str, Any] = {} if money else {"allow": check_still_test}
    if parsed.scheme == BINANCE:
        from tercel.venues.binance_venue.opening import open_binance_venue
        from tercel.venues.binance_venue.terms import BinanceTerms

        return open_binance_venue(
            *BinanceTerms.load_named(parsed.profile, near), store, wall, **link_options
        )
    if parsed.scheme == CCXT:
        from tercel.venues.ccxt_venue.opening import open_ccxt_venue
        from tercel.venues.ccxt_venue.terms import CcxtTerms

        return open_ccxt_venue(
            parsed.host, *CcxtTerms.load_named(parsed.profile, near), store, wall, **link_options
        )
    from tercel.fix.opening import open_fix_venue
    from tercel.fix.store import holds_session

    reset = store is not None and not holds_session(store)
    user, terms = _load_fix_terms(parsed, near)
    if link_s is not None and terms.profile.extension:
        terms = terms.with_heartbeat(link_s)
    return open_fix_venue(
        parsed.host,
        parsed.port,
        user,
        profile=terms,
        store=store,
        reset=reset,
        wall=wall,
        **link_options,
    )


def _load_fix_terms(parsed: VenueAddress, near: Path | None) -> tuple[str, Any]:
    """SenderCompID and profile of a FIX address."""
    from tercel.fix.profiles import load

    user = parsed.user or (TRADER if parsed.profile in ("", "tercel") else "")
    return user, load(profile_near(parsed.profile or "tercel", near), user)


def profile_near(name: str, near: Path | None) -> str:
    """Path of a profile's file in the folder `near` if it exists, else the name itself."""
    return str(near / name) if near is not None and (near / name).is_file() else name
