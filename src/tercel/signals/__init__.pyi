from tercel.signals.factors import factors as daily_factors, guarded as guarded_factors
from tercel.signals.models.fusion import (
    BOUNDED as BOUNDED,
    BaseModel as BaseModel,
    BoundedLinear as BoundedLinear,
    Fusion as Fusion,
    stack as stack,
)
from tercel.signals.models.model_folder import (
    MODEL as MODEL_FILE,
    SignalModel as SignalModel,
    load as load_model,
    save as save_model,
)
from tercel.signals.models.online import FAMILY as ONLINE_FAMILY, learn as learn_online
from tercel.signals.models.predict import AdaptiveWidth as AdaptiveWidth, widths as conformal_widths
from tercel.signals.models.regressors import (
    BoostedTrees as BoostedTrees,
    Estimator as Estimator,
    FitError as FitError,
    ForestNodes as ForestNodes,
    Regressor as Regressor,
    Ridge as Ridge,
    checks as checks,
    scale_of as scale_of,
)
from tercel.signals.models.skill import (
    BLOCK as SCORE_BLOCK,
    AlphaScale as AlphaScale,
    Skill as Skill,
    decay as signal_decay,
    rank_ic_by_date as rank_ic_by_date,
    skill as skill,
)
from tercel.signals.models.walk_forward import DAY as VALIDATION_DAY
from tercel.signals.panel.leak import CEILING as LEAK_CEILING
from tercel.signals.panel.panel import (
    Dataset as Dataset,
    Panel as Panel,
    forward_returns as forward_returns,
)
from tercel.signals.portfolio.book import Backtest as Backtest
from tercel.signals.portfolio.rebalance import (
    RULES as REBALANCE_RULES,
    BookTargets as BookTargets,
    CostBelief as CostBelief,
    Traded as Traded,
    fill_information as fill_information,
    on_paper as on_paper,
    trade as trade_rebalanced,
)
from tercel.signals.runs.config import EXPERTS as EXPERTS, OnlineRule as OnlineRule
from tercel.signals.runs.train import interval_figure as interval_figure
from tercel.signals.sources.daily import DailyFactors as DailyFactors, universe as universe
from tercel.signals.sources.news import masked as masked, word_score as word_score, words as words
from tercel.signals.sources.port import (
    EVERY as EVERY,
    KEYS as KEYS,
    FrameSource as FrameSource,
    SignalSource as SignalSource,
    SourceAbsentError as SourceAbsentError,
    at_new_york as at_new_york,
    checked as checked,
    time_type as time_type,
)

__all__ = [
    "BOUNDED",
    "EVERY",
    "EXPERTS",
    "KEYS",
    "LEAK_CEILING",
    "MODEL_FILE",
    "ONLINE_FAMILY",
    "REBALANCE_RULES",
    "SCORE_BLOCK",
    "VALIDATION_DAY",
    "AdaptiveWidth",
    "AlphaScale",
    "Backtest",
    "BaseModel",
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
    "SignalSource",
    "Skill",
    "SourceAbsentError",
    "Traded",
    "at_new_york",
    "checked",
    "checks",
    "conformal_widths",
    "daily_factors",
    "fill_information",
    "forward_returns",
    "guarded_factors",
    "interval_figure",
    "learn_online",
    "load_model",
    "masked",
    "on_paper",
    "rank_ic_by_date",
    "save_model",
    "scale_of",
    "signal_decay",
    "skill",
    "stack",
    "time_type",
    "trade_rebalanced",
    "universe",
    "word_score",
    "words",
]
