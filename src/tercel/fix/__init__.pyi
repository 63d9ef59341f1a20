from tercel.fix import link as link
from tercel.fix import tags as tags
from tercel.fix.client import FixVenue as FixVenue
from tercel.fix.connection import MOST_WAITING as MOST_WAITING
from tercel.fix.connection import Connection as Connection
from tercel.fix.connection import TlsSettings as TlsSettings
from tercel.fix.connection import WaitLimits as WaitLimits
from tercel.fix.dialect import Shape as Shape
from tercel.fix.dialect import answered as answered
from tercel.fix.dialect import own_dictionary as tercel_dictionary
from tercel.fix.link import Address as Address
from tercel.fix.link import FixLink as FixLink
from tercel.fix.profiles import SHIPPED as SHIPPED_PROFILES
from tercel.fix.profiles import ProfileTerms as ProfileTerms
from tercel.fix.profiles import load as load_profile
from tercel.fix.profiles.model import RAW as RAW
from tercel.fix.profiles.model import MarketTable as MarketTable
from tercel.fix.profiles.model import Secret as Secret
from tercel.fix.profiles.model import SymbolsTable as SymbolsTable
from tercel.fix.profiles.model import SymbolTable as SymbolTable
from tercel.fix.profiles.model import TimesTable as TimesTable
from tercel.fix.profiles.model import ed25519_key as ed25519_key
from tercel.fix.profiles.model import signed_text as signed_text
from tercel.fix.protocol import validate as validate
from tercel.fix.protocol.dictionary import Dictionary as Dictionary
from tercel.fix.protocol.message import INCORRECT_VALUE as INCORRECT_VALUE
from tercel.fix.protocol.message import Decoder as Decoder
from tercel.fix.protocol.message import Fields as Fields
from tercel.fix.protocol.message import GarbledMessage as GarbledMessage
from tercel.fix.protocol.message import Message as Message
from tercel.fix.protocol.message import MessageFault as MessageFault
from tercel.fix.protocol.message import encode as encode
from tercel.fix.protocol.message import utc_ns as utc_ns
from tercel.fix.protocol.message import utc_text as utc_text
from tercel.fix.protocol.session import FixSession as FixSession
from tercel.fix.protocol.settings import NOT_STORED as NOT_STORED
from tercel.fix.protocol.settings import Commit as Commit
from tercel.fix.protocol.settings import Outcome as Outcome
from tercel.fix.protocol.settings import SequenceNumbers as SequenceNumbers
from tercel.fix.protocol.settings import SessionEvent as SessionEvent
from tercel.fix.protocol.settings import SessionEventKind as SessionEventKind
from tercel.fix.protocol.settings import SessionSettings as SessionSettings
from tercel.fix.protocol.settings import SessionTimes as SessionTimes
from tercel.fix.quotes import QUOTE_STATES as QUOTE_STATES
from tercel.fix.quotes import QuoteDesk as QuoteDesk
from tercel.fix.quotes import dealers_in as dealers_in
from tercel.fix.quotes import dealers_out as dealers_out
from tercel.fix.report_reader import NEVER as NEVER
from tercel.fix.report_reader import NONE_FOUND as NONE_FOUND
from tercel.fix.report_reader import NOT_AUTHORIZED as NOT_AUTHORIZED
from tercel.fix.report_reader import OTHER as OTHER
from tercel.fix.report_reader import POSITIONS as POSITIONS
from tercel.fix.report_reader import REJECTED as REJECTED
from tercel.fix.report_reader import SNAPSHOT as SNAPSHOT
from tercel.fix.report_reader import UNKNOWN_ORDER_TEXT as UNKNOWN_ORDER_TEXT
from tercel.fix.report_reader import UNSUPPORTED as UNSUPPORTED
from tercel.fix.report_reader import VALID as VALID
from tercel.fix.report_reader import whose as whose
from tercel.fix.standard import AMEND as AMEND
from tercel.fix.standard import AMEND_REJECT as AMEND_REJECT
from tercel.fix.standard import CANCEL_AND_NEW as CANCEL_AND_NEW
from tercel.fix.standard import CANCEL_NAME as CANCEL_NAME
from tercel.fix.standard import MODE as MODE
from tercel.fix.standard import StandardDialect as StandardDialect
from tercel.fix.store import SqliteStore as SqliteStore
from tercel.fix.translate import PLAIN as PLAIN
from tercel.fix.translate import Fields as FieldList
from tercel.fix.translate import PriceScale as PriceScale
from tercel.fix.translate import RefusedError as RefusedError
from tercel.fix.translate import Tags as Tags
from tercel.fix.translate import line as line
from tercel.fix.translate import named as named
from tercel.fix.translate import need as need
from tercel.fix.translate import present as present
from tercel.fix.translate import priced as priced
from tercel.fix.translate import scales as scales
from tercel.fix.translate import side_code as side_code
from tercel.fix.translate import times as times
from tercel.fix.translate import whole as whole

__all__ = [
    "AMEND",
    "AMEND_REJECT",
    "CANCEL_AND_NEW",
    "CANCEL_NAME",
    "INCORRECT_VALUE",
    "MODE",
    "MOST_WAITING",
    "NEVER",
    "NONE_FOUND",
    "NOT_AUTHORIZED",
    "NOT_STORED",
    "OTHER",
    "PLAIN",
    "POSITIONS",
    "QUOTE_STATES",
    "RAW",
    "REJECTED",
    "SHIPPED_PROFILES",
    "SNAPSHOT",
    "UNKNOWN_ORDER_TEXT",
    "UNSUPPORTED",
    "VALID",
    "Address",
    "Commit",
    "Connection",
    "Decoder",
    "Dictionary",
    "FieldList",
    "Fields",
    "FixLink",
    "FixSession",
    "FixVenue",
    "GarbledMessage",
    "MarketTable",
    "Message",
    "MessageFault",
    "Outcome",
    "PriceScale",
    "ProfileTerms",
    "QuoteDesk",
    "RefusedError",
    "Secret",
    "SequenceNumbers",
    "SessionEvent",
    "SessionEventKind",
    "SessionSettings",
    "SessionTimes",
    "Shape",
    "SqliteStore",
    "StandardDialect",
    "SymbolTable",
    "SymbolsTable",
    "Tags",
    "TimesTable",
    "TlsSettings",
    "WaitLimits",
    "answered",
    "dealers_in",
    "dealers_out",
    "ed25519_key",
    "encode",
    "line",
    "link",
    "load_profile",
    "named",
    "need",
    "present",
    "priced",
    "scales",
    "side_code",
    "signed_text",
    "tags",
    "tercel_dictionary",
    "times",
    "utc_ns",
    "utc_text",
    "validate",
    "whole",
    "whose",
]
