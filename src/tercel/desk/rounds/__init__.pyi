from tercel.desk.rounds.build import open_desk as open_desk
from tercel.desk.rounds.build import strategy_of as strategy_of
from tercel.desk.rounds.config import DeskConfig as DeskConfig
from tercel.desk.rounds.config import LimitsSection as LimitsSection

__all__ = [
    "DeskConfig",
    "LimitsSection",
    "open_desk",
    "strategy_of",
]
