"""Layout of the law of impact in the flow's parameters: float64 words from flow[IMPACT_AT] on."""

from typing import Final

TAPE_LAWS: Final = ("none", "square_root", "propagator")
"""Laws of recorded days, by name: see `propagator.tape_law`."""

LAW, SCALE, EXPONENT, MEAN_TRADE, STEP_S, COMPONENTS, DELAYS = range(7)
# LAW: as IMPACT in the simulator's layout
# SCALE: ticks at Phi = 1; (WEIGHTS) log factor at Phi = 1
# MEAN_TRADE: lots
# STEP_S: between looks at how the kernel decays
# DELAYS: equally likely delays after which lots that own orders took come back; 0: never
HEAD = 8  # rates[COMPONENTS] a second, weights[COMPONENTS], delays[DELAYS] in seconds
