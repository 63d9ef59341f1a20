"""Reports of executions as brokers write them: repeated, busted and corrected ones, through `tercel tca`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st
from tests.reports.remedies import done, options, refused
from tests.reports.tape import Fill, at, holds

from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import fills_map, read_fill_file
from tercel.core.errors import DataError

WORDS = ("--against", "none")
DROP_COPY = "TransactTime,ExecID,ExecRefID,ExecType,ClOrdID,Symbol,Side,LastQty,LastPx\n"
FIX = (
    "time=TransactTime",
    "symbol=Symbol",
    "side=Side",
    "quantity=LastQty",
    "price=LastPx",
    "parent=ClOrdID",
)
COLUMNS = [word for one in FIX for word in ("--column", one)]


def written(folder: Path, text: str, name: str = "fills.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def read(folder: Path, text: str, *columns: str) -> list[FileFill]:
    return read_fill_file(written(folder, text), fills_map(columns=columns)).fills


# -- a twin ---------------------------------------------------------------------------------------


@dataclass
class Trade:
    """One execution as a venue keeps it: what it is now, None once it is busted, and the ids that its reports have."""

    stands: tuple[int, int, int] | None
    ids: list[str] = field(default_factory=list)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, int, int]]]:
    """Rows of a venue's reports, in any order and some of them repeated, and the executions that stand in the end.

    A correction comes later than those before it; it or a bust names any report of its execution, or the last.
    """
    second, number = count(1), count(1)
    trades: list[Trade] = []
    rows: list[str] = []
    for kind in draw(st.lists(st.sampled_from("FFGGH40"), min_size=1, max_size=12)):
        clock, own = f"2024-04-03T10:{next(second):02d}:00Z", f"E{next(number)}"
        lots, cents = draw(st.integers(1, 3)), draw(st.integers(2865, 2867))
        alive = [one for one in trades if one.stands is not None]
        ref = ""
        if kind == "F":
            trades.append(Trade((next(second), lots, cents), [own]))
            clock = f"2024-04-03T10:{trades[-1].stands[0]:02d}:00Z"  # type: ignore[index]
        elif kind in "GH" and alive:
            one = draw(st.sampled_from(alive))
            ref = one.ids[-1] if draw(st.booleans()) else one.ids[0]
            if one.stands is not None and kind == "G":
                one.stands = one.stands[0], lots, cents
                one.ids.append(own)
            elif kind == "H":
                one.stands = None
        elif kind in "GH":
            continue
        cells = (
            ("", "") if kind in "40" else (f"{lots}", f"{cents / 100:.2f}")
        )  # states of orders have none
        rows.append(",".join([clock, own, ref, kind, "A", "RWE", "1", *cells]))
    repeated = draw(st.lists(st.sampled_from(rows), max_size=4)) if rows else []
    standing = [one.stands for one in trades if one.stands is not None]
    return draw(st.permutations([*rows, *repeated])), sorted(standing)


@settings(deadline=None)
@given(histories())
@example(
    (
        [
            "2024-04-03T10:05:00Z,E4,E3,H,A,RWE,1,,",
            "2024-04-03T10:03:00Z,E3,E1,G,A,RWE,1,2,28.66",
            "2024-04-03T10:01:00Z,E1,,F,A,RWE,1,1,28.66",
        ],
        [],
    )
)
def test_what_stands_is_what_the_venue_keeps(
    tmp_path_factory: pytest.TempPathFactory, history: tuple[list[str], list[tuple[int, int, int]]]
) -> None:
    rows, standing = history
    text = DROP_COPY + "\n".join(rows) + "\n"
    folder = tmp_path_factory.mktemp("reports")
    if not standing:
        with pytest.raises(DataError, match="fills"):
            read(folder, text, *FIX)
        return
    found = read(folder, text, *FIX)
    minutes = [
        (one.ns // 60_000_000_000 % 60, int(one.quantity), int(one.price * 100)) for one in found
    ]
    assert sorted(minutes) == standing


# -- files ----------------------------------------------------------------------------------------

TWO = "2024-04-03T10:30:05Z,X1,,F,A,RWE,1,100,28.66\n2024-04-03T10:30:15Z,X2,,F,A,RWE,1,100,28.66\n"
BOTH = (Fill(at("10:30:05"), 1, 100, 28.66), Fill(at("10:30:15"), 1, 100, 28.66))
CASES: dict[str, tuple[str, tuple[Fill, ...]]] = {
    "overlapping exports": (TWO + TWO, BOTH),
    "a bust": (TWO + "2024-04-03T10:31:00Z,X3,X2,H,A,RWE,1,100,28.66\n", BOTH[:1]),
    "a bust of its own id": (TWO + "2024-04-03T10:31:00Z,X2,,Trade Cancel,A,RWE,1,,\n", BOTH[:1]),
    "a correction": (
        TWO + "2024-04-03T10:31:00Z,X3,X2,G,A,RWE,1,60,28.66\n",
        (BOTH[0], BOTH[1]._replace(quantity=60)),
    ),
    "words": (
        TWO.replace(",F,", ",Trade,") + "2024-04-03T10:31:00Z,X3,X2,CORRECT,A,RWE,1,60,28.67\n",
        (BOTH[0], BOTH[1]._replace(quantity=60, price=28.67)),
    ),
    "states of orders": (
        "2024-04-03T10:30:00Z,N1,,0,A,RWE,1,0,0\n" + TWO.replace(",F,", ",2,", 1)
        + "2024-04-03T10:31:00Z,C1,,4,A,RWE,1,0,0\n",
        BOTH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_reports_of_a_drop_copy(lake: Path, tmp_path: Path, case: str) -> None:
    rows, fills = CASES[case]
    file = written(tmp_path, DROP_COPY + rows)
    found = done("tca", file, "--lake", lake, *WORDS, *COLUMNS)
    assert found["fills"] == len(fills)
    assert found["total"]["filled"] == sum(one.quantity for one in fills)
    holds(found, fills)
    assert "rows that repeat an execution, bust or correct one, or report none" in found["said"]


def test_fix_4_2_says_it_by_exec_trans_type(tmp_path: Path) -> None:
    head = "60,17,19,20,150,11,55,54,32,31\n"
    rows = (
        "2024-04-03T10:30:05Z,X1,,0,1,A,RWE,1,100,28.66\n2024-04-03T10:30:15Z,X2,,0,2,A,RWE,1,100,28.66\n"
        "2024-04-03T10:31:00Z,X3,X1,1,1,A,RWE,1,100,28.66\n2024-04-03T10:31:00Z,X4,X2,2,2,A,RWE,1,40,28.66\n"
        "2024-04-03T10:31:00Z,X5,,3,2,A,RWE,1,0,0\n"
    )
    names = ("time=60", "parent=11", "symbol=55", "side=54", "quantity=32", "price=31")
    assert [one.quantity for one in read(tmp_path, head + rows, *names)] == [40]


DEALS = (
    "Date,Deal Ref,Orig Deal Ref,Status,Instrument,B/S,Shares,Price\n"
    "2024-04-03 10:30:05,D1,,NEW,RWE,B,100,28.66\n2024-04-03 10:30:15,D2,,NEW,RWE,B,100,28.66\n"
    "2024-04-03 10:31:00,D3,D2,CANCEL,RWE,B,100,28.66\n2024-04-03 10:31:00,D4,D1,AMEND,RWE,B,60,28.66\n"
)


@pytest.mark.parametrize("amend", ["AMEND", "Amended", "CORRECT", "Replace"])
def test_words_of_exec_trans_type_in_a_status(lake: Path, tmp_path: Path, amend: str) -> None:
    """Remedies as typed lead to what stands, under either name of the column; a word too many is not left out."""
    text = DEALS.replace("AMEND", amend)
    words: list[str] = ["--tz", "UTC"]
    for one in ("time=Date", "symbol=Instrument", "side=B/S", "quantity=Shares"):
        words += ["--column", one]
    file = written(tmp_path, text)
    for expected in (
        ["execution_type=Status"],
        ["execution=Deal Ref", "execution_ref=Orig Deal Ref"],
    ):
        typed = options(refused("tca", file, "--lake", lake, *WORDS, *words)["remedy"])
        assert [value for _, value in typed] == expected
        words += [word for pair in typed for word in pair]
    assert done("tca", file, "--lake", lake, *WORDS, *words)["total"]["filled"] == 60
    columns = [word for word in words if "=" in word]
    columns[columns.index("execution_type=Status")] = "execution_action=Status"
    map = fills_map(columns=columns, timezone="UTC")
    assert [one.quantity for one in read_fill_file(file, map).fills] == [60]
    with pytest.raises(DataError, match="ODD") as refusal:
        read_fill_file(
            written(tmp_path, text + text.split("\n")[1].replace("NEW", "ODD") + "\n"), map
        )
    assert "execution_action=" not in refusal.value.remedy


HEAD = "time,symbol,side,quantity,price,ExecID,ExecType,ExecRefID\n"
ROW = "2024-04-03T10:30:05Z,RWE,buy,100,28.66,"
REFUSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "other content": (HEAD + ROW + "X1,F,\n" + ROW.replace("100", "90") + "X1,F,\n", ("rows 2 and 3",)),
    "no target": (HEAD + ROW + "X1,F,\n" + ROW + "X2,H,X0\n", ("rows 3",)),
    "no target of a correction": (HEAD + ROW + "X1,F,\n" + ROW + "X2,G,X0\n", ("rows 3",)),
    "a bust without ids": (
        "time,symbol,side,quantity,price,ExecType\n" + ROW + "F\n" + ROW + "H\n",
        ("execution=THEIRS",),
    ),
    "a status that no key names": (
        "time,symbol,side,quantity,price,Status\n" + ROW + "Filled\n" + ROW + "Busted\n",
        ("row 3", "execution_type=Status", "execution_type="),
    ),
    "references without a kind": (
        HEAD.replace("ExecType", "ET") + ROW + "X1,F,\n" + ROW + "X2,H,X1\n",
        ("ET 'H' in row 3", "execution_type=ET"),
    ),
    "references without a kind of known words": (
        HEAD.replace("ExecType", "ET") + ROW + "X1,0,\n" + ROW + "X2,1,X1\n",
        ("ExecRefID 'X1' in row 3", "execution_type=THEIRS", "execution_action=THEIRS"),
    ),
    "a fill that refers to another": (HEAD + ROW + "X1,1,\n" + ROW + "X2,1,X1\n", ("row 3", "execution_action=")),
    "an unknown type": (HEAD + ROW + "X1,Z,\n", ("row 2", "execution_type=")),
    "nothing stands": (HEAD + ROW + "X1,0,\n", ("fills",)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_reports_that_cannot_be_joined_are_refused(lake: Path, tmp_path: Path, case: str) -> None:
    text, told = REFUSED[case]
    error = refused("tca", written(tmp_path, text), "--lake", lake, *WORDS)
    for words in told:
        assert words in " ".join(error.values())
    without = [
        value for _, value in options(error["remedy"]) if value in ("execution=", "execution_type=")
    ]
    if without and case != "an unknown type":
        found = done("tca", tmp_path / "fills.csv", "--lake", lake, *WORDS, "--column", without[0])
        assert found["fills"] == 2


def test_an_id_is_of_its_symbol_and_equal_rows_without_ids_are_told(tmp_path: Path) -> None:
    head = "time,symbol,side,quantity,price,trade id\n"
    rows = "2024-04-03T10:30:05Z,RWE,buy,100,28.66,1\n2024-04-03T10:30:06Z,EON,buy,50,12.66,1\n"
    assert [one.quantity for one in read(tmp_path, head + rows)] == [100, 50]
    bare = "time,symbol,side,quantity,price\n" + 2 * "2024-04-03T10:30:05Z,RWE,buy,100,28.66\n"
    found = read_fill_file(written(tmp_path, bare))
    assert [one.quantity for one in found.fills] == [100, 100]
    assert any(
        note.startswith("rows that equal others") and note.endswith(": 2") for note in found.notes
    )


def test_ids_of_interactive_brokers(tmp_path: Path) -> None:
    """Overlapping statements, and a cancelled trade, whose side says so."""
    head = "DateTime,Symbol,Buy/Sell,Quantity,TradePrice,TradeID,IBExecID,TransactionType,OrigTradeID,IBOrderID,IBCommission\n"
    one = "20240403;063005,RWE,BUY,1000,28.66,71,0000a.1,ExchTrade,0,1,-2\n"
    two = "20240403;063105,RWE,BUY,500,28.66,72,0000a.2,ExchTrade,0,1,-2\n"
    cancel = "20240403;064105,RWE,BUY (Ca.),-500,28.66,73,0000a.3,TradeCancel,72,1,2\n"
    file = written(tmp_path, head + one + two + one + cancel)
    assert [one.quantity for one in read_fill_file(file, fills_map("ib-flex")).fills] == [1000]


def test_the_hour_that_comes_twice(tmp_path: Path) -> None:
    """In the order of the file; a row alone may be of either pass, and is refused until it is said."""

    def moments(clocks: Sequence[str], *columns: str) -> list[int]:
        rows = (f"2024-11-03 {clock}:05,RWE,buy,1,28.66\n" for clock in clocks)
        file = written(tmp_path, "time,symbol,side,quantity,price\n" + "".join(rows))
        map = fills_map(columns=columns, timezone="America/Chicago")
        return [one.ns for one in read_fill_file(file, map).fills]

    def utc(*clocks: str) -> list[int]:
        local = (datetime.fromisoformat(f"2024-11-03T{clock}") for clock in clocks)
        return [int(one.timestamp()) * 10**9 for one in local]

    clocks = ("00:30", "01:10", "01:58", "01:02", "01:40", "02:30")
    summer = utc(*(f"{clock}:05-05:00" for clock in clocks[:3]))
    assert moments(clocks) == summer + utc(*(f"{clock}:05-06:00" for clock in clocks[3:]))
    alone = ("00:30", "01:30", "02:30")
    with pytest.raises(DataError, match="row 3") as refusal:
        moments(alone)
    assert "01:30:05" in refusal.value.received
    assert "repeated_hour=first" in refusal.value.remedy
    for which, offset in (("first", "-05:00"), ("second", "-06:00")):
        assert moments(alone, f"repeated_hour={which}")[1:2] == utc(f"01:30:05{offset}")


def test_pence_are_settled_by_a_scale(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path, "time,symbol,side,quantity,price\n2024-04-03T10:30:05Z,RWE,buy,100,2866\n"
    )
    words = ("tca", file, "--lake", lake, *WORDS)
    [(_, scale), *_] = options(refused(*words)["remedy"])
    assert scale == "price_scale=0.01"
    found = done(*words, "--column", scale)
    holds(found, BOTH[:1])
    assert read(tmp_path, file.read_text(), scale)[0].price == Fraction("28.66")


def test_fills_before_their_order_are_told(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "time,symbol,side,quantity,price,arrival\n"
        "2024-04-03T10:30:05Z,RWE,buy,100,28.66,2024-04-03T10:35:00Z\n",
    )
    found = done("tca", file, "--lake", lake, *WORDS)
    assert found["odd_fills"]["before_arrival"]["rows"] == [2]


# -- the files of reported cases ------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "filled"), [("no-new.csv", 100), ("twice-execid.csv", 200), ("once.csv", 200)]
)
def test_a_drop_copy_as_reported(lake: Path, shared_data: Path, name: str, filled: int) -> None:
    file = shared_data / "reports_2" / "33-drop-copy-csv" / name
    words = [] if "execid" in name or "once" in name else COLUMNS
    assert done("tca", file, "--lake", lake, *WORDS, *words)["total"]["filled"] == filled
