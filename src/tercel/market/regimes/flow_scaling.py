"""Flow parameters of a `santa_fe` preset with rates scaled, as those of another market; named regimes are in `named`.

What each factor does to the law of the zero-intelligence flow (`market.flow.santa_fe`):

- `depth` scales the rate of limit orders at every distance. Orders live as long as before, so the depth at which the
  book settles follows it, within the life of an order; the spread widens.
- `trades` scales the rate of market orders.
- `pace` scales all rates together: the same market in another time, so depth and spread stay and the variance of the
  mid in a second is exactly `pace` times what it was.
"""

import math

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.market.flow import santa_fe
from tercel.market.flow.port import Preset
from tercel.market.flow.santa_fe import SantaFePreset


def scale_flow(
    preset: Preset,
    depth: float = 1.0,
    *,
    trades: float = 1.0,
    pace: float = 1.0,
    buy_share: float = 0.5,
) -> Floats:
    """Flow parameters of a `santa_fe` preset with its rates scaled, for a `Source`; other models are refused.

    Parameters
    ----------
    preset : SantaFePreset
    depth, trades, pace : float
        Factors, above 0; see the module.
    buy_share : float
        Share of market orders that buy.

    Raises
    ------
    ConfigError
        For factors that are none.

    >>> from tercel.market.flow.registry import load
    >>> flow = scale_flow(load("csco-santa-fe"), depth=1 / 3)
    >>> round(float(flow[santa_fe.MARKET_RATE]) / load("csco-santa-fe").market_rate, 6)
    1.0
    """
    if not isinstance(preset, SantaFePreset):
        raise ConfigError(
            "a preset of model santa_fe",
            f"{preset.name} of model {preset.model}",
            "use the factors of market.regimes, which every model reads",
        )
    for name, factor in {"depth": depth, "trades": trades, "pace": pace}.items():
        if not (math.isfinite(factor) and factor > 0):
            raise ConfigError(
                "factors of a regime above 0", f"{name}={factor!r}", "such as depth=1/3"
            )
    if not 0.0 <= buy_share <= 1.0:
        raise ConfigError("a buy_share in [0, 1]", f"{buy_share!r}", "0.5 is no drift")
    return santa_fe.pack(
        np.asarray(preset.limit_rate) * depth * pace,
        preset.market_rate * trades * pace,
        np.asarray(preset.cancel_rate) * pace,
        np.asarray(preset.limit_sizes),
        np.asarray(preset.market_sizes),
        buy_share,
    )
