"""Positions in FIX 4.4 as an acceptor tells them: acknowledgement (AO) and PositionReports (AP) of a request (AN).

An initiator's side is `tercel.fix.report_reader`. Source: FIX 4.4, volume 5, position maintenance.
"""

from collections.abc import Callable, Mapping
from typing import Final

from exchange.fix import acceptor
from tercel.core import Venue, VenueError
from tercel.fix import (
    NEVER,
    NONE_FOUND,
    NOT_AUTHORIZED,
    OTHER,
    PLAIN,
    POSITIONS,
    REJECTED,
    SNAPSHOT,
    UNSUPPORTED,
    VALID,
    Fields,
    Message,
    PriceScale,
    RefusedError,
    account_fields,
    one_line,
    tags as t,
    utc_text,
)

_NO: Final = "N"
_COMPLETED: Final = "0"
_THEORETICAL: Final = "2"


class PositionsRefusedError(RefusedError):
    """Why a position request is refused; `reason` is PosReqResult (728)."""


def answers(
    message: Message,
    venue: Venue,
    scales: Mapping[str, PriceScale],
    name: Callable[[], str],
    now_ns: int,
) -> list[tuple[str, Fields]]:
    """Acknowledgement of a request and a report of each position of a venue.

    Raises
    ------
    PositionsRefusedError
        For a question that is not dealt in here, or a venue that does not tell positions.
    """
    _refuse_unknown(message, scales)
    if (teller := venue.capabilities.positions) is None:
        raise PositionsRefusedError("a venue that tells positions", venue.name, NEVER)
    try:
        quantities = teller.positions(message.get(t.ACCOUNT))
    except VenueError as error:
        raise PositionsRefusedError(error.expected, error.received, OTHER) from None
    symbol = message.get(t.SYMBOL)
    held = {
        instrument: qty
        for instrument, qty in sorted(quantities.items())
        if qty and symbol in ("", instrument)
    }
    today = utc_text(now_ns)[:8]
    result = VALID if held else NONE_FOUND
    replies: list[tuple[str, Fields]] = [
        (t.POSITIONS_ACK, [*_head(message, name(), len(held), result), (t.POS_STATUS, _COMPLETED)])
    ]
    for instrument, qty in held.items():
        size = scales.get(instrument, PLAIN).qty_text(abs(qty))
        side = t.LONG_QTY if qty > 0 else t.SHORT_QTY
        prices = [
            (acceptor.SETTL_PRICE, "0"),
            (acceptor.SETTL_PRICE_TYPE, _THEORETICAL),
            (acceptor.PRIOR_SETTL_PRICE, "0"),
        ]
        position_fields = [
            (t.POS_REQ_TYPE, POSITIONS),
            (t.CLEARING_DATE, today),
            (t.SYMBOL, instrument),
            *prices,
        ]
        held_now = [(t.NO_POSITIONS, "1"), (t.POS_TYPE, "TQ"), (side, size)]
        replies.append(
            (
                t.POSITION_REPORT,
                [*_head(message, name(), len(held), VALID), *position_fields, *held_now],
            )
        )
    return replies


def refusal(message: Message, refused: RefusedError, name: str) -> tuple[str, Fields]:
    """Acknowledgement that refuses a request, with the reason."""
    result = refused.reason if isinstance(refused, PositionsRefusedError) else NOT_AUTHORIZED
    head = _head(message, name, 0, result)
    return t.POSITIONS_ACK, [*head, (t.POS_STATUS, REJECTED), (t.TEXT, one_line(refused.text))]


def _refuse_unknown(message: Message, scales: Mapping[str, PriceScale]) -> None:
    for tag, known, wanted in (
        (t.POS_REQ_TYPE, (POSITIONS,), "724=0, positions"),
        (t.SUBSCRIPTION, ("", SNAPSHOT), "263=0, positions as they stand"),
        (t.SYMBOL, ("", *scales), "an instrument that is listed here"),
    ):
        if (value := message.get(tag)) not in known:
            raise PositionsRefusedError(wanted, f"{tag}={value[:40]}", UNSUPPORTED)


def _head(message: Message, name: str, total: int, result: str) -> Fields:
    named_after = [(t.POS_REPORT_ID, name), (t.POS_REQ_ID, message.get(t.POS_REQ_ID))]
    count = [(t.TOTAL_POS_REPORTS, str(total)), (t.UNSOLICITED, _NO), (t.POS_RESULT, result)]
    return [*named_after, *count, *account_fields(message.get(t.ACCOUNT))]
