from tercel.market.impact.fitted import LONGEST_S as LONGEST_S
from tercel.market.impact.fitted import WORLDS as WORLDS
from tercel.market.impact.fitted import carrying as carrying
from tercel.market.impact.fitted import delays as delays
from tercel.market.impact.fitted import law_for as law_for
from tercel.market.impact.fitted import mean_trade as mean_trade
from tercel.market.impact.fitted import replenishment as measured_replenishment
from tercel.market.impact.fitted import tape_law as tape_law
from tercel.market.impact.law import ImpactLaw as ImpactLaw
from tercel.market.impact.law import whole_order_ticks as whole_order_ticks

__all__ = [
    "LONGEST_S",
    "WORLDS",
    "ImpactLaw",
    "carrying",
    "delays",
    "law_for",
    "mean_trade",
    "measured_replenishment",
    "tape_law",
    "whole_order_ticks",
]
