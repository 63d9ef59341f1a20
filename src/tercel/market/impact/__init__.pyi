from tercel.market.impact.replenishment_delays import LONGEST_S as LONGEST_S
from tercel.market.impact.pilot import WORLDS as WORLDS
from tercel.market.impact.pilot import with_pilot_law as with_pilot_law
from tercel.market.impact.replenishment_delays import delays as delays
from tercel.market.impact.pilot import law_for as law_for
from tercel.market.impact.pilot import mean_trade as mean_trade
from tercel.market.impact.replenishment_delays import replenishment as measured_replenishment
from tercel.market.impact.fitted import tape_law as tape_law
from tercel.market.impact.law import ImpactLaw as ImpactLaw
from tercel.market.impact.impact_events import whole_order_ticks as whole_order_ticks

__all__ = [
    "LONGEST_S",
    "WORLDS",
    "ImpactLaw",
    "delays",
    "law_for",
    "mean_trade",
    "measured_replenishment",
    "tape_law",
    "whole_order_ticks",
    "with_pilot_law",
]
