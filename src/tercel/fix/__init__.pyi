from tercel.fix import link as link
from tercel.fix import tags as tags
from tercel.fix.client import FixVenue as FixVenue
from tercel.fix.opening import open_fix_venue as open_fix_venue
from tercel.core.link.connection import MOST_WAITING as MOST_WAITING
from tercel.core.link.connection import Connection as Connection
from tercel.core.link.connection import TlsSettings as TlsSettings
from tercel.core.link.connection import WaitLimits as WaitLimits
from tercel.fix.dialect import Shape as Shape
from tercel.fix.own_dialect import answer_simulation_query as answer_simulation_query
from tercel.fix.own_dialect import own_dictionary as tercel_dictionary
from tercel.fix.link import Address as Address
from tercel.fix.link import FixLink as FixLink
from tercel.fix.link import open_link as open_link
from tercel.fix.profiles import SHIPPED as SHIPPED_PROFILES
from tercel.fix.profiles import ProfileTerms as ProfileTerms
from tercel.fix.profiles import load as load_profile
from tercel.fix.profiles.signatures import RAW_DATA as RAW_DATA
from tercel.fix.profiles.model import MarketTable as MarketTable
from tercel.core.secrets import Secret as Secret
from tercel.fix.profiles.model import SymbolsTable as SymbolsTable
from tercel.fix.profiles.model import SymbolTable as SymbolTable
from tercel.fix.profiles.model import TimesTable as TimesTable
from tercel.core.link.signing_key import ed25519_key as ed25519_key
from tercel.fix.profiles.signatures import signed_text as signed_text
from tercel.fix.protocol import validate as validate
from tercel.fix.protocol.dictionary import Dictionary as Dictionary
from tercel.fix.protocol.faults import INCORRECT_VALUE as INCORRECT_VALUE
from tercel.fix.protocol.codec import Decoder as Decoder
from tercel.fix.protocol.message import Fields as Fields
from tercel.fix.protocol.codec import GarbledMessage as GarbledMessage
from tercel.fix.protocol.message import Message as Message
from tercel.fix.protocol.faults import MessageFault as MessageFault
from tercel.fix.protocol.codec import encode as encode
from tercel.fix.protocol.message import utc_ns as utc_ns
from tercel.fix.protocol.message import utc_text as utc_text
from tercel.fix.protocol.session import FixSession as FixSession
from tercel.fix.protocol.settings import NOT_STORED as NOT_STORED
from tercel.fix.protocol.session_store import Commit as Commit
from tercel.fix.protocol.events import Outcome as Outcome
from tercel.fix.protocol.session_store import SequenceNumbers as SequenceNumbers
from tercel.fix.protocol.events import SessionEvent as SessionEvent
from tercel.fix.protocol.events import SessionEventKind as SessionEventKind
from tercel.fix.protocol.settings import SessionSettings as SessionSettings
from tercel.fix.protocol.settings import SessionTimes as SessionTimes
from tercel.fix.quotes import QUOTE_STATES as QUOTE_STATES
from tercel.fix.quotes import QuoteDesk as QuoteDesk
from tercel.fix.quotes import dealers_in as dealers_in
from tercel.fix.quotes import dealers_out as dealers_out
from tercel.fix.positions import NEVER as NEVER
from tercel.fix.positions import NONE_FOUND as NONE_FOUND
from tercel.fix.positions import NOT_AUTHORIZED as NOT_AUTHORIZED
from tercel.fix.positions import OTHER as OTHER
from tercel.fix.positions import POSITIONS as POSITIONS
from tercel.fix.positions import REJECTED as REJECTED
from tercel.fix.positions import SNAPSHOT as SNAPSHOT
from tercel.fix.report_reader import UNKNOWN_ORDER_TEXT as UNKNOWN_ORDER_TEXT
from tercel.fix.positions import UNSUPPORTED as UNSUPPORTED
from tercel.fix.positions import VALID as VALID
from tercel.fix.positions import account_fields as account_fields
from tercel.fix.standard import AMEND as AMEND
from tercel.fix.standard import AMEND_REJECT as AMEND_REJECT
from tercel.fix.standard import CANCEL_AND_NEW as CANCEL_AND_NEW
from tercel.fix.standard import CANCEL_NAME as CANCEL_NAME
from tercel.fix.standard import MODE as MODE
from tercel.fix.standard import StandardDialect as StandardDialect
from tercel.fix.sqlite_store import SqliteStore as SqliteStore
from tercel.core.link.price_scale import PLAIN as PLAIN
from tercel.fix.translate import Fields as FieldList
from tercel.core.link.price_scale import PriceScale as PriceScale
from tercel.core.link.price_scale import RefusedError as RefusedError
from tercel.fix.translate import Tags as Tags
from tercel.fix.translate import one_line as one_line
from tercel.fix.translate import check_name as check_name
from tercel.fix.translate import require as require
from tercel.fix.translate import drop_empty as drop_empty
from tercel.fix.translate import price_fields as price_fields
from tercel.core.link.price_scale import scales as scales
from tercel.fix.translate import side_code as side_code
from tercel.fix.translate import time_fields as time_fields
from tercel.fix.translate import parse_ns as parse_ns

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
    "RAW_DATA",
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
    "account_fields",
    "answer_simulation_query",
    "check_name",
    "dealers_in",
    "dealers_out",
    "drop_empty",
    "ed25519_key",
    "encode",
    "link",
    "load_profile",
    "one_line",
    "open_fix_venue",
    "open_link",
    "parse_ns",
    "price_fields",
    "require",
    "scales",
    "side_code",
    "signed_text",
    "tags",
    "tercel_dictionary",
    "time_fields",
    "utc_ns",
    "utc_text",
    "validate",
]
