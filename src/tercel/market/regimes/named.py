"""Named regimes: their factors on a flow, phase by phase.

What they come to in a market is measured (`python -m studies regimes` prints it), not promised: volatility, depth
and drift follow from the flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer
from tercel.market.regimes.factors import Factors


@dataclass(frozen=True)
class Phase:
    """Factors that are in force for `seconds`; 0: to the end of the regime (the last phase alone)."""

    factors: Factors
    seconds: float = 0.0


@dataclass(frozen=True)
class Regime:
    """A named market state.

    Parameters
    ----------
    name : str
    phases : tuple of Phase
        One after another; all but the last have a length.
    """

    name: str
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Refuse phases that never end before the last."""
        lengths = [phase.seconds for phase in self.phases]
        if (
            not self.name
            or not lengths
            or lengths[-1] != 0.0
            or any(not 0 < s < 1e6 for s in lengths[:-1])
        ):
            raise ConfigError(
                "a named regime of phases with a length each, the last without (0)",
                f"{self.name!r}: {lengths}",
                "see market.regimes.named",
            )

    @property
    def passes_s(self) -> float:
        """Seconds until a scripted regime ends by itself; 0: it stays."""
        return sum(phase.seconds for phase in self.phases)


def steady(name: str, factors: Factors) -> Regime:
    """A regime of one phase."""
    return Regime(name, (Phase(factors),))


PLAIN: Final = steady("plain", Factors())
"""The market as it was calibrated."""

CALM: Final = steady("calm", Factors(limit=1.25, market=0.8, pace=0.6))
VOLATILE: Final = steady("volatile", Factors(limit=0.6, market=0.95, pace=2.0))
THIN: Final = steady("thin", Factors(limit=0.45, market=0.6))
TRENDING: Final = steady("trending", Factors(lean=0.15))
LIQUIDITY_WITHDRAWAL: Final = Regime(
    "liquidity_withdrawal",
    (
        Phase(Factors(limit=0.25, market=0.7, cancel=3.0), 30.0),  # it goes within seconds,
        Phase(Factors(limit=0.25, market=0.7, cancel=1.2), 180.0),  # stays away,
        Phase(Factors(limit=1.3, market=0.8), 90.0),  # comes back,
        Phase(Factors()),
    ),
)
FLASH_CRASH: Final = Regime(
    "flash_crash",
    (
        Phase(
            Factors(limit=0.5, market=2.0, cancel=2.0, pace=2.0, lean=-0.7), 45.0
        ),  # sellers find nobody,
        Phase(Factors(limit=0.7, market=0.6, cancel=1.0, pace=1.5), 15.0),  # stop for a moment,
        Phase(
            Factors(limit=0.5, market=2.0, cancel=2.0, pace=2.0, lean=0.7), 40.0
        ),  # and are bought back
        Phase(Factors(limit=0.8, pace=1.3)),
    ),
)

NAMED: Final[Mapping[str, Regime]] = {
    regime.name: regime
    for regime in (PLAIN, CALM, VOLATILE, THIN, TRENDING, LIQUIDITY_WITHDRAWAL, FLASH_CRASH)
}


def regime(name: str, own: Mapping[str, Regime] | None = None) -> Regime:
    """A regime by name, looked up in `own` before the shipped ones.

    Raises
    ------
    UnknownNameError
    """
    known = {**NAMED, **(own or {})}
    if name not in known:
        raise UnknownNameError(f"a regime among {', '.join(known)}", repr(name), offer(name, known))
    return known[name]
