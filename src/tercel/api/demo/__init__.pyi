from tercel.api.demo.markets import PlantedChange as PlantedChange
from tercel.api.demo.markets import SimulatedMarkets as SimulatedMarkets
from tercel.api.demo.markets import open_demo as open_demo
from tercel.api.demo.markets import planted as ground_truth
from tercel.api.demo.markets import scenario_of as scenario_of

__all__ = [
    "PlantedChange",
    "SimulatedMarkets",
    "ground_truth",
    "open_demo",
    "scenario_of",
]
