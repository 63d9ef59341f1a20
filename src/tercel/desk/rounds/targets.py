"""Positions that a desk is to reach: parents are made from target less position.

A name without a row is left as it is. Lots that are still at work for the desk's agents count as traded, so that a
session which follows another asks for nothing twice.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tercel.core.errors import ConfigError
from tercel.core.fixed import ONE
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.rounds.config import DeskConfig
from tercel.desk.rounds.demand import Demand
from tercel.desk.trading.session import Session
from tercel.signals.targets import Target, read_targets


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
        raise ConfigError("a file of targets", 'signals.orders = "targets" alone', 'add targets = "targets.csv"')
    names = {section.names.get(one.name, one.name): one.name for one in config.instrument}
    found = read_targets(Path(section.targets), names)
    if any(one.unit == "weight" for one in found.values()) and not section.capital > 0:
        raise ConfigError("capital for weights", f"{section.targets} and no signals.capital", "add capital = 1_000_000")
    return found


class TargetOrders:
    """Orders of a desk towards its targets, each once, as soon as its instrument has a market.

    Parameters
    ----------
    targets : mapping of instrument to Target
    session : Session
    capital : float
        Of the desk, in money.
    """

    def __init__(self, targets: Mapping[str, Target], session: Session, capital: float) -> None:
        self._targets, self._session, self._capital = dict(targets), session, capital

    def due(self, number: int) -> Iterator[Demand]:
        """Orders that can be sized now, for round `number`; an alert says what became of each target."""
        say = partial(self._session.gateway.alert, "info", "TARGET")
        for name in list(self._targets):
            mid2 = self._session.follow(name).mid2
            if not mid2:
                say("no two-sided market yet: its target waits a round", name)
                continue
            exact = self._targets.pop(name).lots(self._session.listings[name], mid2, self._capital)
            target, held, works = round(exact), *self._held(name)
            lots = target - held - works
            rounded = "" if target == exact else f" ({exact:.6g} rounded)"
            order = f"{'buys' if lots > 0 else 'sells'} {abs(lots)}" if lots else "nothing to trade"
            say(f"target {target} lots{rounded}, holds {held}, {works} at work: {order}", name)
            if lots:
                yield Demand(number, name, BUY if lots > 0 else SELL, abs(lots))

    def _held(self, name: str) -> tuple[int, int]:
        """Lots that the desk's agents hold of an instrument, and those that their open parents will still trade."""
        held = sum(of.get(name, 0) for of in self._session.ledger.positions.qty().values())
        open_ones = [one for one in self._session.ledger.parents.open() if one.order.instrument == name]
        return round(held / ONE), sum(one.order.side * one.left for one in open_ones)
