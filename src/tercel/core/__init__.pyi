from tercel.core import orders as orders
from tercel.core.arrays import Bools as Bools
from tercel.core.arrays import Float32 as Float32
from tercel.core.arrays import Floats as Floats
from tercel.core.arrays import Indices as Indices
from tercel.core.arrays import Ints as Ints
from tercel.core.capabilities import Capabilities as Capabilities
from tercel.core.deadline import Deadline as Deadline
from tercel.core.errors import CapacityError as CapacityError
from tercel.core.errors import ConfigError as ConfigError
from tercel.core.errors import DataError as DataError
from tercel.core.errors import JournalError as JournalError
from tercel.core.errors import PolicyError as PolicyError
from tercel.core.errors import TapeError as TapeError
from tercel.core.errors import UnknownNameError as UnknownNameError
from tercel.core.errors import VenueError as VenueError
from tercel.core.estimate import Estimate as Estimate
from tercel.core.extras import needed as needed
from tercel.core.fixed import ONE as ONE
from tercel.core.fixed import PAID_ONE as PAID_ONE
from tercel.core.fixed import ceiled as ceiled
from tercel.core.fixed import floored as floored
from tercel.core.fixed import shown as shown
from tercel.core.jit import Bytes as Bytes
from tercel.core.jit import Longs as Longs
from tercel.core.jit import Packed as Packed
from tercel.core.jit import Singles as Singles
from tercel.core.jit import allocating_kernel as allocating_kernel
from tercel.core.jit import kernel as kernel
from tercel.core.kernel_keys import cache_root as cache_root
from tercel.core.locks import locked as locked
from tercel.core.machine import WallClock as WallClock
from tercel.core.memory import fixed as fixed_word
from tercel.core.messages import Posture as Posture
from tercel.core.messages import Style as Style
from tercel.core.names import check_known as check_known
from tercel.core.names import listed as listed
from tercel.core.names import offer as offer
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
from tercel.core.orders import ReplaceOrder as ReplaceOrder
from tercel.core.orders import Report as Report
from tercel.core.orders import StatusRequest as StatusRequest
from tercel.core.orders import Tif as Tif
from tercel.core.orders import VenueEvent as VenueEvent
from tercel.core.orders import refused as refused
from tercel.core.pace import Pace as Pace
from tercel.core.plain import json_text as json_text
from tercel.core.plain import plain as plain_values
from tercel.core.plain import write_page as write_page
from tercel.core.pool import Pool as Pool
from tercel.core.pool import stopping as stopping
from tercel.core.ports import Entry as Entry
from tercel.core.ports import Journal as Journal
from tercel.core.ports import Venue as Venue
from tercel.core.progress import progress as progress_bar
from tercel.core.progress import say as say_progress
from tercel.core.record import Record as Record
from tercel.core.seeds import mix as mix_seeds
from tercel.core.seeds import seed_stream as seed_stream
from tercel.core.tables.table import ROW as TABLE_ROW
from tercel.core.toml import parse_toml as parse_toml
from tercel.core.toml import read_toml as read_toml
from tercel.core.validated import validated as validated_model
from tercel.core.validated import words_of as words_of
from tercel.core.vocabulary import BUY as BUY
from tercel.core.vocabulary import FOREVER_NS as FOREVER_NS
from tercel.core.vocabulary import NO_ASK as NO_ASK
from tercel.core.vocabulary import NO_BID as NO_BID
from tercel.core.vocabulary import NS_PER_SECOND as NS_PER_SECOND
from tercel.core.vocabulary import SELL as SELL
from tercel.core.worker import begin_worker as begin_worker
from tercel.core.written import beside as beside
from tercel.core.written import file_hash as file_hash
from tercel.core.written import write_whole as write_whole

__all__ = [
    "BUY",
    "FOREVER_NS",
    "NO_ASK",
    "NO_BID",
    "NS_PER_SECOND",
    "ONE",
    "PAID_ONE",
    "REBOOKS",
    "SELL",
    "TABLE_ROW",
    "TERMINAL",
    "Bools",
    "Bytes",
    "CancelOrder",
    "CancelReject",
    "Capabilities",
    "CapacityError",
    "Command",
    "ConfigError",
    "DataError",
    "Deadline",
    "Entry",
    "Estimate",
    "ExecType",
    "Float32",
    "Floats",
    "Indices",
    "Ints",
    "Journal",
    "JournalError",
    "Listing",
    "Longs",
    "MarketRows",
    "MassCancel",
    "NewOrder",
    "OrdStatus",
    "Pace",
    "Packed",
    "PolicyError",
    "Pool",
    "Posture",
    "Record",
    "ReplaceOrder",
    "Report",
    "Singles",
    "StatusRequest",
    "Style",
    "TapeError",
    "Tif",
    "UnknownNameError",
    "Venue",
    "VenueError",
    "VenueEvent",
    "WallClock",
    "allocating_kernel",
    "begin_worker",
    "beside",
    "cache_root",
    "ceiled",
    "check_known",
    "file_hash",
    "fixed_word",
    "floored",
    "json_text",
    "kernel",
    "listed",
    "locked",
    "mix_seeds",
    "needed",
    "offer",
    "orders",
    "parse_toml",
    "plain_values",
    "progress_bar",
    "read_toml",
    "refused",
    "say_progress",
    "seed_stream",
    "shown",
    "stopping",
    "validated_model",
    "words_of",
    "write_page",
    "write_whole",
]
