"""The feed whose files some paths look like, by names and columns: for errors of another feed."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tercel.core.errors import FeedError

HEAD: Final = 1 << 16
"""Bytes of each end of a file that are looked at: a Parquet file names its columns at its end."""
_SIGNS: Final = {
    "lobster": r"_(message|orderbook)_\d+\.csv",
    "itch": r"event_index,.*message_type|NASDAQ_ITCH50",
    "dbn": r"\.dbn\b|ts_event,.*instrument_id",
    "shanghai": r"BizIndex|TickType|TradeBSFlag",
    "shenzhen": r"ApplSeqNum",
    "tardis": r"exchange,symbol,timestamp,local_timestamp",
    "shfe": r"volume_chg",
    "binance-spot": r"-aggTrades-.*\n([^,\n]*,){7}|-trades-.*\n([^,\n]*,){6}",
    "binance-futures": r"-bookTicker-|-aggTrades-.*\n([^,\n]*,){6}|-trades-.*\n([^,\n]*,){5}",
    "bitstamp": r"\"(live_orders|order_created|microtimestamp)",
    "binance": r"\"(depthUpdate|aggTrade|lastUpdateId)\"|@depth",
}
"""What the name and the ends of a file of each feed hold."""


def likely_feed(paths: Sequence[Path]) -> str:
    """Name of the feed that the first files of some paths look like; "" if none, or if they cannot be read."""
    from tercel.feeds.members import members

    text = ""
    try:
        with members(paths) as files:
            for member in files[:3]:
                chunk = next(member.chunks(), b"")
                text += (
                    f"{member.name}\n{(chunk[:HEAD] + chunk[-HEAD:]).decode(errors='replace')}\n"
                )
    except FeedError:
        return ""
    return next((name for name, sign in _SIGNS.items() if re.search(sign, text)), "")
