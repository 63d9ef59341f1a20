"""Events of a background book, packed into rows of two words each and read back by markets that follow the recording.

Own orders do not change the background (but under a law of `weights`, which leans on the flow), so what the public
does after an order's arrival is the same whatever is done with the order. It is written down once, two words a row, and
every further market of that seed takes its rows from there: no flow is drawn, no second book is updated, only what the
shown book needs of it (the lots left of each public order). Observations, trades and accounts are the same to the
byte.

A row's head is | ns since the event before (40 bits) | draws of the flow's stream (16) | last row of its event (1) |
side is a sell (1) | kind (6) |, its body | slot (16) | price (24) | lots (24) |. A row of kind `MID` tells in its body
the background's new mid, half-ticks; one of kind 0 is of an event in which nothing happened.
"""

from typing import Any, Final

from tercel.core.jit import Longs, Packed, Rows, kernel, late_kernel, load_fixed
from tercel.core.seeds import next_word
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import row_at, state_at
from tercel.market.tape.schema import ADD, TRADE_HIDDEN

HEAD, BODY, PACKED_WORDS = range(3)
SELL: Final = 1 << 6
LAST: Final = 1 << 7
DRAWS_AT: Final = 8
MAX_DRAWS: Final = (1 << 16) - 1
WAIT_AT: Final = 24
LONGEST_WAIT: Final = (1 << 39) - 1
MID: Final = 63
"""Kind of a row that tells the background's mid."""
SLOT_AT = 48
PRICE_AT = 24
MAX_VALUE: Final = (1 << 24) - 1
"""Price and lots that a row has room for."""
MAX_SLOT: Final = (1 << 15) - 1
NO_ROOM: Final = -1
"""The market does not fit into the rows, or what happens in it into one."""


@kernel
def follows_recording(state: Longs) -> bool:
    """Whether a market's background events are read from a recording instead of drawn by the flow."""
    s = state_at(state)
    return bool(s.apart == sim.PARTED and s.cursor_end > 0)


@kernel
def count_draws(state: Longs, word: int) -> int:
    """Advance the stream at `state[word]` to where the flow's is; number of draws, MAX_DRAWS + 1 if more than fit a row."""
    draws = 0
    while draws <= MAX_DRAWS and (
        state[word] != state[sim.FLOW_RNG] or state[word + 1] != state[sim.FLOW_RNG + 1]
    ):
        next_word(state, word)
        draws += 1
    return draws


@kernel
def pack_event(state: Longs, rows: Longs, start: int, wait: int, draws: int, moved: bool) -> int:
    """Pack the rows of the background's last event; returns where the next event's rows begin, or NO_ROOM.

    `moved`: whether its mid did.
    """
    s = state_at(state)
    end = start + max(s.mirror_row + int(moved), 1)
    if (
        end > rows.shape[0]
        or s.mirror_row > sim.MIRROR_ROWS
        or wait > LONGEST_WAIT
        or draws > MAX_DRAWS
    ):
        return NO_ROOM
    rows[end - 1, HEAD], rows[end - 1, BODY] = (MID, s.background_mid2) if moved else (0, 0)
    for row in range(s.mirror_row):
        r = row_at(state, sim.MIRROR + row * sim.RECORD_WORDS)
        if min(r.who, r.price, r.lots) < 0 or r.who > MAX_SLOT or max(r.price, r.lots) > MAX_VALUE:
            return NO_ROOM
        rows[start + row, HEAD] = r.kind | (SELL if r.side < 0 else 0)
        rows[start + row, BODY] = r.who << SLOT_AT | r.price << PRICE_AT | r.lots
    rows[start, HEAD] |= wait << WAIT_AT | draws << DRAWS_AT
    rows[end - 1, HEAD] |= LAST
    return end


@late_kernel
def unpack_event(book: Packed, state: Longs, rows: Rows) -> None:
    """Read the background's next event from a recording into the mirror, as the flow would have left it there."""
    s = state_at(state)
    background = book[load_fixed(book, lay.BACKGROUND) :]
    s.mirror_row = 0
    for _ in range((rows[s.cursor, HEAD] >> DRAWS_AT) & MAX_DRAWS):
        next_word(state, sim.FLOW_RNG)
    while True:
        head, body = rows[s.cursor, HEAD], rows[s.cursor, BODY]
        s.cursor += 1
        kind = head & MID
        if kind == MID:
            s.background_mid2 = body
        elif kind > 0:
            r = row_at(state, sim.MIRROR + s.mirror_row * sim.RECORD_WORDS)
            r.kind = kind
            r.who = body >> SLOT_AT
            r.side = -1 if head & SELL else 1
            r.price = (body >> PRICE_AT) & MAX_VALUE
            r.lots = body & MAX_VALUE
            s.mirror_row += 1
            if kind == TRADE_HIDDEN:
                s.hidden_lots += r.lots
            else:
                apply_row_lots(background, r)
        if head & LAST:
            break
    s.flow_ns = s.now + (rows[s.cursor, HEAD] >> WAIT_AT) if s.cursor < s.cursor_end else FOREVER_NS


@kernel
def apply_row_lots(background: Packed, r: Any) -> None:
    """Set the lots of an order in the background from a row; queue and level stay as they are."""
    order = order_at(background, r.who)
    if r.kind == ADD:
        order.side = r.side
        order.price = r.price
        order.qty = r.lots
        background[lay.HIGH] = max(background[lay.HIGH], r.who + 1)
    else:
        order.qty -= r.lots
