from tercel.signals.factors import factors as daily_factors
from tercel.signals.factors import guard_prices as guarded_factors
from tercel.signals.frames import SignalRun as SignalRun
from tercel.signals.frames import backtest as backtest
from tercel.signals.frames import evaluate as evaluate
from tercel.signals.frames import predict as predict
from tercel.signals.frames import train as train
from tercel.signals.models.fusion import BOUNDED as BOUNDED
from tercel.signals.models.fusion import BaseModel as BaseModel
from tercel.signals.models.fusion import BoundedLinear as BoundedLinear
from tercel.signals.models.fusion import Fusion as Fusion
from tercel.signals.models.fusion import stack as stack
from tercel.signals.models.signal_model import MODEL as MODEL_FILE
from tercel.signals.models.signal_model import SignalModel as SignalModel
from tercel.signals.models.model_folder import load as load_model
from tercel.signals.models.model_folder import save as save_model
from tercel.signals.models.online import FAMILY as ONLINE_FAMILY
from tercel.signals.models.online import learn as learn_online
from tercel.signals.models.intervals import AdaptiveWidth as AdaptiveWidth
from tercel.signals.models.intervals import widths as conformal_widths
from tercel.signals.models.regressors import BoostedTrees as BoostedTrees
from tercel.signals.models.estimator import Estimator as Estimator
from tercel.signals.models.estimator import FitError as FitError
from tercel.signals.models.regressors import ForestNodes as ForestNodes
from tercel.signals.models.estimator import Regressor as Regressor
from tercel.signals.models.regressors import Ridge as Ridge
from tercel.signals.models.estimator import translate_check_errors as translate_check_errors
from tercel.signals.models.estimator import scale_of as scale_of
from tercel.signals.models.skill import BLOCK as SCORE_BLOCK
from tercel.signals.models.skill import AlphaScale as AlphaScale
from tercel.signals.models.skill import Skill as Skill
from tercel.signals.models.skill import decay as signal_decay
from tercel.signals.models.skill import rank_ic_by_date as rank_ic_by_date
from tercel.signals.models.skill import skill as skill
from tercel.signals.models.folds import DAY as VALIDATION_DAY
from tercel.signals.panel.leak_report import CEILING as LEAK_CEILING
from tercel.signals.panel.dataset import Dataset as Dataset
from tercel.signals.panel.panel import Panel as Panel
from tercel.signals.panel.labels import forward_returns as forward_returns
from tercel.signals.panel.tear_sheet import TearSheet as TearSheet
from tercel.signals.panel.tear_sheet import tear_sheet as tear_sheet
from tercel.signals.portfolio.book import Backtest as Backtest
from tercel.signals.portfolio.book import BookRule as BookRule
from tercel.signals.portfolio.rebalance import RULES as REBALANCE_RULES
from tercel.signals.portfolio.rebalance import BookTargets as BookTargets
from tercel.signals.portfolio.rebalance import CostBelief as CostBelief
from tercel.signals.portfolio.rebalance import Traded as Traded
from tercel.signals.portfolio.rebalance import fill_information as fill_information
from tercel.signals.portfolio.rebalance import on_paper as on_paper
from tercel.signals.portfolio.rebalance import trade as trade_rebalanced
from tercel.signals.runs.config import EXPERTS as EXPERTS
from tercel.signals.runs.config import OnlineRule as OnlineRule
from tercel.signals.runs.config import Weighing as Weighing
from tercel.signals.runs.evaluation_page import interval_figure as interval_figure
from tercel.signals.runs.source_sheets import tear_sheets as tear_sheets
from tercel.signals.sources.daily import DailyFactors as DailyFactors
from tercel.signals.sources.daily import universe as universe
from tercel.signals.sources.news import mask_numbers as mask_numbers
from tercel.signals.sources.news import word_score as word_score
from tercel.signals.sources.news import split_words as split_words
from tercel.signals.sources.port import EVERY as EVERY
from tercel.signals.sources.port import KEYS as KEYS
from tercel.signals.sources.port import LONGEST_DAYS as LONGEST_DAYS
from tercel.signals.sources.port import FrameSource as FrameSource
from tercel.signals.sources.port import SignalSource as SignalSource
from tercel.signals.sources.port import SourceAbsentError as SourceAbsentError
from tercel.signals.sources.port import at_new_york as at_new_york
from tercel.signals.sources.port import check_facts as check_facts
from tercel.signals.sources.port import publication_lag as publication_lag
from tercel.signals.sources.port import time_type as time_type
from tercel.signals.sources.sectors import read_sectors as read_sectors
from tercel.signals.sources.tables import TableSource as TableSource
from tercel.signals.sources.tables import differing_records as differing_records
from tercel.signals.sources.tables import moments as known_moments
from tercel.signals.sources.tables import values_of as value_columns

__all__ = [
    "BOUNDED",
    "EVERY",
    "EXPERTS",
    "KEYS",
    "LEAK_CEILING",
    "LONGEST_DAYS",
    "MODEL_FILE",
    "ONLINE_FAMILY",
    "REBALANCE_RULES",
    "SCORE_BLOCK",
    "VALIDATION_DAY",
    "AdaptiveWidth",
    "AlphaScale",
    "Backtest",
    "BaseModel",
    "BookRule",
    "BookTargets",
    "BoostedTrees",
    "BoundedLinear",
    "CostBelief",
    "DailyFactors",
    "Dataset",
    "Estimator",
    "FitError",
    "ForestNodes",
    "FrameSource",
    "Fusion",
    "OnlineRule",
    "Panel",
    "Regressor",
    "Ridge",
    "SignalModel",
    "SignalRun",
    "SignalSource",
    "Skill",
    "SourceAbsentError",
    "TableSource",
    "TearSheet",
    "Traded",
    "Weighing",
    "at_new_york",
    "backtest",
    "check_facts",
    "conformal_widths",
    "daily_factors",
    "differing_records",
    "evaluate",
    "fill_information",
    "forward_returns",
    "guarded_factors",
    "interval_figure",
    "known_moments",
    "learn_online",
    "load_model",
    "mask_numbers",
    "on_paper",
    "predict",
    "publication_lag",
    "rank_ic_by_date",
    "read_sectors",
    "save_model",
    "scale_of",
    "signal_decay",
    "skill",
    "split_words",
    "stack",
    "tear_sheet",
    "tear_sheets",
    "time_type",
    "trade_rebalanced",
    "train",
    "translate_check_errors",
    "universe",
    "value_columns",
    "word_score",
]
