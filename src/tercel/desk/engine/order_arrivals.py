"""Orders that come in to a desk: drawn from its seed, or towards positions that it is to reach.

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

from tercel.core.errors import ConfigError
from tercel.core.orders import ONE
from tercel.core.tables.table_map import Called
from tercel.core.vocabulary import BUY, MOST_LOTS, SELL
from tercel.desk.engine.config import DeskConfig, SignalsSection
from tercel.desk.engine.forecasts import DeskForecasts, session_day
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.session import Session
from tercel.signals.models.model_folder import folder_at, load
from tercel.signals.portfolio.targets import Target, names_in, read_targets
from tercel.signals.sources.registry import in_table


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
    """One order per round and instrument, always to the same side of an instrument, as of a flow.

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


FAR: Final = 0.2
"""Part of a close beyond which both prices are reported."""


def targets_of(config: DeskConfig) -> dict[str, Target] | None:
    """Targets by instrument; None where a desk's orders are drawn.

    Raises
    ------
    ConfigError, DataError
        For a desk's file that names none, or a file that cannot be obeyed to the letter.
    """
    section = config.signals
    if section.orders != "targets":
        return None
    if not section.targets:
        raise ConfigError(
            "a file of targets", 'signals.orders = "targets" alone', 'add targets = "targets.csv"'
        )
    names = {section.names.get(one.name, one.name): one.name for one in config.instrument}
    found = read_targets(Path(section.targets), names, section.columns, in_table("signals"))
    if any(one.unit == "weight" for one in found.values()) and not section.capital > 0:
        raise ConfigError(
            "capital for weights",
            f"{section.targets} and no signals.capital",
            "add capital = 1_000_000",
        )
    return found


def names_to_trade(path: Path, model: Path, columns: Called) -> tuple[str, ...]:
    """Instrument names in a file of targets with its columns. Each must be in the model's panel; any name is accepted if the
    model cannot be loaded.

    Raises
    ------
    DataError
        For a file that is none, and a name that the panel lacks.
    """
    from tercel.signals.models.predict import predict

    try:
        known = predict(load(folder_at(model))).closes
    except Exception:  # whatever a file holds: a desk trades without its forecast
        known = {}
    return tuple(
        read_targets(
            path,
            {name: name for name in known or names_in(path, columns)},
            columns,
            in_table("signals"),
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
        self._gross = sum(abs(one.value) for one in targets.values() if one.unit == "weight")
        self._say = partial(session.gateway.alert, "info", kinds.TARGET)
        self._warn = partial(session.gateway.alert_once, "warning", kinds.TARGET)

    def due(self, number: int) -> Iterator[OrderArrival]:
        """Orders that can be sized now, for round `number`; an alert says what became of each target."""
        if why := self._refused():
            self._warn(f"{self._section.targets} is not traded: {why}")
            return
        if round(self._gross, 3) > 1:  # weights may be rounded
            asks = (
                f"gross exposure of {self._gross:g} times the capital, {self._section.capital:,.2f}"
            )
            self._warn(f"{self._section.targets} asks for a {asks}, long and short together")
        closes = {} if self._forecasts is None else self._forecasts.closes
        for name in list(self._targets):
            mid2, listing = self._session.follow(name).mid2, self._session.listings[name]
            if not mid2:
                self._say(f"{name}: no two-sided market yet: its target waits a round", name)
                continue
            aim, price = self._targets.pop(name), mid2 / 2 * listing.tick
            exact, held, works = aim.lots(listing, mid2, self._section.capital), *self._held(name)
            close = closes.get(self._section.names.get(name, name), price)
            file = (
                f" (the file's last close, {close:.8g}, is not used)"
                if abs(price - close) > FAR * close
                else ""
            )
            asked = f"{name}: {aim.unit} {aim.value:g} at {price:.8g}{file} is {exact:.8g} lots"
            if abs(exact - held - works) > MOST_LOTS:
                self._warn(
                    f"{asked}, beyond the {MOST_LOTS} of one order: it is refused, the others are traded",
                    name,
                )
                continue
            target = round(exact)
            lots = target - held - works
            worth = f"target {target}, worth {target * listing.lot * price:,.2f}"
            order = f"{'buys' if lots > 0 else 'sells'} {abs(lots)}" if lots else "nothing to trade"
            self._say(f"{asked}; {worth}; holds {held}, {works} at work: {order}", name)
            if lots:
                yield OrderArrival(number, name, BUY if lots > 0 else SELL, abs(lots))

    def _refused(self) -> str:
        """Why targets that have a date may not be traded now: their forecast is refused, or they are too old."""
        day, found = next((one.day for one in self._targets.values()), None), self._forecasts
        now_ns, days = self._session.now_ns, self._section.targets_days
        if day is None:
            return ""
        if found is not None:
            found.look(now_ns)
            if found.fault is not None:
                return f"the forecast that it is made from is refused, {found.fault.received}"
            now_ns += found.offset_ns
        session = session_day(now_ns, self._section.date)
        if session is None or 0 <= (session - day).days <= days:
            return ""
        return f"it is of {day}, traded for {days:g} days (signals.targets_days), not in a session of {session}"

    def _held(self, name: str) -> tuple[int, int]:
        """Lots that the desk's agents hold of an instrument, and those that their open parents will still trade."""
        held = sum(of.get(name, 0) for of in self._session.ledger.positions.qty().values())
        open_ones = [
            one for one in self._session.ledger.parents.open() if one.order.instrument == name
        ]
        return round(held / ONE), sum(one.order.side * one.left for one in open_ones)
