"""Order flow into a demo or paper desk, drawn from its seed and identical for every variant of the desk."""

from dataclasses import dataclass

import numpy as np

from tercel.core.vocabulary import BUY, SELL
from tercel.desk.rounds.config import DeskConfig


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
