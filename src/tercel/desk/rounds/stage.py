"""The stage of a desk: what its file may say together, and what has to be so before money is at risk."""

import datetime as dt
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, JournalError, TercelError
from tercel.core.ports import Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.limits import Limits
from tercel.desk.limits.file import MONEY
from tercel.desk.rounds.config import LIVE, PAPER, REPLAY, SHADOW, DeskConfig
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.venues.address import GATE, SIMULATED, hosts_of

CLOCK_S: Final = 0.1
TESTS: Final = frozenset({"localhost", "testnet", "sandbox", "test", "uat", "demo", "cert", "staging"})
"""Parts of a host's name that say that no money is behind it."""


def check_stage(config: DeskConfig, beside: Path | None = None) -> None:
    """Refuse a stage that contradicts its venue or its data.

    Raises
    ------
    ConfigError
    """
    stage, recorded, simulated = config.desk.stage, bool(config.data.lake), config.desk.venue == SIMULATED
    said = f'stage = "{stage}"' if stage else "no stage"
    where = f'venue = "{config.desk.venue}"'
    if stage in ("", PAPER, LIVE) and recorded:
        raise ConfigError(
            'stage = "replay" or "shadow" with recorded data', f"{said} and a lake under [data]", "say it in [desk]"
        )
    if recorded and not simulated:
        raise ConfigError("recorded data or a venue's", f"both [data] and {where}", "leave one out")
    if stage == REPLAY and not recorded:
        remedy = "name a lake under [data]; a market that is made needs no stage"
        raise ConfigError('stage = "replay" over a recorded day', f"{said}, {where} and no [data]", remedy)
    if stage == SHADOW and not recorded and simulated:
        remedy = "name a lake under [data], or the venue whose public data are to be watched"
        raise ConfigError('stage = "shadow" over market data', f"{said}, {where} and no [data]", remedy)
    if stage in (PAPER, LIVE) and simulated:
        remedy = f'name the venue, or say stage = "{SHADOW}" for orders that stay here'
        raise ConfigError(f'stage = "{stage}" at a venue', f"{said} and {where}", remedy)
    if stage == PAPER:
        check_test_venue(config.desk.venue, beside)


def check_test_venue(venue: str, beside: Path | None = None) -> None:
    """Refuse a venue that may be a real one.

    Raises
    ------
    ConfigError
    """
    if venue.startswith(GATE):
        wanted = f'stage = "{PAPER}" at a venue whose host is known'
        raise ConfigError(wanted, f"a gate, {venue}", "name the venue itself")
    for host in hosts_of(venue, beside):
        if not is_test_host(host):
            remedy = f"name its testnet, whose host says so ({', '.join(sorted(TESTS))}), or write another stage"
            raise ConfigError(f'stage = "{PAPER}" at a host without money behind it', f"{host} of {venue}", remedy)


def is_test_host(host: str) -> bool:
    """Whether a host is this machine or says that it is a test's.

    >>> [is_test_host(host) for host in ("127.0.0.1", "testnet.binance.vision", "api.binance.com", "contest.example")]
    [True, True, False, False]
    """
    return host in ("127.0.0.1", "::1") or bool(TESTS & set(host.lower().replace("-", ".").split(".")))


# -- live -------------------------------------------------------------------------------------------------------------


def largest_loss(limits: Limits) -> str:
    """The most that the limits let a desk lose before it is killed, in money.

    >>> from tercel.desk.limits import default_file, read
    >>> largest_loss(read(default_file()))
    '250,000'
    """
    return f"{min(limits.desk.daily_loss, limits.desk.drawdown) / MONEY:,.8g}"


def sentence(config: DeskConfig, limits: Limits) -> str:
    """What a person types before a desk trades live."""
    accounts = ", ".join(agent.name for agent in config.agent)
    return f"trade live at {config.desk.venue} as {accounts}, lose {largest_loss(limits)} at most"


def check_live(config: DeskConfig, limits: Limits, typed: str, tried: Path, now_ns: int) -> None:
    """Refuse to trade live without what has to be so first.

    Parameters
    ----------
    config : DeskConfig
    limits : Limits
        In force.
    typed : str
        A person's word: :func:`sentence`.
    tried : Path
        Folder of a desk in whose journal the kill switch was tried today.
    now_ns : int
        The wall's time, ns since 1970.

    Raises
    ------
    ConfigError
    """
    own = {path.partition(".")[2] for path in config.limits.changed if path.startswith("desk.")}
    if not config.limits.file and not {"daily_loss", "gross_value"} <= own:
        remedy = (
            'write them: [limits] file = "limits.toml", or "desk.daily_loss" and "desk.gross_value" in [limits.changed]'
        )
        raise ConfigError("limits in money that a person set", "the packaged ones", remedy)
    today = dt.datetime.fromtimestamp(now_ns / NS_PER_SECOND, dt.UTC).date()
    if today not in kills_tried(tried):
        remedy = "tercel kill and tercel rearm at a desk in shadow or on paper, then name its folder with `tried=DIR`"
        raise ConfigError(f"a kill switch that was tried on {today}", f"none confirmed in {tried}", remedy)
    if typed.strip() != (wanted := sentence(config, limits)):
        raise ConfigError(
            f'the words "{wanted}"', repr(typed.strip()) if typed.strip() else "none", f'`confirm="{wanted}"`'
        )


def kills_tried(folder: Path) -> set[dt.date]:
    """Days (UTC) on which a person's kill was confirmed by the venue and taken back, by a desk's journal."""
    days: set[dt.date] = set()
    asked: dt.date | None = None
    confirmed = False
    with suppress(JournalError), closing(JournalReader(folder)) as journal:
        for _, entry in journal.read(0, (kinds.OPERATOR, kinds.KILL, kinds.REARM)):
            if entry.kind == kinds.OPERATOR and entry.body.get("command") == "kill":
                wall_ns = int(entry.body.get("wall_ns", 0))
                asked = dt.datetime.fromtimestamp(wall_ns / NS_PER_SECOND, dt.UTC).date()
            elif entry.kind == kinds.KILL:
                confirmed = confirmed or entry.body.get("event") == "confirmed"
            elif entry.kind == kinds.REARM and "ends" not in entry.body:
                if asked is not None and confirmed:
                    days.add(asked)
                confirmed = False
    return days


def check_clock(venue: Venue, folders: Iterable[Path]) -> None:
    """Refuse a venue whose clock is not known, or is off by more than :data:`CLOCK_S`.

    Parameters
    ----------
    venue : Venue
    folders : iterable of Path
        Journals whose heartbeats tell it, where the venue does not: the desk's, its gate's.

    Raises
    ------
    ConfigError
    """
    session = venue.capabilities.session
    ahead = None if session is None or session.ahead_ns is None else session.ahead_ns / NS_PER_SECOND
    for folder in folders if ahead is None else ():
        with suppress(TercelError), closing(JournalReader(folder)) as journal:
            told = [entry.body.get("clock_s") for _, entry in journal.read(0, (kinds.HEARTBEAT,))]
            ahead = next((float(one) for one in reversed(told) if one is not None), ahead)
    if ahead is None or abs(ahead) > CLOCK_S:
        received = (
            "a venue that does not tell its time" if ahead is None else f"one {ahead:+.3f} s ahead of the venue's"
        )
        remedy = (
            "set this machine's clock by a time server" if ahead is not None else "ask the venue for dated messages"
        )
        raise ConfigError(f'stage = "{LIVE}" with a clock within {CLOCK_S:g} s of the venue\'s', received, remedy)
