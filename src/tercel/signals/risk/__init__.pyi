from tercel.signals.risk.anomaly import LEAVE as LEAVE
from tercel.signals.risk.anomaly import AnomalyBaseline as AnomalyBaseline
from tercel.signals.risk.anomaly import RiskMeter as RiskMeter
from tercel.signals.risk.seconds import Second as Second
from tercel.signals.risk.anomaly import StreamingAnomaly as StreamingAnomaly
from tercel.signals.risk.anomaly import alarm_starts as alarm_starts
from tercel.signals.risk.anomaly import fit_baseline as fit_baseline
from tercel.signals.risk.seconds import simulate as simulate
from tercel.signals.risk.tail_models import EwmaNormal as EwmaNormal
from tercel.signals.risk.tail_models import (
    FilteredHistoricalSimulation as FilteredHistoricalSimulation,
)
from tercel.signals.risk.tail_models import check_tail_past as check_tail_past
from tercel.signals.risk.tail_models import judge as judge
from tercel.signals.risk.tail_models import worst as worst
from tercel.signals.risk.posture import PostureConfig as PostureConfig
from tercel.signals.risk.posture import PostureDemand as PostureDemand
from tercel.signals.risk.posture import PosturePolicy as PosturePolicy
from tercel.signals.risk.posture import PostureRule as PostureRule
from tercel.signals.risk.posture import RiskState as RiskState
from tercel.signals.risk.posture import early_rules as early_rules
from tercel.signals.risk.posture_story import PostureStory as PostureStory
from tercel.signals.risk.posture_story import posture_limits as posture_limits
from tercel.signals.risk.report import bars as bars
from tercel.signals.risk.posture_story import posture_changes as posture_changes
from tercel.signals.risk.report import tails as tails
from tercel.signals.risk.volatility import MONTH as MONTH
from tercel.signals.risk.covariance import SINGULAR as SINGULAR
from tercel.signals.risk.ports import CovarianceEstimator as CovarianceEstimator
from tercel.signals.risk.ports import DailySeries as DailySeries
from tercel.signals.risk.volatility import Ewma as Ewma
from tercel.signals.risk.covariance import FastVolatility as FastVolatility
from tercel.signals.risk.volatility import Garch as Garch
from tercel.signals.risk.volatility import Har as Har
from tercel.signals.risk.covariance import LinearShrinkage as LinearShrinkage
from tercel.signals.risk.covariance import NonlinearShrinkage as NonlinearShrinkage
from tercel.signals.risk.covariance import SampleCovariance as SampleCovariance
from tercel.signals.risk.ports import TailModel as TailModel
from tercel.signals.risk.ports import VolatilityModel as VolatilityModel
from tercel.signals.risk.volatility import check_past as check_past
from tercel.signals.risk.covariance import checked_returns as checked_returns
from tercel.signals.risk.covariance import ReturnsCovariance as ReturnsCovariance
from tercel.signals.risk.covariance import estimator_name as estimator_name
from tercel.signals.risk.covariance import fit_covariance as fit_covariance
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
    "ReturnsCovariance",
    "RiskMeter",
    "RiskState",
    "SampleCovariance",
    "Second",
    "StreamingAnomaly",
    "TailModel",
    "VolatilityModel",
    "alarm_starts",
    "bars",
    "check_past",
    "check_tail_past",
    "checked_returns",
    "early_rules",
    "estimator_name",
    "ewma",
    "fit_baseline",
    "fit_covariance",
    "judge",
    "posture_changes",
    "posture_limits",
    "simulate",
    "tails",
    "worst",
]
