"""`tercel market table`: every model on every data set of a lake, scored on tape that it has not seen."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tercel.app.commands.market_calibrate import CALIBRATORS, calibrated
from tercel.app.commands.market_score import impact_of, predicted
from tercel.app.commands.market_sets import SETS, DataSet
from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError, TapeError, TercelError
from tercel.core.written import write_whole
from tercel.market.flow import preset as presets
from tercel.market.flow.preset import Preset
from tercel.market.score.card import keep as kept
from tercel.market.score.card import score
from tercel.market.score.days import Day
from tercel.market.score.realism import Drawn

STAMP = "for the table"
HEADINGS = (
    "data set", "model", "Spearman", "MEAN14", "a real day", "real pooled", "x floor", "interleaved", "x interleaved",
    "gates", "gates, train", "dynamics", "AUC", "AUC real", "sd60", "MO", "judged",
)  # fmt: skip
FIRST, LAST = "<!-- table: tercel market table -->", "<!-- end of table -->"


def run(
    lakes: Sequence[Path],
    *,
    names: Sequence[str],
    models: Sequence[str],
    seeds: int,
    impact: bool,
    keep: bool,
    write: Path | None,
    as_json: bool,
) -> int:
    """Score and show.

    `write` puts the table into a Markdown file between its marks, `keep` the scores into the shipped presets' cards.
    """
    for given, known, what in ((names, [s.name for s in SETS], "data set"), (models, tuple(CALIBRATORS), "model")):
        for one in given:
            if one not in known:
                raise ConfigError(f"a {what}: {', '.join(known)}", repr(one), "name those")
    if write is not None:
        around(write)  # refused before minutes of scoring
    rows = []
    for data in SETS:
        if not names or data.name in names:
            rows += _rows(data, lakes, models or tuple(CALIBRATORS), seeds, impact, keep)
    if not rows:
        raise TapeError("a data set of the table in a lake", f"none in {', '.join(map(str, lakes))}", "import one")
    if write is not None:
        replace_table(write, markdown(rows))
        say(f"written  {write}")
    if as_json:
        print_json({"rows": rows})
    else:
        leaves = [
            "judged", "gates, train", "AUC real", "sd60", "MO", "real pooled", "AUC", "interleaved", "gates",
            "dynamics",
        ]  # fmt: skip
        print_table("models on tape that they have not seen", HEADINGS, [cells(r) for r in rows], leaves, ["model"])
    return 0


def _rows(
    data: DataSet, lakes: Sequence[Path], models: Sequence[str], seeds: int, impact: bool, keep: bool
) -> list[dict[str, Any]]:
    """Every model that can be had for a data set."""
    found = None
    for lake in lakes:
        try:
            found = data.days(lake)
            break
        except TapeError:
            continue
    if found is None:
        say(f"{data.name}: not in the lake")
        return []
    train, test = found
    rows = []
    for model in models:
        began = time.perf_counter()
        try:
            shipped = shipped_for(data, model, train)
            preset = shipped or made_for(data, model, train)
            drawn = Drawn(preset, test, train, range(1, seeds + 1))
            measured = impact_of(preset) if impact else preset.card.get("scores", {}).get("impact")
            card = score(drawn, impact=measured, conditional=False)
        except TercelError as error:
            say(f"{data.name}, {model}: left out ({error})")
            continue
        if keep and shipped:
            kept(shipped, drawn.tape, card).save(presets.FOLDER / f"{shipped.name}.json")
        say(f"{data.name}, {model}: {card['mean_l1']:.3f} in {time.perf_counter() - began:.0f} s")
        rows.append({"set": data.name, "about": data.about, **card})
    return rows


def shipped_for(data: DataSet, model: str, train: Sequence[Day]) -> Preset | None:
    """The shipped preset of a model that was calibrated on these very days."""
    wanted = {day.instrument.date for day in train}
    for name in presets.names():
        preset = presets.load(name)
        if (preset.venue, preset.symbol, preset.model) != (data.venue, data.symbol, model):
            continue
        until_s = preset.stretch_s[1]
        inside = data.split_s is None or (until_s is not None and until_s <= data.split_s + 1.0)
        if set(preset.card.get("days", [])) == wanted and inside:
            return preset
    return None


def made_for(data: DataSet, model: str, train: Sequence[Day]) -> Preset:
    """One calibrated now."""
    windowed = data.split_s is not None
    return calibrated(model, train, name=f"{data.name}-{model}", stamp=STAMP, windowed=windowed, lot=data.lot)


def cells(row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    gates = row["gates"]
    floor, between = row["floor_mean_l1"], row["interleaved_floor_mean_l1"]

    def ratio(name: str) -> str:
        gate = gates[name]
        return "" if not gate["real"] or gate["value"] is None else f"{gate['value'] / gate['real']:.2f}"

    return [
        row["set"], row["model"], predicted(row["prediction"]), _text(row["mean_l1"]), _text(floor),
        _text(row["pooled_floor_mean_l1"]), "" if not floor else f"{row['mean_l1'] / floor:.2f}", _text(between),
        "" if not between or row["interleaved_mean_l1"] is None else f"{row['interleaved_mean_l1'] / between:.2f}",
        _passed(gates), _passed(row["gates_train"]), _passed(row["dynamics"]), _text(row["classifier_auc"]),
        _text(row["classifier_auc_real"]), ratio("sd_60s"), ratio("market_orders"), "yes" if row["judged"] else "no",
    ]  # fmt: skip


def _passed(gates: dict[str, Any]) -> str:
    return f"{sum(g['passed'] for g in gates.values())}/{len(gates)}" if gates else ""


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table, the gates that were missed, and the impact figures, as Markdown."""
    lines = [_line(HEADINGS), _line(["---"] * len(HEADINGS)), *(_line(cells(row)) for row in rows), ""]
    for key in ("gates", "dynamics"):
        lines += [f"{key.capitalize()} missed (simulated / real):", ""]
        for row in rows:
            missed = [
                f"{name.replace('_', ' ')} {_pair(gate)}" for name, gate in row[key].items() if not gate["passed"]
            ]
            lines.append(f"- {row['set']}, {row['model']}: {', '.join(missed) or 'none'}")
        lines.append("")
    with_impact = [row for row in rows if any(row["impact"].values())]
    if with_impact:
        keys = list(with_impact[0]["impact"])
        lines += [_line(["data set", "model", *(k.replace("_", " ") for k in keys)])]
        lines.append(_line(["---"] * (len(keys) + 2)))
        lines += [
            _line([row["set"], row["model"], *(_interval(row["impact"][k]) for k in keys)]) for row in with_impact
        ]
    return "\n".join(lines).rstrip() + "\n"


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def _pair(gate: dict[str, Any]) -> str:
    value, real = ("none" if x is None else f"{x:.3g}" for x in (gate["value"], gate["real"]))
    return f"{value} / {real}"


def _interval(value: dict[str, float | None] | None) -> str:
    if not value or value.get("mean") is None:
        return ""
    low, high = value.get("ci_low"), value.get("ci_high")
    return f"{value['mean']:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else "")


def around(path: Path, marks: tuple[str, str] = (FIRST, LAST)) -> tuple[str, str]:
    """What stands before and after the marks of a file.

    Raises
    ------
    ConfigError
        The file has no marks.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("a Markdown file", f"{path}: {error}", "name another") from error
    first, last = marks
    if first not in text or last not in text.split(first, 1)[1]:
        raise ConfigError(f"the marks {first} and {last}", f"{path} without them", "put them where the table goes")
    head, rest = text.split(first, 1)
    return head, rest.split(last, 1)[1]


def replace_table(path: Path, table: str, marks: tuple[str, str] = (FIRST, LAST)) -> None:
    """Put the table between its marks; see `around`."""
    head, tail = around(path, marks)
    write_whole(path, f"{head}{marks[0]}\n\n{table}\n{marks[1]}{tail}")
