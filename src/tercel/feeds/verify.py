"""Verification of a tape by itself: the shared book replays it, and what makes no sense in it is counted."""

from typing import Final

import numpy as np
import polars as pl

from tercel.core.jit import Longs, Packed
from tercel.feeds import survey
from tercel.feeds.survey import Findings
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape import schema
from tercel.market.tape.crossed import crossings
from tercel.market.tape.events import Events

LONG: Final = 20
"""Crossed states that a level lasts on average, where its removal was lost."""
SIDES: Final = (pl.lit(1, pl.Int8), pl.lit(-1, pl.Int8))
ON_LEVEL: Final = (*range(schema.EXECUTE + 1), schema.MODIFY, schema.LEVEL_SET, schema.ROLL_IN)


def verify_alone(events: Events) -> Findings:
    """Replay a tape of any kind and count its oddities; findings by name, without a verdict.

    Returns
    -------
    dict
        ``rows`` (source messages), ``events`` (rows of the tape), ``tape`` (its kind), ``unknown_ids``,
        ``unknown_lots``, ``duplicate_ids``; the messages that left the book ``crossed`` while it traded,
        ``crossed_not_trading``, ``locked`` or ``one_sided``, and of crossed ones the ``likely_cause``; prints, how many
        of them fell outside the quotes, behind the best level or while trading stood still; auction prints and their
        lots; repeated and unknown levels; clocks that go back and jumps in sequence; and the lots that came, went and
        still rest, whose sum must be 0 (``lots_unaccounted``: a row that named another price than its order's).

    Raises
    ------
    CapacityError
        When more than 4 million orders rest at once.
    """
    report = np.zeros(len(survey.COUNTS), np.int64)

    def replay(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Survey the tape on the arrays of an empty book."""
        report[:] = 0
        survey.survey(b, ids, key_of, *events.columns()[3:], report)

    book = run_with_room(replay)
    counts = survey.findings(events, report, int(book.orders()[:, 3].sum()))
    if counts["crossed"]:
        counts["likely_cause"] = crossed_by(events)
    return {
        "rows": counts.pop("messages"),
        "events": events.n,
        "tape": survey.describe_tape(events),
        "unknown_ids": book.unknown_ids,
        "unknown_lots": book.unknown_lots,
        "duplicate_ids": book.duplicate_ids,
        **counts,
        **survey.clock_oddities(events),
    }


def crossed_by(events: Events) -> str:
    """Text of the likely cause of a tape's crossed states: one moment in several messages, several exchanges, or lost updates.

    Of two levels that cross each other the one that changed earlier is stale. A level whose
    removal was lost does so in one crossed state after the other until the price is back at it.
    """
    quotes, _, crossed = crossings(events)
    columns = {
        "row": np.arange(events.n),
        "side": events.side,
        "price": events.price_ticks,
        "kind": events.kind,
    }
    rows = pl.DataFrame(columns).with_columns(changed="row").filter(pl.col("kind").is_in(ON_LEVEL))
    touch = [pl.DataFrame({"row": crossed, "price": prices}) for prices in quotes[crossed].T]
    touches = pl.concat(
        [frame.with_columns(side=side) for frame, side in zip(touch, SIDES, strict=True)]
    ).sort("row")
    last = touches.join_asof(rows, on="row", by=["side", "price"], check_sortedness=False)
    stale = last.group_by("row").agg(pl.col("changed").min())["changed"].n_unique()
    if len(crossed) == 0:
        return "one moment in several messages: none is crossed at its end"
    if len(crossed) < LONG * stale:
        return f"quotes of several exchanges: {stale:,} levels are crossed for a few states each"
    cause = f"updates lost in the feed: {len(crossed):,} states cross {stale:,} levels that do not change"
    return f"{cause}; from tick files, import them again with `uncross = true` under [clean] in the map"
