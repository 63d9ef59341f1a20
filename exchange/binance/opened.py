"""An exchange in Binance's words, opened on markets: symbols, clocks, what the account holds at first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from exchange.binance.engine import BinanceExchange
from exchange.binance.symbols import COIN_QUOTES, SymbolRules, decimal, rules_of
from exchange.binance.words import BinanceError
from tercel.core import NS_PER_SECOND, ONE, ConfigError
from tercel.market.flow import registry as presets
from tercel.market.tape import Lake
from tercel.venues.exchange import MarketSpec, SimulatedExchange

MILLION: Final = 10**6 * ONE
_SLICE_NS: Final = 60 * NS_PER_SECOND
"""How far a twin goes at once: a day's rows need not be in memory together."""
CRYPTO: Final = frozenset({"BINANCE", "BITSTAMP"})
"""Venues whose presets count lots in 1e-8 of the base asset."""


def lots_of_presets(names: Sequence[str]) -> dict[str, int]:
    """Lots in 1e-8 of the base asset, by instrument, of the presets that are of crypto exchanges."""
    loaded = [presets.load(name) for name in names]
    return {
        preset.symbol: round(preset.lot * float(preset.card.get("lot_size", 1 / ONE)) * ONE)
        for preset in loaded
        if preset.venue in CRYPTO
    }


def lots_of_lake(lake: Path, symbol: str, date: str | None) -> dict[str, int]:
    """The same of a recorded day, where its feed says how much a lot is."""
    tapes = Lake(lake)
    chosen = date or list(tapes.days(symbol))[-1]
    size = tapes.instrument(symbol, chosen).extra.get("lot_size")
    return {} if size is None else {symbol: round(float(size) * ONE)}


def open_exchange(
    markets: Mapping[str, MarketSpec], lots: Mapping[str, int], *, wall_ns: int | None, fee: int
) -> BinanceExchange:
    """An exchange on markets as they begin.

    Parameters
    ----------
    markets : mapping of str to MarketSpec
    lots : mapping of str to int
        Lots in 1e-8 of the base asset; an instrument that is not there counts whole shares.
    wall_ns : int or None
        What clients' time is now, ns since 1970; None: the market's own.
    fee : int
        1e-8 of what is received.

    Raises
    ------
    ConfigError
        Two markets that would be one symbol.
    """
    exchange = SimulatedExchange(markets)
    rules = [rules_of(listing, lots.get(listing.instrument, 0)) for listing in exchange.listings()]
    if len({symbol_rules.symbol for symbol_rules in rules}) < len(rules):
        received = ", ".join(
            f"{symbol_rules.instrument} as {symbol_rules.symbol}" for symbol_rules in rules
        )
        raise ConfigError(
            "each symbol once", received, "serve one of them, or each at a port of its own"
        )
    offset = 0 if wall_ns is None else wall_ns - exchange.now_ns
    return BinanceExchange(exchange, rules, offset_ns=offset, maker=fee, taker=fee)


def twin(engine: BinanceExchange, markets: Mapping[str, MarketSpec]) -> BinanceExchange:
    """The same markets, as they began, without anybody's orders, as far as the engine has come."""
    rules: list[SymbolRules] = list(engine.rules.values())
    twin_engine = BinanceExchange(SimulatedExchange(markets), rules, offset_ns=engine.offset_ns)
    while twin_engine.now_ns < engine.now_ns:
        twin_engine.advance(min(twin_engine.now_ns + _SLICE_NS, engine.now_ns))
        for market in twin_engine.markets.values():
            market.fresh.clear()
    return twin_engine


def _first_money(rules: SymbolRules) -> int:
    """What an account holds of the quote asset at first, 1e-8: a million, or 20 where it is a coin."""
    return 20 * ONE if rules.quote in COIN_QUOTES else MILLION


def endow(engine: BinanceExchange, account: str, balance_texts: Sequence[str]) -> None:
    """Give an account what it holds at first: `ASSET=AMOUNT`, or a million of each quote asset (20 of a coin), and bases.

    Raises
    ------
    ConfigError
        An amount that is none, an asset that nothing is traded in.
    """
    amounts: dict[str, int] = {}
    for rules in engine.rules.values():
        worth = engine.markets[rules.symbol].middle * rules.unit
        amounts[rules.base] = _first_money(rules) // worth * rules.lot
    amounts |= {rules.quote: _first_money(rules) for rules in engine.rules.values()}
    for balance_text in balance_texts:
        asset, _, text = balance_text.partition("=")
        if asset not in amounts:
            raise ConfigError(
                f"an asset of {', '.join(amounts)}",
                f"`balance={balance_text}`",
                f"such as `balance={next(iter(engine.rules.values())).quote}=10000`",
            )
        try:
            amounts[asset] = decimal("amount", text)
        except BinanceError:
            raise ConfigError(
                "an amount of eight decimals at most",
                f"`balance={balance_text}`",
                f"such as `balance={next(iter(engine.rules.values())).quote}=10000`",
            ) from None
    for asset, amount in amounts.items():
        engine.deposit(account, asset, amount)
    engine.pending_events.clear()
