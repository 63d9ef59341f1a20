"""Orders that take a dealer's quote are orders: journaled, framed and limited as such, with the quote's name."""

from tercel.core import orders as o
from tercel.core.orders import Tif
from tercel.desk.trading.journal import codec
from tercel.venues.wire import frames

ORDER = o.QuotedOrder("c1", "XYZ", 1, 5, 1001, Tif.IOC, "ann", "p", 7, "q1")


def test_the_journal_has_the_quote():
    body = codec.to_json(ORDER)
    assert (body["what"], body["quote"], body["lots"]) == ("quoted", "q1", 5)
    assert codec.command_of(body) == ORDER
    assert "quote" not in codec.to_json(o.NewOrder("c1", "XYZ", 1, 5, 9, Tif.DAY, "ann", "p", 7))


def test_the_wire_has_the_quote():
    packed = frames.pack_message(ORDER)
    assert frames.message_of(packed[frames._HEAD.size :], commands=True) == ORDER
