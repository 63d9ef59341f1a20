from tercel.api import portfolio as portfolio
from tercel.api import risk as risk
from tercel.api.simulated_desk import SimulatedMarkets as SimulatedMarkets
from tercel.api.simulated_desk import open_demo as open_demo
from tercel.api.simulated_desk import scenario_of as scenario_of
from tercel.api.desk.config import read_config as read_config
from tercel.api.desk.run_figures import bounds_and_fills as bounds_and_fills
from tercel.api.desk.run_figures import cost_through_rounds as cost_through_rounds
from tercel.api.desk.run_figures import share_of_flow as share_of_flow
from tercel.api.desk.bounds import ShadowBounds as ShadowBounds
from tercel.api.desk.bounds import bounds_on as bounds_on
from tercel.api.desk.bound_scores import score_bounds as score_bounds
from tercel.api.display import progress_console as progress_console

__all__ = [
    "ShadowBounds",
    "SimulatedMarkets",
    "bounds_and_fills",
    "bounds_on",
    "cost_through_rounds",
    "open_demo",
    "portfolio",
    "progress_console",
    "read_config",
    "risk",
    "scenario_of",
    "score_bounds",
    "share_of_flow",
]
