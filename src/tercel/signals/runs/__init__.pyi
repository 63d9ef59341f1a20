from tercel.signals.models.folds import folds_of as folds_of
from tercel.signals.models.walk_forward import walk_families as walk_families
from tercel.signals.panel.build import dataset_of_config as dataset_of_config
from tercel.signals.portfolio.comparison_result import back_after as back_after
from tercel.signals.portfolio.config import open_portfolio as open_portfolio
from tercel.signals.portfolio.config import read_config as read_config
from tercel.signals.runs.config import PanelSection as PanelSection
from tercel.signals.runs.config import SignalsConfig as SignalsConfig
from tercel.signals.runs.config import SourceSection as SourceSection
from tercel.signals.runs.config import TrainSection as TrainSection
from tercel.signals.runs.train import train as train_signals

__all__ = [
    "PanelSection",
    "SignalsConfig",
    "SourceSection",
    "TrainSection",
    "back_after",
    "dataset_of_config",
    "folds_of",
    "open_portfolio",
    "read_config",
    "train_signals",
    "walk_families",
]
