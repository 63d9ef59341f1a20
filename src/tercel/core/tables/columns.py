"""Columns of a table under our names: by its map, by the field's usual names, or refused with the words to say so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from tercel.core.errors import ConfigError, DataError, check_known, nearest
from tercel.core.tables.numbers import not_money
from tercel.core.tables.table import OURS, ROW, USUAL, Table, plain_name
from tercel.core.tables.table_map import SETTINGS, Words

SLIP: Final = 0.75
"""Similarity from which a column is a slip of the pen for one that is missing."""
JOINED: Final = ("time", "date", "arrival", "start", "end", "known", "event")
"""Columns of which several are joined by a blank, such as a date and its time."""


def renamed(
    table: Table,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    usual: Mapping[str, Sequence[str]] = USUAL,
    *,
    taken: bool = True,
) -> Table:
    """The table under our names of columns: those of its map first, then the field's usual ones; others as they are.

    Parameters
    ----------
    table : Table
    needed, optional : sequence of str
        Columns that have to be there, and that may be. Others stay under their names; one that is spelt almost like a
        missing one is refused.
    usual : mapping of str to sequence of str
        What the field calls a column, as :func:`plain_name`.
    taken : bool
        Whether a usual name is taken for ours; else it is refused with the words that say what it is.

    Raises
    ------
    ConfigError
        A map that names a column that is none of ours.
    DataError
        A column is missing, misspelt, or named by the map and not there.
    """
    refusals: list[DataError] = []
    found: list[Table] = []
    for frame in (table.frame, *table.others):
        try:
            found.append(
                _only(
                    _renamed(replace(table, frame=frame, others=()), needed, optional, usual, taken)
                )
            )
        except DataError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    # below another header may be the same rows again, orders beside executions: neither added nor passed over
    if len(rows := [str(one.frame[ROW][0]) for one in found if one.frame.height]) > 1:
        raise DataError(
            f"one table with {', '.join(needed)}",
            f"several in {table.where}, from rows {' and '.join(rows)}",
            "write each as a file of its own",
        )
    return max(found, key=lambda one: one.frame.height)


def _only(table: Table) -> Table:
    """The rows that the map says are read."""
    frame, ours = table.frame, list(table.theirs)
    for column, words in table.map.only.items():
        if (place := _place(column, list(table.theirs.values()))) is not None:
            frame = frame.filter(pl.col(ours[place]).cast(pl.String).is_in(words))
    return replace(table, frame=frame)


def _renamed(
    table: Table,
    needed: Sequence[str],
    optional: Sequence[str],
    usual: Mapping[str, Sequence[str]],
    taken: bool,
) -> Table:
    known = (*needed, *optional)
    for name in set(table.map.columns) - OURS:
        check_known(name, known, "a column of", f"{name!r} in {table.how.whole}", ConfigError)
    called = {name: words for name, words in table.map.columns.items() if name in known}
    table = _joined(table, called)
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours, words in called.items():
        places = [place for word in words if (place := _place(word, theirs)) is not None]
        if not places and all(words):
            without = (
                "" if ours in needed else f", or go on without: {table.how.column.format(ours, '')}"
            )
            raise DataError(
                f"the column that is called {ours}",
                f"no {' or '.join(words)} in {table.where}: {', '.join(theirs)}",
                f"correct {table.how.whole}{without}",
            )
        called[ours] = (theirs[places[0]],) if places else () if any(words) else words
    named = {name for words in called.values() for name in words}
    low = {name.lower() for name in theirs}
    alike: dict[str, list[str]] = {}
    for ours in known:
        there = [
            name for word in usual.get(ours, ()) for name in theirs if plain_name(name) == word
        ]
        free = [name for name in there if name not in named]
        if ours in called or ours in low or not free:
            continue
        if taken:
            called[ours] = (free[0],)
            named.add(free[0])
        else:
            alike[ours] = free
    header = _header(table, theirs, known, called)
    _refuse_missing(table, header, needed, alike)
    possible = [name for name in known if name not in header and name not in called]
    for name in header:
        if name and name not in known and nearest(name, possible, like=SLIP):
            check_known(
                name, known, "the columns", f"{name!r} in the first row of {table.where}", DataError
            )
    frame = table.frame.rename(dict(zip(theirs, header, strict=True)))
    return replace(table, frame=frame, theirs=dict(zip(header, theirs, strict=True)))


def _joined(table: Table, called: dict[str, Words]) -> Table:
    """The table with one column for each time that its map has in several."""
    theirs = [name for name in table.frame.columns if name != ROW]
    for ours in [name for name, words in called.items() if name in JOINED and len(words) > 1]:
        places = [_place(word, theirs) for word in called[ours]]
        if None in places:
            continue  # alternatives, or a name that is not there: told with the others
        names = list(dict.fromkeys(theirs[place] for place in places if place is not None))
        name = " ".join(names)
        table = replace(
            table,
            frame=table.frame.with_columns(
                pl.concat_str(
                    [pl.col(one).cast(pl.String).fill_null("") for one in names], separator=" "
                )
                .str.strip_chars()
                .alias(name)
            ),
        )
        called[ours] = (name,)
    return table


def _place(word: str, theirs: Sequence[str]) -> int | None:
    """Which column a word names: by its letters, else by its letters and digits alone."""
    low = [name.lower() for name in theirs]
    if word.strip().lower() in low:
        return low.index(word.strip().lower())
    plain = [plain_name(name) for name in theirs]
    return plain.index(plain_name(word)) if plain_name(word) in plain and plain_name(word) else None


def _header(
    table: Table, theirs: Sequence[str], known: Sequence[str], called: Mapping[str, Words]
) -> list[str]:
    header = [name.lower() if name.lower() in known else name for name in theirs]
    for ours, words in ((ours, words) for ours, words in called.items() if words):
        header = [f"{name} (left out)" if name == ours else name for name in header]
        if words[0]:
            header[theirs.index(words[0])] = ours
    if twice := [name for name in dict.fromkeys(header) if name and header.count(name) > 1]:
        raise DataError(
            "columns of different names",
            f"{', '.join(twice)} twice in {table.where}",
            "rename one of them",
        )
    return header


def _refuse_missing(
    table: Table, header: Sequence[str], needed: Sequence[str], alike: Mapping[str, Sequence[str]]
) -> None:
    """Columns that are needed, and those that seem to be there under a name of the field's."""
    column = table.how.column.format
    lacking = [name for name in needed if name not in header]
    alike = {
        ours: found for ours, names in alike.items() if (found := not_money(table, ours, names))
    }
    options = " ".join(column(ours, names[0]) for ours, names in alike.items())
    more = [
        f"{ours} may be {' or '.join(names[1:])} too"
        for ours, names in alike.items()
        if len(names) > 1
    ]
    named = (
        ", ".join(f'{name} = "..."' for name in lacking),
        " ".join(column(name, "THEIRS") for name in lacking),
    )
    said = (
        "; ".join([f"say what they are: {options}", *more])
        if alike
        else table.how.otherwise.format(*named)
    )
    if lacking:
        theirs = [name for name in table.frame.columns if name != ROW]
        received = f"{', '.join(theirs) or 'an empty file'} in {table.where}"
        raise DataError(f"the columns {', '.join(needed)}", received, said)
    if alike:
        received = ", ".join(
            f"{' and '.join(names)}, perhaps {ours}" for ours, names in alike.items()
        )
        without = f"; or go on without: {' '.join(column(ours, '') for ours in alike)}"
        raise DataError(
            f"every column under a name that is known: {', '.join(alike)}",
            f"{received}, in the first row of {table.where}",
            said + without,
        )


def unread(table: Table, known: Sequence[str]) -> list[str]:
    """Columns of a table that nothing is read from."""
    joined = {
        word.lower()
        for ours, words in table.map.columns.items()
        if table.theirs.get(ours, "").lower() == " ".join(words).lower()
        for word in words
    }
    return [
        name
        for name in table.frame.columns
        if name and not name.endswith(" (left out)") and name.lower() not in joined
        if name not in (ROW, *known, *table.map.only, *SETTINGS)
    ]
