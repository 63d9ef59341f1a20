from tercel.core import orders as orders
from tercel.core import vocabulary as vocabulary
from tercel.core.arrays import AnyArray as AnyArray
from tercel.core.arrays import Bools as Bools
from tercel.core.arrays import Float32 as Float32
from tercel.core.arrays import Floats as Floats
from tercel.core.arrays import Indices as Indices
from tercel.core.arrays import Int8 as Int8
from tercel.core.arrays import Int32 as Int32
from tercel.core.arrays import Ints as Ints
from tercel.core.errors import CapacityError as CapacityError
from tercel.core.errors import ConfigError as ConfigError
from tercel.core.errors import DataError as DataError
from tercel.core.errors import FeedError as FeedError
from tercel.core.errors import JournalError as JournalError
from tercel.core.errors import PolicyError as PolicyError
from tercel.core.errors import TapeError as TapeError
from tercel.core.errors import UnknownNameError as UnknownNameError
from tercel.core.errors import VenueError as VenueError
from tercel.core.errors import check_known as check_known
from tercel.core.errors import split_commas as split_commas
from tercel.core.errors import suggest_name as suggest_name
from tercel.core.errors import refuse_if as refuse_if
from tercel.core.estimate import Estimate as Estimate
from tercel.core.extras import import_optional as import_optional
from tercel.core.files import atomic_path as atomic_path
from tercel.core.files import file_hash as file_hash
from tercel.core.locks import file_lock as file_lock
from tercel.core.files import write_atomic as write_atomic
from tercel.core.installation import PROOF_PATH as PROOF_PATH
from tercel.core.installation import simulation_proof as simulation_proof
from tercel.core.instrument_rules import InstrumentRules as InstrumentRules
from tercel.core.instrument_rules import load_rules as load_rules
from tercel.core.jit import Bytes as Bytes
from tercel.core.jit import Longs as Longs
from tercel.core.jit import Packed as Packed
from tercel.core.jit import Singles as Singles
from tercel.core.jit import allocating_kernel as allocating_kernel
from tercel.core.jit import load_fixed as fixed_word
from tercel.core.jit import kernel as kernel
from tercel.core.jit import late_kernel as late_kernel
from tercel.core.kernel_keys import cache_root as cache_root
from tercel.core.messages import Posture as Posture
from tercel.core.messages import Style as Style
from tercel.core.open_quotes import OpenQuotes as OpenQuotes
from tercel.core.orders import M_LOTS as M_LOTS
from tercel.core.orders import M_PRICE as M_PRICE
from tercel.core.orders import M_SIDE as M_SIDE
from tercel.core.fixed_point import ONE as ONE
from tercel.core.fixed_point import PAID_ONE as PAID_ONE
from tercel.core.orders import REBOOKS as REBOOKS
from tercel.core.orders import TERMINAL as TERMINAL
from tercel.core.orders import CancelOrder as CancelOrder
from tercel.core.orders import CancelReject as CancelReject
from tercel.core.orders import Command as Command
from tercel.core.orders import ExecType as ExecType
from tercel.core.orders import Listing as Listing
from tercel.core.orders import MarketRows as MarketRows
from tercel.core.orders import MassCancel as MassCancel
from tercel.core.orders import NewOrder as NewOrder
from tercel.core.orders import OrdStatus as OrdStatus
from tercel.core.orders import QuotedOrder as QuotedOrder
from tercel.core.orders import ReplaceOrder as ReplaceOrder
from tercel.core.orders import Report as Report
from tercel.core.orders import StatusRequest as StatusRequest
from tercel.core.orders import Tif as Tif
from tercel.core.orders import VenueEvent as VenueEvent
from tercel.core.fixed_point import ceil_units as ceil_units
from tercel.core.fixed_point import floor_units as floor_units
from tercel.core.orders import refusal_report as refusal_report
from tercel.core.fixed_point import to_number as to_number
from tercel.core.fixed_point import format_decimal as format_decimal
from tercel.core.pace import Pace as Pace
from tercel.core.pool import Deadline as Deadline
from tercel.core.pool import Pool as Pool
from tercel.core.pool import begin_worker as begin_worker
from tercel.core.pool import should_stop as should_stop
from tercel.core.capabilities import Capabilities as Capabilities
from tercel.core.ports import Closing as Closing
from tercel.core.ports import Entry as Entry
from tercel.core.ports import Journal as Journal
from tercel.core.ports import Venue as Venue
from tercel.core.capabilities import check_capabilities as check_capabilities
from tercel.core.progress import progress as progress_bar
from tercel.core.progress import say as say_progress
from tercel.core.quotes import Quote as Quote
from tercel.core.quotes import QuoteCancel as QuoteCancel
from tercel.core.quotes import QuoteEvent as QuoteEvent
from tercel.core.quotes import QuoteReject as QuoteReject
from tercel.core.quotes import QuoteRequest as QuoteRequest
from tercel.core.quotes import QuoteState as QuoteState
from tercel.core.quotes import QuoteStatus as QuoteStatus
from tercel.core.report.cells import csv_text as csv_text
from tercel.core.report.page import write_page as write_page
from tercel.core.seeds import mix as mix_seeds
from tercel.core.seeds import seed_stream as seed_stream
from tercel.core.seeds import uniform as uniform
from tercel.core.records import Record as Record
from tercel.core.serialization import json_text as json_text
from tercel.core.serialization import to_jsonable as to_jsonable
from tercel.core.stats.ranks import spearman as spearman
from tercel.core.system import MonotonicClock as MonotonicClock
from tercel.core.system import freeze_heap as freeze_heap
from tercel.core.tables.numbers import parse_numbers as table_numbers
from tercel.core.tables.table import ROW as TABLE_ROW
from tercel.core.tables.table import Table as Table
from tercel.core.tables.times import parse_days as table_days
from tercel.core.toml import parse_toml as parse_toml
from tercel.core.toml import read_toml as read_toml
from tercel.core.validation import validate_model as validated_model
from tercel.core.validation import expected_text as expected_text
from tercel.core.vocabulary import ADD as ADD
from tercel.core.vocabulary import BUY as BUY
from tercel.core.vocabulary import CLEAR as CLEAR
from tercel.core.vocabulary import CROSS as CROSS
from tercel.core.vocabulary import DELETE as DELETE
from tercel.core.vocabulary import EXECUTE as EXECUTE
from tercel.core.vocabulary import FOREVER_NS as FOREVER_NS
from tercel.core.vocabulary import LEVEL_SET as LEVEL_SET
from tercel.core.vocabulary import MODIFY as MODIFY
from tercel.core.vocabulary import MOST_LOTS as MOST_LOTS
from tercel.core.vocabulary import NO_ASK as NO_ASK
from tercel.core.vocabulary import NO_BID as NO_BID
from tercel.core.vocabulary import NS_PER_SECOND as NS_PER_SECOND
from tercel.core.vocabulary import REDUCE as REDUCE
from tercel.core.vocabulary import ROLL_IN as ROLL_IN
from tercel.core.vocabulary import ROLL_OUT as ROLL_OUT
from tercel.core.vocabulary import SELL as SELL
from tercel.core.vocabulary import SHIFTED as SHIFTED
from tercel.core.vocabulary import STATUS as STATUS
from tercel.core.vocabulary import TRADE as TRADE
from tercel.core.vocabulary import TRADE_HIDDEN as TRADE_HIDDEN

__all__ = [
    "ADD",
    "BUY",
    "CLEAR",
    "CROSS",
    "DELETE",
    "EXECUTE",
    "FOREVER_NS",
    "LEVEL_SET",
    "MODIFY",
    "MOST_LOTS",
    "M_LOTS",
    "M_PRICE",
    "M_SIDE",
    "NO_ASK",
    "NO_BID",
    "NS_PER_SECOND",
    "ONE",
    "PAID_ONE",
    "PROOF_PATH",
    "REBOOKS",
    "REDUCE",
    "ROLL_IN",
    "ROLL_OUT",
    "SELL",
    "SHIFTED",
    "STATUS",
    "TABLE_ROW",
    "TERMINAL",
    "TRADE",
    "TRADE_HIDDEN",
    "AnyArray",
    "Bools",
    "Bytes",
    "CancelOrder",
    "CancelReject",
    "Capabilities",
    "CapacityError",
    "Closing",
    "Command",
    "ConfigError",
    "DataError",
    "Deadline",
    "Entry",
    "Estimate",
    "ExecType",
    "FeedError",
    "Float32",
    "Floats",
    "Indices",
    "InstrumentRules",
    "Int8",
    "Int32",
    "Ints",
    "Journal",
    "JournalError",
    "Listing",
    "Longs",
    "MarketRows",
    "MassCancel",
    "MonotonicClock",
    "NewOrder",
    "OpenQuotes",
    "OrdStatus",
    "Pace",
    "Packed",
    "PolicyError",
    "Pool",
    "Posture",
    "Quote",
    "QuoteCancel",
    "QuoteEvent",
    "QuoteReject",
    "QuoteRequest",
    "QuoteState",
    "QuoteStatus",
    "QuotedOrder",
    "Record",
    "ReplaceOrder",
    "Report",
    "Singles",
    "StatusRequest",
    "Style",
    "Table",
    "TapeError",
    "Tif",
    "UnknownNameError",
    "Venue",
    "VenueError",
    "VenueEvent",
    "allocating_kernel",
    "atomic_path",
    "begin_worker",
    "cache_root",
    "ceil_units",
    "check_capabilities",
    "check_known",
    "csv_text",
    "expected_text",
    "file_hash",
    "file_lock",
    "fixed_word",
    "floor_units",
    "format_decimal",
    "freeze_heap",
    "import_optional",
    "json_text",
    "kernel",
    "late_kernel",
    "load_rules",
    "mix_seeds",
    "orders",
    "parse_toml",
    "progress_bar",
    "read_toml",
    "refusal_report",
    "refuse_if",
    "say_progress",
    "seed_stream",
    "should_stop",
    "simulation_proof",
    "spearman",
    "split_commas",
    "suggest_name",
    "table_days",
    "table_numbers",
    "to_jsonable",
    "to_number",
    "uniform",
    "validated_model",
    "vocabulary",
    "write_atomic",
    "write_page",
]
