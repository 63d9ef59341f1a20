"""The background market of a seed, simulated once: its events packed, and markets that follow them.

Own orders leave the background as it is (but under a law of `weights`, which leans on the flow), so what the public
does after an order's arrival is the same whatever is done with the order. It is written down once, two words a row, and
every further market of that seed takes its rows from there: no flow is drawn, no second book is kept, only what the
shown book needs of it (what each public order has left). What is seen, traded and booked is the same to the byte.

A row's head is | ns since the event before (40 bits) | draws of the flow's stream (16) | last row of its event (1) |
side is a sell (1) | kind (6) |, its body | slot (16) | price (24) | lots (24) |. A row of kind `MID` tells in its body
the background's new mid, half-ticks; one of kind 0 is of an event in which nothing happened.
"""

from typing import Any, Final

from tercel.core.jit import Longs, Packed, Rows, fixed, kernel, late_kernel
from tercel.core.seeds import next_word
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.book.ladder import order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import row_at, state_at
from tercel.market.tape.schema import ADD, TRADE_HIDDEN

HEAD, BODY, PACKED_WORDS = range(3)
SELL: Final = 1 << 6
LAST: Final = 1 << 7
DRAWS_AT: Final = 8
MOST_DRAWS: Final = (1 << 16) - 1
WAIT_AT: Final = 24
LONGEST_WAIT: Final = (1 << 39) - 1
MID: Final = 63
"""Kind of a row that tells the background's mid."""
SLOT_AT, PRICE_AT = 48, 24
MOST: Final = (1 << 24) - 1
"""Price and lots that a row has room for."""
MOST_SLOTS: Final = (1 << 15) - 1
NO_ROOM: Final = -1
"""The market does not fit into the rows, or what happens in it into one."""


@kernel
def follows(k: Longs) -> bool:
    """Whether the background's events are known already."""
    s = state_at(k)
    return bool(s.apart == sim.PARTED and s.cursor_end > 0)


@kernel
def drawn_since(k: Longs, at: int) -> int:
    """Draws that bring the stream at `k[at]` to where the flow's stands; more than a row has room for: one too many."""
    draws = 0
    while draws <= MOST_DRAWS and (k[at] != k[sim.FLOW_RNG] or k[at + 1] != k[sim.FLOW_RNG + 1]):
        next_word(k, at)
        draws += 1
    return draws


@kernel
def pack_event(k: Longs, rows: Longs, at: int, wait: int, draws: int, moved: bool) -> int:
    """Pack the rows that the background's last event left in the mirror; where the next event's rows begin.

    `moved`: whether its mid did.
    """
    s = state_at(k)
    end = at + max(s.mirror_row + int(moved), 1)
    if (
        end > rows.shape[0]
        or s.mirror_row > sim.MIRROR_ROWS
        or wait > LONGEST_WAIT
        or draws > MOST_DRAWS
    ):
        return NO_ROOM
    rows[end - 1, HEAD], rows[end - 1, BODY] = (MID, s.background_mid2) if moved else (0, 0)
    for row in range(s.mirror_row):
        r = row_at(k, sim.MIRROR + row * sim.RECORD_WORDS)
        if min(r.who, r.price, r.lots) < 0 or r.who > MOST_SLOTS or max(r.price, r.lots) > MOST:
            return NO_ROOM
        rows[at + row, HEAD] = r.kind | (SELL if r.side < 0 else 0)
        rows[at + row, BODY] = r.who << SLOT_AT | r.price << PRICE_AT | r.lots
    rows[at, HEAD] |= wait << WAIT_AT | draws << DRAWS_AT
    rows[end - 1, HEAD] |= LAST
    return end


@late_kernel
def unpack_event(b: Packed, k: Longs, rows: Rows) -> None:
    """The background's next event: its rows go to the mirror, as the flow would have left them there."""
    s = state_at(k)
    background = b[fixed(b, lay.BACKGROUND) :]
    s.mirror_row = 0
    for _ in range((rows[s.cursor, HEAD] >> DRAWS_AT) & MOST_DRAWS):
        next_word(k, sim.FLOW_RNG)
    while True:
        head, body = rows[s.cursor, HEAD], rows[s.cursor, BODY]
        s.cursor += 1
        kind = head & MID
        if kind == MID:
            s.background_mid2 = body
        elif kind > 0:
            r = row_at(k, sim.MIRROR + s.mirror_row * sim.RECORD_WORDS)
            r.kind = kind
            r.who = body >> SLOT_AT
            r.side = -1 if head & SELL else 1
            r.price = (body >> PRICE_AT) & MOST
            r.lots = body & MOST
            s.mirror_row += 1
            if kind == TRADE_HIDDEN:
                s.hidden_lots += r.lots
            else:
                leave_left(background, r)
        if head & LAST:
            break
    s.flow_ns = s.now + (rows[s.cursor, HEAD] >> WAIT_AT) if s.cursor < s.cursor_end else FOREVER_NS


@kernel
def leave_left(background: Packed, r: Any) -> None:
    """What a row leaves of its order in the background; queue and level are nobody's concern."""
    o = order_at(background, r.who)
    if r.kind == ADD:
        o.side = r.side
        o.price = r.price
        o.qty = r.lots
        background[lay.HIGH] = max(background[lay.HIGH], r.who + 1)
    else:
        o.qty -= r.lots
