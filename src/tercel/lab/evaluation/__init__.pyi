from tercel.lab.evaluation.claims import (
    BEST as BEST,
    RANDOM as RANDOM,
    Claim as Claim,
    claim as claim,
)
from tercel.lab.evaluation.cma import CmaEs as CmaEs
from tercel.lab.evaluation.comparisons import (
    ComparisonLedger as ComparisonLedger,
    ResampledScores as ResampledScores,
    ScenarioComparison as ScenarioComparison,
    Scores as Scores,
    detectable as detectable,
)
from tercel.lab.evaluation.episodes import (
    Backgrounds as Backgrounds,
    Episodes as Episodes,
    Plan as Plan,
    Sampler as Sampler,
    bank_sampler as bank_sampler,
    seeded_plan as seeded_plan,
    streams_plan as streams_plan,
)
from tercel.lab.evaluation.market import (
    BuiltMarket as BuiltMarket,
    Split as Split,
    build_market as build_market,
    curve_lots as curve_lots,
    split_days as split_days,
)
from tercel.lab.evaluation.risk_statistics import (
    SCHEDULES as SCHEDULES,
    ScheduleRatios as ScheduleRatios,
    ratios as ratios,
)
from tercel.lab.evaluation.runs import (
    BATCH as BATCH,
    Recording as Recording,
    batches as batches,
    markets_of as markets_of,
    pilot as pilot,
    run_strategies as run_strategies,
    run_strategy as run_strategy,
    streams_of as streams_of,
    task_of as task_of,
    without_orders as without_orders,
)
from tercel.lab.evaluation.scenario import Scenario as Scenario
from tercel.lab.evaluation.training_files import read_metrics as read_metrics
from tercel.lab.evaluation.windows import placebo_plan as placebo_plan, tape_plan as tape_plan

__all__ = [
    "BATCH",
    "BEST",
    "RANDOM",
    "SCHEDULES",
    "Backgrounds",
    "BuiltMarket",
    "Claim",
    "CmaEs",
    "ComparisonLedger",
    "Episodes",
    "Plan",
    "Recording",
    "ResampledScores",
    "Sampler",
    "Scenario",
    "ScenarioComparison",
    "ScheduleRatios",
    "Scores",
    "Split",
    "bank_sampler",
    "batches",
    "build_market",
    "claim",
    "curve_lots",
    "detectable",
    "markets_of",
    "pilot",
    "placebo_plan",
    "ratios",
    "read_metrics",
    "run_strategies",
    "run_strategy",
    "seeded_plan",
    "split_days",
    "streams_of",
    "streams_plan",
    "tape_plan",
    "task_of",
    "without_orders",
]
