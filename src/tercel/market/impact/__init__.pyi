from tercel.market.impact.kernel import whole_order_ticks as whole_order_ticks
from tercel.market.impact.law import ImpactLaw as ImpactLaw
from tercel.market.impact.pilot import law_for as law_for
from tercel.market.impact.propagator import tape_law as tape_law
from tercel.market.impact.replenishment import LONGEST_S as LONGEST_S
from tercel.market.impact.replenishment import delays as delays

__all__ = [
    "LONGEST_S",
    "ImpactLaw",
    "delays",
    "law_for",
    "tape_law",
    "whole_order_ticks",
]
