"""`InstrumentRules`: the one declaration of an instrument's session and of the orders that its venue takes (TOML, Python).

Shipped (`tercel/core/shipped_rules`): by `shipped_rules()`. Others are a file:

    [session]                    # `trading_session.TradingSession`
    timezone = "Asia/Shanghai"
    windows = [["09:30", "11:30"], ["13:00", "14:57"]]
    [orders]
    round_lot = 100              # shares
    odd_lots = "sells"
    tick_table = [[0, 0.01]]     # from a price on: its tick
    price_limit = 0.1            # of the previous close
"""

from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import ceil, floor
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.toml import parse_toml, read_toml
from tercel.core.trading_session import TradingSession
from tercel.core.validation import TomlTable, validate_model
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import NS_PER_SECOND

DAYS: Final = 5
"""Trading days for which windows are made: a desk is opened again within them."""
_REMEDY: Final = "see docs/howto/sessions.md"


class OrderRules(TomlTable):
    """Prices and quantities that a venue takes, in shares (contracts, coins) and price units.

    Parameters
    ----------
    round_lot, least_lot : int
        Quantities are multiples of the first, and at least the second, shares.
    odd_lots : str
        "sells": what a seller holds beyond a multiple may be sold, in one order; "none".
    tick_table : tuple of (price, tick)
        From a price on; (): the instrument's tick everywhere.
    price_limit : float
        How far prices may be from the previous close, as a share of it; 0: any price.
    market_orders : bool
    stop_s : float
        A desk sends nothing new so many seconds before a window ends.
    """

    round_lot: int = Field(default=1, ge=1)
    least_lot: int = Field(default=1, ge=1)
    odd_lots: Literal["none", "sells"] = "none"
    tick_table: tuple[tuple[float, float], ...] = ()
    price_limit: float = Field(default=0.0, ge=0, lt=1)
    market_orders: bool = True
    stop_s: float = Field(default=1.0, ge=0, le=600)

    @field_validator("tick_table")
    @classmethod
    def _ascends(cls, table: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        """Refuse a table that is out of order, or has a tick of 0 or less."""
        starts = [start for start, _ in table]
        if starts != sorted(set(starts)) or any(tick <= 0 for _, tick in table):
            raise ValueError("prices that rise, each with a tick above 0")
        return table


class InstrumentRules(TomlTable):
    """Session and order rules of an instrument.

    >>> rules = load_rules("XSHG").resolve(tick=0.01, lot=1, previous_close=1845.0)
    >>> rules.round_lots, rules.low, rules.high
    (100, 166050, 202950)
    """

    session: TradingSession
    orders: OrderRules = OrderRules()

    def resolve(
        self, tick: float, lot: int = 1, *, from_ns: int | None = None, previous_close: float = 0.0
    ) -> VenueRules:
        """The rules in ticks, lots and ns.

        Parameters
        ----------
        tick, lot : float, int
            Of the instrument, as listed: price units and shares.
        from_ns : int, optional
            Windows of the trading day of this time, and of the next ones; None: no windows.
        previous_close : float
            In price units, which daily limits are of; 0: not known, so that they are not kept.

        Raises
        ------
        ConfigError
            A tick of the table, or a round lot, that is no multiple of the listed one.
        """
        exact = Fraction(str(tick))
        steps = [
            (_ticks(start, exact), _ticks(step, exact)) for start, step in self.orders.tick_table
        ]
        sizes = [Fraction(size, lot) for size in (self.orders.round_lot, self.orders.least_lot)]
        refuse_if(
            any(size.denominator > 1 < size for size in sizes)
            or any(step.denominator > 1 < step for _, step in steps),
            f"a lot and ticks that the listed lot {lot} and tick {tick:g} divide",
            f"{self.orders.round_lot} and {self.orders.least_lot} shares, {list(self.orders.tick_table)}",
            "correct the rules, or the instrument's tick and lot",
        )
        close = _ticks(previous_close, exact)
        share = Fraction(str(self.orders.price_limit))
        low, high = (floor(close * (1 + sign * share) + Fraction(1, 2)) for sign in (-1, 1))
        return VenueRules(
            windows=() if from_ns is None else self.session.span(from_ns, DAYS),
            stop_ns=round(self.orders.stop_s * NS_PER_SECOND),
            round_lots=max(ceil(sizes[0]), 1),
            least_lots=max(ceil(sizes[1]), 1),
            odd_sells=self.orders.odd_lots == "sells",
            tick_table=tuple((ceil(start), max(int(step), 1)) for start, step in steps),
            low=low if share else 0,
            high=high if share else 0,
            market_orders=self.orders.market_orders,
        )


def _ticks(price: float, tick: Fraction) -> Fraction:
    """A price in ticks, exactly as it is written."""
    return Fraction(str(price)) / tick


def shipped_rules() -> list[str]:
    """Names of the shipped rules.

    >>> shipped_rules()
    ['CCFX', 'SHFE', 'SHFE-0100', 'SHFE-0230', 'SHFE-day', 'XASX', 'XNAS', 'XSHE', 'XSHE-ChiNext', 'XSHG', 'XSHG-STAR', \
'always']
    """
    folder = files("tercel.core").joinpath("shipped_rules")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


def load_rules(name: str, folder: Path = Path()) -> InstrumentRules:
    """Shipped rules by their name, or those of a TOML file (relative to a folder).

    Raises
    ------
    ConfigError
        An unknown name, or a file that is none.
    """
    if name.endswith(".toml"):
        path = folder / name
        return validate_model(
            InstrumentRules, read_toml(path, _REMEDY), str(path), "a file of rules"
        )
    if name not in shipped_rules():
        raise ConfigError(
            f"rules of an instrument: {', '.join(shipped_rules())}, or a file.toml",
            repr(name),
            _REMEDY,
        )
    return _read_shipped(name)


@cache
def _read_shipped(name: str) -> InstrumentRules:
    """Shipped rules; every order of a list asks for those of its day."""
    path = files("tercel.core").joinpath("shipped_rules", f"{name}.toml")
    values = parse_toml(path.read_text(encoding="utf-8"), name, _REMEDY)
    return validate_model(InstrumentRules, values, name, "rules")
