"""Prices and sizes of a venue as ticks and lots, and back."""

from decimal import Decimal
from typing import Final

from tercel.api.executor.terms import SIDES, Number, VenueInstrument, decimal_of
from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ONE
from tercel.core.link.price_scale import RefusedError
from tercel.core.link.shown_book import scaled_listing
from tercel.core.vocabulary import MOST_LOTS

PRICES: Final = 4096
"""Prices whose ticks are remembered."""
_SIDES: Final = {word: side for side, word in SIDES.items()}


class Units:
    """Ticks and lots of an instrument.

    Parameters
    ----------
    instrument : VenueInstrument

    >>> units = Units(VenueInstrument("XYZ", "0.01", "0.5"))
    >>> units.ticks(9.99), units.lots("1.5"), units.price(999), units.size(3)
    (999, 3, Decimal('9.99'), Decimal('1.5'))
    """

    def __init__(self, instrument: VenueInstrument) -> None:
        self.lot = Decimal(instrument.lot)
        self.listing, self.scale = scaled_listing(
            instrument.symbol, f"{instrument.tick:f}", f"{self.lot:f}"
        )
        self._lot_size = float(self.lot)
        self._most = MOST_LOTS * self._lot_size
        self._ticks_of: dict[Number, int] = {}

    def ticks(self, price: Number) -> int:
        """A price in ticks; OrderError off the tick. Each is converted once: the same come ten times an update."""
        ticks = self._ticks_of.get(price)
        if ticks is None:
            exact = decimal_of(price, "a price")
            try:
                ticks = self.scale.ticks(f"{exact:f}")
            except RefusedError:
                raise OrderError(
                    f"a price on the tick of {self.scale.tick}, within 2**30 ticks",
                    f"{price}",
                    "give the venue's tick to Instrument",
                ) from None
            if len(self._ticks_of) >= PRICES:
                self._ticks_of.clear()
            self._ticks_of[price] = ticks
        return ticks

    def lots(self, size: Number) -> int:
        """A size of the market in whole lots, one for less than that; OrderError below 0."""
        try:
            number = float(size)
        except (TypeError, ValueError):
            number = -1.0
        if not 0.0 <= number < self._most:
            raise OrderError(
                "a size from 0 on, below 2**30 lots", repr(size), "correct it, or name a larger lot"
            )
        return int(number / self._lot_size + 1e-6) or int(number > 0.0)

    def price(self, ticks: int) -> Decimal:
        """Ticks as a price."""
        return Decimal(self.scale.price(ticks))

    def size(self, lots: int) -> Decimal:
        """Lots as a size."""
        return lots * self.lot

    def size_of(self, qty: int) -> Decimal:
        """10^-8 of a lot as a size."""
        return Decimal(qty) / ONE * self.lot


def side_of(side: str | None) -> int:
    """+1 of "buy", -1 of "sell"; OrderError for others.

    >>> side_of("sell")
    -1
    """
    refuse_if(side not in _SIDES, "buy or sell", repr(side), "name the side", OrderError)
    return _SIDES[str(side)]
