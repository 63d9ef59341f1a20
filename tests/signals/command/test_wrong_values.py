"""Values that no key can have: each is refused with its name, exit code 2, no traceback, nothing written."""

from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.signals.command.foreign import SMALL, TRAIN, foreign
from tests.signals.command.material import SERIES, configured, refused, trend

from tercel.core.errors import ConfigError
from tercel.core.extras import entry_point_names
from tercel.signals.models.model_folder import family
from tercel.signals.runs.config import PanelSection, SourceSection, TrainSection, read_config
from tercel.signals.sources.registry import KINDS, kind_named

WRONG = (
    "nan",
    "-inf",
    "1e300",
    "-9000000000000000000",
    "[[]]",
    '[["a"], 1]',
    "[1, 2]",
    "{a = [{}]}",
)
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('instrument = ["AAA"]', "instrument"),
        ("lag_days = -3", "lag_days"),
        ("max_age_days = 1e300", "max_age_days"),
        ("[source.columns]\nsymbol = []", "nothing in [source.columns]"),
        ('collected = "2020-01-01"', "collected"),
    ],
)
def test_a_wrong_option_of_a_series_is_named_and_nothing_is_written(
    tmp_path: Path, line: str, said: str
) -> None:
    trend(tmp_path)
    series = SERIES.replace("lag_days = 1\n", "") if "lag_days" in line else SERIES
    config = configured(tmp_path, f"{series}{line}\n")
    assert said in refused("build", config, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("features = []", "features"),
        ("window_days = []", "window_days"),
        ("window_days = 0", "window_days"),
        ('features = "tone"', "features"),
    ],
)
def test_a_wrong_option_of_news_is_named(tmp_path: Path, line: str, said: str) -> None:
    config = configured(tmp_path, f'[[source]]\nkind = "news"\npath = "news.csv"\n{line}\n')
    assert said in refused("build", config, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('first = "2020-13-45"', "panel.first"),
        ('last = ""', "panel.last"),
        ('first = "9999-12-31"', "facts"),
        ("[panel.columns]\nsymbol = []", "what symbol is called"),
    ],
)
def test_a_wrong_key_of_a_panel_is_named(tmp_path: Path, line: str, said: str) -> None:
    foreign(tmp_path, names=3, days=40).prices()
    (tmp_path / "c.toml").write_text(f"{SMALL}{line}\n{TRAIN}", encoding="utf-8")
    assert said in refused("build", tmp_path / "c.toml", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
