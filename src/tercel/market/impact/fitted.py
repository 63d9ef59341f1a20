"""Laws of impact fitted to a recorded tape: the square-root law and the propagator.

A recorded tape does not answer. What own trades would have done is put on top of it: the public book is translated by
the law's target, and later rows of the tape come at prices that are moved by as much, so that the agent trades at
shifted prices and sees them recover. Two laws:

- `square_root`: the concave target of `market.impact.law`, its prior kernel, volatility and volume from the tape;
- `propagator`: linear in own volume. Its kernel G is fitted to the tape (Bouchaud, Gefen, Potters & Wyart 2004): the
  mid's move from one public trade to the next is ``sum_j K(j) sign(n - j)``, G(l) the sum of K up to l. K solves the
  Yule-Walker equations of the response R and the autocorrelation C of signs, and G, read at the tape's mean time
  between trades, becomes a sum of exponentials and a part that stays. Its height is such that a metaorder of a tenth
  of the volume in `HORIZON_S` ends where the square-root law wants it: public responses are of single trades and give
  the shape, not the height, of a metaorder's impact.

Limits. The orders of the tape react to own orders by their price alone: none is cancelled because of ours, volumes stay
those of the tape, and an order of the tape that traded with ours on the way of a translation is not missed by those that
traded with it then (`DOUBLE_LOTS` counts lots that were filled on the tape and here). Own lots taken from a level come
back only as the tape brings new ones. An execution of hidden lots is printed at the shifted price. The volatility of the
tape contains no own trades.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.vocabulary import TAPE_LAWS
from tercel.market.impact.law import HORIZON_S, ImpactLaw
from tercel.market.observed import Observed, observe
from tercel.market.observed.event_columns import MARKET
from tercel.market.tape import Events, Instrument
from tercel.market.tape.crossed import describe_crossed, refuse_crossed

LAGS: Final = 100
MIN_TRADES: Final = 20 * LAGS
REFERENCE_SHARE: Final = 0.1
"""Of the volume in `HORIZON_S`: where the linear propagator meets the square-root law."""
_HALVES: Final = 10
_ROUNDS: Final = 4000
# Share of a kernel below which an exponential is left out.
_MIN_WEIGHT: Final = 1e-4


@dataclass(frozen=True, eq=False)
class SignedFlow:
    """Public market orders of one stretch: signs (+1 buys) and half-tick mids just before each, float64[n]."""

    sign: Floats
    mid2: Floats


@dataclass(frozen=True, eq=False)
class Propagator:
    """Response of the mid to signed trades, in trade time.

    Attributes
    ----------
    correlation : float64[lags + 1]
        Autocorrelation of signs, 1 at lag 0.
    response : float64[lags + 1]
        Mean signed move of the mid (ticks) from before a trade to before the l-th after it, 0 at lag 0.
    kernel : float64[lags]
        G(1), G(2), ... ticks.
    trades : int
    """

    correlation: Floats
    response: Floats
    kernel: Floats
    trades: int


def tape_law(
    days: Sequence[tuple[Instrument, Events]], name: str, *, y: float = 1.0
) -> ImpactLaw | None:
    """The law `name` (one of `TAPE_LAWS`) of a symbol's recorded days, None for none.

    Raises
    ------
    ConfigError
        For another name, days without trades, or (propagator) fewer than `MIN_TRADES` of them.
    TapeError
        For a crossed tape, with the first row after which it is.
    """
    if name not in TAPE_LAWS:
        raise ConfigError(
            f"an impact law on tape: {', '.join(TAPE_LAWS)}", f"{name!r}", "such as square_root"
        )
    if name == "none":
        return None
    for day in days:
        refuse_crossed(describe_crossed(*day))
    return fit_law([observe(*day) for day in days], name, y=y)


def fit_law(stretches: Sequence[Observed], name: str, *, y: float = 1.0) -> ImpactLaw:
    """Law fitted to observed stretches: the square root if that is its `name`, else the propagator."""
    lots = (
        np.concatenate([stretch.lots[stretch.kind == MARKET] for stretch in stretches])
        if stretches
        else np.zeros(0)
    )
    seconds = sum(stretch.seconds for stretch in stretches)
    if len(lots) == 0 or seconds <= 0.0:
        raise ConfigError(
            "days with trades",
            f"{len(lots)} trades in {seconds:g} s",
            "import the trades of these days too, or leave impact out: `impact=none`",
        )
    base = ImpactLaw(
        "translation",
        mean_trade_lots=float(lots.mean()),
        trades=len(lots) / seconds * HORIZON_S,
        y=y,
        sigma_ticks=sigma_ticks(stretches),
    )
    if name == "square_root":
        return base
    propagator = fit_propagator([signed_flow(stretch) for stretch in stretches])
    explicit = fit_exponentials(propagator.kernel, seconds / len(lots))
    return linear_law(base, explicit)


def signed_flow(observed: Observed) -> SignedFlow:
    """Market orders of an observed stretch that met a two-sided book."""
    rows = (observed.kind == MARKET) & (observed.bid_px[:, 0] > 0) & (observed.ask_px[:, 0] > 0)
    mid2 = observed.bid_px[rows, 0].astype(np.float64) + observed.ask_px[rows, 0]
    return SignedFlow(observed.side[rows].astype(np.float64), mid2)


def sigma_ticks(stretches: Sequence[Observed]) -> float:
    """Standard deviation (about 0) of the mid's move in `HORIZON_S`, ticks, scaled up from minutes; 0 without any."""
    moves = np.concatenate(
        [0.5 * np.diff(stretch.mid2[stretch.mid2 > 0][::60]) for stretch in stretches]
    )
    return float(np.sqrt(np.mean(moves**2) * HORIZON_S / 60.0)) if len(moves) else 0.0


def fit_propagator(flows: Sequence[SignedFlow], lags: int = LAGS) -> Propagator:
    """Fit G to response and correlation, stretches pooled without correlation across them.

    Raises
    ------
    ConfigError
        Fewer than `MIN_TRADES` trades, or all of one sign.
    """
    trades = sum(len(flow.sign) for flow in flows)
    if trades < MIN_TRADES:
        raise ConfigError(
            f"at least {MIN_TRADES:,} trades to fit a propagator to",
            f"{trades:,}",
            "name more days, or use square_root",
        )
    correlation = np.array([_mean_product(flows, lag, _signs) for lag in range(lags)])
    steps = np.array([_mean_product(flows, lag, _moves) for lag in range(lags)])
    toeplitz = correlation[np.abs(np.subtract.outer(np.arange(lags), np.arange(lags)))]
    if np.linalg.matrix_rank(toeplitz) < lags:
        raise ConfigError(
            "trades of both signs", "signs that tell nothing of each other", "name other days"
        )
    kernel = np.cumsum(np.linalg.solve(toeplitz, steps))
    response = np.concatenate(([0.0], np.cumsum(steps)))
    return Propagator(
        np.append(correlation, _mean_product(flows, lags, _signs)), response, kernel, trades
    )


def _mean_product(
    flows: Sequence[SignedFlow], lag: int, product: Callable[[SignedFlow, int], Floats]
) -> float:
    """Mean of a product over all pairs of trades `lag` apart."""
    parts = [product(flow, lag) for flow in flows if len(flow.sign) > lag + 1]
    return float(np.concatenate(parts).mean()) if parts else 0.0


def _signs(flow: SignedFlow, lag: int) -> Floats:
    """Products of the signs of trades `lag` apart, float64."""
    return np.asarray(flow.sign[: len(flow.sign) - lag] * flow.sign[lag:])


def _moves(flow: SignedFlow, lag: int) -> Floats:
    """Moves of the mid from a trade to the next, ticks, each times the sign of the trade `lag` before it, float64."""
    moves = 0.5 * np.diff(flow.mid2)[lag:]
    return np.asarray(flow.sign[: len(moves)] * moves)


def fit_exponentials(kernel: Floats, seconds_a_trade: float) -> tuple[tuple[float, float], ...]:
    """Rates (1/s; 0 stays) and weights, none below 0, that sum to 1, for G(l) / G(1) at l - 1 trades of mean length.

    Least squares over weights that are not negative, by multiplicative steps (Lee & Seung 2001).

    Raises
    ------
    ConfigError
        When a trade does not move the mid its own way.
    """
    if kernel[0] <= 0.0:
        raise ConfigError(
            "trades that move the mid their own way",
            f"G(1) = {kernel[0]:.3g} ticks",
            "use square_root",
        )
    shape = np.maximum(kernel / kernel[0], 0.0)
    seconds = seconds_a_trade * np.arange(len(kernel))
    rates = np.append(0.0, 1.0 / (seconds_a_trade * np.geomspace(0.7, 2.0 * len(kernel), _HALVES)))
    basis = np.exp(-np.outer(seconds, rates))
    weights = np.full(len(rates), shape.mean() / len(rates))
    for _ in range(_ROUNDS):
        weights *= (basis.T @ shape) / np.maximum(basis.T @ (basis @ weights), 1e-300)
    rates = rates[weights > _MIN_WEIGHT * weights.sum()]
    weights = weights[weights > _MIN_WEIGHT * weights.sum()]
    weights = weights / weights.sum()
    return tuple((float(r), float(w)) for r, w in zip(rates, weights, strict=True))


def linear_law(base: ImpactLaw, explicit: tuple[tuple[float, float], ...]) -> ImpactLaw:
    """Linear law with this kernel that matches the square root of `base` at the reference metaorder's end."""
    linear_base = replace(base, exponent=1.0, explicit=explicit)
    target = base.y * REFERENCE_SHARE**0.5
    return replace(
        linear_base, y=target / (REFERENCE_SHARE * linear_base.remaining_share(HORIZON_S))
    )
