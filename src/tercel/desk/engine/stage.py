"""The stage of a desk: what its file may say together, and what has to be so before money is at risk."""

import datetime as dt
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, JournalError, TercelError
from tercel.core.ports import Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.config import LIVE, PAPER, REPLAY, SHADOW, DeskConfig
from tercel.desk.limits import Limits, check_own, hash_of
from tercel.desk.limits.file import MONEY
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import verify
from tercel.venues.address import SIMULATED, money_at

CLOCK_S: Final = 0.1


def check_stage(config: DeskConfig) -> None:
    """Refuse a stage that contradicts its venue or its data.

    Raises
    ------
    ConfigError
    """
    stage, recorded, simulated = (
        config.desk.stage,
        bool(config.data.lake),
        config.desk.venue == SIMULATED,
    )
    said = f'stage = "{stage}"' if stage else "no stage"
    where = f'venue = "{config.desk.venue}"'
    nothing, stays = (
        f"{said}, {where} and no [data]",
        f'say stage = "{SHADOW}" for orders that stay here',
    )
    rules = (
        (
            stage in ("", PAPER, LIVE) and recorded,
            'stage = "replay" or "shadow" with recorded data',
            f"{said} and a lake under [data]",
            "say it in [desk]",
        ),
        (
            recorded and not simulated,
            "recorded data or a venue's",
            f"both [data] and {where}",
            "leave one out",
        ),
        (
            stage == REPLAY and not recorded,
            'stage = "replay" over a recorded day',
            nothing,
            "name a lake under [data]; a market that is made needs no stage",
        ),
        (
            stage == SHADOW and not recorded and simulated,
            'stage = "shadow" over market data',
            nothing,
            "name a lake under [data], or the venue whose public data are to be watched",
        ),
        (
            stage in (PAPER, LIVE) and simulated,
            f'stage = "{stage}" at a venue',
            f"{said} and {where}",
            f"name the venue, or {stays}",
        ),
        (
            bool(config.scenario) and (recorded or not simulated),
            "[scenario] where markets are simulated, which it plants drift, changes and news in",
            f"[scenario] and {'[data]' if recorded else where}",
            "delete [scenario] and the tables under it",
        ),
    )
    for wrong, *words in rules:
        if wrong:
            raise ConfigError(*words)


def asks_live(config: DeskConfig, beside: Path | None = None) -> str:
    """Why a desk has to show all that live asks; "" where its orders stay here, or move no money.

    Raises
    ------
    TercelError
        Nobody answers at its venue: see `venues.address.money_at`. It says that it trades on paper, where money is.
    """
    if config.desk.stage in (REPLAY, SHADOW):
        return ""
    why = f'stage = "{LIVE}"' if config.desk.stage == LIVE else money_at(config.desk.venue, beside)
    _refuse_paper(config, why)
    return why


def _refuse_paper(config: DeskConfig, why: str) -> None:
    if why and config.desk.stage == PAPER:
        raise ConfigError(
            f'stage = "{PAPER}" at a venue that is provably a test',
            why,
            f'name its test network, or say stage = "{LIVE}" and show what it asks: docs/howto/gate.md',
        )


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


def check_live(
    config: DeskConfig, limits: Limits, typed: str, tried: Path, now_ns: int, why: str
) -> None:
    """Refuse to trade live without what has to be so first.

    Parameters
    ----------
    config : DeskConfig
    limits : Limits
        In force.
    typed : str
        A person's word: :func:`sentence`.
    tried : Path
        Folder of the desk in whose journal the kill switch was tried today.
    now_ns : int
        The wall's time, ns since 1970.
    why : str
        Why it is asked: :func:`asks_live`.

    Raises
    ------
    ConfigError
    """
    _refuse_paper(config, why)  # of a gate's venue it is not known before
    check_own(
        config.limits.file,
        config.limits.changed,
        "no stage in the desk's file, at " * (not config.desk.stage)
        + f"{why}; all that live asks is asked: docs/howto/crypto.md#what-live-asks",
    )
    if config.signals.orders == "drawn":
        raise ConfigError(
            "orders of people or of a file",
            f'signals.orders = "drawn", at random by a seed ({why})',
            'say orders = "none" under [signals] for those that people send, or "targets"',
        )
    today = dt.datetime.fromtimestamp(now_ns / NS_PER_SECOND, dt.UTC).date()
    if today not in kills_tried(tried, config, limits):
        wanted = f"a kill switch that was tried on {today} by this desk in shadow or on paper, with these limits"
        raise ConfigError(
            wanted,
            f"none confirmed in {tried} ({why})",
            f'run this desk\'s file with stage = "{SHADOW}" or "{PAPER}", tercel kill and tercel rearm there, and '
            "name its folder with `tried=DIR`; what else it asks: docs/howto/crypto.md#what-live-asks",
        )
    if typed.strip() != (wanted := sentence(config, limits)):
        said = repr(typed.strip()) if typed.strip() else "none"
        raise ConfigError(f'the words "{wanted}"', f"{said} ({why})", f'`confirm="{wanted}"`')


def identity(config: DeskConfig) -> dict[str, Any]:
    """What a journal's sessions say of their desk."""
    desk = config.desk
    return {
        "name": desk.name,
        "stage": desk.stage,
        "recorded": bool(config.data.lake),
        "agents": {one.name: one.strategy for one in config.agent},
    }


def kills_tried(folder: Path, config: DeskConfig, limits: Limits) -> set[dt.date]:
    """Days (UTC) on which a person's kill of an agent was confirmed by the venue and taken back, by the journal of the
    same desk in shadow or on paper, not over recorded data: its name, its agents and the limits in force.

    Raises
    ------
    ConfigError
        A journal that is not as it was written, or by another key.
    """
    # `asked` is by person and agent; `kills` tells who, by event and agent.
    asked, kills, days, fits, same = (
        dict[Any, dt.date](),
        dict[Any, str](),
        set[dt.date](),
        False,
        False,
    )
    known = [identity(config) | {"stage": stage} for stage in (SHADOW, PAPER)]
    with suppress(JournalError), closing(JournalReader(folder)) as journal:
        if fault := verify(folder).fault:
            raise ConfigError(
                "a journal that is as it was written",
                f"{folder}, {fault}",
                "try the kill switch anew",
            )
        for _, entry in journal.read(
            0, (kinds.SESSION, kinds.LIMITS, kinds.OPERATOR, kinds.KILL, kinds.REARM)
        ):
            if entry.kind == kinds.SESSION:
                fits, asked, kills = entry.body.get("desk") in known, {}, {}
            elif entry.kind == kinds.LIMITS and "hash" in entry.body:
                same = entry.body["hash"] == hash_of(limits)
            elif entry.kind == kinds.OPERATOR and entry.body.get("command") == "kill":
                day = dt.datetime.fromtimestamp(
                    int(entry.body.get("wall_ns", 0)) / NS_PER_SECOND, dt.UTC
                ).date()
                asked |= {
                    (entry.body["by"], one): day
                    for one in entry.body["body"].get("agents") or identity(config)["agents"]
                }
            elif entry.kind == kinds.KILL:
                kills[entry.body["event"], entry.body["scope"]] = entry.body["by"]
            elif entry.kind == kinds.REARM and "ends" not in entry.body:
                scope = entry.body["scope"]
                key, confirmed = (
                    (kills.pop(("latched", scope), ""), scope),
                    kills.pop(("confirmed", scope), None),
                )
                if confirmed is not None and key in asked and fits and same:
                    days.add(asked.pop(key))
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
    ahead = (
        None if session is None or session.ahead_ns is None else session.ahead_ns / NS_PER_SECOND
    )
    for folder in folders if ahead is None else ():
        with suppress(TercelError), closing(JournalReader(folder)) as journal:
            told = [entry.body.get("clock_s") for _, entry in journal.read(0, (kinds.HEARTBEAT,))]
            ahead = next((float(one) for one in reversed(told) if one is not None), ahead)
    if ahead is None or abs(ahead) > CLOCK_S:
        received = (
            "a venue that does not tell its time"
            if ahead is None
            else f"one {ahead:+.3f} s ahead of the venue's"
        )
        remedy = (
            "set this machine's clock by a time server"
            if ahead is not None
            else "ask the venue for dated messages"
        )
        raise ConfigError(
            f'stage = "{LIVE}" with a clock within {CLOCK_S:g} s of the venue\'s', received, remedy
        )
