"""A limit file is obeyed to the letter or not at all."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tercel.core.errors import LimitsError
from tercel.desk.limits import (
    AgentLimits,
    DeskLimits,
    checks,
    from_json,
    limits_json,
    packaged_text,
    parse,
    read,
    read_packaged,
)
from tercel.desk.limits.limit_sets import FIELDS
from tercel.desk.limits.units import DAY_NS, MONEY, MS

ROOT = Path(__file__).resolve().parents[3]
GOOD = packaged_text()


def test_the_default_is_understood() -> None:
    limits = read_packaged()
    assert limits.desk.order_value == 5_000_000 * MONEY
    assert limits.of_instrument("any").reference_age_ns == 60_000 * MS  # type: ignore[union-attr]
    assert limits.of_agent("any").long_lots == 20_000  # type: ignore[union-attr]
    assert len(limits.sha256) == 64


def test_every_limit_has_a_key() -> None:
    for kind, declared in FIELDS.items():
        assert [each.name for each in declared.values()] == [each.name for each in fields(kind)]


def test_a_name_overrides_single_keys() -> None:
    limits = parse(
        GOOD
        + '\n[instruments.CSCO]\nlong_lots = 7\nhours = ["09:30:00", "16:00"]\n[agents."a b"]\ndaily_loss = 0.25\n'
    )
    csco, other = limits.of_instrument("CSCO"), limits.of_instrument("IBM")
    assert csco is not None
    assert other is not None
    assert (csco.long_lots, other.long_lots) == (7, 20_000)
    assert csco.hours == (DAY_NS * 95 // 240, DAY_NS * 160 // 240)
    assert limits.of_agent("a b").daily_loss == MONEY // 4  # type: ignore[union-attr]


def test_without_a_star_others_have_no_limits() -> None:
    limits = parse(GOOD.replace('[agents."*"]', "[agents.twap]"))
    assert limits.of_agent("pov") is None
    assert limits.of_agent("twap") is not None


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return re.sub(rf"(?m)^{re.escape(old)}", new, GOOD, count=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"\[desk\].*none in f.toml"),
        ("x = = 3", "f.toml: .*line 1"),
        (changed("[desk]", "[dask]"), "section dask in f.toml.*try 'desk'"),
        (
            changed("order_lots", "order_lot"),
            r"key order_lot of \[desk\] in f.toml.*try 'order_lots'",
        ),
        (changed("order_lots", "zzz"), r"key zzz of \[desk\] in f.toml.*take it out"),
        (changed("daily_loss = 250_000", ""), r"a limit daily_loss.*\[desk\] in f.toml"),
        (
            changed("order_lots = 5000", "order_lots = -1"),
            r"at least 0; received -1 at key order_lots of \[desk\]",
        ),
        (changed("order_lots = 5000", "order_lots = 5.0"), "whole number.*received 5.0"),
        (changed("order_lots = 5000", "order_lots = true"), "whole number.*received True"),
        (changed("order_lots = 5000", 'order_lots = "5"'), "whole number.*'5'"),
        (changed("window_ms = 1000", "window_ms = 0"), "at least 1; received 0"),
        (changed("order_value = 5_000_000", "order_value = -1"), "amount of money, at least 0"),
        (changed("order_value = 5_000_000", "order_value = nan"), "amount of money.*NaN"),
        (changed("order_value = 5_000_000", "order_value = inf"), "amount of money.*Infinity"),
        (changed("order_value = 5_000_000", "order_value = true"), "amount of money.*True"),
        (changed("order_value = 5_000_000", "order_value = 0.0000000001"), "at most 9 decimals"),
        (changed("collar_bps = 500", "collar_bps = 10000"), "under 10000 bps"),
        (changed("collar_bps = 500", "collar_bps = 0"), "at least 1"),
        (changed("reference_age_ms = 60_000", "reference_age_ms = 0"), "at least 1"),
        (changed('hours = "always"', 'hours = "never"'), "two times of day"),
        (changed('hours = "always"', 'hours = ["09:30"]'), "two times of day"),
        (changed('hours = "always"', 'hours = ["09:30", "09:30:00"]'), "two times of day"),
        (changed('hours = "always"', 'hours = ["9:30", "16:00"]'), "HH:MM:SS; received '9:30'"),
        (changed('hours = "always"', 'hours = ["09:30", "24:00"]'), "HH:MM:SS; received '24:00'"),
        (changed('[instruments."*"]', "[[instruments]]"), "section .instruments"),
        (
            GOOD + "\n[instruments.X]\nlong_lot = 3\n",
            r'key long_lot of \[instruments."X"\] in f.toml.*long_lots',
        ),
        (GOOD + "\n[desk]\n", "f.toml: .*line"),
        ("desk = 3\n[instruments]\n[agents]\n", r"\[desk\] of limits; received 3"),
        (changed("order_lots = 5000", f"order_lots = 1{'0' * 5000}"), "a TOML file"),
        (
            changed("order_lots = 5000", f"order_lots = 0x{'f' * 5000}"),
            "at most 10+; .*key order_lots",
        ),
        (
            changed("messages = 2000", f"messages = 1{'0' * 30}"),
            "at most 10+; received 1.000e.30 at key messages",
        ),
        (
            changed("order_value = 5_000_000", "order_value = 1e400"),
            "at most 10+; .*key order_value",
        ),
        (
            changed("order_value = 5_000_000", "order_value = 1e9999999"),
            "at most 10+; .*key order_value",
        ),
        (changed("order_value = 5_000_000", f"order_value = 1e{'9' * 20}"), "a TOML file"),
        (changed("order_lots = 5000", f"order_lots = {'[' * 100_000}"), "a TOML file"),
    ],
)
def test_what_cannot_be_obeyed_is_named(text: str, told: str) -> None:
    with pytest.raises(LimitsError, match=f"(?s){told}"):
        parse(text, "f.toml")


@pytest.mark.parametrize(
    ("content", "told"), [(b"\xff", "UTF-8"), (None, "No such file"), ("a folder", "directory")]
)
def test_files_that_are_none(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "limits.toml"
    if content == "a folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(LimitsError, match=told):
        read(path)


@pytest.mark.parametrize(
    ("collar", "band"), [(1, 2), (500, 1000), (4999, 9998), (5000, 9999), (9999, 9999)]
)
def test_a_band_of_fills_that_is_not_said_is_twice_the_collar(collar: int, band: int) -> None:
    text = re.sub(r"\nfill_band_bps.*", "", packaged_text())
    read = parse(text.replace("collar_bps = 500 ", f"collar_bps = {collar} "))
    assert read.instruments["*"].fill_band_bps == band


def test_a_declared_code_is_that_of_a_check_and_a_control_is_there() -> None:
    given = set(re.findall(r'"([A-Z_]{5,})"', Path(checks.__file__).read_text(encoding="utf-8")))
    controls = (ROOT / "docs" / "reference" / "controls.md").read_text(encoding="utf-8")
    for declared in FIELDS.values():
        for key, each in declared.items():
            assert each.code in given | {""}, key
            assert re.search(
                rf"^\| {each.control} \| [^|]+ \| (present|partial) \|", controls, re.M
            )


def test_a_limit_that_is_unset_is_as_if_it_were_not_declared() -> None:
    limits = read_packaged()
    optional = replace(FIELDS[DeskLimits]["messages"], off=0, before=0)
    assert optional.is_unset(0)
    assert not optional.is_unset(1)
    assert [optional.allows_no_more(*pair) for pair in ((5, 0), (0, 5), (0, 0), (5, 5), (6, 5))] == [
        True, False, True, True, False,
    ]  # fmt: skip
    required = FIELDS[AgentLimits]["executions"]
    assert not required.is_unset(0), "journals of every version have it"
    assert from_json(limits_json(limits)) == replace(limits, source="the journal", sha256="")
