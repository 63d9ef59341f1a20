from tercel.cli.market import Calibrate as Calibrate
from tercel.cli.market import Simulate as Simulate
from tercel.cli.market import calibrate as calibrate
from tercel.cli.market_score import OWN as OWN
from tercel.cli.market_score import ScoreRequest as ScoreRequest
from tercel.cli.market_score import file_to_write as file_to_write
from tercel.cli.market_score import score as score
from tercel.cli.plugins import PluginCommands as PluginCommands
from tercel.cli.plugins import answer_for_absent as answer_for_absent
from tercel.cli.risk import PostureRequest as PostureRequest
from tercel.cli.root import app as app
from tercel.cli.root import main as main
from tercel.cli.options import IN_LAKE as IN_LAKE
from tercel.cli.options import PRESET as PRESET
from tercel.cli.options import TAPES as TAPES
from tercel.cli.options import AsJson as AsJson
from tercel.cli.options import JsonRequest as JsonRequest
from tercel.cli.options import Lake as Lake
from tercel.cli.options import ObservationOption as ObservationOption
from tercel.cli.options import Policy as Policy
from tercel.cli.options import PresetsSymbol as PresetsSymbol
from tercel.cli.options import Ray as Ray
from tercel.cli.options import Registry as Registry
from tercel.cli.options import Seed as Seed
from tercel.cli.options import Symbol as Symbol
from tercel.cli.options import TapesSymbol as TapesSymbol
from tercel.cli.options import Venue as Venue
from tercel.cli.options import check_date as check_date
from tercel.cli.output import check_folder as check_folder
from tercel.cli.commands import command_line as command_line
from tercel.cli.interrupts import end_on_termination as end_on_termination
from tercel.cli.output import hand_over as hand_over
from tercel.cli.order import ImpactScale as ImpactScale
from tercel.cli.order import PassiveImpact as PassiveImpact
from tercel.cli.order import impact_terms as impact_terms
from tercel.cli.options import parse_dates as parse_dates
from tercel.cli.options import parse_seeds as parse_seeds
from tercel.cli.options import page_folder as page_folder
from tercel.cli.output import print_json as print_json
from tercel.cli.output import print_rows as print_rows
from tercel.cli.output import print_sentences as print_sentences
from tercel.cli.output import print_table as print_table
from tercel.cli.output import progress as progress
from tercel.cli.interrupts import report_errors as report_errors
from tercel.cli.output import result_console as result_console
from tercel.cli.interrupts import run_app as run_app
from tercel.cli.output import say as say
from tercel.cli.options import share_of as share_of
from tercel.cli.interrupts import catch_interrupt as catch_interrupt
from tercel.cli.signals import Configured as Configured
from tercel.cli.signals import Leak as Leak
from tercel.cli.signals_backtest import OfModel as OfModel
from tercel.cli.signals import TrainSignals as TrainSignals
from tercel.cli.trade import Experiments as Experiments
from tercel.cli.trade import RunDesk as RunDesk

__all__ = [
    "IN_LAKE",
    "OWN",
    "PRESET",
    "TAPES",
    "AsJson",
    "Calibrate",
    "Configured",
    "Experiments",
    "ImpactScale",
    "JsonRequest",
    "Lake",
    "Leak",
    "ObservationOption",
    "OfModel",
    "PassiveImpact",
    "PluginCommands",
    "Policy",
    "PostureRequest",
    "PresetsSymbol",
    "Ray",
    "Registry",
    "RunDesk",
    "ScoreRequest",
    "Seed",
    "Simulate",
    "Symbol",
    "TapesSymbol",
    "TrainSignals",
    "Venue",
    "answer_for_absent",
    "app",
    "calibrate",
    "catch_interrupt",
    "check_date",
    "check_folder",
    "command_line",
    "end_on_termination",
    "file_to_write",
    "hand_over",
    "impact_terms",
    "main",
    "page_folder",
    "parse_dates",
    "parse_seeds",
    "print_json",
    "print_rows",
    "print_sentences",
    "print_table",
    "progress",
    "report_errors",
    "result_console",
    "run_app",
    "say",
    "score",
    "share_of",
]
