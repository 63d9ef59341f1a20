"""Other regimes of a preset's flow: thinner, faster, more volatile, one-sided; for scripts that change them mid-day.

What each factor does to the law of `market.flow.preset`:

- `depth` scales the rate of limit orders at every distance. Orders live as long as before, so the depth at which the
  book settles follows it, within the life of an order; the spread widens.
- `cancels` scales the rate at which every order dies: depth falls with 1 / `cancels`, and at once.
- `trades` scales the rate of market orders.
- `pace` scales all rates together: the same market in another time, so depth and spread stay and the variance of the
  mid in a second is exactly `pace` times what it was.
- `volatility` picks the pace. The diffusion of the mid in zero-intelligence flow goes with (trades / depth)^2
  (depth cancels)^(1/2) (Smith, Farmer, Gillemot & Krishnamurthy 2003, table III: D ~ mu^(5/2) delta^(1/2) sigma^(-1/2)
  alpha^(-2)), so a standard deviation of `volatility` times the old one needs the pace volatility^2 over that. The law
  holds where ticks are small against the spread and orders small against the depth; elsewhere what comes out is
  measured, not promised.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError
from tercel.market.flow import santa_fe
from tercel.market.flow.preset import Preset
from tercel.market.flow.santa_fe_preset import SantaFePreset


def diffusion(depth: float, cancels: float, trades: float) -> float:
    """Variance of the mid in a second against the unscaled flow's, by the law above.

    >>> diffusion(1.0, 1.0, 1.0), round(diffusion(1 / 3, 1.0, 1.0), 6)
    (1.0, 9.0)
    """
    return math.pow(trades, 2.5) * math.sqrt(cancels) / depth**2


def scaled(
    preset: Preset,
    depth: float = 1.0,
    *,
    cancels: float = 1.0,
    trades: float = 1.0,
    pace: float = 1.0,
    volatility: float | None = None,
    buy_share: float = 0.5,
) -> NDArray[np.float64]:
    """Flow parameters of a preset in another regime, for `Regime.flow` or a `Source`.

    Parameters
    ----------
    preset : SantaFePreset
    depth, cancels, trades, pace : float
        Factors, above 0; see the module.
    volatility : float, optional
        Wanted factor of the mid's standard deviation in a second; sets the pace, so `pace` must be left alone.
    buy_share : float
        Share of market orders that buy.

    Raises
    ------
    ConfigError
        For factors that are none, or both `pace` and `volatility`.

    >>> from tercel.market.flow.preset import load
    >>> flow = scaled(load("csco-santa-fe"), depth=1 / 3, volatility=3.0)
    >>> round(float(flow[santa_fe.MARKET_RATE]) / load("csco-santa-fe").market_rate, 6)
    1.0
    """
    if not isinstance(preset, SantaFePreset):
        raise ConfigError(
            "a preset of model santa_fe",
            f"{preset.name} of model {preset.model}",
            "use the factors of market.regimes, which every model reads",
        )
    wanted = 1.0 if volatility is None else volatility
    factors = {"depth": depth, "cancels": cancels, "trades": trades, "pace": pace, "volatility": wanted}
    for name, factor in factors.items():
        if not (math.isfinite(factor) and factor > 0):
            raise ConfigError("factors of a regime above 0", f"{name}={factor!r}", "such as depth=1/3")
    if not 0.0 <= buy_share <= 1.0:
        raise ConfigError("a buy_share in [0, 1]", f"{buy_share!r}", "0.5 is no drift")
    if volatility is not None:
        if pace != 1.0:
            raise ConfigError("either pace or volatility", "both", "volatility sets the pace")
        pace = volatility**2 / diffusion(depth, cancels, trades)
    return santa_fe.pack(
        np.asarray(preset.limit_rate) * depth * pace,
        preset.market_rate * trades * pace,
        np.asarray(preset.cancel_rate) * cancels * pace,
        np.asarray(preset.limit_sizes),
        np.asarray(preset.market_sizes),
        buy_share,
    )
