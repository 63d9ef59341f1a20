from tercel.cli.market import Simulate as Simulate
from tercel.cli.market_score import OWN as OWN
from tercel.cli.market_score import ScoreRequest as ScoreRequest
from tercel.cli.market_score import file_to_write as file_to_write
from tercel.cli.market_score import score as score
from tercel.cli.plugins import PluginCommands as PluginCommands
from tercel.cli.plugins import answer_for_absent as answer_for_absent
from tercel.cli.risk import PostureRequest as PostureRequest
from tercel.cli.root import app as app
from tercel.cli.root import main as main
from tercel.cli.shared import IN_LAKE as IN_LAKE
from tercel.cli.shared import PRESET as PRESET
from tercel.cli.shared import TAPES as TAPES
from tercel.cli.shared import AsJson as AsJson
from tercel.cli.shared import JsonRequest as JsonRequest
from tercel.cli.shared import Lake as Lake
from tercel.cli.shared import ObservationOption as ObservationOption
from tercel.cli.shared import Policy as Policy
from tercel.cli.shared import PresetsSymbol as PresetsSymbol
from tercel.cli.shared import Ray as Ray
from tercel.cli.shared import Registry as Registry
from tercel.cli.shared import Seed as Seed
from tercel.cli.shared import Symbol as Symbol
from tercel.cli.shared import TapesSymbol as TapesSymbol
from tercel.cli.shared import Venue as Venue
from tercel.cli.shared import check_date as check_date
from tercel.cli.shared import check_folder as check_folder
from tercel.cli.shared import command_line as command_line
from tercel.cli.shared import end_on_termination as end_on_termination
from tercel.cli.shared import hand_over as hand_over
from tercel.cli.shared import listed_dates as listed_dates
from tercel.cli.shared import listed_seeds as listed_seeds
from tercel.cli.shared import page_folder as page_folder
from tercel.cli.shared import print_json as print_json
from tercel.cli.shared import print_rows as print_rows
from tercel.cli.shared import print_sentences as print_sentences
from tercel.cli.shared import print_table as print_table
from tercel.cli.shared import progress as progress
from tercel.cli.shared import reported as reported
from tercel.cli.shared import result_console as result_console
from tercel.cli.shared import run_app as run_app
from tercel.cli.shared import say as say
from tercel.cli.shared import share_of as share_of
from tercel.cli.shared import stopped as stopped
from tercel.cli.signals import Configured as Configured
from tercel.cli.signals import Leak as Leak
from tercel.cli.signals import OfModel as OfModel
from tercel.cli.signals import TrainSignals as TrainSignals
from tercel.cli.trade import Experiments as Experiments
from tercel.cli.trade import RunDesk as RunDesk

__all__ = [
    "IN_LAKE",
    "OWN",
    "PRESET",
    "TAPES",
    "AsJson",
    "Configured",
    "Experiments",
    "JsonRequest",
    "Lake",
    "Leak",
    "ObservationOption",
    "OfModel",
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
    "check_date",
    "check_folder",
    "command_line",
    "end_on_termination",
    "file_to_write",
    "hand_over",
    "listed_dates",
    "listed_seeds",
    "main",
    "page_folder",
    "print_json",
    "print_rows",
    "print_sentences",
    "print_table",
    "progress",
    "reported",
    "result_console",
    "run_app",
    "say",
    "score",
    "share_of",
    "stopped",
]
