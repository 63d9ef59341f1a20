from tercel.desk.rounds.build import open_desk as open_desk
from tercel.desk.rounds.build import strategy_of as strategy_of
from tercel.desk.rounds.config import LimitsSection as LimitsSection
from tercel.desk.rounds.context import ContextRule as ContextRule
from tercel.desk.rounds.context import PublicLean as PublicLean

__all__ = [
    "ContextRule",
    "LimitsSection",
    "PublicLean",
    "open_desk",
    "strategy_of",
]
