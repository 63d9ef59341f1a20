from tercel.market.flow.preset import FOLDER as PRESET_FOLDER
from tercel.market.flow.queue_reactive.calibrate import PARTS as CALIBRATED_PARTS
from tercel.market.flow.queue_reactive.calibrate import calibrate as calibrate_queue_reactive
from tercel.market.flow.santa_fe import BUY_SHARE as BUY_SHARE
from tercel.market.score.calibrated import CALIBRATORS as CALIBRATORS
from tercel.market.score.calibrated import calibrated as calibrated
from tercel.market.score.card import JUDGED_MODEL as JUDGED_MODEL
from tercel.market.score.card import keep as keep
from tercel.market.score.card import score as score_preset
from tercel.market.score.days import WARMUP_S as WARMUP_S
from tercel.market.score.days import Day as Day
from tercel.market.score.days import of_one_market as of_one_market
from tercel.market.score.days import simulated as simulated
from tercel.market.score.realism import ScoreDraw as ScoreDraw
from tercel.market.score.stretches import day_of as day_of
from tercel.market.score.stretches import days_of as days_of
from tercel.market.score.stretches import read_days as read_days
from tercel.market.score.stretches import refuse_seen as refuse_seen
from tercel.market.score.stretches import seen_through as seen_through
from tercel.market.score.stretches import train_days as train_days
from tercel.market.tape.checkpoints import compiled as compiled
from tercel.market.tape.compiled import CompiledDay as CompiledDay
from tercel.market.tape.compiled import compile_day as compile_day

__all__ = [
    "BUY_SHARE",
    "CALIBRATED_PARTS",
    "CALIBRATORS",
    "JUDGED_MODEL",
    "PRESET_FOLDER",
    "WARMUP_S",
    "CompiledDay",
    "Day",
    "ScoreDraw",
    "calibrate_queue_reactive",
    "calibrated",
    "compile_day",
    "compiled",
    "day_of",
    "days_of",
    "keep",
    "of_one_market",
    "read_days",
    "refuse_seen",
    "score_preset",
    "seen_through",
    "simulated",
    "train_days",
]
