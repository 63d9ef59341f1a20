"""The Hawkes flow, event by event."""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim


@kernel
def hawkes_event(b: Packed, k: Longs, flow: Floats) -> None:
    """One event of the flow at time FLOW_NS, and when the next one comes."""
    k[sim.FLOW_NS] = FOREVER_NS
