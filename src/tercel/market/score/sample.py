"""Statistics on which markets are scored, from observed events.

The list is fixed: fourteen samples whose distances are averaged (`MEAN14`), and two autocorrelations. Each event counts
once. What a market order leaves resting counts as no event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import CANCEL_AT_BEST, LIMIT_DEEPER, MARKET

FOURTEEN: Final = (
    "spread",
    "touch_depth",
    "deep_depth",
    "imbalance",
    "limit_size",
    "cancel_size",
    "market_size",
    "log_wait",
    "event_mix",
    "limit_distance",
    "return_1s",
    "return_10s",
    "return_60s",
    "minute_volume",
)
"""spread (ticks), depth at the touch and on levels 2 to 5 together of each side (shares), imbalance of the touch, sizes
(shares), log10 seconds since the event before, kind of event, ticks behind the own side's best (negative inside the
spread), mid returns (ticks), shares traded a minute."""
CURVES: Final = ("abs_return_acf", "sign_acf")
"""Autocorrelation of absolute 1 s returns (lags 1 to 60 s) and of trade signs (lags 1 to 50 trades)."""
ABS_LAGS: Final = 60
SIGN_LAGS: Final = 50
RESPONSE_LAGS: Final = (1, 2, 5, 10, 20, 50)
"""Trades after which the response of the mid is read."""
SD_SECONDS: Final = (1, 10, 60, 600)
MIN_EVENTS: Final = 500
MIN_MARKET_ORDERS: Final = 30
ZERO_WAIT_S: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Sample:
    """Statistics of one or more stretches of a market.

    Attributes
    ----------
    values : dict of str to float64[m]
        The fourteen samples by name.
    curves : dict of str to float64[lags]
        The autocorrelations.
    response : float64[6]
        Mean signed change of the mid (ticks) from before a trade to before the `RESPONSE_LAGS`-th after it.
    sd : dict of int to float
        Root mean square of the mid's changes over so many seconds (ticks); NaN where the stretch is too short.
    mean_spread : float
        Over events (ticks).
    market_orders_per_s, mean_market_size : float
    seconds : float
    clock_ns : int
        Clock for waits, ns.
    """

    values: dict[str, Floats]
    curves: dict[str, Floats]
    response: Floats
    sd: dict[int, float]
    mean_spread: float
    market_orders_per_s: float
    mean_market_size: float
    seconds: float
    clock_ns: int


def clock_of(seen: Observed | Sequence[Observed]) -> int:
    """Resolution of a tape's stamps, ns: 1, a microsecond, a millisecond or a second.

    >>> from tercel.market.score.sample import _clock
    >>> _clock(np.array([5_000_000, 7_000_000]))
    1000000
    """
    return min(_clock(o.ns) for o in _as_list(seen))


def _clock(ns: Longs) -> int:
    """Resolution of time stamps, ns: the largest of 1 s, 1 ms, 1 us that divides them all, else 1."""
    for unit in (NS_PER_SECOND, 1_000_000, 1_000):
        if not np.any(ns % unit):
            return unit
    return 1


def sample(seen: Observed | Sequence[Observed], clock_ns: int = 1) -> Sample:
    """Statistics of one or more stretches, pooled.

    Parameters
    ----------
    seen : Observed or sequence of Observed
        Stretches of one market; nothing is differenced across two of them.
    clock_ns : int
        Waits are measured with a clock of this resolution: that of the coarser of two tapes to be compared.

    Raises
    ------
    ConfigError
        Too few events or market orders to say anything.
    """
    parts = _as_list(seen)
    events = sum(o.n for o in parts)
    markets = sum(int(np.count_nonzero(o.kind == MARKET)) for o in parts)
    if events < MIN_EVENTS or markets < MIN_MARKET_ORDERS:
        raise ConfigError(
            f"at least {MIN_EVENTS} events and {MIN_MARKET_ORDERS} market orders to score on",
            f"{events} and {markets} in {sum(o.seconds for o in parts):.0f} s",
            "take a longer stretch or more days",
        )
    by_stretch = [_values(o, clock_ns) for o in parts]
    values = {name: np.concatenate([d[name] for d in by_stretch]) for name in FOURTEEN}
    seconds = sum(o.seconds for o in parts)
    return Sample(
        values=values,
        curves={
            "abs_return_acf": acf([np.abs(returns(o, 1)) for o in parts], ABS_LAGS),
            "sign_acf": acf(
                [np.asarray(o.side[o.kind == MARKET], np.float64) for o in parts],
                SIGN_LAGS,
                centred=False,
            ),
        },
        response=response(parts),
        sd={h: _rms(np.concatenate([returns(o, h) for o in parts])) for h in SD_SECONDS},
        mean_spread=float(values["spread"].mean()),
        market_orders_per_s=markets / seconds,
        mean_market_size=float(values["market_size"].mean()),
        seconds=seconds,
        clock_ns=clock_ns,
    )


def _as_list(seen: Observed | Sequence[Observed]) -> Sequence[Observed]:
    """A single stretch as a list of one."""
    return [seen] if isinstance(seen, Observed) else seen


def _values(o: Observed, clock_ns: int) -> dict[str, Floats]:
    """The fourteen samples of one stretch."""
    counted = ~o.remainder
    kind = o.kind[counted]
    lots = o.lots[counted] * float(o.lot)
    limit = kind <= LIMIT_DEEPER
    market = kind == MARKET
    bid, ask = o.bid_lots[counted], o.ask_lots[counted]
    touch_bid = bid[:, 0].astype(np.float64)
    touch_ask = ask[:, 0].astype(np.float64)
    deep = np.concatenate((bid[:, 1:5].sum(axis=1), ask[:, 1:5].sum(axis=1)))
    ticks = o.ns[counted] // clock_ns
    wait = np.diff(ticks) * (clock_ns / NS_PER_SECOND)
    return {
        "spread": (o.ask_px[counted, 0] - o.bid_px[counted, 0]).astype(np.float64),
        "touch_depth": np.concatenate((touch_bid, touch_ask)) * o.lot,
        "deep_depth": deep * float(o.lot),
        "imbalance": (touch_bid - touch_ask) / (touch_bid + touch_ask),
        "limit_size": lots[limit],
        "cancel_size": lots[(kind >= CANCEL_AT_BEST) & ~market],
        "market_size": lots[market],
        "log_wait": np.log10(np.maximum(wait, ZERO_WAIT_S)),
        "event_mix": kind.astype(np.float64),
        "limit_distance": o.behind[counted][limit].astype(np.float64),
        **{f"return_{h}s": returns(o, h) for h in (1, 10, 60)},
        "minute_volume": minute_volume(o),
    }


def returns(o: Observed, seconds: int) -> Floats:
    """Changes of the mid over so many seconds, one window a second, ticks."""
    mid2 = o.mid2[np.argmax(o.mid2 != 0) :] if np.any(o.mid2) else o.mid2[:0]
    return np.asarray(mid2[seconds:] - mid2[:-seconds], np.float64) / 2.0


def minute_volume(o: Observed) -> Floats:
    """Shares executed in each full minute of the stretch."""
    minutes = int((o.stop_ns - o.start_ns) // (60 * NS_PER_SECOND))
    market = o.kind == MARKET
    minute = (o.ns[market] - o.start_ns) // (60 * NS_PER_SECOND)
    shares = o.lots[market][minute < minutes] * float(o.lot)
    return np.bincount(minute[minute < minutes], weights=shares, minlength=minutes).astype(
        np.float64
    )


def acf(series: Sequence[Floats], lags: int, centred: bool = True) -> Floats:
    """Autocorrelation at lags 1 .. `lags`, pooled over series, about 0 unless `centred`; 0 for a lag without pairs.

    >>> acf([np.array([1.0, -1.0] * 50)], 2).round(2).tolist()
    [-1.0, 1.0]
    """
    pooled = np.concatenate(list(series))
    if not len(pooled):
        return np.zeros(lags)
    mean = pooled.mean() if centred else 0.0
    variance = np.mean((pooled - mean) ** 2)
    correlation = np.zeros(lags)
    if variance <= 0.0:
        return correlation
    for lag in range(1, lags + 1):
        products = sum(
            float(np.dot(x[lag:] - mean, x[:-lag] - mean)) for x in series if len(x) > lag
        )
        pairs = sum(max(len(x) - lag, 0) for x in series)
        correlation[lag - 1] = products / pairs / variance if pairs else 0.0
    return correlation


def response(parts: Sequence[Observed]) -> Floats:
    """R(l) = mean of sign x (mid before the l-th next trade - mid before the trade), ticks; NaN without pairs."""
    responses = np.full(len(RESPONSE_LAGS), np.nan)
    for index, lag in enumerate(RESPONSE_LAGS):
        moves = []
        for o in parts:
            market = o.kind == MARKET
            mid = (o.bid_px[market, 0] + o.ask_px[market, 0]) / 2.0
            moves.append(o.side[market][:-lag] * (mid[lag:] - mid[:-lag]))
        pairs = np.concatenate(moves)
        if len(pairs):
            responses[index] = pairs.mean()
    return responses


def _rms(x: Floats) -> float:
    """Root of the mean square; NaN for an empty array."""
    return float(np.sqrt(np.mean(x * x))) if len(x) else float("nan")
