"""FIX tags, message types and codes that initiator and acceptor share, and private extensions where FIX 4.4 has none.

Numbers below 5000 are FIX 4.4's own. Those from 20001 on are agreed between the two sides: FIX times end at
microseconds, its market data has no kinds of rows, and it has no message that moves a simulated clock.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tercel.core.orders import ExecType, OrdStatus, Tif

SOH: Final = "\x01"
ACCOUNT: Final = 1
CL_ORD_ID: Final = 11
CUM_QTY: Final = 14
EXEC_ID: Final = 17
EXEC_REF_ID: Final = 19
LAST_PX: Final = 31
LAST_QTY: Final = 32
SEQ_NUM: Final = 34
MSG_TYPE: Final = 35
ORDER_ID: Final = 37
ORDER_QTY: Final = 38
ORD_STATUS: Final = 39
ORD_TYPE: Final = 40
ORIG_CL_ORD_ID: Final = 41
POSS_DUP: Final = 43
PRICE: Final = 44
REF_SEQ_NUM: Final = 45
SENDER: Final = 49
SIDE: Final = 54
SYMBOL: Final = 55
TARGET: Final = 56
TEXT: Final = 58
TIME_IN_FORCE: Final = 59
TRANSACT_TIME: Final = 60
POSS_RESEND: Final = 97
VALID_UNTIL: Final = 62
QUOTE_ID: Final = 117
EXPIRE_TIME: Final = 126
QUOTE_REQ_ID: Final = 131
BID_PX: Final = 132
OFFER_PX: Final = 133
BID_SIZE: Final = 134
OFFER_SIZE: Final = 135
NO_QUOTE_ENTRIES: Final = 295
QUOTE_STATUS: Final = 297
QUOTE_CANCEL_TYPE: Final = 298
QUOTE_TYPE: Final = 537
QUOTE_REJECT_REASON: Final = 658
QUOTE_RESP_ID: Final = 693
QUOTE_RESP_TYPE: Final = 694
ON_BEHALF_OF: Final = 115
CXL_REJ_REASON: Final = 102
ORD_REJ_REASON: Final = 103
DK_REASON: Final = 127
NO_RELATED_SYM: Final = 146
EXEC_TYPE: Final = 150
LEAVES_QTY: Final = 151
MD_REQ_ID: Final = 262
SUBSCRIPTION: Final = 263
MARKET_DEPTH: Final = 264
UPDATE_TYPE: Final = 265
AGGREGATED: Final = 266
NO_ENTRY_TYPES: Final = 267
NO_ENTRIES: Final = 268
ENTRY_TYPE: Final = 269
ENTRY_PX: Final = 270
ENTRY_SIZE: Final = 271
ENTRY_ID: Final = 278
UPDATE_ACTION: Final = 279
MD_REJ_REASON: Final = 281
SECURITY_REQ_ID: Final = 320
REF_MSG_TYPE: Final = 372
REJECT_REASON: Final = 380
MASS_CANCEL_TYPE: Final = 530
MASS_CANCEL_RESPONSE: Final = 531
MASS_CANCEL_REASON: Final = 532
PASSWORD: Final = 554
SECURITY_LIST_TYPE: Final = 559
ROUND_LOT: Final = 561
MASS_STATUS_ID: Final = 584
MASS_STATUS_TYPE: Final = 585
UNSOLICITED: Final = 325
PARTY_ID: Final = 448
PARTY_SOURCE: Final = 447
PARTY_ROLE: Final = 452
NO_PARTIES: Final = 453
ACCOUNT_TYPE: Final = 581
NO_POSITIONS: Final = 702
POS_TYPE: Final = 703
LONG_QTY: Final = 704
SHORT_QTY: Final = 705
POS_REQ_ID: Final = 710
CLEARING_DATE: Final = 715
POS_REPORT_ID: Final = 721
POS_REQ_TYPE: Final = 724
TOTAL_POS_REPORTS: Final = 727
POS_RESULT: Final = 728
POS_STATUS: Final = 729
STATUS_ID: Final = 790
LIQUIDITY: Final = 851
# Fields agreed between the two sides, of no standard.
EXACT_NS: Final = 20001
"""The time of 60 to the nanosecond."""
PARENT: Final = 20002
"""The parent order on whose behalf."""
FOR_ACCOUNT: Final = 20003
"""The account of a mass cancel, which has none in FIX 4.4."""
ROW_KIND: Final = 20004
"""The kind of a row of market data, as on the tape."""
AGGRESSOR: Final = 20005
"""The client order that took; absent: no client order did."""
CONTINUES: Final = 20006
"""Y: more entries of the same change follow in the next message."""
UNTIL_NS: Final = 20007
STEP_ID: Final = 20008
"""Names a U1 and the U2 that answers it."""
WAIT_ONLY: Final = 20009
"""Y in U1: wait for the clock, do not move it."""
TICK: Final = 20010
LOT: Final = 20011
VOLUME_PER_S: Final = 20012
DENSE_IDS: Final = 20013
BEGAN_NS: Final = 20014
ANSWERS: Final = 20015
BOOK_WIDTH: Final = 20017
"""Prices of the ring of the venue's book, where it is known."""
FEED_LEVELS: Final = 20018
"""Levels that the feed behind an instrument shows; 0: all of them."""
VENUE_FEES: Final = 20019
"""Four numbers: what the venue charges (`core.orders.Listing`); left out where it charges nothing."""
QUOTES: Final = 20020
"""Y: dealers answer requests for quotes there."""
STEPPED: Final = 20016
"""Y: the venue's clock is moved by U1; N: it runs by itself."""
# Message types (35).
REJECT: Final = "3"
EXECUTION_REPORT: Final = "8"
CANCEL_REJECT: Final = "9"
LOGON: Final = "A"
NEW_ORDER: Final = "D"
CANCEL: Final = "F"
REPLACE: Final = "G"
DONT_KNOW: Final = "Q"
STATUS: Final = "H"
MASS_STATUS: Final = "AF"
MASS_CANCEL: Final = "q"
MASS_CANCEL_REPORT: Final = "r"
BUSINESS_REJECT: Final = "j"
MARKET_DATA_REQUEST: Final = "V"
SNAPSHOT: Final = "W"
INCREMENT: Final = "X"
MARKET_DATA_REJECT: Final = "Y"
SECURITY_LIST_REQUEST: Final = "x"
SECURITY_LIST: Final = "y"
QUOTE_REQUEST: Final = "R"
QUOTE: Final = "S"
QUOTE_CANCEL: Final = "Z"
QUOTE_REQUEST_REJECT: Final = "AG"
QUOTE_STATUS_REPORT: Final = "AI"
QUOTE_RESPONSE: Final = "AJ"
POSITIONS_REQUEST: Final = "AN"
POSITIONS_ACK: Final = "AO"
POSITION_REPORT: Final = "AP"
STEP: Final = "U1"
STEPPED_TO: Final = "U2"
SIMULATED: Final = "U3"
"""Before a logon: question and answer whether a server is a simulated exchange (`fix.own_dialect`)."""
# Codes of fields.
STATUS_CODES: Final[Mapping[OrdStatus, str]] = MappingProxyType(
    {
        OrdStatus.PENDING_NEW: "A",
        OrdStatus.NEW: "0",
        OrdStatus.PARTIALLY_FILLED: "1",
        OrdStatus.FILLED: "2",
        OrdStatus.PENDING_CANCEL: "6",
        OrdStatus.PENDING_REPLACE: "E",
        OrdStatus.CANCELED: "4",
        OrdStatus.REJECTED: "8",
        OrdStatus.EXPIRED: "C",
        OrdStatus.SUSPENDED: "9",
        OrdStatus.STOPPED: "7",
        OrdStatus.DONE_FOR_DAY: "3",
        OrdStatus.CALCULATED: "B",
        OrdStatus.UNKNOWN: "8",  # distinguished from REJECTED by the reason: 103=5 or 102=1, unknown order
    }
)
STATUSES: Final[Mapping[str, OrdStatus]] = MappingProxyType(
    {code: status for status, code in STATUS_CODES.items() if status is not OrdStatus.UNKNOWN}
)
EXEC_CODES: Final[Mapping[ExecType, str]] = MappingProxyType(
    {
        ExecType.NEW: "0",
        ExecType.TRADE: "F",
        ExecType.CANCELED: "4",
        ExecType.REPLACED: "5",
        ExecType.REJECTED: "8",
        ExecType.EXPIRED: "C",
        ExecType.STATUS: "I",
        ExecType.BUSTED: "H",
        ExecType.CORRECTED: "G",
        ExecType.RESTATED: "D",
        ExecType.PENDING_NEW: "A",
        ExecType.PENDING_CANCEL: "6",
        ExecType.PENDING_REPLACE: "E",
        ExecType.SUSPENDED: "9",
        ExecType.STOPPED: "7",
        ExecType.DONE_FOR_DAY: "3",
        ExecType.CALCULATED: "B",
    }
)
EXECS: Final[Mapping[str, ExecType]] = MappingProxyType(
    {code: kind for kind, code in EXEC_CODES.items()}
)
TIF_CODES: Final[Mapping[Tif, str]] = MappingProxyType({Tif.DAY: "0", Tif.IOC: "3"})
BUY_CODE: Final = "1"
SELL_CODE: Final = "2"
NO_SIDE_CODE: Final = "7"
"""Undisclosed: what must have a side, and has none."""
MARKET: Final = "1"
LIMIT: Final = "2"
PREVIOUSLY_QUOTED: Final = "D"
FILL_OR_KILL: Final = "4"
HIT: Final = "1"
PASS: Final = "6"
"""QuoteRespType (694)."""
LIQUIDITY_PROVIDER: Final = "35"
"""PartyRole (452) of a dealer."""
NO_SYMBOL: Final = "[N/A]"
NO_NAME: Final = "NONE"
"""Placeholder for a name that FIX requires."""
UNKNOWN_ORDER: Final = "5"
UNSUPPORTED: Final = "11"
INCORRECT_QUANTITY: Final = "13"
OTHER: Final = "99"
NOT_KNOWN: Final = "1"
"""Reason of a cancel reject: no such order."""
BUSINESS_OTHER: Final = "0"
"""Reason of a business reject, in words alone."""
NOT_SUPPORTED: Final = "3"
"""Reason of a business reject: no such message here."""
NOT_AUTHORIZED: Final = "6"
"""Reason of a business reject: not by this login."""
NO_MATCH: Final = "D"
"""Reason of a DK: a trade of no order that was sent here."""
OTHER_DK: Final = "Z"
"""Reason of a DK, in words alone."""
