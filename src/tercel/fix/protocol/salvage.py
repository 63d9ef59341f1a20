"""Salvage of faulty ExecutionReports: the faulty fields are dropped where the booking is unambiguous."""

from collections.abc import Collection, Mapping
from typing import Final

from tercel.fix.protocol.codec import data_field_indices
from tercel.fix.protocol.faults import (
    INCORRECT_FORMAT,
    INCORRECT_VALUE,
    MISSING_TAG,
    NOT_IN_MESSAGE,
    OUT_OF_ORDER,
    REPEATED_TAG,
    MessageFault,
)
from tercel.fix.protocol.message import Message

EXECUTION_REPORT: Final = "8"
# Quote, QuoteCancel, QuoteStatusReport.
ENDS_QUOTES: Final = frozenset({"S", "Z", "AI"})
# Account, ClOrdID, MsgSeqNum, SenderCompID, Symbol, TargetCompID: whose it is and of what.
OWNER_TAGS: Final = frozenset({1, 11, 34, 49, 55, 56})
# CumQty, ExecID, OrderID, OrdStatus, Side, ExecType: the booking.
BOOKING_TAGS: Final = frozenset({14, 17, 37, 39, 54, 150})
# ExecTypes of FIX 4.2 and 4.4, each of one meaning wherever it is listed.
_EXEC_TYPES: Final = frozenset("0123456789ABCDEFGHI")


def salvage(message: Message, found_faults: Collection[MessageFault]) -> Message | None:
    """A faulty ExecutionReport with an unambiguous booking, less its faulty fields (`fault` has them); else None.

    None for another message, and if the booking or its owner is missing, faulty or ambiguous. A valid value in a wrong
    place, or one that occurs twice, is read, and so is an ExecType or ExecTransType of the other version. OrderID may be
    missing, and CumQty but for a status, bust or correction.

    >>> said = {17: "E1", 37: "V1", 150: "0", 39: "0", 54: "1", 14: "0", 58: "a"}
    >>> report = Message("FIX.4.4", [(35, "8"), *said.items(), (58, "b")])
    >>> rest = salvage(report, [MessageFault(REPEATED_TAG, 58)])
    >>> rest.fault, 58 in rest
    ('58: a tag occurs twice', False)
    >>> salvage(Message("FIX.4.4", [*report.fields, (14, "100")]), [MessageFault(REPEATED_TAG, 14)])
    """
    kind = message.get(150)
    not_new = not {(20, "1"), (20, "2"), (20, "3")}.isdisjoint(message.fields)
    needed = (
        BOOKING_TAGS | {31, 32} if kind in ("1", "2", "F", "G") else BOOKING_TAGS
    )  # of a fill, its price
    missing = needed - message.tags
    # CumQty follows from earlier reports, unless this one says what they come to.
    if message.kind != EXECUTION_REPORT or not missing <= (
        {37} if not_new or kind in ("G", "H", "I") else {14, 37}
    ):
        return None
    # FIX 4.2 says with 20 whether a report takes back the execution that 19 names, or is of no trade, FIX 4.4 with 150.
    refers = not_new or (19 in message and (message.begin == "FIX.4.2" or kind in ("G", "H")))
    needed_tags = needed | OWNER_TAGS | ({19, 20} if refers else set())
    values = {(tag, value) for tag, value in message.fields if tag in needed_tags}
    spoilt = {fault.tag for fault in found_faults if fault.reason != OUT_OF_ORDER}
    readable = {*((MISSING_TAG, tag) for tag in missing), (NOT_IN_MESSAGE, 20)}
    readable |= {(INCORRECT_VALUE, 150)} if kind in _EXEC_TYPES else set()
    wrong = {
        fault.tag
        for fault in found_faults
        if fault.reason not in (OUT_OF_ORDER, REPEATED_TAG)
        and (fault.reason, fault.tag) not in readable
    }
    if wrong & needed_tags or len(values) > len(dict(values)):
        return None
    rest = [field for field in message.fields if field[0] in needed_tags or field[0] not in spoilt]
    texts = dict.fromkeys(
        f"{fault.tag}: {fault.text}" if fault.tag is not None else fault.text
        for fault in found_faults
    )
    return Message(message.begin, rest, "; ".join(texts))


def find_miscounted(message: Message, data_fields: Mapping[int, int]) -> list[MessageFault]:
    """Faults of data fields without their length before them, and of lengths that are not those of what follows.

    >>> report = Message("FIX.4.4", [(35, "8"), (354, "9"), (355, "abc")])
    >>> [one.tag for one in find_miscounted(report, {354: 355})]
    [354, 355]
    """
    if message.tags.isdisjoint([*data_fields.keys(), *data_fields.values()]):
        return []
    valid_indices = data_field_indices(message.fields, data_fields)
    return [
        MessageFault(INCORRECT_FORMAT, tag)
        for n, (tag, _) in enumerate(message.fields)
        if (tag in data_fields and n + 1 not in valid_indices)
        or (tag in data_fields.values() and n not in valid_indices)
    ]
