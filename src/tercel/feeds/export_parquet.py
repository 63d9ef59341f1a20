"""Days of tape as Parquet: the tape's columns, prices and sizes beside them, the instrument in the file's metadata.

Columns `exch_ns` to `flags` are those of `market.tape.schema`; `price` (none for STATUS) and `size` are doubles in the
instrument's currency and in shares, contracts or coins. Only the former are read again.
"""

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Final

import polars as pl

from tercel.core.errors import FeedError, refuse_if
from tercel.feeds.export_plan import decimals
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

KEY: Final = "tercel_instrument"
"""The key of the instrument's JSON in the file's metadata."""


def write(instrument: Instrument, events: Events, path: Path) -> None:
    """Write a day as `path`."""
    price = decimals(
        events.price_ticks + float(instrument.price_origin), Fraction(str(instrument.tick))
    )
    content = BytesIO()  # Polars' own error of a full disk is no OSError
    events.to_frame().with_columns(
        price=pl.when(pl.col("kind") != schema.STATUS).then(pl.Series(price)),
        size=pl.Series(decimals(events.qty_lots, instrument.lot_units)),
    ).write_parquet(content, metadata={KEY: instrument.to_json()})
    path.write_bytes(content.getbuffer())


def read(path: Path) -> tuple[Instrument, Events]:
    """The day that :func:`write` wrote; FeedError for another Parquet file.

    Raises
    ------
    FeedError
        The file was not exported by Tercel.
    """
    metadata = pl.read_parquet_metadata(path)
    refuse_if(
        KEY not in metadata,
        f"a Parquet file with {KEY} in its metadata, as `tercel data export` writes it",
        f"{path}, which has none",
        "import it with a map: tercel data import csv",
        FeedError,
    )
    events = Events.from_frame(pl.read_parquet(path, hive_partitioning=False))
    return Instrument.from_json(metadata[KEY], str(path)), events
