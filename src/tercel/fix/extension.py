"""Private extension of FIX between this package's two ends: dictionary, order-by-order market data, proof of simulation.

Market data: one row is one entry of W (snapshot) or X (increment), 269 side, 278 the order (37 in W, which has no
278), 270 price, 271 the row's own quantity, 279 the action; tags of our own hold the row's kind (20004), its time to
the nanosecond (20001) and the aggressor (20005):

    35=X|262=M2-1|268=1|279=0|278=17|55=XYZ|269=0|270=10.05|271=300|20001=1700000000000000001|20004=0|

Proof: U3 (`35=U3|58=NONCE`), before a logon and on a connection of its own, asks whether a server is a simulated
exchange. A venue that does not know it refuses the connection, as its first message is no Logon.
"""

import socket
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

import numpy as np

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.errors import check_known
from tercel.core.installation import proof
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.codec import encode
from tercel.fix.protocol.dictionary import Dictionary, read_toml
from tercel.fix.protocol.message import Message
from tercel.fix.translate import PriceScale

_FILES = {"FIX.4.2": "own42.toml", "FIX.4.4": "own44.toml"}


@lru_cache
def own_dictionary(version: str) -> Dictionary:
    """Dictionary of a version with this package's extensions.

    Raises
    ------
    UnknownNameError
        For another version.

    >>> "U1" in own_dictionary("FIX.4.4").messages, 554 in own_dictionary("FIX.4.2").messages["A"].block.members
    (True, True)
    """
    check_known(version, _FILES)
    return read_toml(
        (files(__package__) / _FILES[version]).read_text(encoding="utf-8"), _FILES[version]
    )


def answered(data: bytes) -> bytes:
    """The answer to a connection's first bytes, where they are the question; else nothing."""
    nonce = data.rpartition(b"\x0158=")[2].partition(b"\x01")[0].decode("ascii", "replace")
    return _message(proof("fix", nonce)) if data == _message(nonce) else b""


def proves(host: str, port: int, nonce: str, seconds: float) -> bool:
    """Whether the server at an address proves to be a simulated exchange.

    Raises
    ------
    OSError
        No server listens there, or answers in time.
    """
    wanted = _message(proof("fix", nonce))
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(_message(nonce))
        return link.recv(len(wanted), socket.MSG_WAITALL) == wanted


def _message(text: str) -> bytes:
    """Bytes of a U3 with the header of any FIX message, so that any venue can parse and refuse it."""
    head = [(t.SEQ_NUM, "1"), (t.SENDER, "TERCEL"), (52, "20000101-00:00:00"), (t.TARGET, "TERCEL")]
    return encode("FIX.4.4", [(t.MSG_TYPE, t.SIMULATED), *head, (t.TEXT, text)])


def market_in(message: Message, scale: PriceScale) -> Ints:
    """int64 (n, 7) rows of the entries in a W or X message.

    Raises
    ------
    RefusedError, ValueError, KeyError
        For entries that cannot be read.
    """
    snapshot = message.kind == t.SNAPSHOT
    parts = _parts(message, t.ENTRY_TYPE if snapshot else t.UPDATE_ACTION)
    rows = np.empty((len(parts), o.MARKET_WORDS), np.int64)
    name = t.ORDER_ID if snapshot else t.ENTRY_ID
    prices: dict[str, int] = {}
    for n, tags in enumerate(parts):
        price = tags[t.ENTRY_PX]
        if price not in prices:
            prices[price] = scale.ticks(price)
        rows[n, o.M_NS], rows[n, o.M_KIND] = int(tags[t.EXACT_NS]), int(tags[t.ROW_KIND])
        rows[n, o.M_ID] = int(tags[name])
        rows[n, o.M_SIDE] = _SIDES.get(tags[t.ENTRY_TYPE], 0)
        rows[n, o.M_PRICE], rows[n, o.M_LOTS] = prices[price], scale.lots(tags[t.ENTRY_SIZE])
        rows[n, o.M_AGGRESSOR] = int(tags.get(t.AGGRESSOR, "-1"))
    return rows


_SIDES = {"0": BUY, "1": SELL}


def _parts(message: Message, first: int) -> list[dict[int, str]]:
    """Entries of a message's one repeating group, which begin with a tag."""
    fields = message.fields
    starts = [n for n, (tag, _) in enumerate(fields) if tag == first]
    return [dict(fields[start:stop]) for start, stop in pairwise([*starts, len(fields)])]


Shape = tuple[int, int]
"""Width of an instrument's book and levels of its feed."""


def listings_in(message: Message) -> list[o.Listing]:
    """Listings of a security list.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _parts(message, t.SYMBOL)]


def shapes_in(message: Message) -> dict[str, Shape]:
    """Book width and depth of those instruments of a security list that state them."""
    return {
        one[t.SYMBOL]: (int(one[t.BOOK_WIDTH]), int(one[t.FEED_LEVELS]))
        for one in [one for one in _parts(message, t.SYMBOL) if t.BOOK_WIDTH in one]
    }


def _listing(tags: Mapping[int, str]) -> o.Listing:
    maker, taker, maker_rate, taker_rate = (
        int(part) for part in tags.get(t.VENUE_FEES, "0,0,0,0").split(",")
    )
    return o.Listing(
        instrument=tags[t.SYMBOL],
        tick=float(tags[t.TICK]),
        lot=int(tags[t.LOT]),
        volume_per_s=float(tags[t.VOLUME_PER_S]),
        dense_ids=int(tags[t.DENSE_IDS]),
        began_ns=int(tags[t.BEGAN_NS]),
        answers=tags[t.ANSWERS] == "Y",
        maker_fee=maker,
        taker_fee=taker,
        maker_rate=maker_rate,
        taker_rate=taker_rate,
    )
