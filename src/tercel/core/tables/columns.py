"""Rename a table's columns to Tercel's names: by its map, by usual names of the field, or refused with a remedy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from tercel.core.errors import ConfigError, DataError, check_known, nearest_names
from tercel.core.tables.numbers import without_money_columns
from tercel.core.tables.table import ROW, Table
from tercel.core.tables.table_map import SETTINGS, UNNAMED, Words
from tercel.core.tables.usual_names import AVERAGES, OURS, USUAL, plain_name

SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
_BARS: Final = ("date", "open", "high", "low", "close", "volume")
"""Order of columns in files of bars without a header."""
JOINED: Final = ("time", "date", "arrival", "start", "end", "known", "event")
"""Columns of which several are joined by a blank, such as a date and its time."""


def rename_columns(
    table: Table,
    required: Sequence[str],
    optional: Sequence[str] = (),
    usual: Mapping[str, Sequence[str]] = USUAL,
    *,
    explicit: Collection[str] = (),
) -> Table:
    """Rename a table's columns to Tercel's names: by its map first, then by usual names of the field; others stay.
    For columns in `explicit` a usual name is refused with a remedy instead of taken.

    Parameters
    ----------
    table : Table
    required, optional : sequence of str
        Columns that have to be there, and that may be. Others stay under their names; one that is spelt almost like a
        missing one is refused.
    usual : mapping of str to sequence of str
        What the field calls a column, as :func:`plain_name`.
    explicit : collection of str
        Columns of which a usual name is not taken for ours, but refused with the words that say what it is.

    Raises
    ------
    ConfigError
        A map that names a column that is none of ours.
    DataError
        A column is missing, misspelt, or named by the map and not there.
    """
    if f"{UNNAMED} 0" in table.frame.columns:
        values = [f"{cell}" for cell in table.frame.row(0)[1:]]
        is_dated = values[0][:1].isdigit() or "symbol" in required
        order = _BARS if "close" in required and len(values) >= len(_BARS) else required
        raise DataError(
            "names of columns in the first row",
            f"{', '.join(values)[:120]} in {table.source}",
            "name the columns in their order: "
            + table.how_to_map.column.format(
                "header", ",".join(order if is_dated else ("symbol", *order))
            ),
        )
    refusals: list[DataError] = []
    tables: list[Table] = []
    for frame in (table.frame, *table.others):
        try:
            tables.append(
                _filter_rows(
                    _rename_columns(
                        replace(table, frame=frame, others=()), required, optional, usual, explicit
                    )
                )
            )
        except DataError as error:
            refusals.append(error)
    if not tables:
        raise refusals[0]
    # below another header may be the same rows again, orders beside executions: neither added nor passed over
    if (
        len(
            rows := [str(candidate.frame[ROW][0]) for candidate in tables if candidate.frame.height]
        )
        > 1
    ):
        raise DataError(
            f"one table with {', '.join(required)}",
            f"several in {table.source}, from rows {' and '.join(rows)}",
            "write each as a file of its own",
        )
    return max(tables, key=lambda candidate: candidate.frame.height)


def _filter_rows(table: Table) -> Table:
    """The table with the rows that the map's `only` selects; a column that the file lacks filters nothing."""
    frame = table.frame
    ours = list(table.theirs)
    for column, allowed in table.map.only.items():
        if (index := _column_index(column, list(table.theirs.values()))) is not None:
            frame = frame.filter(pl.col(ours[index]).cast(pl.String).is_in(allowed))
    return replace(table, frame=frame)


def _rename_columns(
    table: Table,
    required: Sequence[str],
    optional: Sequence[str],
    usual: Mapping[str, Sequence[str]],
    explicit: Collection[str],
) -> Table:
    """The first of the table's frames renamed: map, usual names, joined times; raises for missing and doubtful columns."""
    known = (*required, *optional)
    for name in set(table.map.columns) - OURS:
        check_known(
            name, known, "a column of", f"{name!r} in {table.how_to_map.all_ways}", ConfigError
        )
    mapped = {name: their_names for name, their_names in table.map.columns.items() if name in known}
    table = _join_columns(table, mapped)
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours, their_names in mapped.items():
        places = [
            place for word in their_names if (place := _column_index(word, theirs)) is not None
        ]
        if not places and all(their_names):
            without = (
                ""
                if ours in required
                else f", or go on without: {table.how_to_map.column.format(ours, '')}"
            )
            raise DataError(
                f"the column that is called {ours}",
                f"no {' or '.join(their_names)} in {table.source}: {', '.join(theirs)}",
                f"correct {table.how_to_map.all_ways}{without}",
            )
        mapped[ours] = (theirs[places[0]],) if places else () if any(their_names) else their_names
    named = {name for their_names in mapped.values() for name in their_names}
    lowered = {name.lower() for name in theirs}
    alike: dict[str, list[str]] = {}
    days: dict[str, str] = {}
    for ours in known:
        candidates = [
            name for word in usual.get(ours, ()) for name in theirs if plain_name(name) == word
        ]
        free = [name for name in candidates if name not in named]
        free = [name for name in free if plain_name(name) not in AVERAGES] or free
        if ours in explicit and ours in JOINED and ours not in mapped:
            own = [name for name in theirs if name.lower() == ours]
            clock = next((name for name in own or free if _has_clocks_alone(table, name)), "")
            if clock and (day := _find_date_column(table, theirs, usual)):
                alike[ours] = [clock]
                days[ours] = day
                continue
        if ours in mapped or ours in lowered or not free:
            continue
        if ours not in explicit:
            mapped[ours] = (free[0],)
            named.add(free[0])
        else:
            alike[ours] = free
    header = _new_header(table, theirs, known, mapped)
    _refuse_missing(table, header, required, alike, days)
    possible = [name for name in explicit or known if name not in header and name not in mapped]
    for name in header:
        # an account is no slip for amount
        may_be_slip = name and name not in known and name.lower() != "account"
        if may_be_slip and (near := nearest_names(name, possible, min_similarity=SLIP)):
            raise DataError(
                f"the columns {', '.join(known)}",
                f"{name!r} in the first row of {table.source}",
                f"try {near[0]!r}: {table.how_to_map.column.format(near[0], name)}; or go on without: "
                f"{table.how_to_map.column.format(near[0], '')}",
            )
    frame = table.frame.rename(dict(zip(theirs, header, strict=True)))
    return replace(table, frame=frame, theirs=dict(zip(header, theirs, strict=True)))


def _join_columns(table: Table, mapped: dict[str, Words]) -> Table:
    """The table with one column for each time that its map gives as several; `mapped` is changed in place to name it."""
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours in [
        name for name, their_names in mapped.items() if name in JOINED and len(their_names) > 1
    ]:
        places = [_column_index(word, theirs) for word in mapped[ours]]
        if None in places:
            continue  # alternatives, or an absent name: refused below, with the others
        names = list(dict.fromkeys(theirs[place] for place in places if place is not None))
        name = " ".join(names)
        table = replace(
            table,
            frame=table.frame.with_columns(
                pl.concat_str(
                    [pl.col(column).cast(pl.String).fill_null("") for column in names],
                    separator=" ",
                )
                .str.strip_chars()
                .alias(name)
            ),
        )
        mapped[ours] = (name,)
    return table


def _column_index(word: str, theirs: Sequence[str]) -> int | None:
    """Index of the first column with a name, compared without case, else by letters and digits alone; None if none."""
    lowered = [name.lower() for name in theirs]
    if word.strip().lower() in lowered:
        return lowered.index(word.strip().lower())
    plain = [plain_name(name) for name in theirs]
    return plain.index(plain_name(word)) if plain_name(word) in plain and plain_name(word) else None


def _new_header(
    table: Table, theirs: Sequence[str], known: Sequence[str], mapped: Mapping[str, Words]
) -> list[str]:
    """The header with Tercel's names for mapped columns, "(left out)" behind a name so displaced; DataError if one
    comes twice."""
    header = [name.lower() if name.lower() in known else name for name in theirs]
    for ours, their_names in (
        (ours, their_names) for ours, their_names in mapped.items() if their_names
    ):
        header = [f"{name} (left out)" if name == ours else name for name in header]
        if their_names[0]:
            header[theirs.index(their_names[0])] = ours
    if duplicates := [name for name in dict.fromkeys(header) if name and header.count(name) > 1]:
        raise DataError(
            "columns of different names",
            f"{', '.join(duplicates)} twice in {table.source}",
            "rename one of them",
        )
    return header


def _has_clocks_alone(table: Table, name: str) -> bool:
    """Whether the cells of a column are times of day without a date, such as 10:31:02."""
    filled = table.frame[name].cast(pl.String).drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    return filled.len() > 0 and bool(filled.str.contains(r"^\d\d?:\d\d").all())


def _find_date_column(
    table: Table, theirs: Sequence[str], usual: Mapping[str, Sequence[str]]
) -> str:
    """The first column that the field calls a date, and whose cells are no times of day; "" if there is none."""
    return next(
        (
            name
            for word in usual.get("date", ())
            for name in theirs
            if word and plain_name(name) == word and not _has_clocks_alone(table, name)
        ),
        "",
    )


def _refuse_missing(
    table: Table,
    header: Sequence[str],
    required: Sequence[str],
    alike: Mapping[str, Sequence[str]],
    days: Mapping[str, str],
) -> None:
    """Raise a DataError for a table without required columns, or with unmapped columns that resemble ours; `days` has
    the column of dates where one of ours is a time of day."""
    column = table.how_to_map.column.format
    missing = [name for name in required if name not in header]
    alike = {
        ours: kept
        for ours, names in alike.items()
        if (kept := without_money_columns(table, ours, names))
    }
    options = " ".join(
        column(ours, name)
        for ours, names in alike.items()
        for name in ([days[ours], names[0]] if ours in days else names[:1])
    )
    hints = list[str]()
    if days and not table.map.timezone:
        options += f" {column('timezone', 'America/New_York')}"
        hints.append("timezone says whose clock it is")
    if unknown := [name for name in missing if alike and name not in alike]:
        options += f" {' '.join(column(name, 'THEIRS') for name in unknown)}"
        hints.append("THEIRS is the name in the file")
    hints += [
        f"{ours} may be {' or '.join(names[1:])} too"
        for ours, names in alike.items()
        if len(names) > 1
    ]
    named = (
        ", ".join(f'{name} = "..."' for name in missing),
        " ".join(column(name, "THEIRS") for name in missing),
    )
    remedy = (
        "; ".join([f"say what they are: {options}", *hints])
        if alike
        else table.how_to_map.otherwise.format(*named)
    )
    if missing:
        theirs = [name for name in table.frame.columns if name != ROW]
        received = f"{', '.join(theirs) or 'an empty file'} in {table.source}"
        raise DataError(f"the columns {', '.join(required)}", received, remedy)
    if alike:
        received = ", ".join(
            f"{' and '.join(names)}, perhaps {ours}" for ours, names in alike.items()
        )
        spare = " ".join(column(ours, "") for ours in alike if ours not in required)
        omission = f"; or go on without: {spare}" if spare else ""
        raise DataError(
            f"every column under a name that is known: {', '.join(alike)}",
            f"{received}, in the first row of {table.source}",
            remedy + omission,
        )


def unread_columns(table: Table, known: Sequence[str]) -> list[str]:
    """Names of the columns that nothing is read from."""
    joined = {
        word.lower()
        for ours, their_names in table.map.columns.items()
        if table.theirs.get(ours, "").lower() == " ".join(their_names).lower()
        for word in their_names
    }
    return [
        name
        for name in table.frame.columns
        if name and not name.endswith(" (left out)") and name.lower() not in joined
        if name not in (ROW, *known, *table.map.only, *SETTINGS)
    ]
