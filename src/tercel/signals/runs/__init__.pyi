from tercel.signals.models.walk_forward import folds_of as folds_of, walked as walked
from tercel.signals.panel.build import dataset_of_config as dataset_of_config
from tercel.signals.portfolio.comparison import back_after as back_after
from tercel.signals.portfolio.config import opened as opened, read_config as read_config
from tercel.signals.runs.config import (
    PanelSection as PanelSection,
    SignalsConfig as SignalsConfig,
    SourceSection as SourceSection,
    TrainSection as TrainSection,
)
from tercel.signals.runs.train import train as train_signals

__all__ = [
    "PanelSection",
    "SignalsConfig",
    "SourceSection",
    "TrainSection",
    "back_after",
    "dataset_of_config",
    "folds_of",
    "opened",
    "read_config",
    "train_signals",
    "walked",
]
