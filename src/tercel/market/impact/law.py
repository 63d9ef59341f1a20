"""Law of impact as a record: which numbers are priors, which measured, and the packed words of the kernel.

`translation` (the default): own volume in mean trades under ``G(t) = (1 + t / td)^-beta`` is Phi; the price is
``y sigma sgn(Phi) |Phi / trades|^exponent`` above its level without own orders, sigma and trades those of one
`horizon_s`, linear below one mean trade. With exponent 1/2 that is the square-root law (Almgren, Thum, Hauptmann & Li
2005; Bouchaud, Bonart, Donier & Gould 2018): the exponent is a prior, no public tape can teach it. `weights`: Phi leans
on the weights of public market orders against our flow (Noble, Rosenbaum & Souilmi 2026).

G is a sum of exponentials, so that what a market remembers has a fixed size.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.market.simulator import layout as sim

# Layout of the law of impact in the flow's parameters: float64 words from flow[IMPACT_AT] on.
PASSIVE_IMPACT_INTERVAL: Final = (0.0, 1.0)
"""What is known of `passive_impact` (docs/concepts/impact.md)."""
LAW, SCALE, EXPONENT, MEAN_TRADE, STEP_S, COMPONENTS, DELAYS, PASSIVE = range(8)
# LAW: as IMPACT in the simulator's layout
# SCALE: ticks at Phi = 1; (WEIGHTS) log factor at Phi = 1
# MEAN_TRADE: lots
# STEP_S: seconds from one update of the decaying kernel to the next
# DELAYS: equally likely delays after which lots that own orders took come back; 0: never
# PASSIVE: a lot that a resting order fills counts as so many that are taken
HEAD = 8  # rates[COMPONENTS] a second, weights[COMPONENTS], delays[DELAYS] in seconds
LAWS: Final = {"none": sim.NO_IMPACT, "translation": sim.TRANSLATION, "weights": sim.WEIGHTS}
HORIZON_S: Final = 600.0
KERNEL_STEP_S: Final = 1.0
"""Seconds from one update of the decaying kernel to the next; own fills count at once."""
KERNEL_COMPONENTS: Final = 14
_LOG_STEP: Final = 0.75
_LOG_FIRST: Final = -7.5


@dataclass(frozen=True)
class ImpactLaw:
    """Law of own trades' price impact beyond the lots they take.

    Parameters
    ----------
    law : str
        `translation` or `weights`.
    mean_trade_lots : float
        Lots of the MEAN public trade: the unit of volume. The median is another unit, often several times smaller.
    trades : float
        Mean trades of public volume in `horizon_s`.
    sigma_ticks : float
        Standard deviation of the mid's move in `horizon_s`.
    y : float
        The prefactor of the square-root law; 0.5 to 1.5 is what markets show.
    td_s, beta : float
        Kernel ``(1 + t / td)^-beta``.
    permanent : float
        Share of the kernel that never decays.
    exponent : float
        Of the target in Phi: 1/2, or 1 for a linear propagator.
    strength : float
        (weights) Log factor of the market orders of a side at Phi = 1.
    horizon_s : float
        Of `trades` and `sigma_ticks`.
    replenishment_s : tuple of float
        Equally likely delays, seconds, after which lots that own orders took come back
        (`market.impact.replenishment_delays`); none: they stay away for as long as their order lives, as on a tape.
    explicit : tuple of (float, float)
        A kernel of its own: rates (1/s, 0 stays) and weights, which sum to 1; `td_s`, `beta` and `permanent` are then
        not read.
    passive_impact : float
        From 0 to 1: a lot that a resting order fills moves the price as so many that are taken. 1 is an assumption
        (docs/concepts/impact.md).

    Raises
    ------
    ConfigError
        For an unknown law or numbers that are none.
    """

    law: str
    mean_trade_lots: float
    trades: float
    sigma_ticks: float
    y: float = 1.0
    td_s: float = 900.0
    beta: float = 1.0
    permanent: float = 0.0
    exponent: float = 0.5
    strength: float = 0.0
    horizon_s: float = HORIZON_S
    replenishment_s: tuple[float, ...] = ()
    explicit: tuple[tuple[float, float], ...] = ()
    passive_impact: float = 1.0

    def __post_init__(self) -> None:
        """Raise ConfigError for parameters out of range."""
        positive = (
            self.mean_trade_lots,
            self.trades,
            self.td_s,
            self.beta,
            self.exponent,
            self.horizon_s,
        )
        numbers = (*positive, self.sigma_ticks, self.y, self.strength, *self.replenishment_s)
        is_valid = (
            all(map(math.isfinite, numbers))
            and min(positive) > 0.0
            and min(self.sigma_ticks, self.y, *self.replenishment_s) >= 0.0
        )
        if (
            self.law not in LAWS
            or self.law == "none"
            or not is_valid
            or not 0.0 <= self.permanent <= 1.0
            or not 0.0 <= self.passive_impact <= 1.0
        ):
            raise ConfigError(
                "an impact law: translation or weights, its sizes and times above 0, 0 <= permanent, passive_impact <= 1",
                f"{self}",
                "measure one: `tercel market calibrate` puts it on the card",
            )

    @property
    def scale_ticks(self) -> float:
        """Displacement after one mean trade, ticks."""
        return float(self.y * self.sigma_ticks / self.trades**self.exponent)

    def target(self, phi: float | Floats) -> Floats:
        """Displacement at Phi, ticks: a square root beyond one mean trade, linear below.

        A root is infinitely steep at 0, where one lot would move the price; that impact is linear in the smallest
        volumes is seen (Bucci, Benzaquen, Lillo & Bouchaud 2019).
        """
        size = np.abs(np.asarray(phi, np.float64))
        return np.asarray(
            self.scale_ticks * np.sign(phi) * np.where(size < 1.0, size, size**self.exponent)
        )

    def kernel(self) -> tuple[Floats, Floats]:
        """Rates (1/s) and weights of the exponentials whose sum is the kernel; the weights sum to 1."""
        if self.explicit:
            rates, weights = np.array(self.explicit, np.float64).T
            return rates, weights
        rates, weights = exponentials(self.beta, self.td_s)
        if self.permanent == 0.0:
            return rates, weights
        return np.append(rates, 0.0), np.append(weights * (1.0 - self.permanent), self.permanent)

    def remaining_share(self, seconds: float) -> float:
        """Share of a volume traded evenly over some seconds that has not decayed at their end."""
        rates, weights = self.kernel()
        x = rates * seconds
        surviving = np.where(x > 0.0, -np.expm1(-x) / np.where(x > 0.0, x, 1.0), 1.0)
        return float(weights @ surviving)

    def pack(self) -> Floats:
        """The law as float64 words that kernels read (`impact_events`)."""
        rates, weights = self.kernel()
        head = np.zeros(HEAD)
        head[LAW] = LAWS[self.law]
        head[SCALE] = self.scale_ticks if self.law == "translation" else self.strength
        head[EXPONENT] = self.exponent
        head[MEAN_TRADE] = self.mean_trade_lots
        head[STEP_S] = KERNEL_STEP_S
        head[COMPONENTS] = len(rates)
        head[DELAYS] = len(self.replenishment_s)
        head[PASSIVE] = self.passive_impact
        return np.concatenate((head, rates, weights, self.replenishment_s))

    def card(self) -> dict[str, Any]:
        """The law as the entry `impact` of a preset's card."""
        entry = {**asdict(self), "replenishment_s": list(self.replenishment_s)}
        if not self.explicit:
            del entry["explicit"]
        if self.passive_impact == 1.0:
            del entry["passive_impact"]
        return entry

    def scaled(self, scale: float, passive_impact: float) -> "ImpactLaw":
        """The law with displacements `scale` times as large, and another `passive_impact`.

        >>> law = ImpactLaw("translation", mean_trade_lots=2.0, trades=100.0, sigma_ticks=10.0)
        >>> law.scale_ticks, law.scaled(2.0, 0.5).scale_ticks
        (1.0, 2.0)
        """
        return replace(
            self, y=scale * self.y, strength=scale * self.strength, passive_impact=passive_impact
        )


def law_on_card(card: dict[str, Any]) -> ImpactLaw | None:
    """Impact law on a preset's card; None if the card has no entry `impact`.

    Raises
    ------
    ConfigError
        For an entry that is no law.
    """
    entry = card.get("impact")
    if entry is None:
        return None
    try:
        explicit = tuple((float(rate), float(weight)) for rate, weight in entry.get("explicit", ()))
        delays = tuple(float(delay) for delay in entry.get("replenishment_s", ()))
        return ImpactLaw(**{**entry, "explicit": explicit, "replenishment_s": delays})
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "an impact law of this version on the card",
            f"{entry}",
            "calibrate again with `tercel market calibrate`",
        ) from error


def exponentials(beta: float, td_s: float) -> tuple[Floats, Floats]:
    """Rates and weights whose sum of exponentials is ``(1 + t / td)^-beta``.

    The kernel is a mixture of exponentials with Gamma-distributed rates; the integral over the logarithm of the rate
    is taken by the trapezoid rule (14 terms: within 0.0005 for beta 1 up to t = 50 td).

    >>> rates, weights = exponentials(1.0, 600.0)
    >>> round(float(weights @ np.exp(-600.0 * rates)), 3)
    0.5
    """
    s = np.exp(_LOG_FIRST + _LOG_STEP * np.arange(KERNEL_COMPONENTS))
    weights = s**beta * np.exp(-s)
    return s / td_s, weights / weights.sum()
