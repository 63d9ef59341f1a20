from tercel.desk.engine.build import open_desk as open_desk
from tercel.desk.engine.build import strategy_of as strategy_of
from tercel.desk.engine.config import DeskConfig as DeskConfig
from tercel.desk.engine.config import LimitsSection as LimitsSection

__all__ = [
    "DeskConfig",
    "LimitsSection",
    "open_desk",
    "strategy_of",
]
