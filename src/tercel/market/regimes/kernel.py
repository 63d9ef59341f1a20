"""Regimes as the market goes: a chain or a script says which is in force."""

from tercel.core.jit import Floats, Longs, kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim


@kernel
def regime_event(k: Longs, flow: Floats) -> None:
    """The regime changes at REGIME_NS; when it changes next."""
    k[sim.REGIME_NS] = FOREVER_NS
