"""The queue of one price level of a tape of level totals: find, take, join and append its anonymous orders."""

from tercel.core.jit import Packed, kernel, load_fixed
from tercel.market.book import layout as lay
from tercel.market.book.book_records import in_window, level_at, order_at
from tercel.market.book.feed_window import free_piece
from tercel.market.book.ladder import first_at, insert, reduce
from tercel.market.book.price_window import unlink


@kernel
def next_at(book: Packed, slot: int) -> int:
    """Next order at the same price in storage order (level queue or far list), -1 none."""
    price = order_at(book, slot).price
    slot = order_at(book, slot).next
    while slot >= 0 and order_at(book, slot).price != price:
        slot = order_at(book, slot).next
    return slot


@kernel
def block_between(
    book: Packed, side: int, price: int, after: int, before: int, printed: bool
) -> int:
    """Slot of a price's earliest anonymous order with `after` < arrival number < `before`, printed or not as `printed` says, -1
    none."""
    first_slot, arrival = -1, before
    slot = first_at(book, side, price)
    while slot >= 0:
        order = order_at(book, slot)
        if order.marks & lay.ANONYMOUS and ((order.marks & lay.PRINTED) != 0) == printed:
            if after < order.arrival < arrival:
                first_slot = slot
                arrival = order.arrival
        slot = next_at(book, slot)
    return first_slot


@kernel
def take_between(
    book: Packed, side: int, price: int, after: int, before: int, lots: int, printed: bool
) -> int:
    """Take lots from a price's anonymous orders with `after` < arrival number < `before`, earliest first; returns the
    lots taken. Only from those marked as printed if `printed`, else only from the others.
    """
    done = 0
    while done < lots:
        slot = block_between(book, side, price, after, before, printed)
        if slot < 0:
            break
        done += reduce(book, slot, lots - done)
    return done


@kernel
def last_at(book: Packed, side: int, price: int) -> int:
    """Order of a price that came last, own orders included, -1 none."""
    last_slot, arrival = -1, -1
    slot = first_at(book, side, price)
    while slot >= 0:
        if order_at(book, slot).arrival > arrival:
            last_slot = slot
            arrival = order_at(book, slot).arrival
        slot = next_at(book, slot)
    return last_slot


@kernel
def join_pieces(book: Packed) -> None:
    """Merge pieces with no own order ahead into the block in front."""
    first = load_fixed(book, lay.ORDERS) + load_fixed(book, lay.OWN)
    for piece in range(first, first + load_fixed(book, lay.OWN)):
        order = order_at(book, piece)
        before = order.prev
        if order.qty == 0 or order.marks & (lay.FAR | lay.PRINTED) or before < 0:
            continue
        if order_at(book, before).marks & (lay.ANONYMOUS | lay.PRINTED) != lay.ANONYMOUS:
            continue
        order_at(book, before).qty += order.qty
        order.qty = 0
        unlink(book, level_at(book, order.side, order.price), piece)


@kernel
def free_slot(book: Packed, slot: int) -> int:
    """Slot for lots of a level: its own slot if that is empty, else a free piece, else -1."""
    if slot >= 0 and order_at(book, slot).qty == 0:
        return slot
    piece = free_piece(book)
    if piece < 0:
        join_pieces(book)
        piece = free_piece(book)
    if piece < 0:
        book[lay.OVERFLOW] += 1
    return piece


@kernel
def append_lots(book: Packed, slot: int, side: int, price: int, lots: int, flags: int) -> None:
    """Add anonymous lots at the end of a queue, to the last block if it has the same `flags` (0 or PRINTED), else a new one."""
    last = last_at(book, side, price)
    if last >= 0:
        order = order_at(book, last)
        if order.marks & lay.ANONYMOUS and (order.marks & lay.PRINTED) == flags:
            order.qty += lots
            if in_window(book, side, price):
                level_at(book, side, price).lots += lots
            return
    place = free_slot(book, slot if flags == 0 else -1)
    if place >= 0:  # else the lots are missing, as if they were taken: counted
        insert(book, place, side, price, lots)
        order_at(book, place).marks |= lay.ANONYMOUS | flags
