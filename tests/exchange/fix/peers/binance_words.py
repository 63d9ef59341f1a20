"""The words of Binance's FIX API that the tests of its connector use, as its public document names them.

A dictionary in QuickFIX's form is made of them: less than the venue publishes, enough to hold every message of these
tests against, in both directions. `name!` is required; `NoX(a b)` is a repeating group.
"""

from pathlib import Path

_OWN = """\
25000 RecvWindow FLOAT|25016 ErrorCode INT|25035 MessageHandling INT:1 2|25036 ResponseMode INT:1 2
25037 UUID STRING|9406 DropCopyFlag BOOLEAN|25018 OrderCreationTime INT|25017 CumQuoteQty QTY
25032 SOR BOOLEAN|25023 WorkingTime UTCTIMESTAMP|25033 OrderCancelRequestAndNewOrderSingleMode INT:1 2
25034 CancelClOrdID STRING|25014 ClListID STRING|25001 SelfTradePreventionMode CHAR
25039 StartPriceRange QTY|25002 CancelRestrictions INT"""
_STANDARD = """\
8 BeginString STRING|9 BodyLength LENGTH|10 CheckSum STRING|35 MsgType STRING|49 SenderCompID STRING
56 TargetCompID STRING|34 MsgSeqNum SEQNUM|52 SendingTime UTCTIMESTAMP|43 PossDupFlag BOOLEAN
97 PossResend BOOLEAN|122 OrigSendingTime UTCTIMESTAMP|112 TestReqID STRING|45 RefSeqNum INT
371 RefTagID INT|372 RefMsgType STRING|373 SessionRejectReason INT|58 Text STRING|98 EncryptMethod INT
108 HeartBtInt INT|95 RawDataLength LENGTH|96 RawData DATA|141 ResetSeqNumFlag BOOLEAN|553 Username STRING
148 Headline STRING|61 Urgency CHAR|11 ClOrdID STRING|38 OrderQty QTY|40 OrdType CHAR:1 2 3 4 P
18 ExecInst CHAR:6 R|44 Price PRICE|54 Side CHAR:1 2|55 Symbol STRING|59 TimeInForce CHAR:1 3 4
111 MaxFloor QTY|17 ExecID STRING|41 OrigClOrdID STRING|37 OrderID INT|60 TransactTime UTCTIMESTAMP
150 ExecType CHAR:0 4 5 8 C F|14 CumQty QTY|151 LeavesQty QTY|1057 AggressorIndicator BOOLEAN
1003 TradeID STRING|31 LastPx PRICE|32 LastQty QTY|39 OrdStatus CHAR:0 1 2 4 6 8 C
636 WorkingIndicator BOOLEAN|103 OrdRejReason INT:99|434 CxlRejResponseTo CHAR:1
530 MassCancelRequestType CHAR:1|531 MassCancelResponse CHAR:0 1|532 MassCancelRejectReason INT:99
533 TotalAffectedOrders INT|1385 ContingencyType INT:1 2|262 MDReqID STRING
263 SubscriptionRequestType CHAR:1 2|264 MarketDepth INT|266 AggregatedBook BOOLEAN
146 NoRelatedSym NUMINGROUP|267 NoMDEntryTypes NUMINGROUP|269 MDEntryType CHAR:0 1 2
268 NoMDEntries NUMINGROUP|270 MDEntryPx PRICE|271 MDEntrySize QTY|279 MDUpdateAction CHAR:0 1 2
281 MDReqRejReason CHAR:1 2|320 InstrumentReqID STRING|559 InstrumentListRequestType INT:0 4
15 Currency CURRENCY|969 MinPriceIncrement PRICE|562 MinTradeVol QTY|1140 MaxTradeVol QTY"""
_SESSION = {
    "0 Heartbeat": "TestReqID",
    "1 TestRequest": "TestReqID!",
    "3 Reject": "RefSeqNum RefTagID RefMsgType SessionRejectReason ErrorCode Text",
    "5 Logout": "Text",
    "A Logon": (
        "EncryptMethod! HeartBtInt! RawDataLength RawData ResetSeqNumFlag Username "
        "MessageHandling ResponseMode DropCopyFlag UUID"
    ),
    "B News": "Headline! Text",
}
_MESSAGES = {
    "OE": {
        "D NewOrderSingle": (
            "ClOrdID! OrderQty OrdType! ExecInst Price Side! Symbol! TimeInForce MaxFloor SelfTradePreventionMode SOR"
        ),
        "8 ExecutionReport": (
            "ExecID ClOrdID OrigClOrdID OrderID OrderQty OrdType! ExecInst Price Side! Symbol! "
            "TimeInForce MaxFloor SelfTradePreventionMode SOR TransactTime OrderCreationTime "
            "ExecType! CumQty! LeavesQty CumQuoteQty AggressorIndicator TradeID LastPx LastQty! "
            "OrdStatus! WorkingIndicator WorkingTime OrdRejReason ErrorCode Text"
        ),
        "F OrderCancelRequest": "ClOrdID! OrigClOrdID OrderID Symbol! CancelRestrictions",
        "9 OrderCancelReject": (
            "ClOrdID! OrigClOrdID OrderID Symbol! CancelRestrictions CxlRejResponseTo! ErrorCode! Text!"
        ),
        "XCN CancelAndNew": (
            "OrderCancelRequestAndNewOrderSingleMode! OrderID CancelClOrdID OrigClOrdID ClOrdID! "
            "CancelRestrictions OrderQty OrdType! ExecInst Price Side! Symbol! TimeInForce "
            "MaxFloor SelfTradePreventionMode SOR"
        ),
        "XAK AmendKeepPriority": "ClOrdID! OrigClOrdID OrderID Symbol! OrderQty!",
        "XAR AmendReject": "ClOrdID! OrigClOrdID OrderID Symbol! OrderQty! ErrorCode! Text!",
        "q OrderMassCancelRequest": "ClOrdID! Symbol! MassCancelRequestType!",
        "r OrderMassCancelReport": (
            "Symbol! ClOrdID! MassCancelRequestType! MassCancelResponse! MassCancelRejectReason "
            "TotalAffectedOrders ErrorCode Text"
        ),
        "E NewOrderList": "ClListID! ContingencyType",
    },
    "MD": {
        "x InstrumentListRequest": "InstrumentReqID! InstrumentListRequestType! Symbol",
        "y InstrumentList": (
            "InstrumentReqID! NoRelatedSym!(Symbol! Currency! MinTradeVol MaxTradeVol "
            "StartPriceRange MinPriceIncrement)"
        ),
        "V MarketDataRequest": (
            "MDReqID! SubscriptionRequestType! MarketDepth AggregatedBook NoRelatedSym(Symbol!) "
            "NoMDEntryTypes(MDEntryType!)"
        ),
        "Y MarketDataRequestReject": "MDReqID! MDReqRejReason ErrorCode Text",
        "W MarketDataSnapshot": "MDReqID! Symbol! NoMDEntries(MDEntryType! MDEntryPx! MDEntrySize!)",
        "X MarketDataIncrementalRefresh": (
            "MDReqID! NoMDEntries!(MDUpdateAction! MDEntryType MDEntryPx MDEntrySize Symbol)"
        ),
    },
}


def written(kind: str, folder: Path) -> Path:
    """The dictionary of a session, "OE" or "MD", as a file."""
    messages = _SESSION | _MESSAGES[kind]
    fields = [
        one.split() for line in (_OWN + "\n" + _STANDARD).split("\n") for one in line.split("|")
    ]
    parts = [
        f'<message name="{key.split()[1]}" msgtype="{key.split()[0]}" msgcat="{_category(key)}">'
        f"{_elements(words)}</message>"
        for key, words in messages.items()
    ]
    head = "BeginString! BodyLength! MsgType! SenderCompID! TargetCompID! MsgSeqNum! SendingTime! RecvWindow PossDupFlag "
    text = f'<fix type="FIX" major="4" minor="4"><header>{_elements(head + "PossResend OrigSendingTime")}</header>'
    text += f"<messages>{''.join(parts)}</messages><trailer>{_elements('CheckSum!')}</trailer><components/>"
    text += f"<fields>{''.join(_field(*one) for one in fields)}</fields></fix>"
    path = folder / f"spot-{kind.lower()}.xml"
    path.write_text(text, encoding="utf-8")
    return path


def _category(key: str) -> str:
    return "admin" if key in _SESSION and key[0] != "B" else "app"


def _field(tag: str, name: str, kind: str, *more: str) -> str:
    kind, _, first = kind.partition(":")
    values = "".join(f'<value enum="{one}" description="{one}"/>' for one in (first, *more) if one)
    return f'<field number="{tag}" name="{name}" type="{kind}">{values}</field>'


def _elements(words: str) -> str:
    """Fields, and groups with theirs in brackets."""
    found, rest = "", words
    while rest:
        word, _, rest = rest.partition(" ")
        tag, inside = "field", ""
        if "(" in word:
            start, (name, _, first) = "group", word.partition("(")
            inner, _, rest = (first + " " + rest if first[-1] != ")" else first + rest).partition(
                ")"
            )
            tag, word, inside, rest = start, name, _elements(inner.strip()), rest.strip()
        needed = "Y" if word.endswith("!") else "N"
        found += f'<{tag} name="{word.rstrip("!")}" required="{needed}">{inside}</{tag}>'
    return found
