"""Queue models for tapes of level totals: the share of a level's cancels that stood ahead of an own order.

P is the probability that a cancel is *behind* the order. The models are named as in hftbacktest (`models/queue.rs`,
after Rigtorp, "Estimating order queue position", 2013):

================ ======================================================================
``risk_averse``  P = 1: prints alone advance (until nothing is left behind)
``power_prob``   P = f(back) / (f(back) + f(front)), f(x) = x^n
``power_prob2``  P = f(back) / f(back + front), f(x) = x^n
``power_prob3``  P = 1 - f(front / (front + back)), f(x) = x^n
``log_prob``     P = f(back) / (f(back) + f(front)), f(x) = ln(1 + x)
``log_prob2``    P = f(back) / f(back + front), f(x) = ln(1 + x)
``first``        P = 0: the orders ahead cancel first (not a model of hftbacktest: the most optimistic)
================ ======================================================================

At the head of the queue nothing is ahead to be cancelled (P = 1), at its tail nothing behind (P = 0).
"""

import math
from typing import Final

from tercel.core.errors import ConfigError
from tercel.core.jit import kernel

_NAMES: Final = (
    "risk_averse",
    "power_prob",
    "power_prob2",
    "power_prob3",
    "log_prob",
    "log_prob2",
    "first",
)
RISK_AVERSE, POWER_PROB, POWER_PROB2, POWER_PROB3, LOG_PROB, LOG_PROB2, FIRST = range(1, 8)
MODELS: Final = {name: code for code, name in enumerate(_NAMES, start=1)}
DEFAULT: Final = "power_prob"
EXPONENT: Final = 3.0
"""The default of the exponent n."""


def queue_model(name: str) -> tuple[int, float]:
    """Code and exponent of a queue model: a name, or a power with exponent as in ``power_prob:3``.

    >>> queue_model("log_prob"), queue_model("power_prob")
    ((5, 3.0), (2, 3.0))

    Raises
    ------
    ConfigError
        For an unknown name, or an exponent that is not above 0.
    """
    base, _, exponent = name.partition(":")
    if base not in MODELS:
        raise ConfigError(f"a queue model: {', '.join(MODELS)}", repr(name), f"such as {DEFAULT}")
    try:
        n = float(exponent) if exponent else EXPONENT
    except ValueError:
        n = -1.0
    if not 0 < n <= 100 or (exponent and not base.startswith("power")):
        raise ConfigError(
            "an exponent above 0 behind a power model", repr(name), "such as power_prob:3"
        )
    return MODELS[base], n


@kernel
def share_ahead(model: int, n: float, front: float, back: float) -> float:
    """Share 1 - P of a level's cancels that stood ahead of an order with `front` lots ahead and `back` behind."""
    if front <= 0.0 or model == RISK_AVERSE:
        return 0.0
    if back <= 0.0 or model == FIRST:
        return 1.0
    if model == POWER_PROB3:
        return (front / (front + back)) ** n
    if model == POWER_PROB or model == POWER_PROB2:
        back_ratio = back / (front + back)  # powers of ratios: those of lots could overflow
        front_ratio = front / (front + back)
        return (
            1.0 - back_ratio**n
            if model == POWER_PROB2
            else front_ratio**n / (back_ratio**n + front_ratio**n)
        )
    behind = math.log1p(back)
    if model == LOG_PROB2:
        return 1.0 - behind / math.log1p(front + back)
    return math.log1p(front) / (behind + math.log1p(front))
