"""Random dialects: how a table may be written, and what its map then has to say."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe", "UTC")
DATES = {
    "iso": "%Y-%m-%d",
    "dmy/": "%d/%m/%Y",
    "dmy.": "%d.%m.%Y",
    "mdy/": "%m/%d/%Y",
    "ymd/": "%Y/%m/%d",
}
NARROW = "\u202f"


@dataclass(frozen=True)
class Dialect:
    """How a file is written; `told` says what its map says though the file shows it."""

    encoding: str
    separator: str
    decimal: str
    thousands: str
    money: str
    below_zero: str
    date: str
    zone: str
    apart: bool
    """Whether date and time of day stand in two columns."""
    offset: bool
    """Whether times carry their offset."""
    titles: tuple[str, ...]
    total: str
    quoting: int
    ends: str
    mapped: bool
    """Whether columns are called by other names than ours."""
    sides: tuple[str, str]
    told: bool


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    decimal = draw(st.sampled_from([".", ","]))
    other = {".": ",", ",": "."}[decimal]
    blanks = ["'", " ", "\u00a0", *([] if encoding == "cp1252" else [NARROW, "\u2019"])]
    date = draw(st.sampled_from(list(DATES)))
    apart = draw(st.booleans())
    return Dialect(
        encoding,
        draw(st.sampled_from([",", ";", "\t", "|"])),
        decimal,
        draw(st.sampled_from(["", other, *blanks])),
        draw(st.sampled_from(["{}", "{}", "${}", "\u20ac {}", "{} \u20ac", "\u00a3{}"])),
        draw(st.sampled_from(["-{}", "-{}", "{}-", "({})"])),
        date,
        draw(st.sampled_from(ZONES)),
        apart,
        not apart and date == "iso" and draw(st.booleans()),
        tuple(
            draw(
                st.sampled_from(
                    [[], ["Statement of account"], ["Depot 4711", "", "Stand heute"], [""]]
                )
            )
        ),
        draw(st.sampled_from(["", "Total", "Summe"])),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.booleans()),
        draw(
            st.sampled_from(
                [
                    ("buy", "sell"),
                    ("B", "S"),
                    ("BUY", "SELL"),
                    ("Kauf", "Verkauf"),
                    ("Achat", "Vente"),
                ]
            )
        ),
        draw(st.booleans()),
    )


@dataclass
class Written:
    """Cells of a file as they are rendered, and what they show."""

    how: Dialect
    columns: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    """Ours to theirs."""
    shows: bool = False
    """Whether a cell shows the decimal sign."""
    doubt: bool = False
    """Whether a cell has a sign that may be either."""
    dates: list[datetime] = field(default_factory=list)

    def add(self, ours: str, theirs: str, cells: Sequence[str]) -> None:
        called = theirs if self.how.mapped or (self.how.apart and ours == "time") else ours
        self.columns[called] = list(cells)
        self.names.setdefault(ours, []).append(called)

    def numbers(
        self, ours: str, theirs: str, values: Sequence[Decimal], money: bool = False
    ) -> None:
        self.add(ours, theirs, [self._number(value, money) for value in values])

    def _number(self, value: Decimal, money: bool) -> str:
        how = self.how
        whole, point, part = f"{abs(value):f}".partition(".")
        grouped = re.sub(r"(?<=\d)(?=(\d{3})+$)", "\0", whole) if how.thousands else whole
        text = grouped.replace("\0", how.thousands) + (how.decimal + part if point else "")
        signs = [sign for sign in text if sign in ".,"]
        self.doubt |= bool(signs)
        clear = point and (len(part) != 3 or len(whole) > 3 or whole == "0")
        self.shows |= bool(clear) or (how.thousands in (".", ",") and text.count(how.thousands) > 1)
        if money:
            text = how.money.format(text)
        return how.below_zero.format(text) if value < 0 else text

    def times(
        self, ours: str, theirs: str, moments: Sequence[datetime], seconds: bool = True
    ) -> None:
        """Moments, local in the dialect's zone: date and time of day, in a column or two."""
        how, clock = self.how, "%H:%M:%S" if seconds else "%H:%M"
        local = [moment.astimezone(ZoneInfo(how.zone)) for moment in moments]
        self.dates += local
        days = [f"{one:{DATES[how.date]}}" for one in local]
        clocks = [f"{one:{clock}}" for one in local]
        if how.apart:
            self.add(ours, f"{theirs} day", days)
            self.add(ours, f"{theirs} clock", clocks)
            return
        offsets = [one.isoformat()[-6:] if how.offset else "" for one in local]
        joined = [
            f"{day} {at}{offset}" for day, at, offset in zip(days, clocks, offsets, strict=True)
        ]
        self.add(ours, theirs, joined)

    def days(self, ours: str, theirs: str, moments: Sequence[datetime]) -> None:
        self.dates += moments
        self.add(ours, theirs, [f"{one:{DATES[self.how.date]}}" for one in moments])

    def words(self, ours: str, theirs: str, cells: Sequence[str]) -> None:
        self.add(ours, theirs, cells)

    # -- the file and its map -----------------------------------------------------------------------------------------

    def file(self) -> bytes:
        how, out = self.how, io.StringIO(newline="")
        writer = csv.writer(
            out, delimiter=how.separator, quoting=how.quoting, lineterminator=how.ends
        )
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        if how.total and len(self.columns) > 3:
            writer.writerow([how.total, *[""] * (len(self.columns) - 2), f"1{how.decimal}5"])
        titles = "".join(f"{title}{how.ends}" for title in how.titles)
        return (titles + out.getvalue()).encode(how.encoding)

    def settings(self) -> dict[str, str]:
        """What the file does not show, and with `told` more."""
        how = self.how
        found: dict[str, str] = {}
        by_commas = how.separator == ","
        shown = how.decimal == "." if by_commas else self.shows
        if how.told or (not shown and self.doubt):
            found["decimal"] = how.decimal
        letters = "".join(
            [*self.columns, *(cell for cells in self.columns.values() for cell in cells)]
        )
        if how.told or (how.encoding == "cp1252" and not letters.isascii()):
            found["encoding"] = how.encoding
        if how.told:
            found["separator"] = how.separator
        return found

    def order(self) -> str:
        """The order of dates, where a map has to say it."""
        order = self.how.date[:3]
        if order == "iso":
            return ""
        shown = order == "ymd" or self.how.date == "dmy." or any(one.day > 12 for one in self.dates)
        return order if self.how.told or not shown else ""

    def toml(self, zoned: bool = True) -> str:
        """The map of a table."""
        settings = self.settings() | (
            {"date_order": self.order()} if self.dates and self.order() else {}
        )
        if zoned and not self.how.offset:
            settings["timezone"] = self.how.zone
        lines = [f"{key} = {_quoted(value)}" for key, value in settings.items()]
        if self.how.sides[0] in ("Kauf", "Achat"):
            lines += [
                "[sides]",
                f"buy = {_quoted(self.how.sides[0])}",
                f"sell = {_quoted(self.how.sides[1])}",
            ]
        called = {ours: names for ours, names in self.names.items() if names != [ours]}
        if called:
            lines.append("[columns]")
            lines += [
                f"{ours} = [{', '.join(map(_quoted, names))}]" for ours, names in called.items()
            ]
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# -- what stands in tables --------------------------------------------------------------------------------------------

SYMBOLS = ("AAA", "BRK.B", "NA", "ZZ9", "TRUE", "\u00d6MV", "X")


def amounts(least: int, most: int, places: int) -> st.SearchStrategy[Decimal]:
    """Decimals of up to so many places, in units of the last."""
    whole = st.integers(least * 10**places, most * 10**places)
    return st.builds(
        lambda value, up_to: _short(Decimal(value).scaleb(-places), up_to),
        whole,
        st.integers(0, places),
    )


def _short(value: Decimal, places: int) -> Decimal:
    cut = value.quantize(Decimal(1).scaleb(-places))
    return cut if cut else value


def moments(count: int) -> st.SearchStrategy[list[datetime]]:
    """Rising moments of a year, by day in every zone's own hours 5 to 22: no clock is changed then."""
    first = datetime(2024, 1, 8, 6, tzinfo=ZoneInfo("UTC"))
    steps = st.lists(st.integers(1, 20), min_size=count, max_size=count)
    clocks = st.lists(st.integers(0, 16 * 3600 - 1), min_size=count, max_size=count)

    def made(days: list[int], seconds: list[int]) -> list[datetime]:
        found, day = [], 0
        for step, second in zip(days, seconds, strict=True):
            day += step
            found.append(first.replace(tzinfo=None) + timedelta(days=day, seconds=second))
        return found

    return st.builds(made, steps, clocks)
