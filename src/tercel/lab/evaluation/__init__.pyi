from tercel.lab.evaluation.claims import BEST as BEST
from tercel.lab.evaluation.claims import RANDOM as RANDOM
from tercel.lab.evaluation.claims import Claim as Claim
from tercel.lab.evaluation.claims import claim as claim
from tercel.lab.evaluation.comparisons import ComparisonLedger as ComparisonLedger
from tercel.lab.evaluation.comparisons import ResampledScores as ResampledScores
from tercel.lab.evaluation.comparisons import Compared as Compared
from tercel.lab.evaluation.comparisons import Scores as Scores
from tercel.lab.evaluation.comparisons import detectable as detectable
from tercel.lab.evaluation.backgrounds import Backgrounds as Backgrounds
from tercel.lab.evaluation.episodes import Episodes as Episodes
from tercel.lab.evaluation.plans import Plan as Plan
from tercel.lab.evaluation.plans import Sampler as Sampler
from tercel.lab.evaluation.plans import bank_sampler as bank_sampler
from tercel.lab.evaluation.plans import seeded_plan as seeded_plan
from tercel.lab.evaluation.plans import streams_plan as streams_plan
from tercel.lab.evaluation.market import BuiltMarket as BuiltMarket
from tercel.lab.evaluation.tape_split import Split as Split
from tercel.lab.evaluation.market import build_market as build_market
from tercel.lab.evaluation.tape_split import curve_lots as curve_lots
from tercel.lab.evaluation.tape_split import split_days as split_days
from tercel.lab.evaluation.risk_statistics import SCHEDULES as SCHEDULES
from tercel.lab.evaluation.risk_statistics import ScheduleRatios as ScheduleRatios
from tercel.lab.evaluation.risk_statistics import ratios as ratios
from tercel.lab.evaluation.runs import BATCH as BATCH
from tercel.lab.evaluation.adaptability import Decisions as Decisions
from tercel.lab.evaluation.runs import batches as batches
from tercel.lab.evaluation.runs import markets_of as markets_of
from tercel.lab.evaluation.market_estimates import law_of_preset as law_of_preset
from tercel.lab.evaluation.market_estimates import law_of_tape as law_of_tape
from tercel.lab.evaluation.market_estimates import pilot as pilot
from tercel.lab.evaluation.market_estimates import Waiting as Waiting
from tercel.lab.evaluation.market_estimates import scaled_waiting as scaled_waiting
from tercel.lab.evaluation.market_estimates import tick_bps as tick_bps
from tercel.lab.evaluation.runs import run_strategies as run_strategies
from tercel.lab.evaluation.runs import run_strategy as run_strategy
from tercel.lab.evaluation.runs import streams_of as streams_of
from tercel.lab.evaluation.calm_observations import task_of as task_of
from tercel.lab.evaluation.runs import without_orders as without_orders
from tercel.lab.evaluation.scenario import Scenario as Scenario
from tercel.lab.evaluation.training_files import read_metrics as read_metrics
from tercel.lab.evaluation.windows import placebo_plan as placebo_plan
from tercel.lab.evaluation.windows import tape_plan as tape_plan
from tercel.lab.evaluation.windows import tape_sampler as tape_sampler
from tercel.lab.evaluation.windows import window_row as window_row

__all__ = [
    "BATCH",
    "BEST",
    "RANDOM",
    "SCHEDULES",
    "Backgrounds",
    "BuiltMarket",
    "Claim",
    "Compared",
    "ComparisonLedger",
    "Decisions",
    "Episodes",
    "Plan",
    "ResampledScores",
    "Sampler",
    "Scenario",
    "ScheduleRatios",
    "Scores",
    "Split",
    "Waiting",
    "bank_sampler",
    "batches",
    "build_market",
    "claim",
    "curve_lots",
    "detectable",
    "law_of_preset",
    "law_of_tape",
    "markets_of",
    "pilot",
    "placebo_plan",
    "ratios",
    "read_metrics",
    "run_strategies",
    "run_strategy",
    "scaled_waiting",
    "seeded_plan",
    "split_days",
    "streams_of",
    "streams_plan",
    "tape_plan",
    "tape_sampler",
    "task_of",
    "tick_bps",
    "window_row",
    "without_orders",
]
