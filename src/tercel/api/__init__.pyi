from tercel.api.demo import (
    SimulatedMarkets as SimulatedMarkets,
    open_demo as open_demo,
    scenario_of as scenario_of,
)
from tercel.api.desk.config import read_config as read_config
from tercel.api.desk.run_page import (
    bounds_and_fills as bounds_and_fills,
    cost_through_rounds as cost_through_rounds,
    share_of_flow as share_of_flow,
)
from tercel.api.desk.shadow import (
    ShadowBounds as ShadowBounds,
    bounds_on as bounds_on,
    scored as scored,
)
from tercel.api.display import progress_console as progress_console

__all__ = [
    "ShadowBounds",
    "SimulatedMarkets",
    "bounds_and_fills",
    "bounds_on",
    "cost_through_rounds",
    "open_demo",
    "progress_console",
    "read_config",
    "scenario_of",
    "scored",
    "share_of_flow",
]
