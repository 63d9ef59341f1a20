"""What the field calls a column, as :func:`plain_name`, the likeliest first."""

import re
from typing import Final


def plain_name(name: str) -> str:
    """A column's name in small letters and digits alone.

    >>> plain_name("Cl_Ord ID")
    'clordid'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


_ORDER_IDS: Final = (
    "orderid", "clordid", "clientorderid", "parentorderid", "parentorder", "parentclordid", "order", "ordid",
    "rootorderid", "orderref", "ordernumber", "orderno", "iborderid",
)  # fmt: skip
USUAL: Final[dict[str, tuple[str, ...]]] = {
    "date": (
        "date", "day", "tradedate", "tradingday", "asof", "asofdate", "datetime", "timestamp", "time", "", "index",
    ),
    "symbol": (
        "symbol", "ticker", "sym", "instrument", "security", "securityid", "ric", "product", "pair", "contract",
        "stock", "tickersymbol", "name", "names", "code", "company", "tickers", "symbols",
    ),
    "known": (
        "known", "knowntime", "knownat", "filed", "filedat", "fileddate", "filingdate", "filedon", "reportdate",
        "reported", "announced", "announcementdate", "releasedate", "released", "publisheddate", "publicationdate",
        "published", "collected", "accepted", "acceptancedate", "acceptancedatetime", "availabledate", "datekey",
    ),
    "event": (
        "event", "eventtime", "eventdate", "period", "periodend", "periodending", "periodenddate", "enddate", "end",
        "fiscalperiodend", "fiscaldateending", "quarterend", "reportperiod", "calendardate",
    ),
    "time": (
        "time", "timestamp", "datetime", "published", "publishedat", "publishedutc", "publishtime", "createdat", "date",
        "timeutc", "versioncreated", "known", "knowntime",
    ),
    "text": ("text", "headline", "title", "headlinetext", "body", "content", "message", "summary", "news"),
    "file": ("file", "filename", "path", "image", "picture", "scene"),
    "taken": ("taken", "takenat", "acquired", "acquisitiondate", "acquisitiontime", "captured", "sensed"),
    "published": ("published", "publishedat", "publicationdate", "available", "availabledate", "released"),
    "open": ("open", "openprice", "pxopen"),
    "high": ("high", "highprice", "pxhigh"),
    "low": ("low", "lowprice", "pxlow"),
    "close": ("close", "closeprice", "closelast", "price", "last", "lastprice", "pxlast", "settle", "settlement"),
    "adj_close": ("adjclose", "adjustedclose", "adjcloseprice", "adjustedcloseprice", "closeadj", "closeadjusted"),
    "volume": ("volume", "vol", "sharestraded", "totalvolume", "tradedvolume", "pxvolume"),
    "side": ("side", "buysell", "bs", "direction", "action", "ordside", "orderside", "verb"),
    "parent": _ORDER_IDS,
}  # fmt: skip
"""Of any table."""
USUAL_FILLS: Final[dict[str, tuple[str, ...]]] = USUAL | {
    "time": (
        "transacttime", "timestamp", "datetime", "ts", "exectime", "executiontime", "tradetime", "filltime",
        "transactiontime", "timeutc", "utctime", "timens", "timems", "dateutc",
    ),
    "quantity": (
        "lastqty", "lastshares", "qty", "shares", "size", "volume", "fillqty", "filledqty", "execqty", "tradeqty",
        "lots", "contracts", "execquantity", "fillquantity", "tradequantity", "lastquantity", "executed", "filled",
        "amount",
    ),
    "price": ("lastpx", "px", "fillprice", "execprice", "executionprice", "tradeprice", "lastprice", "fillpx"),
    "fee": (
        "fees", "commission", "commissions", "comm", "charges", "totalfees", "totalfee", "brokerage", "execfee",
        "ibcommission",
    ),
    "fee_currency": (
        "feecurrency", "feecoin", "feeasset", "commissionasset", "commissioncurrency", "ibcommissioncurrency",
    ),
    "arrival": (
        "ordertime", "orderdatetime", "ordertimestamp", "arrivaltime", "decisiontime", "submittime", "submittedtime",
        "timesubmitted", "submitted", "submittedat", "placedtime", "timeplaced", "placed", "orderplaced", "placedat",
        "orderentrytime", "ordercreated", "ordercreatedtime",
    ),
}  # fmt: skip
"""Of somebody's fills."""
USUAL_ORDERS: Final[dict[str, tuple[str, ...]]] = USUAL | {
    "quantity": ("orderqty", "qty", "shares", "size", "ordqty", "orderquantity", "lots", "contracts"),
    "start": ("starttime", "effectivetime", "arrival", "arrivaltime", "transacttime", "begin", "begintime"),
    "end": ("endtime", "expiretime", "finish", "finishtime", "stop", "stoptime", "until"),
    "limit": ("limitprice", "limitpx", "price", "px", "lmt"),
    "refused": ("rejected", "rejectedqty", "refusedqty", "rejects"),
}
"""Of somebody's orders."""
# Our columns of numbers.
NUMBERS: Final = frozenset({
    "quantity", "price", "fee", "amount", "limit", "refused", "open", "high", "low", "close", "adj_close", "volume",
    "weight", "lots", "shares", "rv", "vix", "value", "outcome", "sd", "dollars",
})  # fmt: skip
OURS: Final = frozenset(USUAL_FILLS | USUAL_ORDERS) | {
    "venue", "agent", "currency", "asset", "amount", "horizon", "rv", "vix", "weight", "lots",
}  # fmt: skip
"""Columns that a map of any table may name."""
