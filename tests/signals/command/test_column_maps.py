"""Headlines and series of a stranger, columns by a map, from `train` to `predict` and `evaluate`."""

from pathlib import Path

from tests.signals.command.foreign import BAD, GOOD, SMALL, TRAIN, Foreign, foreign
from tests.signals.command.material import done, refused

SOURCES = """
[[source]]
kind = "news"
path = "headlines.csv"
window_days = 2
{headlines}
[[source]]
kind = "series"
path = "searches.csv"
lag_days = 1
{searches}
"""
MAPPED = {
    "headlines": '[source.columns]\ntime = "When"\nsymbol = "Who"\ntext = "Said"',
    "searches": '[source.columns]\ndate = "When"\nsymbol = "Who"',
}


def written(made: Foreign, mapped: bool) -> Path:
    """The files under the field's names of columns or under some that nobody knows, and the configuration."""
    made.prices()
    known = made.values(True, 6, ahead=6)  # the week that is forecast, at a lag of a day
    cells = [(made.days[d], made.names[n], known[d, n], d) for d, n in made.cells()]
    said = [f"{day},{name},{(GOOD if value > 0 else BAD)[d % 3]}" for day, name, value, d in cells]
    made.write("headlines.csv", "When,Who,Said" if mapped else "date,name,headline", said)
    rows = [f"{day},{name},{value:.4f}" for day, name, value, _ in cells]
    made.write("searches.csv", "When,Who,Hits" if mapped else "date,name,Hits", rows)
    path = made.folder / "s.toml"
    maps = MAPPED if mapped else dict.fromkeys(MAPPED, "")
    path.write_text(SMALL + SOURCES.format(**maps) + TRAIN)
    return path


def test_headlines_and_series_forecast_under_any_names_of_columns(tmp_path: Path) -> None:
    rows = []
    for mapped in (False, True):
        folder = tmp_path / str(mapped)
        folder.mkdir()
        config, out = written(foreign(folder), mapped), folder / "o"
        trained = done("train", config, "--out", out)
        assert {name.split(":")[0] for name in trained["weights"]} == {"daily", "news", "series"}
        found = done("predict", out)
        assert all(set(row["sources"]) <= {"daily", "news", "series"} for row in found["rows"])
        assert any("news" in row["sources"] for row in found["rows"])
        assert all(row["low_bps"] < row["expected_bps"] < row["high_bps"] for row in found["rows"])
        rows.append(
            [{key: value for key, value in row.items() if key != "model"} for row in found["rows"]]
        )
        if mapped:
            interval = done("evaluate", config, "--out", out)["interval"]
            assert set(interval) == {"2018", "all"}
            assert 0.85 < interval["all"]["coverage"] < 0.97
            config.write_text(config.read_text().replace('"Said"', '"Told"'))
            assert "no Told in" in refused("build", config, "--out", folder / "other")
    assert rows[0] == rows[1]
