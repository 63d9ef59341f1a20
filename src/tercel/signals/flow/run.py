"""What `tercel signals flow score` prints."""

from collections.abc import Sequence
from typing import Any

from tercel.core.errors import DataError
from tercel.execution.foresight.forecaster import Forecaster
from tercel.market.tape.lake import Lake
from tercel.signals.flow.score import scored
from tercel.signals.flow.train import read_days


def score(forecaster: Forecaster, lake: Lake, symbols: Sequence[str]) -> dict[str, Any]:
    """The card of a forecaster on the days of some symbols that it was neither trained on nor recalibrated by.

    Raises
    ------
    DataError
        When it was trained on all days of a symbol.
    """
    cards = {}
    for symbol in symbols:
        dates = list(lake.days(symbol))
        fresh = [date for date in dates if date not in forecaster.seen.get(symbol, ())]
        if not fresh:
            expected = f"days of {symbol} that {forecaster.id} was not trained on"
            raise DataError(
                expected, f"{len(dates)} that it was", "import other days, or train on fewer"
            )
        cards[symbol] = {
            "left_out": len(dates) - len(fresh),
            **scored(forecaster.of(symbol), read_days(lake, [symbol], fresh)[symbol]),
        }
    return {"model": forecaster.id, "features": forecaster.card["features"], "symbols": cards}
