"""Checks that refuse a desk whose stage contradicts its venue or data, or live trading without its evidence."""

import datetime as dt
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, JournalError, TercelError, refuse_if
from tercel.core.ports import Venue
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.config import LIVE, PAPER, REPLAY, SHADOW, DeskConfig
from tercel.desk.limits import Limits, check_person_set, hash_of
from tercel.desk.limits.units import MONEY
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import (
    KillEntry,
    LimitsEntry,
    OperatorEntry,
    RearmEntry,
    SessionEntry,
)
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.verification import verify
from tercel.venues.address import SIMULATED, why_money_at

CLOCK_S: Final = 0.1


def check_stage(config: DeskConfig) -> None:
    """Refuse a stage that contradicts its venue or its data.

    Raises
    ------
    ConfigError
    """
    stage = config.desk.stage
    recorded = bool(config.data.lake)
    simulated = config.desk.venue == SIMULATED
    stage_text = f'stage = "{stage}"' if stage else "no stage"
    venue_text = f'venue = "{config.desk.venue}"'
    no_data_text = f"{stage_text}, {venue_text} and no [data]"
    stage_remedy = f'say stage = "{SHADOW}" for orders that stay here'
    rules = (
        (
            stage in ("", PAPER, LIVE) and recorded,
            'stage = "replay" or "shadow" with recorded data',
            f"{stage_text} and a lake under [data]",
            "say it in [desk]",
        ),
        (
            recorded and not simulated,
            "recorded data or a venue's",
            f"both [data] and {venue_text}",
            "leave one out",
        ),
        (
            stage == REPLAY and not recorded,
            'stage = "replay" over a recorded day',
            no_data_text,
            "name a lake under [data]; a market that is made needs no stage",
        ),
        (
            stage == SHADOW and not recorded and simulated,
            'stage = "shadow" over market data',
            no_data_text,
            "name a lake under [data], or the venue whose public data are to be watched",
        ),
        (
            stage in (PAPER, LIVE) and simulated,
            f'stage = "{stage}" at a venue',
            f"{stage_text} and {venue_text}",
            f"name the venue, or {stage_remedy}",
        ),
        (
            bool(config.scenario) and (recorded or not simulated),
            "[scenario] where markets are simulated, which it plants drift, changes and news in",
            f"[scenario] and {'[data]' if recorded else venue_text}",
            "delete [scenario] and the tables under it",
        ),
    )
    for is_wrong, *error_parts in rules:
        if is_wrong:
            raise ConfigError(*error_parts)


def live_reason(config: DeskConfig, base_folder: Path | None = None) -> str:
    """Reason why the requirements of live trading apply; "" if no order of this desk moves money.

    Raises
    ------
    TercelError
        The venue does not answer (`venues.address.why_money_at`), or the stage is `paper` at a venue that moves money.
    """
    if config.desk.stage in (REPLAY, SHADOW):
        return ""
    reason = (
        f'stage = "{LIVE}"'
        if config.desk.stage == LIVE
        else why_money_at(config.desk.venue, base_folder)
    )
    _refuse_paper(config, reason)
    return reason


def _refuse_paper(config: DeskConfig, reason: str) -> None:
    """Refuse the stage `paper` where a reason says that the venue moves money."""
    refuse_if(
        reason and config.desk.stage == PAPER,
        f'stage = "{PAPER}" at a venue that is provably a test',
        reason,
        f'name its test network, or say stage = "{LIVE}" and show what it asks: docs/howto/gate.md',
    )


def largest_loss(limits: Limits) -> str:
    """Most that the limits let a desk lose before it is killed, as text, in money: the lesser of daily loss and drawdown.

    >>> from tercel.desk.limits import read_packaged
    >>> largest_loss(read_packaged())
    '250,000'
    """
    return f"{min(limits.desk.daily_loss, limits.desk.drawdown) / MONEY:,.8g}"


def confirmation_text(config: DeskConfig, limits: Limits) -> str:
    """Confirmation text that a person types before a desk trades live."""
    accounts = ", ".join(agent.name for agent in config.agent)
    return f"trade live at {config.desk.venue} as {accounts}, lose {largest_loss(limits)} at most"


def check_live(
    config: DeskConfig,
    limits: Limits,
    typed: str,
    kill_trial_folder: Path,
    now_ns: int,
    reason: str,
) -> None:
    """Refuse live trading unless limits are a person's, orders are not drawn, a kill was tried today, and the text was typed.

    Parameters
    ----------
    config : DeskConfig
    limits : Limits
        In force.
    typed : str
        The text that the person typed: see :func:`confirmation_text`.
    kill_trial_folder : Path
        Folder of the desk in whose journal the kill switch was tried today.
    now_ns : int
        The wall's time, ns since 1970.
    reason : str
        Why live trading is checked: :func:`live_reason`.

    Raises
    ------
    ConfigError
    """
    _refuse_paper(config, reason)  # of a gate's venue it is not known before
    check_person_set(
        config.limits.file,
        config.limits.changed,
        "no stage in the desk's file, at " * (not config.desk.stage)
        + f"{reason}; every requirement of live trading applies: docs/howto/crypto.md#what-live-asks",
    )
    refuse_if(
        config.signals.orders == "drawn",
        "orders of people or of a file",
        f'signals.orders = "drawn", at random by a seed ({reason})',
        'say orders = "none" under [signals] for those that people send, or "targets"',
    )
    today = dt.datetime.fromtimestamp(now_ns / NS_PER_SECOND, dt.UTC).date()
    if today not in kill_trial_days(kill_trial_folder, config, limits):
        required_kill = f"a kill switch that was tried on {today} by this desk in shadow or on paper, with these limits"
        raise ConfigError(
            required_kill,
            f"none confirmed in {kill_trial_folder} ({reason})",
            f'run this desk\'s file with stage = "{SHADOW}" or "{PAPER}", tercel kill and tercel rearm there, and '
            "name its folder with `tried=DIR`; what else it asks: docs/howto/crypto.md#what-live-asks",
        )
    if typed.strip() != (required_text := confirmation_text(config, limits)):
        typed_text = repr(typed.strip()) if typed.strip() else "none"
        raise ConfigError(
            f'the words "{required_text}"',
            f"{typed_text} ({reason})",
            f'`confirm="{required_text}"`',
        )


def identity(config: DeskConfig) -> dict[str, Any]:
    """Identity of a desk in its journal's sessions: name, stage, recorded data, strategies by agent."""
    desk = config.desk
    return {
        "name": desk.name,
        "stage": desk.stage,
        "recorded": bool(config.data.lake),
        "agents": {agent.name: ", ".join(config.strategies_of(agent)) for agent in config.agent},
    }


def kill_trial_days(folder: Path, config: DeskConfig, limits: Limits) -> set[dt.date]:
    """Days (UTC) on which the same desk's kill switch was tried: a person's kill, confirmed, then re-armed; none
    without a journal.

    The journal is of the desk in shadow or on paper, not over recorded data, with its name, agents and limits in force.

    Raises
    ------
    ConfigError
        A journal that fails verification, or was written with another key.
    """
    # `asked_days` holds days by person and agent; `kills` the person by event and agent.
    asked_days = dict[Any, dt.date]()
    kills = dict[Any, str]()
    days = set[dt.date]()
    is_same_desk = False
    has_same_limits = False
    identities = [identity(config) | {"stage": stage} for stage in (SHADOW, PAPER)]
    with suppress(JournalError), closing(JournalReader(folder)) as journal:
        if fault := verify(folder).fault:
            raise ConfigError(
                "a journal that is as it was written",
                f"{folder}, {fault}",
                "try the kill switch again",
            )
        for _, entry in journal.read(
            0, (kinds.SESSION, kinds.LIMITS, kinds.OPERATOR, kinds.KILL, kinds.REARM)
        ):
            if entry.kind == kinds.SESSION:
                is_same_desk = SessionEntry.of(entry).desk in identities
                asked_days = {}
                kills = {}
            elif entry.kind == kinds.LIMITS and (body := LimitsEntry.of(entry)).hash:
                has_same_limits = body.hash == hash_of(limits)
            elif (
                entry.kind == kinds.OPERATOR
                and (command := OperatorEntry.of(entry)).command == "kill"
            ):
                day = dt.datetime.fromtimestamp(command.wall_ns / NS_PER_SECOND, dt.UTC).date()
                agents = command.parse_body().agents or [agent.name for agent in config.agent]
                asked_days |= {(command.by, agent): day for agent in agents}
            elif entry.kind == kinds.KILL:
                kill = KillEntry.of(entry)
                kills[kill.event, kill.scope] = kill.by
            elif entry.kind == kinds.REARM and (rearm := RearmEntry.of(entry)).ends is None:
                scope = rearm.scope
                key = (kills.pop(("latched", scope), ""), scope)
                confirmed = kills.pop(("confirmed", scope), None)
                if confirmed is not None and key in asked_days and is_same_desk and has_same_limits:
                    days.add(asked_days.pop(key))
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
    ahead_s = (
        None if session is None or session.ahead_ns is None else session.ahead_ns / NS_PER_SECOND
    )
    for folder in folders if ahead_s is None else ():
        with suppress(TercelError), closing(JournalReader(folder)) as journal:
            offsets = [
                entry.body.get("clock_s") for _, entry in journal.read(0, (kinds.HEARTBEAT,))
            ]
            ahead_s = next(
                (float(offset) for offset in reversed(offsets) if offset is not None), ahead_s
            )
    if ahead_s is None or abs(ahead_s) > CLOCK_S:
        received = (
            "a venue that does not tell its time"
            if ahead_s is None
            else f"one {ahead_s:+.3f} s ahead of the venue's"
        )
        remedy = (
            "set this machine's clock by a time server"
            if ahead_s is not None
            else "ask the venue for dated messages"
        )
        raise ConfigError(
            f'stage = "{LIVE}" with a clock within {CLOCK_S:g} s of the venue\'s', received, remedy
        )
