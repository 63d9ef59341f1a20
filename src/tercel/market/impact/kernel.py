"""Impact as the market goes: own fills add to it, instalments are paid."""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim


@kernel
def impact_event(b: Packed, k: Longs, flow: Floats) -> None:
    """An instalment falls due at IMPACT_NS; when the next one does."""
    k[sim.IMPACT_NS] = FOREVER_NS
