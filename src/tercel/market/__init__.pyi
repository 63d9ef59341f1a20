from tercel.market.book.ladder import head_at as head_at, is_own as is_own
from tercel.market.book.tape_kernels import best_levels as best_levels
from tercel.market.flow import calibrate as calibrate
from tercel.market.flow.port import (
    FirstOrder as FirstOrder,
    Lots as Lots,
    Positive as Positive,
    Rate as Rate,
    check_rates as check_rates,
)
from tercel.market.flow.preset import FOLDER as PRESET_FOLDER, models as models
from tercel.market.flow.queue_reactive.calibrate import (
    PARTS as CALIBRATED_PARTS,
    calibrate as calibrate_queue_reactive,
)
from tercel.market.flow.santa_fe import (
    BUY_SHARE as BUY_SHARE,
    SantaFePreset as SantaFePreset,
    alias_table as alias_table,
    market_order as market_order,
)
from tercel.market.observed.kernel import (
    CANCEL_AT_BEST as CANCEL_AT_BEST,
    CANCEL_DEEPER as CANCEL_DEEPER,
    LIMIT_AT_BEST as LIMIT_AT_BEST,
    LIMIT_DEEPER as LIMIT_DEEPER,
    LIMIT_IN_SPREAD as LIMIT_IN_SPREAD,
    MARKET as MARKET,
    NAMES as NAMES,
)
from tercel.market.score import dynamics as dynamics
from tercel.market.score.calibrated import (
    WARMUP_S as WARMUP_S,
    Day as Day,
    calibrated as calibrated,
    day_of as day_of,
    days_of as days_of,
    of_one_market as of_one_market,
    read_days as read_days,
    refuse_seen as refuse_seen,
    seen_days as seen_days,
    seen_through as seen_through,
    simulated as simulated,
    train_days as train_days,
)
from tercel.market.score.card import (
    JUDGED_MODEL as JUDGED_MODEL,
    ScoreCard as ScoreCard,
    ScoreDraw as ScoreDraw,
    keep as keep,
    rounded as rounded,
    score as score_preset,
)
from tercel.market.score.distance import ScoreGate as ScoreGate, finite as finite
from tercel.market.score.dynamics import (
    Adder as Adder,
    SumFigure as SumFigure,
    Sums as Sums,
    by_day as by_day,
    clusters as clusters,
    estimates as estimates,
    interleaved as interleaved,
    over as over,
    shares as shares,
    table as table,
    values as values,
)
from tercel.market.score.sample import RESPONSE_LAGS as RESPONSE_LAGS
from tercel.market.tape.compiled import (
    CompiledDay as CompiledDay,
    compile_day as compile_day,
    compiled as compiled,
)
from tercel.market.tape.events import FIRST_MADE as FIRST_MADE, working_days as working_days

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
