from tercel.api.demo.config import DemoConfig as DemoConfig
from tercel.api.demo.config import PlantedChange as PlantedChange
from tercel.api.demo.config import read_config as read_config
from tercel.api.demo.markets import SimulatedMarkets as SimulatedMarkets
from tercel.api.demo.markets import open_demo as open_demo
from tercel.api.demo.planted import planted as ground_truth

__all__ = [
    "DemoConfig",
    "PlantedChange",
    "SimulatedMarkets",
    "ground_truth",
    "open_demo",
    "read_config",
]
