from tercel.market.book.ladder import head_at as head_at
from tercel.market.book.ladder import is_own as is_own
from tercel.market.book.tape_kernels import best_levels as best_levels
from tercel.market.flow import calibrate as calibrate
from tercel.market.flow.port import FirstOrder as FirstOrder
from tercel.market.flow.port import Lots as Lots
from tercel.market.flow.port import Positive as Positive
from tercel.market.flow.port import Rate as Rate
from tercel.market.flow.port import check_rates as check_rates
from tercel.market.flow.preset import FOLDER as PRESET_FOLDER
from tercel.market.flow.preset import models as models
from tercel.market.flow.queue_reactive.calibrate import PARTS as CALIBRATED_PARTS
from tercel.market.flow.queue_reactive.calibrate import calibrate as calibrate_queue_reactive
from tercel.market.flow.santa_fe import BUY_SHARE as BUY_SHARE
from tercel.market.flow.santa_fe import SantaFePreset as SantaFePreset
from tercel.market.flow.santa_fe import alias_table as alias_table
from tercel.market.flow.santa_fe import market_order as market_order
from tercel.market.observed.kernel import CANCEL_AT_BEST as CANCEL_AT_BEST
from tercel.market.observed.kernel import CANCEL_DEEPER as CANCEL_DEEPER
from tercel.market.observed.kernel import LIMIT_AT_BEST as LIMIT_AT_BEST
from tercel.market.observed.kernel import LIMIT_DEEPER as LIMIT_DEEPER
from tercel.market.observed.kernel import LIMIT_IN_SPREAD as LIMIT_IN_SPREAD
from tercel.market.observed.kernel import MARKET as MARKET
from tercel.market.observed.kernel import NAMES as NAMES
from tercel.market.score import dynamics as dynamics
from tercel.market.score.calibrated import WARMUP_S as WARMUP_S
from tercel.market.score.calibrated import Day as Day
from tercel.market.score.calibrated import calibrated as calibrated
from tercel.market.score.calibrated import day_of as day_of
from tercel.market.score.calibrated import days_of as days_of
from tercel.market.score.calibrated import of_one_market as of_one_market
from tercel.market.score.calibrated import read_days as read_days
from tercel.market.score.calibrated import refuse_seen as refuse_seen
from tercel.market.score.calibrated import seen_days as seen_days
from tercel.market.score.calibrated import seen_through as seen_through
from tercel.market.score.calibrated import simulated as simulated
from tercel.market.score.calibrated import train_days as train_days
from tercel.market.score.card import JUDGED_MODEL as JUDGED_MODEL
from tercel.market.score.card import ScoreCard as ScoreCard
from tercel.market.score.card import ScoreDraw as ScoreDraw
from tercel.market.score.card import keep as keep
from tercel.market.score.card import rounded as rounded
from tercel.market.score.card import score as score_preset
from tercel.market.score.distance import ScoreGate as ScoreGate
from tercel.market.score.distance import finite as finite
from tercel.market.score.dynamics import Adder as Adder
from tercel.market.score.dynamics import SumFigure as SumFigure
from tercel.market.score.dynamics import Sums as Sums
from tercel.market.score.dynamics import by_day as by_day
from tercel.market.score.dynamics import clusters as clusters
from tercel.market.score.dynamics import estimates as estimates
from tercel.market.score.dynamics import interleaved as interleaved
from tercel.market.score.dynamics import over as over
from tercel.market.score.dynamics import shares as shares
from tercel.market.score.dynamics import table as table
from tercel.market.score.dynamics import values as values
from tercel.market.score.sample import RESPONSE_LAGS as RESPONSE_LAGS
from tercel.market.tape.compiled import CompiledDay as CompiledDay
from tercel.market.tape.compiled import compile_day as compile_day
from tercel.market.tape.compiled import compiled as compiled
from tercel.market.tape.events import FIRST_MADE as FIRST_MADE
from tercel.market.tape.events import working_days as working_days

__all__ = [
    "BUY_SHARE",
    "CALIBRATED_PARTS",
    "CANCEL_AT_BEST",
    "CANCEL_DEEPER",
    "FIRST_MADE",
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
    "CompiledDay",
    "Day",
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
    "alias_table",
    "best_levels",
    "by_day",
    "calibrate",
    "calibrate_queue_reactive",
    "calibrated",
    "check_rates",
    "clusters",
    "compile_day",
    "compiled",
    "day_of",
    "days_of",
    "dynamics",
    "estimates",
    "finite",
    "head_at",
    "interleaved",
    "is_own",
    "keep",
    "market_order",
    "models",
    "of_one_market",
    "over",
    "read_days",
    "refuse_seen",
    "rounded",
    "score_preset",
    "seen_days",
    "seen_through",
    "shares",
    "simulated",
    "table",
    "train_days",
    "values",
    "working_days",
]
