"""Laws of impact fitted to a tape or a market: propagator, replenishment, and the default law of a preset.

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

Limits. The tape's orders do not react otherwise than by the price: no order is cancelled because of ours, volumes stay those of
the tape, and an order of the tape that traded with ours on the way of a translation is not missed by those that traded
with it then (`DOUBLE_LOTS` counts lots that were filled on the tape and here). Own lots taken from a level come back
only as the tape brings new ones. An execution of hidden lots is printed at the shifted price. The tape's own
volatility contains no own trades.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np

from tercel.core.arrays import Bools, Int8
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, kernel
from tercel.core.vocabulary import NS_PER_SECOND, TAPE_LAWS
from tercel.market.flow.port import Preset
from tercel.market.impact.law import HORIZON_S, LAWS, ImpactLaw, of_card
from tercel.market.observed import Observed, observe
from tercel.market.observed.kernel import LIMIT_AT_BEST, LIMIT_DEEPER, LIMIT_IN_SPREAD, MARKET
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape import Events, Instrument
from tercel.market.tape.compiled import crossed_in_words, refuse_crossed
from tercel.market.tape.schema import EXECUTE

LAGS: Final = 100
MIN_TRADES: Final = 20 * LAGS
REFERENCE_SHARE: Final = 0.1
"""Of the volume in `HORIZON_S`: where the linear propagator meets the square-root law."""
_HALVES: Final = 10
_ROUNDS: Final = 4000
# Share of a kernel below which an exponential is left out.
_NOTHING: Final = 1e-4


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
        refuse_crossed(crossed_in_words(*day))
    return law_of([observe(*day) for day in days], name, y=y)


def law_of(seen: Sequence[Observed], name: str, *, y: float = 1.0) -> ImpactLaw:
    """`tape_law` of observed stretches."""
    lots = np.concatenate([one.lots[one.kind == MARKET] for one in seen]) if seen else np.zeros(0)
    seconds = sum(one.seconds for one in seen)
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
        sigma_ticks=sigma_ticks(seen),
    )
    if name == "square_root":
        return base
    fitted = fit([signed_flow(one) for one in seen])
    explicit = exponentials_of(fitted.kernel, seconds / len(lots))
    return linear(base, explicit)


def signed_flow(seen: Observed) -> SignedFlow:
    """Market orders of an observed stretch that met a two-sided book."""
    rows = (seen.kind == MARKET) & (seen.bid_px[:, 0] > 0) & (seen.ask_px[:, 0] > 0)
    mid2 = seen.bid_px[rows, 0].astype(np.float64) + seen.ask_px[rows, 0]
    return SignedFlow(seen.side[rows].astype(np.float64), mid2)


def sigma_ticks(seen: Sequence[Observed]) -> float:
    """Standard deviation of the mid's move in `HORIZON_S`, from its moves in a minute (ticks)."""
    moves = np.concatenate([0.5 * np.diff(one.mid2[one.mid2 > 0][::60]) for one in seen])
    return float(np.sqrt(np.mean(moves**2) * HORIZON_S / 60.0)) if len(moves) else 0.0


# -- the fit ----------------------------------------------------------------------------------------------------------


def fit(flows: Sequence[SignedFlow], lags: int = LAGS) -> Propagator:
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
    correlation = np.array([_pooled(flows, lag, _signs) for lag in range(lags)])
    steps = np.array([_pooled(flows, lag, _moves) for lag in range(lags)])
    toeplitz = correlation[np.abs(np.subtract.outer(np.arange(lags), np.arange(lags)))]
    if np.linalg.matrix_rank(toeplitz) < lags:
        raise ConfigError(
            "trades of both signs", "signs that tell nothing of each other", "name other days"
        )
    kernel = np.cumsum(np.linalg.solve(toeplitz, steps))
    response = np.concatenate(([0.0], np.cumsum(steps)))
    return Propagator(
        np.append(correlation, _pooled(flows, lags, _signs)), response, kernel, trades
    )


def _pooled(
    flows: Sequence[SignedFlow], lag: int, product: Callable[[SignedFlow, int], Floats]
) -> float:
    """Mean of a product over all pairs of trades `lag` apart."""
    parts = [product(flow, lag) for flow in flows if len(flow.sign) > lag + 1]
    return float(np.concatenate(parts).mean()) if parts else 0.0


def _signs(flow: SignedFlow, lag: int) -> Floats:
    return np.asarray(flow.sign[: len(flow.sign) - lag] * flow.sign[lag:])


def _moves(flow: SignedFlow, lag: int) -> Floats:
    moves = 0.5 * np.diff(flow.mid2)[lag:]
    return np.asarray(flow.sign[: len(moves)] * moves)


# -- into the law -----------------------------------------------------------------------------------------------------


def exponentials_of(kernel: Floats, seconds_a_trade: float) -> tuple[tuple[float, float], ...]:
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
    rates, weights = (
        rates[weights > _NOTHING * weights.sum()],
        weights[weights > _NOTHING * weights.sum()],
    )
    weights = weights / weights.sum()
    return tuple((float(r), float(w)) for r, w in zip(rates, weights, strict=True))


def linear(base: ImpactLaw, explicit: tuple[tuple[float, float], ...]) -> ImpactLaw:
    """Linear law with this kernel that matches the square root of `base` at the reference metaorder's end."""
    shaped = replace(base, exponent=1.0, explicit=explicit)
    wanted = base.y * REFERENCE_SHARE**0.5
    return replace(shaped, y=wanted / (REFERENCE_SHARE * shaped.left(HORIZON_S)))


# -- replenishment ---------------------------------------------------------------------------------
# Replenishment: time until lots taken by a market order are added again.
#
# A market order takes L lots of one side. From then on the lots of new limit orders of that side are counted, at the
# worst price that it paid or better (asks at or below it, bids at or above it). The delay is the time until they are L.
# Cancels are not subtracted: the delay measures how soon the side sends as much again.
#
# Each market order is counted by itself, so two that follow each other closely may be filled up by the same limit
# orders. The worst price paid is read off the visible book before the order; an order larger than all levels written in
# `Observed` is taken to end at the last of them.
#
# Delays end at :data:`LONGEST_S`. A market order whose lots are not back by then, or by the end of the stretch, is
# censored and counts with :data:`LONGEST_S`.

VALUES: Final = 32
"""Values of the quantile table."""
LONGEST_S: Final = 600.0
"""Seconds after which a delay is censored."""

_BACK, _LATE, _CUT = range(3)


@dataclass(frozen=True, eq=False)
class Delays:
    """Replenishment delays of n market orders.

    Attributes
    ----------
    seconds : float64[n]
        Seconds until the lots were added again; `LONGEST_S` where they were not.
    late : bool[n]
        Not back within `LONGEST_S`.
    cut : bool[n]
        Not back when the stretch ended, less than `LONGEST_S` after the market order.
    """

    seconds: Floats
    late: Bools
    cut: Bools

    @property
    def n(self) -> int:
        """Number of market orders."""
        return len(self.seconds)

    @property
    def censored(self) -> float:
        """Share of market orders whose lots were not seen to return."""
        return float(np.mean(self.late | self.cut))

    def table(self, values: int = VALUES) -> Floats:
        """Quantiles of equal probability, float64[values], s: the (i + 1/2) / values quantile, i = 0, 1, ..."""
        at = (np.arange(values) + 0.5) / values
        return np.asarray(np.quantile(self.seconds, at, method="inverted_cdf"), np.float64)


def replenishment(days: Sequence[Observed]) -> Floats:
    """Quantile table of the delay, float64[`VALUES`], s, non-decreasing, at most `LONGEST_S`.

    Parameters
    ----------
    days : sequence of Observed
        Stretches of tape; a market order is followed to the end of its own.

    Raises
    ------
    ConfigError
        Days without market orders, or without limit orders (a feed of quotes and prints alone).
    """
    return delays(days).table()


def delays(days: Sequence[Observed]) -> Delays:
    """Replenishment delay of every market order.

    Raises
    ------
    ConfigError
        As :func:`replenishment`.
    """
    found = [_of_day(day) for day in days]
    seconds = np.concatenate([seconds for seconds, _ in found]) if found else np.zeros(0)
    if not len(seconds):
        raise ConfigError(
            "days with visible market orders",
            f"{len(days)} days without one",
            "name days that trade visibly",
        )
    if not any(np.any(day.kind <= LIMIT_DEEPER) for day in days):
        raise ConfigError(
            "a feed that shows limit orders",
            f"{len(days)} days without one",
            "take a feed with a book",
        )
    how = np.concatenate([how for _, how in found])
    return Delays(seconds, how == _LATE, how == _CUT)


def _of_day(day: Observed) -> tuple[Floats, Int8]:
    """Delay and how it ended, of each market order of one stretch."""
    rows = np.flatnonzero(day.kind == MARKET)
    seconds, how = np.full(len(rows), LONGEST_S), np.zeros(len(rows), np.int8)
    longest = round(LONGEST_S * NS_PER_SECOND)
    _follow(
        rows,
        day.ns,
        day.kind,
        day.side,
        day.price,
        day.lots,
        day.bid_px,
        day.bid_lots,
        day.ask_px,
        day.ask_lots,
        longest,
        seconds,
        how,
    )
    how[(how == _LATE) & (day.ns[rows] + longest > day.stop_ns)] = _CUT
    return seconds, how


@kernel
def _follow(
    rows: Any,
    ns: Any,
    kind: Any,
    side: Any,
    price: Any,
    lots: Any,
    bid_px: Any,
    bid_lots: Any,
    ask_px: Any,
    ask_lots: Any,
    longest: int,
    seconds: Any,
    how: Any,
) -> None:
    """Follow each market order until its lots are back."""
    for i in range(rows.shape[0]):
        r = rows[i]
        taken = -side[r]  # the side that was hit: +1 bids, -1 asks
        if taken > 0:
            worst = _worst_paid(bid_px[r], bid_lots[r], lots[r])
        else:
            worst = _worst_paid(ask_px[r], ask_lots[r], lots[r])
        left = lots[r]
        how[i] = _LATE
        for j in range(r + 1, ns.shape[0]):
            if ns[j] - ns[r] > longest:
                break
            limit = (
                kind[j] == LIMIT_IN_SPREAD or kind[j] == LIMIT_AT_BEST or kind[j] == LIMIT_DEEPER
            )
            if limit and side[j] == taken and (price[j] - worst) * taken >= 0:
                left -= lots[j]
                if left <= 0:
                    seconds[i], how[i] = (ns[j] - ns[r]) / NS_PER_SECOND, _BACK
                    break


@kernel
def _worst_paid(px: Any, shown: Any, lots: int) -> int:
    """Price of the level at which the visible levels add up to `lots`; that of the last one where they do not."""
    worst = px[0]
    for level in range(px.shape[0]):
        if shown[level] <= 0:
            break
        worst = px[level]
        lots -= shown[level]
        if lots <= 0:
            break
    return int(worst)


# -- pilot -----------------------------------------------------------------------------------------
# Default law of a preset: mean trade from a run of its market, the rest from its tape and priors.

AnyPreset = TypeVar("AnyPreset", bound=Preset)

TRADES = 2000
WORLDS = 48
"""Starts: with few, the error of a mean over pairs would be that of a mean over worlds."""
WEIGHTS_TAU_S = 30.0
WEIGHTS_BETA = 1.5
WEIGHTS_ETA = 0.25
"""Share of own flow that the market answers, in linear response: 2 tau (market orders a second and side) m.

More of it overshoots in models whose public flow remembers trades: prices fall while we buy.
"""


def law_for(preset: Preset, impact: str | ImpactLaw | None) -> ImpactLaw | None:
    """The law requested by name, by default the one on the preset's card.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    if isinstance(impact, ImpactLaw):
        return impact
    known = of_card(preset.card)
    if impact is None or (known is not None and known.law == impact):
        return known
    if impact not in LAWS:
        raise ConfigError(
            f"an impact law: {', '.join(LAWS)}", f"{impact!r}", "such as `impact=translation`"
        )
    if impact == "none":
        return None
    law = known or pilot_law(preset)
    return law if impact == "translation" else weights_law(law)


def weights_law(law: ImpactLaw) -> ImpactLaw:
    """The kernel bias of Noble, Rosenbaum and Souilmi for a market with the mean trade of `law`."""
    strength = WEIGHTS_ETA * law.horizon_s / (WEIGHTS_TAU_S * law.trades)
    return replace(law, law="weights", td_s=WEIGHTS_TAU_S, beta=WEIGHTS_BETA, strength=strength)


def pilot_law(
    preset: Preset, *, y: float = 1.0, seed: int = 0, replenishment_s: tuple[float, ...] = ()
) -> ImpactLaw:
    """The translation law of a preset: volatility and volume from its tape, the mean trade from a run of its market.

    Parameters
    ----------
    y : float
        Prior.
    replenishment_s : tuple of float
        Of its tape (`market.impact.fitted`).

    Raises
    ------
    ConfigError
        When the model does not trade.
    """
    trade = mean_trade(reactive(preset, seed=seed, impact="none"), seed)
    return ImpactLaw(
        "translation",
        mean_trade_lots=trade,
        trades=preset.volume_per_s * HORIZON_S / trade,
        sigma_ticks=preset.sd60_ticks * float(np.sqrt(HORIZON_S / 60.0)),
        y=y,
        replenishment_s=replenishment_s,
    )


def carrying(
    preset: AnyPreset,
    *,
    y: float = 1.0,
    seed: int = 0,
    replenishment_s: tuple[float, ...] | None = None,
) -> AnyPreset:
    """The preset with its law on its card, so that it applies by default.

    `replenishment_s`: of its tape; those that its card has, if not given.
    """
    if replenishment_s is None:
        known = preset.card.get("impact") or {}
        replenishment_s = tuple(float(delay) for delay in known.get("replenishment_s", ()))
    law = pilot_law(preset, y=y, seed=seed, replenishment_s=replenishment_s)
    return preset.model_copy(update={"card": {**preset.card, "impact": law.card()}})


def mean_trade(
    source: Source, seed: int, seconds: float = 3600.0, most_s: float = 400_000.0
) -> float:
    """Mean lots of a public market order; executions of one moment and side are one order.

    Runs `seconds`, and on until there are `TRADES`, at most `most_s`.

    Raises
    ------
    ConfigError
        When nothing trades.
    """
    lots, orders, passed = 0, 0, 0.0
    b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
    k[sim.FLOW_RNG] ^= seed
    while passed < seconds or (orders < TRADES and passed < most_s):
        passed += seconds
        rows = run_recorded(b, k, source.flow, int(k[sim.NOW] + seconds * NS_PER_SECOND))
        rows = rows[rows[:, sim.R_KIND] == EXECUTE]
        lots += int(rows[:, sim.R_LOTS].sum())
        orders += len(np.unique(rows[:, [sim.R_NS, sim.R_SIDE]], axis=0))
    if orders == 0:
        raise ConfigError(
            "a market that trades", f"no trade of {source.name} in {passed:g} s", "check its rates"
        )
    return lots / orders
