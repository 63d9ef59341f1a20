"""Orders that a desk receives: drawn at random from a seed, or made towards target positions.

Those that are drawn are the same for every variant of a desk. Towards positions parents are made from target less
position. A name without a row is left as it is. Targets with a date are traded for `targets_days` after it, and not
while the forecast of the desk's model is refused. A weight is worth its share of the capital at the price where the
desk trades, whatever the files' last close is: both are reported where they differ. Lots that are still at work for the
desk's agents count as traded, so that a session which follows another asks for nothing twice. A target that no order
can reach is refused alone; weights that come to more than the capital, long and short together, are traded with a warning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.errors import refuse_if
from tercel.core.fixed_point import ONE
from tercel.core.tables.table_map import ColumnNames
from tercel.core.vocabulary import BUY, MOST_LOTS, SELL
from tercel.desk.engine.config import DeskConfig, SignalsSection
from tercel.desk.engine.forecasts import DeskForecasts, session_day
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.session import Session
from tercel.signals.models.model_folder import find_model_folder, load
from tercel.signals.portfolio.targets import Target, names_in, read_targets
from tercel.signals.sources.registry import table_instructions

MAX_PRICE_GAP: Final = 0.2
"""Part of a close beyond which both prices are reported."""


@dataclass(frozen=True, slots=True)
class OrderArrival:
    """One incoming order: `lots` of `instrument` to `side` in round `round`."""

    round: int
    instrument: str
    side: int
    lots: int


def order_arrivals(
    config: DeskConfig, volume_per_s: dict[str, float], seed: int
) -> list[OrderArrival]:
    """Drawn orders: one for each round and instrument, a fixed share of its volume, to one side of it (drawn unless
    configured).

    Parameters
    ----------
    volume_per_s : dict of str to float
        Lots that trade in a second, by instrument, as the venue lists them.
    seed : int
        Of the sides.
    """
    rng = np.random.default_rng([seed, 11])
    fixed = {"buy": BUY, "sell": SELL}
    sides = {
        instrument.name: fixed.get(config.order_arrivals.side, BUY if rng.random() < 0.5 else SELL)
        for instrument in config.instrument
    }
    lots = {
        name: max(round(config.order_arrivals.share * volume_per_s[name] * config.desk.round_s), 1)
        for name in sides
    }
    return [
        OrderArrival(number, name, sides[name], lots[name])
        for number in range(config.desk.rounds)
        for name in sides
    ]


def read_desk_targets(config: DeskConfig) -> dict[str, Target] | None:
    """Target positions by instrument from the desk's file of targets; None unless key `orders` of `[signals]` is "targets".

    Raises
    ------
    ConfigError, DataError
        For a desk's file that names none, or a file that cannot be obeyed to the letter.
    """
    section = config.signals
    if section.orders != "targets":
        return None
    refuse_if(
        not section.targets,
        "a file of targets",
        'signals.orders = "targets" alone',
        'add targets = "targets.csv"',
    )
    names = {
        section.names.get(instrument.name, instrument.name): instrument.name
        for instrument in config.instrument
    }
    targets = read_targets(
        Path(section.targets), names, section.columns, table_instructions("signals")
    )
    refuse_if(
        any(target.unit == "weight" for target in targets.values()) and not section.capital > 0,
        "capital for weights",
        f"{section.targets} and no signals.capital",
        "add capital = 1_000_000",
    )
    return targets


def names_to_trade(path: Path, model: Path, columns: ColumnNames) -> tuple[str, ...]:
    """Instrument names in a file of targets; each must be in the model's panel if the model loads.

    Raises
    ------
    DataError
        For a file that is none, and a name that the panel lacks.
    """
    from tercel.signals.models.predict import predict

    try:
        closes = predict(load(find_model_folder(model))).closes
    except Exception:  # whatever a file holds: a desk trades without its forecast
        closes = {}
    return tuple(
        read_targets(
            path,
            {name: name for name in closes or names_in(path, columns)},
            columns,
            table_instructions("signals"),
        )
    )


class TargetOrders:
    """Orders of a desk towards its targets, each once, as soon as its instrument has a market.

    Parameters
    ----------
    targets : mapping of instrument to Target
    session : Session
    section : SignalsSection
        Of the desk: its capital, in money; how old targets may be.
    forecasts : DeskForecasts, optional
        What targets with a date are made from: they are not traded while it is refused.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        session: Session,
        section: SignalsSection,
        forecasts: DeskForecasts | None,
    ) -> None:
        self._targets = dict(targets)
        self._session = session
        self._section = section
        self._forecasts = forecasts
        self._gross = sum(
            abs(target.value) for target in targets.values() if target.unit == "weight"
        )
        self._inform = partial(session.gateway.alert, "info", kinds.TARGET)
        self._warn = partial(session.gateway.alert_once, "warning", kinds.TARGET)

    def due(self, number: int) -> Iterator[OrderArrival]:
        """Orders for round `number` towards targets whose instruments have a market, each once; alerts each; none if
        targets are refused."""
        if reason := self._refusal_reason():
            self._warn(f"{self._section.targets} is not traded: {reason}")
            return
        if round(self._gross, 3) > 1:  # weights may be rounded
            exposure_text = (
                f"gross exposure of {self._gross:g} times the capital, {self._section.capital:,.2f}"
            )
            self._warn(
                f"{self._section.targets} asks for a {exposure_text}, long and short together"
            )
        closes = {} if self._forecasts is None else self._forecasts.closes
        for name in list(self._targets):
            mid2 = self._session.follow(name).mid2
            listing = self._session.listings[name]
            if not mid2:
                self._inform(f"{name}: no two-sided market yet: its target waits a round", name)
                continue
            aim = self._targets.pop(name)
            price = mid2 / 2 * listing.tick
            exact, held, at_work = (
                aim.lots(listing, mid2, self._section.capital),
                *self._held_and_working(name),
            )
            close = closes.get(self._section.names.get(name, name), price)
            close_text = (
                f" (the file's last close, {close:.8g}, is not used)"
                if abs(price - close) > MAX_PRICE_GAP * close
                else ""
            )
            target_text = (
                f"{name}: {aim.unit} {aim.value:g} at {price:.8g}{close_text} is {exact:.8g} lots"
            )
            if abs(exact - held - at_work) > MOST_LOTS:
                self._warn(
                    f"{target_text}, beyond the {MOST_LOTS} of one order: it is refused, the others are traded",
                    name,
                )
                continue
            target = round(exact)
            lots = target - held - at_work
            worth = f"target {target}, worth {target * listing.lot * price:,.2f}"
            order = f"{'buys' if lots > 0 else 'sells'} {abs(lots)}" if lots else "nothing to trade"
            self._inform(f"{target_text}; {worth}; holds {held}, {at_work} at work: {order}", name)
            if lots:
                yield OrderArrival(number, name, BUY if lots > 0 else SELL, abs(lots))

    def _refusal_reason(self) -> str:
        """Reason why dated targets may not be traded now (forecast refused, or too old); "" if they may."""
        day = next((target.day for target in self._targets.values()), None)
        forecasts = self._forecasts
        now_ns = self._session.now_ns
        days = self._section.targets_days
        if day is None:
            return ""
        if forecasts is not None:
            forecasts.refresh(now_ns)
            if forecasts.fault is not None:
                return f"the forecast that it is made from is refused, {forecasts.fault.received}"
            now_ns += forecasts.offset_ns
        session_date = session_day(now_ns, self._section.date)
        if session_date is None or 0 <= (session_date - day).days <= days:
            return ""
        return f"it is of {day}, traded for {days:g} days (signals.targets_days), not in a session of {session_date}"

    def _held_and_working(self, name: str) -> tuple[int, int]:
        """Signed lots that the desk's agents hold of an instrument, and signed lots that their open parents will still trade."""
        held = sum(
            quantities.get(name, 0) for quantities in self._session.ledger.positions.qty().values()
        )
        open_parents = [
            parent
            for parent in self._session.ledger.parents.open()
            if parent.order.instrument == name
        ]
        return round(held / ONE), sum(parent.order.side * parent.left for parent in open_parents)
