from tercel.fix import link as link
from tercel.fix import tags as tags
from tercel.fix.client import FixVenue as FixVenue
from tercel.fix.connection import MOST_WAITING as MOST_WAITING
from tercel.fix.connection import Connection as Connection
from tercel.fix.desk import Login as Login
from tercel.fix.hosted_dialect import HostedDialect as HostedDialect
from tercel.fix.link import Address as Address
from tercel.fix.link import FixLink as FixLink
from tercel.fix.own_dictionary import own_dictionary as tercel_dictionary
from tercel.fix.profiles import SHIPPED as SHIPPED_PROFILES
from tercel.fix.profiles import ProfileTerms as ProfileTerms
from tercel.fix.profiles import load as load_profile
from tercel.fix.profiles.model import MarketTable as MarketTable
from tercel.fix.profiles.model import SymbolsTable as SymbolsTable
from tercel.fix.profiles.model import SymbolTable as SymbolTable
from tercel.fix.profiles.model import TimesTable as TimesTable
from tercel.fix.protocol.codec import Decoder as Decoder
from tercel.fix.protocol.codec import encode as encode
from tercel.fix.protocol.dictionary import Dictionary as Dictionary
from tercel.fix.protocol.message import Fields as Fields
from tercel.fix.protocol.message import Message as Message
from tercel.fix.protocol.message import utc_ns as utc_ns
from tercel.fix.protocol.message import utc_text as utc_text
from tercel.fix.protocol.schedule import SessionTimes as SessionTimes
from tercel.fix.protocol.session import FixSession as FixSession
from tercel.fix.protocol.settings import Outcome as Outcome
from tercel.fix.protocol.settings import SessionEvent as SessionEvent
from tercel.fix.protocol.settings import SessionEventKind as SessionEventKind
from tercel.fix.protocol.settings import SessionSettings as SessionSettings
from tercel.fix.protocol.store import SequenceNumbers as SequenceNumbers
from tercel.fix.received import WaitLimits as WaitLimits
from tercel.fix.standard import StandardDialect as StandardDialect

__all__ = [
    "MOST_WAITING",
    "SHIPPED_PROFILES",
    "Address",
    "Connection",
    "Decoder",
    "Dictionary",
    "Fields",
    "FixLink",
    "FixSession",
    "FixVenue",
    "HostedDialect",
    "Login",
    "MarketTable",
    "Message",
    "Outcome",
    "ProfileTerms",
    "SequenceNumbers",
    "SessionEvent",
    "SessionEventKind",
    "SessionSettings",
    "SessionTimes",
    "StandardDialect",
    "SymbolTable",
    "SymbolsTable",
    "TimesTable",
    "WaitLimits",
    "encode",
    "link",
    "load_profile",
    "tags",
    "tercel_dictionary",
    "utc_ns",
    "utc_text",
]
