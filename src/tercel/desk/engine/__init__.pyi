from tercel.desk.engine.configured_agents import strategy_of as strategy_of
from tercel.desk.engine.config import DeskConfig as DeskConfig
from tercel.desk.engine.config import LimitsSection as LimitsSection
from tercel.desk.engine.assembly import assemble_desk as assemble_desk

__all__ = [
    "DeskConfig",
    "LimitsSection",
    "assemble_desk",
    "strategy_of",
]
