"""Values that no key can have and sources that cannot be used: each is refused with its name, its file and row, exit code
2, no traceback, nothing written.
"""

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.signals.command.foreign import SMALL, TRAIN, foreign
from tests.signals.command.material import SERIES, configured, refused, trend

from tercel.core.entry_points import entry_point_names
from tercel.core.errors import ConfigError
from tercel.signals.models.family_cards import family
from tercel.signals.runs.config import PanelSection, SourceSection, TrainSection, read_config
from tercel.signals.sources.registry import KINDS, kind_named

WRONG = ("nan", "1e300", "-9000000000000000000", "[[]]", "{a = [{}]}")
"""No key can be one of these."""
SETTINGS = {
    "linear": ("alpha",),
    "boosting": ("n_estimators", "learning_rate", "num_leaves", "subsample", "random_state"),
    "forest": ("n_estimators", "max_depth", "max_features", "min_samples_leaf"),
}


def keys() -> Iterator[str]:
    """The text before a key's value."""
    models: dict[str, type[BaseModel]] = {"panel": PanelSection, "train": TrainSection}
    for table, model in models.items():
        yield from (f"[{table}]\n{key} = " for key in model.model_fields)
    for kind in (*KINDS, *entry_point_names("tercel.sources")):
        takes = [*signature(kind_named(kind)).parameters][1:]
        own = {"columns" if one == "called" else one for one in takes} - {"how", "prices", "wanted"}
        needed = {"series": "lag_days = 1\n"}.get(kind, "")
        for key in sorted({*own, *SourceSection.model_fields} - {"path", "kind"}):
            beside = "" if needed.startswith(key) else needed
            yield f'[panel]\nkind = "synthetic"\n[[source]]\nkind = "{kind}"\npath = "x"\n{beside}{key} = '


def test_no_key_of_a_configuration_takes_what_it_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    for before in keys():
        for value in WRONG:
            file.write_text(before + value, encoding="utf-8")
            with pytest.raises(ConfigError):
                pytest.fail(f"accepted: {before}{value}, {read_config(file)}")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e300, "x", "", [1], {}])
def test_no_setting_of_a_family_takes_what_it_cannot_be(name: str, value: object) -> None:
    for key in SETTINGS[name]:
        with pytest.raises(ConfigError, match=f"settings of {name}"):
            family(name).make(0, **{key: value})


NEWS = '[[source]]\nkind = "news"\npath = "news.csv"\n'
PRICES = SMALL + "\n"


@pytest.mark.parametrize(
    ("before", "line", "said"),
    [
        (SERIES, 'instrument = ["AAA"]', "instrument"),
        (SERIES.replace("lag_days = 1\n", ""), "lag_days = -3", "lag_days"),
        (SERIES, "max_age_days = 1e300", "max_age_days"),
        (SERIES, "[source.columns]\nsymbol = []", "nothing in [source.columns]"),
        (SERIES, 'collected = "2020-01-01"', "collected"),
        (NEWS, "features = []", "features"),
        (NEWS, "window_days = []", "window_days"),
        (NEWS, "window_days = 0", "window_days"),
        (NEWS, 'features = "tone"', "features"),
        (PRICES, 'first = "2020-13-45"', "panel.first"),
        (PRICES, 'last = ""', "panel.last"),
        (PRICES, 'first = "9999-12-31"', "facts"),
        (PRICES, "[panel.columns]\nsymbol = []", "what symbol is called"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_written(
    tmp_path: Path, before: str, line: str, said: str
) -> None:
    trend(tmp_path)
    foreign(tmp_path, names=3, days=40).prices()
    config = configured(tmp_path, f"{before}{line}\n")
    if before == PRICES:
        config.write_text(f"{before}{line}\n{TRAIN}", encoding="utf-8")
    assert said in refused("build", config, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def latin_series(folder: Path) -> str:
    path = trend(folder)
    path.write_bytes("date,debt,caf\xe9\n2020-01-01,\xe9,1\n".encode("latin-1"))
    return SERIES


def future(folder: Path) -> str:
    trend(folder)
    return SERIES + "collected = 2020-03-01T00:00:00Z\n"


def undated(folder: Path) -> str:
    path = trend(folder)
    path.write_text(path.read_text() + ",21.5\n")
    return SERIES


def constant(folder: Path) -> str:
    path = trend(folder)
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0], *(line.split(",")[0] + ",7" for line in lines[1:])]) + "\n"
    )
    return SERIES


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (latin_series, ("source series", "debt 'é' in row 2", "trend.csv")),
        (
            future,
            (
                "source series",
                "dated in the future",
                "trend.csv, row 62",
                "known by the day of collection",
            ),
        ),
        (undated, ("a date such as", "date '' in row 172 of", "trend.csv")),
        (constant, ("features that vary", "debt", "trend.csv")),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_whole(
    tmp_path: Path, made: Callable[[Path], str], said: tuple[str, ...]
) -> None:
    config = configured(tmp_path, made(tmp_path))
    out = tmp_path / "out"
    told = refused("build", config, "--out", out)
    for words in said:
        assert words in told
    assert not out.exists()


def test_a_panel_shorter_than_its_embargo_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config.write_text(config.read_text().replace("embargo_days = 2", "embargo_days = 200"))
    told = refused("train", config, "--out", tmp_path / "out")
    assert "a panel longer than the embargo" in told
    assert "3180 rows over 158.00 days and an embargo of 200.00 days" in told


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            '[[source]]\nkind = "horoscope"\npath = "x"\n',
            "a kind of source among daily, series, news",
        ),
        (SERIES + "lagg = 3\n", "options of series among"),
        ('[[source]]\nkind = "series"\npath = "trend.csv"\n', "the options that series needs"),
        (SERIES + SERIES, "series twice"),
        (SERIES + 'name = "noise"\n', "noise, which the panel has already"),
        (
            SERIES.replace('"trend.csv"', '"gone.csv"') + "required = true\n",
            "source series: nothing at",
        ),
        (SERIES.replace("2020", "1990") + "max_age_days = -1\n", "max_age_days"),
        ("[train.gate]\nstates = 2\n", "train.gate"),
    ],
)
def test_sources_that_cannot_be_are_named(tmp_path: Path, part: str, said: str) -> None:
    trend(tmp_path)
    config = configured(tmp_path)
    text = config.read_text()
    config.write_text(
        text + part if part.startswith("[train") else text.replace("[train]", part + "[train]")
    )
    told = refused("train", config, "--out", tmp_path / "out")
    assert said in told
