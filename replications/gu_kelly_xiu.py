"""`python -m replications gu-kelly-xiu`: families of models on the study's own simulation, beside its table.

Gu, Kelly and Xiu (2020), "Empirical asset pricing via machine learning", Review of Financial Studies 33, internet
appendix A. 200 stocks, 180 months; characteristics are AR(1), ranked to [-1, 1] each month, with loadings on three
factors; one macro series x; predictors are characteristics and their products with x. Of all that only three count,

    (a) g = 0.02 (c1 + c2 + c3 x)        (b) g = 0.04 c1^2 + 0.03 c1 c2 + 0.012 sgn(c3 x),

and errors are loadings times factors N(0, 0.05^2) plus 0.05 t5. A third of the months each to fit, to choose settings
and to test. R^2 is about the sample's mean: about 0 the oracle of (b) would reach 7.8 % where 5.40 is printed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from replications.kept_cells import cell_of, interval, measured, shown
from tercel.cli import print_json, print_sentences, print_table, say
from tercel.core import Floats, import_optional
from tercel.core.report import Figure, finish_figure, name_rows, palette, sketch
from tercel.signals.models import family

STUDY: Final = "gu-kelly-xiu"
STOCKS, MONTHS, MEMORY, NOISE, FREEDOM = 200, 180, 0.95, 0.05, 5
"""Cross-section, length, the AR coefficient of x, the scale of factors and errors, degrees of freedom of errors."""
MODELS: Final = ("a", "b")
TABLE, DIGEST = (
    "table A.1, transcription (scribd 844601860), as far as it could be read",
    "table A.1, this project's notes",
)
PUBLISHED: Final[dict[int, dict[str, dict[str, tuple[float | None, float | None]]]]] = {
    100: {
        "oracle": {"a": (None, 5.52), "b": (None, 5.40)},
        "OLS": {"a": (8.19, -1.35), "b": (4.39, -7.75)},
        "PCR": {"a": (1.70, None)},
        "Lasso": {"a": (None, 4.25), "b": (None, 0.61)},
        "forest": {"a": (None, 3.30), "b": (None, 3.02)},
        "boosting": {"a": (None, 3.37), "b": (None, 3.22)},
        "NN1": {"a": (None, 4.28)},
    },
    50: {"OLS": {"a": (7.50, 1.14), "b": (3.44, -4.72)}, "PCR": {"a": (2.69, 0.90)}},
}
"""(in sample, out of sample) R^2 in % by number of characteristics: OLS and PCR of `TABLE`, the others of `DIGEST`."""


@dataclass(frozen=True)
class Settings:
    """Size of the study."""

    seed: int = 1
    repetitions: int = 12
    characteristics: tuple[int, ...] = (100,)
    trees: int = 60
    networks: int = 4


@dataclass(frozen=True)
class Sample:
    """One simulated panel, rows by month: predictors (n, 2 P), returns and expected returns (n,) by model."""

    predictors: Floats
    returns: Mapping[str, Floats]
    expected: Mapping[str, Floats]

    def third(self, place: int) -> slice:
        """Rows of the first, second or last third of the months."""
        n = len(self.predictors) // 3
        return slice(place * n, (place + 1) * n)


def ranked(values: Floats) -> Floats:
    """2 rank / (n + 1) - 1 within each row, (T, n) -> (T, n).

    >>> ranked(np.array([[3.0, 1.0, 2.0]])).tolist()
    [[0.5, -0.5, 0.0]]
    """
    ranks = values.argsort(axis=1).argsort(axis=1) + 1
    return np.asarray(2.0 * ranks / (values.shape[1] + 1) - 1.0)


def ar1(memory: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Stationary AR(1) of variance 1 along the first axis; `memory` fits the other axes."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[0]):
        out[t] = memory * out[t - 1] + np.sqrt(1 - memory**2) * out[t]
    return out


def simulate(
    characteristics: int, rng: np.random.Generator, months: int = MONTHS, stocks: int = STOCKS
) -> Sample:
    """A panel of the appendix's design; both models share predictors and errors."""
    memory = rng.uniform(0.9, 1.0, characteristics)
    c = np.stack([ranked(ar1(one, (months, stocks), rng)) for one in memory], axis=2)
    x = ar1(np.array(MEMORY), (months,), rng)[:, None]
    factors = NOISE * rng.standard_normal((months, 1, 3))
    errors = (c[:, :, :3] * factors).sum(axis=2) + NOISE * rng.standard_t(FREEDOM, (months, stocks))
    c1, c2, c3 = c[:, :, 0], c[:, :, 1], c[:, :, 2]
    expected = {
        "a": 0.02 * (c1 + c2 + c3 * x),
        "b": 0.04 * c1**2 + 0.03 * c1 * c2 + 0.012 * np.sign(c3 * x),
    }
    predictors = np.concatenate([c, c * x[:, :, None]], axis=2).reshape(months * stocks, -1)
    returns = {model: (g + errors).ravel() for model, g in expected.items()}
    return Sample(predictors, returns, {model: g.ravel() for model, g in expected.items()})


def r2(returns: Floats, forecast: Floats) -> float:
    """Share of the variance explained, %."""
    return 100.0 * (
        1.0 - float(((returns - forecast) ** 2).sum() / ((returns - returns.mean()) ** 2).sum())
    )


PENALTIES: Final = (1e-3, 3e-3, 1e-2)
"""Candidates for the L1 penalty of networks on standardised returns; the appendix's 1e-5 to 1e-3 on raw ones, whose
variance is 1/150, are 1.5e-3 to 0.15."""
Fitted = Callable[[Floats], Floats]
"""(n, F) -> (n,)."""


def chosen(candidates: Sequence[Fitted], held: tuple[Floats, Floats]) -> Fitted:
    """The candidate with the least squared error on what was held out to choose by."""
    errors = [float(((held[1] - one(held[0])) ** 2).mean()) for one in candidates]
    return candidates[int(np.argmin(errors))]


def linear_of(coefficients: Floats, intercepts: Sequence[float]) -> list[Fitted]:
    """Forecasts of columns of coefficients (F, m)."""
    return [
        lambda X, b=b, a=a: X @ b + a  # type: ignore[misc]
        for b, a in zip(coefficients.T, intercepts, strict=True)
    ]


def fit_all(
    X: Floats, y: Floats, held: tuple[Floats, Floats], s: Settings, seed: int
) -> dict[str, Fitted]:
    """Every method fitted to (X, y), its settings chosen on `held`. OLS, ridge, forest, boosting are Tercel's own."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.linear_model import enet_path, lasso_path

    mean, deviation, centre = X.mean(axis=0), X.std(axis=0), float(y.mean())
    Z = (X - mean) / deviation

    def columns(scaled: Floats) -> list[Fitted]:
        raw = scaled / deviation[:, None]
        return linear_of(raw, (centre - mean @ raw).tolist())

    made: dict[str, Fitted] = {"OLS": family("linear").make(alpha=0.0).fit(X, y).predict}
    ridges = [
        family("linear").make(alpha=float(alpha)).fit(X, y).predict
        for alpha in np.geomspace(10, 1e6, 11)
    ]
    made["ridge"] = chosen(ridges, held)
    made["Lasso"] = chosen(columns(lasso_path(Z, y - centre, alphas=50, eps=1e-2)[1]), held)
    made["ENet"] = chosen(
        columns(enet_path(Z, y - centre, l1_ratio=0.5, alphas=50, eps=1e-2)[1]), held
    )
    values, vectors = np.linalg.eigh(Z.T @ Z)
    vectors, values = vectors[:, ::-1], values[::-1]
    weights = vectors.T @ (Z.T @ (y - centre)) / values
    made["PCR"] = chosen(
        columns(np.cumsum(vectors * weights, axis=1)[:, : 2 * len(values) // 3]), held
    )
    pls = PLSRegression(8, scale=False).fit(Z, y - centre)
    made["PLS"] = chosen(columns(np.cumsum(pls.x_rotations_ * pls.y_loadings_[0], axis=1)), held)
    forests = [
        family("forest")
        .make(seed, n_estimators=s.trees, max_depth=depth, max_features=0.25)
        .fit(X, y)
        .predict
        for depth in (3, 6)
    ]
    made["forest"] = chosen(forests, held)
    stumps: list[Fitted] = []
    for leaves in (2, 4):
        plain = {"subsample": 1.0, "colsample_bytree": 1.0, "reg_lambda": 0.0, "num_leaves": leaves}
        model = (
            family("boosting").make(seed, n_estimators=200, learning_rate=0.1, **plain).fit(X, y)
        )
        stumps += [
            partial(model.booster_.predict, num_iteration=trees, num_threads=1)
            for trees in (25, 50, 100, 200)
        ]
    made["boosting"] = chosen(stumps, held)
    made["NN1"] = one_layer(X, y, held, s.networks, seed)
    return made


def one_layer(
    X: Floats,
    y: Floats,
    held: tuple[Floats, Floats],
    networks: int,
    seed: int,
    epochs: int = 100,
    patience: int = 5,
) -> Fitted:
    """The mean of networks of one layer of 32 ReLU; the L1 penalty is chosen, each network stopped early.

    All are trained side by side on the same batches of 1,000 (Adam, rate 0.003), the appendix's remedies.
    """
    torch = import_optional("torch", "learn")
    draw = torch.Generator().manual_seed(seed)
    penalties = torch.tensor(PENALTIES).repeat_interleave(networks)
    m, width, scale = len(penalties), X.shape[1], float(y.std())
    xs, ys = (
        torch.as_tensor(X, dtype=torch.float32),
        torch.as_tensor((y - y.mean()) / scale, dtype=torch.float32),
    )
    hx = torch.as_tensor(held[0], dtype=torch.float32)
    hy = torch.as_tensor((held[1] - y.mean()) / scale, dtype=torch.float32)
    inner = (torch.randn(width, m * 32, generator=draw) * (2.0 / width) ** 0.5).requires_grad_()
    outer = (torch.randn(m, 32, generator=draw) * (1.0 / 32) ** 0.5).requires_grad_()
    shift, level = torch.zeros(m * 32, requires_grad=True), torch.zeros(m, requires_grad=True)
    parts = [inner, outer, shift, level]

    def out(x: Any, inner: Any, outer: Any, shift: Any, level: Any) -> Any:
        hidden = torch.relu(torch.addmm(shift, x, inner)).view(len(x), m, 32)
        return (hidden * outer).sum(-1) + level

    optimiser = torch.optim.Adam(parts, lr=3e-3)
    best, waited = torch.full((m,), float("inf")), torch.zeros(m)
    kept = [part.detach().clone() for part in parts]
    for _ in range(epochs):
        order = torch.randperm(len(xs), generator=draw)
        for rows in order.split(1000):
            error = ((out(xs[rows], *parts) - ys[rows, None]) ** 2).mean(0)
            size = inner.abs().view(width, m, 32).sum((0, 2)) + outer.abs().sum(1)
            optimiser.zero_grad()
            (error + penalties * size).sum().backward()
            optimiser.step()
        with torch.no_grad():
            now = ((out(hx, *parts) - hy[:, None]) ** 2).mean(0)
            better = now < best - 1e-6
            best, waited = torch.where(better, now, best), torch.where(better, 0.0, waited + 1)
            for old, new in zip(kept, parts, strict=True):
                wide = better.repeat_interleave(32) if old.shape[-1] == m * 32 else better
                mask = wide if old.ndim == 1 or old is kept[0] else wide[:, None]
                old.copy_(torch.where(mask, new, old))
        if bool((waited >= patience).all()):
            break

    def mean_of(group: int) -> Fitted:
        def forecast(asked: Floats) -> Floats:
            with torch.no_grad():
                every = out(torch.as_tensor(asked, dtype=torch.float32), *kept)
            chosen_ones = (
                every[:, group * networks : (group + 1) * networks].mean(1).double().numpy()
            )
            return np.asarray(chosen_ones * scale + y.mean())

        return forecast

    return chosen([mean_of(group) for group in range(len(PENALTIES))], held)


def repetition(characteristics: int, number: int, s: Settings) -> dict[str, Any]:
    """R^2 (in sample, out of sample) of every method on one panel, by model."""
    sample = simulate(characteristics, np.random.default_rng((s.seed, characteristics, number)))
    fit, hold, test = (sample.third(place) for place in range(3))
    found: dict[str, Any] = {}
    for model in MODELS:
        y, g, X = sample.returns[model], sample.expected[model], sample.predictors
        made = fit_all(X[fit], y[fit], (X[hold], y[hold]), s, s.seed * 1000 + number)
        found[model] = {"oracle": [r2(y[fit], g[fit]), r2(y[test], g[test])]} | {
            name: [r2(y[fit], forecast(X[fit])), r2(y[test], forecast(X[test]))]
            for name, forecast in made.items()
        }
    return found


def run(settings: Settings, out: Path, as_json: bool) -> None:
    """Print our R^2 beside the published ones, with intervals over repetitions, and draw them."""
    import_optional("torch", "learn")
    plan = [(p, number) for p in settings.characteristics for number in range(settings.repetitions)]
    # a cell is the same whatever the number of repetitions
    asked = {
        key: value
        for key, value in asdict(settings).items()
        if key in ("seed", "trees", "networks")
    }
    cells = measured(
        out / "cells",
        asked,
        {f"p{p}-{number:03d}": partial(repetition, p, number, settings) for p, number in plan},
    )
    found: dict[int, Any] = {}
    for p in settings.characteristics:
        rows = [cells[f"p{p}-{number:03d}"] for number in range(settings.repetitions)]
        found[p] = {
            model: {
                name: {
                    side: interval([row[model][name][place] for row in rows])
                    for place, side in enumerate(("in_sample", "out_of_sample"))
                }
                for name in rows[0][model]
            }
            for model in MODELS
        }
    out.mkdir(parents=True, exist_ok=True)
    path = figure(found).save(out)
    if as_json:
        sources = {"OLS, PCR": TABLE, "others": DIGEST}
        print_json({"study": STUDY, "published": PUBLISHED, "sources": sources, "ours": found,
                    "settings": asdict(settings), "figure": str(path)})  # fmt: skip
    else:
        _print(found, settings.repetitions)
    say(f"figure  {path}")


def _print(found: Mapping[int, Any], repetitions: int) -> None:
    headings = (
        "R^2, %",
        "model",
        "in sample: published",
        "ours",
        "out of sample: published",
        "ours ",
    )
    for p, models in found.items():
        cells = []
        for model, rows in models.items():
            for name, row in rows.items():
                theirs = PUBLISHED.get(p, {}).get(name, {}).get(model, (None, None))
                cells.append(
                    (name, model, cell_of(theirs[0]), shown(row["in_sample"]), cell_of(theirs[1]),
                     shown(row["out_of_sample"]))
                )  # fmt: skip
        print_table(
            f"{p} characteristics, {repetitions} repetitions (theirs: 100)",
            headings,
            cells,
            left_aligned={"model"},
        )
    print_sentences([f"published: OLS and PCR, {TABLE}; others, {DIGEST}"])


def figure(found: Mapping[int, Any]) -> Figure:
    """Out-of-sample R^2 of each method with intervals, published marks beside."""
    p = max(found)
    with sketch(3.6) as drawing:
        for panel, model in zip(drawing.subplots(1, 2, sharey=True), MODELS, strict=True):
            rows = found[p][model]
            for place, (name, row) in enumerate(rows.items()):
                one = row["out_of_sample"]
                panel.plot(
                    [one["ci_low"], one["ci_high"]],
                    [place] * 2,
                    color=palette.SERIES[0].token,
                    linewidth=2,
                )
                panel.plot(
                    one["mean"],
                    place,
                    "o",
                    color=palette.SERIES[0].token,
                    label="ours" if not place else None,
                )
                theirs = PUBLISHED.get(p, {}).get(name, {}).get(model, (None, None))[1]
                if theirs is not None:
                    panel.plot(
                        theirs,
                        place,
                        "x",
                        color=palette.INK.token,
                        label="published" if not place else None,
                    )
            name_rows(panel, list(rows))
            panel.set_xlabel(f"R² out of sample, %: model ({model})")
            panel.axvline(0.0, color=palette.SOFT.token, linewidth=0.8)
        panel.legend(loc="lower left")
    return finish_figure(
        drawing,
        "gu_kelly_xiu",
        f"Out-of-sample R-squared of each method in the simulation with {p} characteristics, ours and published.",
        "Dots: mean over repetitions with 95 % intervals; crosses: published.",
    )


def settings_of(seed: int, repetitions: int, full: bool) -> Settings:
    """The default's settings, or the size of the published study."""
    if full:
        return Settings(seed, 100, (50, 100), 300, 10)
    return Settings(seed, repetitions)
