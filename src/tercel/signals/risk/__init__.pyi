from tercel.signals.risk.anomaly import LEAVE as LEAVE
from tercel.signals.risk.anomaly import AnomalyBaseline as AnomalyBaseline
from tercel.signals.risk.anomaly import RiskMeter as RiskMeter
from tercel.signals.risk.anomaly import Second as Second
from tercel.signals.risk.anomaly import StreamingAnomaly as StreamingAnomaly
from tercel.signals.risk.anomaly import alarm_starts as alarm_starts
from tercel.signals.risk.anomaly import fit_baseline as fit_baseline
from tercel.signals.risk.anomaly import simulate as simulate
from tercel.signals.risk.forecast import EwmaNormal as EwmaNormal
from tercel.signals.risk.forecast import (
    FilteredHistoricalSimulation as FilteredHistoricalSimulation,
)
from tercel.signals.risk.forecast import check_tail_past as check_tail_past
from tercel.signals.risk.forecast import judge as judge
from tercel.signals.risk.forecast import worst as worst
from tercel.signals.risk.posture import PostureConfig as PostureConfig
from tercel.signals.risk.posture import PostureDemand as PostureDemand
from tercel.signals.risk.posture import PosturePolicy as PosturePolicy
from tercel.signals.risk.posture import PostureRule as PostureRule
from tercel.signals.risk.posture import RiskState as RiskState
from tercel.signals.risk.posture import early_rules as early_rules
from tercel.signals.risk.report import PostureStory as PostureStory
from tercel.signals.risk.report import asked as asked
from tercel.signals.risk.report import bars as bars
from tercel.signals.risk.report import changed as changed
from tercel.signals.risk.report import tails as tails
from tercel.signals.risk.volatility import MONTH as MONTH
from tercel.signals.risk.volatility import SINGULAR as SINGULAR
from tercel.signals.risk.volatility import CovarianceEstimator as CovarianceEstimator
from tercel.signals.risk.volatility import DailySeries as DailySeries
from tercel.signals.risk.volatility import Ewma as Ewma
from tercel.signals.risk.volatility import FastVolatility as FastVolatility
from tercel.signals.risk.volatility import Garch as Garch
from tercel.signals.risk.volatility import Har as Har
from tercel.signals.risk.volatility import LinearShrinkage as LinearShrinkage
from tercel.signals.risk.volatility import NonlinearShrinkage as NonlinearShrinkage
from tercel.signals.risk.volatility import SampleCovariance as SampleCovariance
from tercel.signals.risk.volatility import TailModel as TailModel
from tercel.signals.risk.volatility import VolatilityModel as VolatilityModel
from tercel.signals.risk.volatility import check_past as check_past
from tercel.signals.risk.volatility import checked_returns as checked_returns
from tercel.signals.risk.volatility import ewma as ewma

__all__ = [
    "LEAVE",
    "MONTH",
    "SINGULAR",
    "AnomalyBaseline",
    "CovarianceEstimator",
    "DailySeries",
    "Ewma",
    "EwmaNormal",
    "FastVolatility",
    "FilteredHistoricalSimulation",
    "Garch",
    "Har",
    "LinearShrinkage",
    "NonlinearShrinkage",
    "PostureConfig",
    "PostureDemand",
    "PosturePolicy",
    "PostureRule",
    "PostureStory",
    "RiskMeter",
    "RiskState",
    "SampleCovariance",
    "Second",
    "StreamingAnomaly",
    "TailModel",
    "VolatilityModel",
    "alarm_starts",
    "asked",
    "bars",
    "changed",
    "check_past",
    "check_tail_past",
    "checked_returns",
    "early_rules",
    "ewma",
    "fit_baseline",
    "judge",
    "simulate",
    "tails",
    "worst",
]
