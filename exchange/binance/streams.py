"""Market streams: listeners, and what is sent when. Source: `web-socket-streams.md`.

Trades and best prices are sent as they come, all else when its time has come round on the clock that clients see.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from exchange.binance.engine import BinanceExchange
from exchange.binance.public import PublicMarket
from exchange.binance.symbols import AVERAGE_MINUTES
from exchange.binance.words import INTERVALS, ms
from tercel.core import NS_PER_SECOND

MOST_STREAMS: Final = 1024
_PERIOD: Final = {"": NS_PER_SECOND, "@100ms": NS_PER_SECOND // 10, "@1000ms": NS_PER_SECOND}
_DEPTH: Final = re.compile(r"depth(5|10|20)?(@100ms|@1000ms)?")
_KLINE: Final = re.compile(rf"kline_({'|'.join(INTERVALS)})(@\+08:00)?")
_AT_ONCE: Final = frozenset({"trade", "aggTrade", "bookTicker"})
_WINDOW_S: Final = {"ticker_1h": 3600, "ticker_4h": 14400, "ticker_1d": 86400}
_EACH_SECOND: Final = frozenset({"miniTicker", "ticker", "avgPrice", *_WINDOW_S})
_ALL: Final = {f"!{name}@arr": name for name in _EACH_SECOND if name != "avgPrice"}
StreamEvent = tuple[str, Any]
"""A stream's name, and what it tells."""


@dataclass
class MarketStream:
    """One stream that somebody listens to."""

    name: str
    kind: str
    market: PublicMarket | None
    period_ns: int
    """0: sent as it comes."""
    due_ns: int = 0
    listeners: int = 0
    last_event: Any = None
    """The last event, where only changes are sent."""


@dataclass
class Streams:
    """All streams with listeners.

    Parameters
    ----------
    engine : BinanceExchange
    """

    engine: BinanceExchange
    _open: dict[str, MarketStream] = field(default_factory=dict)

    def has_stream(self, name: str) -> bool:
        """Whether there is such a stream."""
        return self._make(name) is not None

    def _make(self, name: str) -> MarketStream | None:
        if name in _ALL:
            return MarketStream(name, _ALL[name], None, NS_PER_SECOND)
        symbol, _, kind = name.partition("@")
        market = self.engine.markets.get(symbol.upper())
        if market is None or symbol != symbol.lower():
            return None
        if kind in _AT_ONCE:
            return MarketStream(name, kind, market, 0)
        if kind in _EACH_SECOND:
            return MarketStream(name, kind, market, NS_PER_SECOND)
        if match := _DEPTH.fullmatch(kind):
            return MarketStream(name, f"depth{match[1] or ''}", market, _PERIOD[match[2] or ""])
        if match := _KLINE.fullmatch(kind):
            return MarketStream(name, kind, market, NS_PER_SECOND * (1 if match[1] == "1s" else 2))
        return None

    def listen(self, name: str) -> None:
        """One more listens."""
        stream = self._open.get(name) or self._make(name)
        if stream is None:
            return
        self._open[name] = stream
        stream.listeners += 1
        if stream.kind == "depth" and stream.market is not None:
            stream.market.follow(name)

    def leave(self, name: str) -> None:
        """One less listens."""
        if (stream := self._open.get(name)) is None:
            return
        stream.listeners -= 1
        if not stream.listeners:
            del self._open[name]
            if stream.market is not None:
                stream.market.drop(name)

    def flow(self) -> Iterator[StreamEvent]:
        """Events due now, since the last call."""
        now = self.engine.now_ns
        fresh = {symbol: market.fresh for symbol, market in self.engine.markets.items()}
        for market in self.engine.markets.values():
            market.fresh = []
        for stream in list(self._open.values()):
            if stream.period_ns == 0 and stream.market is not None:
                yield from self._at_once(stream, stream.market, fresh)
            elif now >= stream.due_ns:
                stream.due_ns = (now // stream.period_ns + 1) * stream.period_ns
                yield from ((stream.name, event) for event in self._periodic(stream, now))

    def _at_once(
        self, stream: MarketStream, market: PublicMarket, fresh: dict[str, list[Any]]
    ) -> Iterator[StreamEvent]:
        now = self.engine.now_ns
        trades = fresh[market.rules.symbol]
        if stream.kind == "trade":
            yield from ((stream.name, market.trade_event(trade, now)) for trade in trades)
        elif stream.kind == "aggTrade":
            head = {"e": "aggTrade", "E": ms(now), "s": market.rules.symbol}
            yield from ((stream.name, head | row) for row in market.aggregates(trades))
        else:
            event = market.book_ticker()
            best = {key: value for key, value in event.items() if key != "u"}
            if best != stream.last_event:
                stream.last_event = best
                yield stream.name, event

    def _periodic(self, stream: MarketStream, now: int) -> Iterator[Any]:
        if stream.market is None:
            tell = _TELL[stream.kind]
            yield [tell(market, now) for market in self.engine.markets.values()]
        elif stream.kind == "depth":
            if (event := stream.market.changes(stream.name, now)) is not None:
                yield event
        elif stream.kind.startswith("depth"):
            yield stream.market.depth(int(stream.kind.removeprefix("depth")))
        elif stream.kind.startswith("kline"):
            yield from self._kline(stream, stream.market, now)
        else:
            yield _TELL[stream.kind](stream.market, now)

    @staticmethod
    def _kline(stream: MarketStream, market: PublicMarket, now: int) -> Iterator[dict[str, Any]]:
        interval, _, zone = stream.kind.removeprefix("kline_").partition("@")
        *before, bar = market.bars.zone_bars(interval, now, 8 * 3600 if zone else 0)
        if before and stream.last_event not in (None, bar.open_ns):
            yield before[-1].event(market.rules, interval, now)  # closed since
        stream.last_event = bar.open_ns
        yield bar.event(market.rules, interval, now)


def _average(market: PublicMarket, now: int) -> dict[str, Any]:
    price, last = market.average_price(now)
    event = {"e": "avgPrice", "E": ms(now), "s": market.rules.symbol, "i": f"{AVERAGE_MINUTES}m"}
    return event | {"w": price, "T": last}


def _window(stream_kind: str) -> Callable[[PublicMarket, int], dict[str, Any]]:
    length_ns = _WINDOW_S[stream_kind] * NS_PER_SECOND
    kind = f"{stream_kind.removeprefix('ticker_')}Ticker"
    return lambda market, now: market.window_event(kind, now, length_ns)


_TELL: Final[dict[str, Callable[[PublicMarket, int], dict[str, Any]]]] = {
    "miniTicker": PublicMarket.mini_event,
    "ticker": PublicMarket.day_event,
    "avgPrice": _average,
    **{kind: _window(kind) for kind in _WINDOW_S},
}
