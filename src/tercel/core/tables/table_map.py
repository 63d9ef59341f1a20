"""A user's map of a table (`columns` applies it): format of its text, names of its columns, time zone of its times."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from tercel.core.errors import ConfigError, check_known
from tercel.core.toml import read_toml
from tercel.core.validation import TomlTable, validate_model

MAPS: Final = "tercel.core.tables.maps"
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,)),
]
"""One word or several; codes may be written as numbers."""
UNNAMED: Final = "unnamed"
"""Name of a column of a file without a header, before its number."""
ColumnNames = Mapping[str, str | Sequence[str]]
"""Our names of columns to theirs, and settings of :class:`TableMap` beside them; "" leaves a column out."""


FRACTION: Final = "%3f, %6f or %9f for that many digits of a fraction, or %.f with its point: %f alone counts nanoseconds"


class MapTable(TomlTable):
    """Base of the tables of a map: frozen, unknown keys refused."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class TextFormat(MapTable):
    """Format of a table's text; settings left empty are detected, and refused if the text is ambiguous.

    Parameters
    ----------
    encoding : str
        As Python names it, such as "cp1252"; empty: UTF-8, UTF-16 by its mark, else Windows-1252, which is said.
    separator : str
        Between cells.
    decimal : str
        "." or ",".
    thousands : str
        "." or ","; an apostrophe or a blank before groups of three digits is always one.
    skip : int
        Lines before the header; -1: as the text shows.
    """

    encoding: str = ""
    separator: str = Field(default="", max_length=1)
    decimal: Literal["", ".", ","] = ""
    thousands: Literal["", ".", ",", "'", " "] = ""
    skip: int = Field(default=-1, ge=-1)

    @model_validator(mode="after")
    def _text_holds_together(self) -> Self:
        """Refuse an unknown encoding, or one sign for decimals and thousands."""
        if self.encoding:
            try:
                "".encode(self.encoding)
            except LookupError as error:
                raise ValueError(
                    "an encoding that Python knows, such as utf-8, utf-16 or cp1252"
                ) from error
        if self.decimal and self.decimal == self.thousands:
            raise ValueError("two different signs, for decimals and for thousands")
        return self

    @property
    def point(self) -> str:
        """The decimal sign as set, or as the thousands sign implies; "" if neither is set."""
        opposite = {".": ",", ",": "."}
        return self.decimal or opposite.get(self.thousands, "")


class SideWords(MapTable):
    """Words for buys and sells, beside the usual ones."""

    buy: Words = ()
    sell: Words = ()


class TableMap(TextFormat):
    """A user's map of a table: text format, column names, time zone, sides.

    Parameters
    ----------
    about : str
        What it is a map of.
    timezone : str
        IANA zone of times that do not say theirs, and of the days of times that do.
    time_format : str
        Of times, as in strftime, with "%.f" for a fraction with its point, "%3f" for three digits of one; empty:
        ISO and the other usual ways.
    excel : int
        Times are numbers of days as Excel counts them since 1900, or since 1904; 0: they are not.
    date_order : str
        Of dates of three numbers: "dmy", "mdy", "ymd".
    header : sequence of str
        Names of the first columns of a file without a header, or as one text with commas.
    repeated_hour : str
        Pass of an hour that the clock repeats, where the order of rows does not show it: "first", "second".
    unit : str
        What a quantity counts: "shares" (or coins), "lots".
    weight_unit : str
        What a weight counts: "fraction" of a book's value, "percent"; empty: fractions, refused where they add up to more
        than five books, long and short together.
    price_scale : float
        What prices are multiplied with, such as 0.01 for pence.
    currency : str
        Of prices, and of fees that do not say theirs.
    fees : str
        How a fee that was paid is written: "positive", "negative"; empty: positive, but refused where most are below 0.
    signed : bool
        Whether the quantity of a sell is written below 0.
    units_in_cells : bool
        Whether numbers carry their unit, such as 0.5BTC or 1.20 USD.
    only : mapping of str to sequence of str
        Rows that are read, by their cell in a column; a file without that column is read whole.
    sides : SideWords
    columns : mapping of str to sequence of str
        Ours to theirs. Several of a time are joined by a blank; of others the first that a file has counts.

    >>> table_map(columns={"time": ["Datum", "Zeit"], "decimal": ","}).decimal
    ','
    """

    about: str = ""
    timezone: str = ""
    time_format: str = ""
    excel: Literal[0, 1900, 1904] = 0
    header: Words = ()
    date_order: Literal["", "dmy", "mdy", "ymd"] = ""
    repeated_hour: Literal["", "first", "second"] = ""
    unit: Literal["shares", "lots"] = "shares"
    weight_unit: Literal["", "fraction", "percent"] = ""
    price_scale: float = Field(default=1.0, gt=0)
    currency: str = ""
    fees: Literal["", "positive", "negative"] = ""
    signed: bool = False
    units_in_cells: bool = False
    only: dict[str, Words] = Field(default_factory=dict)
    sides: SideWords = SideWords()
    columns: dict[str, Words] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse an unknown time zone, or a time format with %f."""
        try:
            ZoneInfo(self.timezone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("an IANA time zone, such as America/New_York") from error
        if "%f" in self.time_format:
            raise ValueError(FRACTION)
        return self


AS_NAMED: Final = TableMap()
"""Columns under their names here, and times with their zones."""
SETTINGS: Final = tuple(
    name for name in TableMap.model_fields if name not in ("about", "only", "sides", "columns")
)
"""Settings of a map besides columns."""


def shipped_maps() -> list[str]:
    """Names of the maps that the package ships."""
    return sorted(
        f.name.removesuffix(".toml")
        for f in resources.files(MAPS).iterdir()
        if f.name.endswith(".toml")
    )


def table_map(
    map: "TableMap | str | Path | None" = None,
    columns: ColumnNames | Sequence[str] = (),
    *,
    known: Sequence[str] = (),
    option_name: str = "`column=`",
) -> TableMap:
    """A table map from a file or shipped name, overridden by typed settings.

    Parameters
    ----------
    map : TableMap, str, Path or None
        A map, a shipped_maps one's name (:func:`shipped_maps`), or its file in TOML.
    columns : mapping, or sequence of str
        Ours to theirs, or ``"parent=ClOrdID"``, of which one of ours may come several times. Settings of
        :class:`TableMap`, the words `buy` and `sell`, and `map` may be among them: ``"decimal=,"``.
    known : sequence of str
        Allowed column names of Tercel; empty: any.
    option_name : str
        Name of `columns` in errors.

    Raises
    ------
    ConfigError
        Unknown columns, settings or zones, text without "=".

    >>> table_map(columns=["quantity=LastQty", "quantity=OrderQty", "decimal=,"]).columns
    {'quantity': ('LastQty', 'OrderQty')}
    """
    pairs = _pairs(columns)
    map = next((their_names[0] for ours, their_names in pairs if ours == "map"), map)
    base = map if isinstance(map, TableMap) else _map_of(map) if map else AS_NAMED
    settings: dict[str, Any] = {}
    mapped: dict[str, tuple[str, ...]] = {}
    sides: dict[str, tuple[str, ...]] = {}
    for ours, their_names in pairs:
        if ours in SETTINGS:
            settings[ours] = ",".join(their_names)
        elif ours == "map":
            continue
        elif ours in SideWords.model_fields:
            sides[ours] = (*sides.get(ours, ()), *their_names)
        else:
            if known:
                check_known(
                    ours,
                    (*known, *SETTINGS),
                    "a column of",
                    f"{ours!r} in {option_name}",
                    ConfigError,
                )
            if not their_names:
                raise ConfigError(
                    f"what {ours} is called",
                    f"nothing in {option_name}",
                    'name it, or say "" for none',
                )
            mapped[ours] = (*mapped.get(ours, ()), *their_names)
    if not (settings or mapped or sides):
        return base
    for name in settings.keys() & {"skip", "signed", "units_in_cells", "price_scale", "excel"}:
        settings[name] = _plain(str(settings[name]))
    raw = base.model_dump() | settings
    raw |= {"columns": base.columns | mapped, "sides": base.sides.model_dump() | sides}
    return validate_model(TableMap, raw, option_name, "a map of columns")


def _pairs(columns: ColumnNames | Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """(our name, their names) of each column, from a mapping or texts OURS=THEIRS."""
    if isinstance(columns, Mapping):
        lists = {
            name: their_names if isinstance(their_names, list | tuple) else (their_names,)
            for name, their_names in columns.items()
        }
        return [(name, tuple(map(str, their_names))) for name, their_names in lists.items()]
    pairs = list[tuple[str, tuple[str, ...]]]()
    for text in columns:
        ours, equals, theirs = text.partition("=")
        if not equals:
            raise ConfigError(
                "a column as OURS=THEIRS", f"`column={text}`", "such as `column=parent=ClOrdID`"
            )
        pairs.append((ours.strip(), (theirs.strip(),)))
    return pairs


def _plain(text: str) -> Any:
    """A command-line text as number or truth value where it is one, else as it is."""
    truths = {"true": True, "false": False}
    is_whole_number = text.lstrip("-").isdigit()
    return truths.get(
        text.lower(),
        int(text)
        if is_whole_number
        else float(text)
        if text.replace(".", "", 1).isdigit()
        else text,
    )


def _map_of(map: str | Path) -> TableMap:
    """Read a map by the name of a shipped map or from a file."""
    is_shipped = str(map) in shipped_maps()
    path = Path(str(resources.files(MAPS))) / f"{map}.toml" if is_shipped else Path(map)
    remedy = f"name a file of TOML with [columns], or a shipped map: {', '.join(shipped_maps())}"
    return validate_model(
        TableMap, read_toml(path, remedy, "a map of columns"), str(map), "a map of columns"
    )
