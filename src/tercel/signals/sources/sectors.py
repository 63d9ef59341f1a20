"""Sectors of names, as of a date: of a table with name, sector and, where a sector changes, the date from which it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import polars as pl

from tercel.core.report.formatting import format_count
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.table import RENAMED, read_table
from tercel.core.tables.table_map import ColumnNames, TableMap
from tercel.core.tables.times import parse_days
from tercel.core.tables.usual_names import USUAL
from tercel.core.vocabulary import FIRST_DAY

UNKNOWN: Final = "unknown"
"""Sector of a name on a date for which none is given."""
_USUAL: Final = USUAL | {
    "symbol": (*USUAL["symbol"], "asset", "index", ""),
    "sector": ("sector", "gicssector", "sectorname", "industry", "group", "0"),
    "date": ("date", "from", "since", "validfrom", "effective", "effectivedate", "asof", "start"),
}


@dataclass(frozen=True, eq=False)
class Sectors:
    """Sectors of names: `name`, `date` (from which it holds), `sector`, by date."""

    frame: pl.DataFrame

    def of(self, names: pl.Series, dates: pl.Series) -> pl.Series:
        """Sector of each name on its date, String (n,); `UNKNOWN` before its first date, and of a name without one.

        Parameters
        ----------
        names : Series of String (n,)
        dates : Series of Date (n,)

        >>> sectors = read_sectors({"AAPL": "technology"})
        >>> sectors.of(pl.Series(["AAPL", "XOM"]), pl.Series(["2024-01-31"] * 2).str.to_date()).to_list()
        ['technology', 'unknown']
        """
        asked = pl.DataFrame({"name": names, "date": dates}).with_row_index("place").sort("date")
        found = asked.join_asof(self.frame, on="date", by="name", check_sortedness=False)
        return found.sort("place")["sector"].fill_null(UNKNOWN)

    def notes(self, names: pl.Series, dates: pl.Series) -> list[str]:
        """Sentence on rows whose sector is not known; none if all are."""
        unknown = names.filter(self.of(names, dates) == UNKNOWN)
        counted = (
            f"{format_count(unknown.n_unique(), 'name')} in {format_count(len(unknown), 'row')}"
        )
        return [f"no sector is given for {counted} (first: {unknown[0]})"] if len(unknown) else []


def read_sectors(
    source: object,
    columns: TableMap | ColumnNames = MappingProxyType({}),
) -> Sectors:
    """Read the sectors of names from a table or a mapping.

    Parameters
    ----------
    source : path, data frame of Polars or pandas, mapping of name to sector, or Sectors
        A symbol and a sector, and perhaps a date: from then on the sector holds. Without dates it holds for all time.
    columns : mapping
        Ours (`symbol`, `sector`, `date`) to theirs, where they are not called as usual.

    Raises
    ------
    TableAbsentError
        When there is no such file.
    DataError
        An empty name, sector or date; a name twice without dates, or twice on one date; with the row.

    >>> changed = {"symbol": ["META", "META"], "date": ["2012-05-18", "2018-09-24"], "sector": ["tech", "media"]}
    >>> read_sectors(pl.DataFrame(changed)).of(
    ...     pl.Series(["META"] * 3), pl.Series(["2010-01-04", "2018-09-21", "2018-09-24"]).str.to_date()
    ... ).to_list()
    ['unknown', 'tech', 'media']
    """
    if isinstance(source, Sectors):
        return source
    if isinstance(source, Mapping):
        source = pl.DataFrame({"symbol": list(source), "sector": list(source.values())})
    table = rename_columns(
        read_table(source, columns, RENAMED), ("symbol", "sector"), ("date",), usual=_USUAL
    )
    dated = "date" in table.frame.columns
    dates = parse_days(table, "date") if dated else pl.lit(FIRST_DAY)
    frame = pl.select(name=table.words("symbol"), date=dates, sector=table.words("sector"))
    expected = "one sector of a name and date" if dated else "one row of a name without dates"
    repeated = frame.select(~pl.struct("name", "date").is_first_distinct()).to_series()
    remedy = "take one of them out, or add the date from which each holds"
    table.refuse(repeated, "symbol", expected, remedy)
    return Sectors(frame.sort("date"))
