"""``tercel signals``: what each command does with its configuration and its folder, and what it prints."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tercel.app.commands.signals_config import SignalsConfig, read_config
from tercel.app.commands.signals_config import demo as demo_config
from tercel.app.output import print_json, result_console, say

RUNS = Path("runs")
SHORT = 12
"""Letters of a cell that is not broken over lines."""


def _told(config: Path | None) -> tuple[SignalsConfig, str]:
    """The configuration, and how it was called on the command line."""
    return (demo_config(), "--demo") if config is None else (read_config(config), str(config))


def _folder(config: SignalsConfig, seed: int, out: Path | None) -> Path:
    return out or RUNS / f"signals-{config.name}-{seed}"


@contextmanager
def _resumable(verb: str, name: str, seed: int, out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["tercel", "signals", verb, name, "--seed", str(seed), "--out", str(out)])
        raise KeyboardInterrupt(f"nothing was left half written; again: {again}") from None


def compare(config: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """See :mod:`tercel.app.commands.signals_compare`."""
    from tercel.app.commands import signals_compare

    settings, name = _told(config)
    return signals_compare.compare(settings, name, seed, out or RUNS / f"compare-{settings.name}-{seed}", as_json)


def build(config: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """Write the panel of a configuration as a folder."""
    from tercel.app.commands import signals_build

    settings, name = _told(config)
    folder = _folder(settings, seed, out)
    with _resumable("build", name, seed, folder):
        manifest = signals_build.build(settings, seed, folder)
    if as_json:
        print_json({"out": folder, **manifest})
        return 0
    facts = {key: manifest[key] for key in ("rows", "dates", "instruments", "first", "last")}
    print_rows(
        "panel",
        ("", "value"),
        [(key, f"{value:,}" if isinstance(value, int) else value) for key, value in facts.items()],
    )
    rows = [(n, len(c), f"{manifest['missing'][n]:.1%}") for n, c in manifest["sources"].items()]
    print_rows("sources", ("source", "columns", "rows without it"), rows)
    _notes(manifest)
    say(f"panel     {folder}")
    return 0


def train(config: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """Walk forward, fuse and save."""
    from tercel.app.commands import signals_train

    settings, name = _told(config)
    folder = _folder(settings, seed, out)
    with _resumable("train", name, seed, folder):
        result = signals_train.train(settings, seed, folder, demo=config is None)
    if as_json:
        print_json(result)
        return 0
    print_rows(
        "weights of the fusion", ("source:family", "weight"), [(k, f"{v:.3f}") for k, v in result["weights"].items()]
    )
    scale = result["alpha_scale"]
    hours = {"horizon, hours": scale["horizon_ns"] / 3.6e12, "half-life, hours": scale["half_life_ns"] / 3.6e12}
    told = {"bps per unit of forecast": scale["unit_bps"], "sd of the error, bps": scale["sd_bps"], **hours}
    print_rows("alpha", ("", "value"), [(name, f"{number:,.1f}") for name, number in told.items()])
    if gate := result["gate"]:
        say(f"gate      {gate['kind']}, {gate['states']} states, of {', '.join(gate['columns'])}")
    if "alpha" in result:
        cases = {k: v for k, v in result["alpha"].items() if isinstance(v, dict)}
        rows = [
            (k, told_interval(v["ic"]), f"{v['r2']:.3f}", f"{v['sd_bps']:.1f}", f"{v['within_90']:.3f}")
            for k, v in cases.items()
        ]
        print_rows(
            "alpha model of the demo desk, on markets it has not seen",
            ("sources", "IC", "R²", "sd bps", "in 90 %"),
            rows,
        )
    _notes(result)
    say(f"model     {folder / signals_train.MODEL}")
    say(f"next      {shlex.join(['tercel', 'signals', 'evaluate', name, '--seed', str(seed), '--out', str(folder)])}")
    return 0


def evaluate(config: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """Out-of-sample figures of what was trained."""
    from tercel.app.commands import signals_train
    from tercel.app.commands.signals_figures import evaluate_page

    settings, name = _told(config)
    folder = _folder(settings, seed, out)
    with _resumable("evaluate", name, seed, folder):
        result = signals_train.evaluate(settings, seed, folder, demo=config is None)
    (folder / "report.html").write_text(evaluate_page(result), encoding="utf-8")
    if as_json:
        print_json(result)
        return 0
    rows = [
        (n, f"{ic['mean']:.4f}", f"{ic['ci_low']:.4f}..{ic['ci_high']:.4f}", f"{ic['t']:.1f}")
        if ic
        else (n, "-", "-", "-")
        for n, ic in result["ic"].items()
    ]
    print_rows(f"out of sample, {result['dates']} dates", ("forecast", "rank IC", "95 %", "t"), rows)
    adds = [(n, told_interval(x["adds"], 4), x["dates"]) for n, x in result["ablation"].items()]
    if result["gate"]:
        told_by_gate = result["gate"]
        adds.append((
            f"gate: {', '.join(told_by_gate['columns'])}",
            told_interval(told_by_gate["adds"], 4) if told_by_gate["adds"] else "-", told_by_gate["dates"],
        ))  # fmt: skip
    print_rows("what each source adds to the IC, 95 %", ("source", "adds", "dates"), adds)
    if result["unranked"]:
        say(f"the same for every name, so for the gate alone: {', '.join(result['unranked'])}")
    calibration = result["calibration"]
    told = [("slope", f"{calibration['slope']:.2f}")]
    told += [(n, told_interval(calibration[n])) for n in ("within_1_sd", "within_1.645_sd")]
    print_rows("calibration: slope 1, .577 and .950 are right for ranks", ("", "value"), told)
    print_rows(
        "leak check",
        ("source", "verdict", "why"),
        [(x["source"], x["verdict"], "; ".join(x["reasons"])) for x in result["leak"]],
    )
    _notes(result)
    say(f"report    {folder / 'report.html'}")
    return 0


def leak(config: Path | None, demo: bool, data: Path | None, seed: int, out: Path | None, as_json: bool) -> int:
    """The leak check by itself, planted leaks beside the sources."""
    from tercel.app.commands import signals_leak

    configs = [demo_config()] if demo else []
    if config is not None:
        configs.append(read_config(config))
    if data is not None:
        configs += signals_leak.configs_of(data)
    folder = out or RUNS / f"signals-leak-{seed}"
    result = signals_leak.leak(configs, seed, folder)
    if as_json:
        print_json(result)
        return 0
    for name in dict.fromkeys(one["panel"] for one in result["leak"]):
        rows = [(x["source"], x["verdict"], "; ".join(x["reasons"])) for x in result["leak"] if x["panel"] == name]
        print_rows(f"leak check on {name}", ("source", "verdict", "why"), rows)
    say(f"note: {result['not_proven']}")
    say(f"report    {result['report']}")
    return 0


def told_interval(one: dict[str, Any], digits: int = 3) -> str:
    """A cell: a mean and its interval, where it has one."""
    low, high = one["ci_low"], one["ci_high"]
    told = "" if low is None or high is None else f" ({low:.{digits}f}..{high:.{digits}f})"
    return f"{one['mean']:.{digits}f}{told}"


def print_rows(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table under its title; short cells are not broken over lines."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for number, head in enumerate(heads):
        short = all(len(str(row[number])) <= SHORT for row in rows)
        table.add_column(head, justify="left" if number == 0 else "right", overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    result_console().print(table)


def _notes(result: dict[str, Any]) -> None:
    for note in (result.get("note"), *result.get("warnings", ())):
        if note:
            say(f"note: {note}")
