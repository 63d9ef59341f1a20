from tercel.market.book.ladder import head_at as head_at
from tercel.market.book.book_records import is_own as is_own
from tercel.market.book.tape_kernels import best_levels as best_levels
from tercel.market.flow import calibrate as calibrate
from tercel.market.flow.port import FirstOrder as FirstOrder
from tercel.market.flow.port import Lots as Lots
from tercel.market.flow.port import Positive as Positive
from tercel.market.flow.port import Rate as Rate
from tercel.market.flow.port import check_rates as check_rates
from tercel.market.flow.registry import FOLDER as PRESET_FOLDER
from tercel.market.flow.registry import models as models
from tercel.market.flow.queue_reactive.calibrate import PARTS as CALIBRATED_PARTS
from tercel.market.flow.queue_reactive.calibrate import calibrate as calibrate_queue_reactive
from tercel.market.flow.santa_fe import BUY_SHARE as BUY_SHARE
from tercel.market.flow.santa_fe import SantaFePreset as SantaFePreset
from tercel.market.flow.santa_fe import alias_table as alias_table
from tercel.market.flow.santa_fe import market_order as market_order
from tercel.market.observed.event_columns import CANCEL_AT_BEST as CANCEL_AT_BEST
from tercel.market.observed.event_columns import CANCEL_DEEPER as CANCEL_DEEPER
from tercel.market.observed.event_columns import LIMIT_AT_BEST as LIMIT_AT_BEST
from tercel.market.observed.event_columns import LIMIT_DEEPER as LIMIT_DEEPER
from tercel.market.observed.event_columns import LIMIT_IN_SPREAD as LIMIT_IN_SPREAD
from tercel.market.observed.event_columns import MARKET as MARKET
from tercel.market.observed.event_columns import NAMES as NAMES
from tercel.market.score import dynamics as dynamics
from tercel.market.score.scored_days import WARMUP_S as WARMUP_S
from tercel.market.score.held_back import trading_spans as trading_spans
from tercel.market.score.held_back import whole_day as whole_day
from tercel.market.score.scored_days import Day as Day
from tercel.market.score.calibrated import calibrate_preset as calibrate_preset
from tercel.market.score.scored_days import day_of as day_of
from tercel.market.score.scored_days import read_preset_days as read_preset_days
from tercel.market.score.scored_days import check_one_market as check_one_market
from tercel.market.score.scored_days import read_days as read_days
from tercel.market.score.scored_days import refuse_calibration_days as refuse_calibration_days
from tercel.market.score.scored_days import overlapping_days as overlapping_days
from tercel.market.score.scored_days import limit_levels as limit_levels
from tercel.market.score.scored_days import simulate_stretch as simulate_stretch
from tercel.market.score.scored_days import train_days as train_days
from tercel.market.score.card_rows import check_rows as check_rows
from tercel.market.score.ceilings import DayAgreement as DayAgreement
from tercel.market.score.ceilings import against_others as against_others
from tercel.market.score.ceilings import comparable_sums as comparable_sums
from tercel.market.score.ceilings import name_units as name_units
from tercel.market.score.card import JUDGED_MODEL as JUDGED_MODEL
from tercel.market.score.card import ScoreCard as ScoreCard
from tercel.market.score.card import ScoreDraw as ScoreDraw
from tercel.market.score.card import with_scores as with_scores
from tercel.market.score.held_out import round_values as round_values
from tercel.market.score.card import score as score_preset
from tercel.market.score.realism_gates import ScoreGate as ScoreGate
from tercel.market.score.distance import finite_or_none as finite_or_none
from tercel.market.score.half_hour_sums import Adder as Adder
from tercel.market.score.half_hour_sums import SumFigure as SumFigure
from tercel.market.score.half_hour_sums import Sums as Sums
from tercel.market.score.half_hour_sums import figure_by_day as figure_by_day
from tercel.market.score.half_hour_sums import sums_by_cluster as sums_by_cluster
from tercel.market.score.half_hour_sums import figure_estimates as figure_estimates
from tercel.market.score.half_hour_sums import interleaved_differences as interleaved_differences
from tercel.market.score.half_hour_sums import safe_ratio as safe_ratio
from tercel.market.score.half_hour_sums import share_figures as share_figures
from tercel.market.score.half_hour_sums import sums_table as sums_table
from tercel.market.score.half_hour_sums import figure_values as figure_values
from tercel.market.score.stored_scores import CardRow as CardRow
from tercel.market.score.sample import RESPONSE_LAGS as RESPONSE_LAGS
from tercel.market.tape.compiled import CompiledDay as CompiledDay
from tercel.market.tape.compiled import compile_day as compile_day
from tercel.market.tape.compiled_store import load_compiled as load_compiled
from tercel.market.tape.local_times import FIRST_SYNTHETIC_DATE as FIRST_SYNTHETIC_DATE
from tercel.market.tape.local_times import working_days as working_days

__all__ = [
    "BUY_SHARE",
    "CALIBRATED_PARTS",
    "CANCEL_AT_BEST",
    "CANCEL_DEEPER",
    "FIRST_SYNTHETIC_DATE",
    "JUDGED_MODEL",
    "LIMIT_AT_BEST",
    "LIMIT_DEEPER",
    "LIMIT_IN_SPREAD",
    "MARKET",
    "NAMES",
    "PRESET_FOLDER",
    "RESPONSE_LAGS",
    "WARMUP_S",
    "Adder",
    "CardRow",
    "CompiledDay",
    "Day",
    "DayAgreement",
    "FirstOrder",
    "Lots",
    "Positive",
    "Rate",
    "SantaFePreset",
    "ScoreCard",
    "ScoreDraw",
    "ScoreGate",
    "SumFigure",
    "Sums",
    "against_others",
    "alias_table",
    "best_levels",
    "calibrate",
    "calibrate_preset",
    "calibrate_queue_reactive",
    "check_one_market",
    "check_rates",
    "check_rows",
    "comparable_sums",
    "compile_day",
    "day_of",
    "dynamics",
    "figure_by_day",
    "figure_estimates",
    "figure_values",
    "finite_or_none",
    "head_at",
    "interleaved_differences",
    "is_own",
    "limit_levels",
    "load_compiled",
    "market_order",
    "models",
    "name_units",
    "overlapping_days",
    "read_days",
    "read_preset_days",
    "refuse_calibration_days",
    "round_values",
    "safe_ratio",
    "score_preset",
    "share_figures",
    "simulate_stretch",
    "sums_by_cluster",
    "sums_table",
    "trading_spans",
    "train_days",
    "whole_day",
    "with_scores",
    "working_days",
]
