"""Rejection texts of venues as FIX codes (102 and 103).

Source: FIX 4.4, volume 6, OrdRejReason and CxlRejReason.
"""

from typing import Final

from tercel.core.orders import TERMINAL, OrdStatus
from tercel.fix import tags as t

_OF_ORDERS: Final = (
    ("duplicate", t.DUPLICATE_ORDER),
    ("unknown instrument", t.UNKNOWN_SYMBOL),
    ("too late", t.TOO_LATE_TO_ENTER),
    (" lots; ", t.INCORRECT_QUANTITY),
    ("places for client orders", t.EXCEEDS_LIMIT),
)


def of_order(status: OrdStatus, text: str, unknown: bool = True) -> str:
    """OrdRejReason of a report, "" if nothing was rejected.

    Parameters
    ----------
    status : OrdStatus
    text : str
        The venue's words.
    unknown : bool
        Whether a refusal that speaks of an unknown order has the code of one. A peer of this package reads the code as
        the status UNKNOWN, and is told so only by a venue that says so.

    >>> of_order(OrdStatus.REJECTED, "duplicate cl_ord_id 'a'"), of_order(OrdStatus.NEW, "")
    ('6', '')
    """
    if status is OrdStatus.UNKNOWN or (
        unknown and status is OrdStatus.REJECTED and text.startswith("unknown order")
    ):
        return t.UNKNOWN_ORDER
    if status is not OrdStatus.REJECTED:
        return ""
    return next((code for words, code in _OF_ORDERS if words in text), t.OTHER)


def of_cancel(status: OrdStatus, text: str, unknown: bool = True) -> str:
    """CxlRejReason of a cancel reject; parameters as for :func:`of_order`.

    >>> of_cancel(OrdStatus.FILLED, "too late: the order is filled"), of_cancel(OrdStatus.UNKNOWN, "")
    ('0', '1')
    """
    if status is OrdStatus.UNKNOWN or (unknown and text.startswith("unknown order")):
        return t.NOT_KNOWN
    if text.startswith("duplicate"):
        return t.DUPLICATE_CANCEL
    if status in TERMINAL and status is not OrdStatus.REJECTED:
        return t.TOO_LATE
    return t.ALREADY_PENDING if text.startswith("pending") else t.OTHER
