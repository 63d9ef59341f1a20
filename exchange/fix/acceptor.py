"""Tags, codes and readable fields of messages that only an acceptor needs; the rest are `tercel.fix.tags`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tercel.core import orders as o
from tercel.fix import tags as t

AVG_PX: Final = 6
EXEC_TRANS_TYPE: Final = 20
"""FIX 4.2 alone."""
SECURITY_RESPONSE_ID: Final = 322
RESTATEMENT_REASON: Final = 378
TOTAL_SYMBOLS: Final = 393
CXL_REJ_RESPONSE_TO: Final = 434
MASS_CANCEL_ORDERS: Final = 533
"""How many orders a mass cancel reaches."""
USERNAME: Final = 553
SECURITY_RESULT: Final = 560
SETTL_PRICE: Final = 730
SETTL_PRICE_TYPE: Final = 731
PRIOR_SETTL_PRICE: Final = 734
TOTAL_REPORTS: Final = 911
OWN_TAGS: Final = 20021
"""Y in a Logon: its sender knows the tags and messages of this part. Who does not say so is never sent one."""
CANCEL_ON_DISCONNECT: Final = 20022
"""In an initiator's Logon, Y: cancel my orders when I log out or am lost; N: leave them. Default: as its login says."""
TIFS: Final[Mapping[str, o.Tif]] = MappingProxyType(
    {code: tif for tif, code in t.TIF_CODES.items()}
)
UNKNOWN_SYMBOL: Final = "1"
EXCEEDS_LIMIT: Final = "3"
TOO_LATE_TO_ENTER: Final = "4"
DUPLICATE_ORDER: Final = "6"
STALE_ORDER: Final = "8"
UNKNOWN_ACCOUNT: Final = "15"
TOO_LATE: Final = "0"
"""Reason of a cancel reject: the order is over."""
ALREADY_PENDING: Final = "3"
"""Reason of a cancel reject: a cancel of it is on its way."""
DUPLICATE_CANCEL: Final = "6"
"""Reason of a cancel reject: its name was used before."""
BROKER_OPTION: Final = "4"
"""Reason of a restatement: the venue's own affair."""
READ: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        t.NEW_ORDER: (
            *(
                t.ACCOUNT,
                t.CL_ORD_ID,
                t.ORDER_QTY,
                t.ORD_TYPE,
                t.PRICE,
                t.SIDE,
                t.SYMBOL,
                t.TIME_IN_FORCE,
            ),
            *(t.TRANSACT_TIME, t.EXACT_NS, t.PARENT, t.QUOTE_ID),
        ),
        t.QUOTE_REQUEST: (
            *(t.QUOTE_REQ_ID, t.SYMBOL, t.SIDE, t.ORDER_QTY, t.ACCOUNT, t.EXPIRE_TIME),
            *(t.PARTY_ID, t.TRANSACT_TIME),
        ),
        t.QUOTE_RESPONSE: (
            *(t.QUOTE_RESP_ID, t.QUOTE_ID, t.QUOTE_RESP_TYPE, t.CL_ORD_ID, t.SYMBOL, t.SIDE),
            *(t.ORDER_QTY, t.PRICE, t.ACCOUNT, t.TRANSACT_TIME),
        ),
        t.QUOTE: (
            *(t.QUOTE_REQ_ID, t.QUOTE_ID, t.QUOTE_TYPE, t.PARTY_ID, t.SYMBOL, t.SIDE),
            *(t.ORDER_QTY, t.BID_PX, t.OFFER_PX, t.BID_SIZE, t.OFFER_SIZE, t.VALID_UNTIL),
        ),
        t.QUOTE_REQUEST_REJECT: (t.QUOTE_REQ_ID, t.QUOTE_REJECT_REASON, t.PARTY_ID, t.TEXT),
        t.QUOTE_CANCEL: (t.QUOTE_REQ_ID, t.QUOTE_ID, t.QUOTE_CANCEL_TYPE),
        t.QUOTE_STATUS_REPORT: (
            t.QUOTE_REQ_ID,
            t.QUOTE_ID,
            t.QUOTE_STATUS,
            t.QUOTE_RESP_ID,
            t.TEXT,
        ),
        t.CANCEL: (
            t.ACCOUNT,
            t.CL_ORD_ID,
            t.ORIG_CL_ORD_ID,
            t.SIDE,
            t.SYMBOL,
            t.TRANSACT_TIME,
            t.EXACT_NS,
        ),
        t.REPLACE: (
            *(
                t.ACCOUNT,
                t.CL_ORD_ID,
                t.ORIG_CL_ORD_ID,
                t.ORDER_QTY,
                t.ORD_TYPE,
                t.PRICE,
                t.SIDE,
                t.SYMBOL,
                t.TIME_IN_FORCE,
            ),
            *(t.TRANSACT_TIME, t.EXACT_NS, t.PARENT),
        ),
        t.STATUS: (t.ACCOUNT, t.CL_ORD_ID, t.SYMBOL, t.SIDE, t.STATUS_ID, t.EXACT_NS),
        t.MASS_STATUS: (t.ACCOUNT, t.MASS_STATUS_ID, t.MASS_STATUS_TYPE, t.EXACT_NS),
        t.MASS_CANCEL: (
            t.CL_ORD_ID,
            t.MASS_CANCEL_TYPE,
            t.SYMBOL,
            t.TRANSACT_TIME,
            t.EXACT_NS,
            t.FOR_ACCOUNT,
        ),
        t.MARKET_DATA_REQUEST: (t.MD_REQ_ID, t.SUBSCRIPTION),
        t.SECURITY_LIST_REQUEST: (t.SECURITY_REQ_ID,),
        t.POSITIONS_REQUEST: (t.POS_REQ_ID, t.POS_REQ_TYPE, t.SUBSCRIPTION, t.ACCOUNT, t.SYMBOL),
        t.STEP: (t.UNTIL_NS, t.STEP_ID, t.WAIT_ONLY),
        t.EXECUTION_REPORT: (
            *(
                t.ACCOUNT,
                t.CL_ORD_ID,
                t.CUM_QTY,
                t.EXEC_ID,
                t.EXEC_REF_ID,
                t.LAST_PX,
                t.LAST_QTY,
                t.ORDER_ID,
                t.ORDER_QTY,
                t.ORD_STATUS,
            ),
            *(
                t.ORD_TYPE,
                t.ORIG_CL_ORD_ID,
                t.PRICE,
                t.SIDE,
                t.SYMBOL,
                t.TEXT,
                t.ORD_REJ_REASON,
                t.EXEC_TYPE,
                t.LEAVES_QTY,
                t.LIQUIDITY,
            ),
            t.EXACT_NS,
        ),
        t.CANCEL_REJECT: (
            t.ACCOUNT,
            t.CL_ORD_ID,
            t.ORD_STATUS,
            t.ORIG_CL_ORD_ID,
            t.TEXT,
            t.CXL_REJ_REASON,
            t.EXACT_NS,
        ),
        t.MASS_CANCEL_REPORT: (
            t.CL_ORD_ID,
            t.MASS_CANCEL_RESPONSE,
            t.TEXT,
            t.EXACT_NS,
            t.FOR_ACCOUNT,
        ),
        t.BUSINESS_REJECT: (t.REF_SEQ_NUM, t.REF_MSG_TYPE, t.TEXT),
        t.MARKET_DATA_REJECT: (t.MD_REQ_ID, t.TEXT),
        t.STEPPED_TO: (t.EXACT_NS, t.STEP_ID),
        t.SNAPSHOT: (t.MD_REQ_ID, t.CONTINUES),
        t.INCREMENT: (t.MD_REQ_ID, t.CONTINUES),
        t.SECURITY_LIST: (t.SECURITY_REQ_ID, t.STEPPED, t.EXACT_NS),
    }
)
"""Tags that are read of each type; others that FIX 4.4 allows are passed over."""
