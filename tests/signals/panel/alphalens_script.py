"""What alphalens-reloaded measures on a panel, as JSON: run by its own Python, which has no Tercel.

python alphalens_script.py FOLDER QUANTILES PERIOD ...        reads prices.csv and factor.csv of the folder
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import pandas as pd


def by_date(values: pd.Series) -> dict[str, float | None]:
    """Values by ISO date; None where there is none."""
    return {
        f"{day:%Y-%m-%d}": None if pd.isna(value) else float(value) for day, value in values.items()
    }


def main(folder: Path, quantiles: int, periods: list[int]) -> None:
    """Print the figures of the panel in a folder."""
    import alphalens  # the Python that collects tests has none
    from alphalens import performance, utils

    warnings.simplefilter("ignore")
    prices = pd.read_csv(folder / "prices.csv", index_col="date", parse_dates=True)
    factor = pd.read_csv(folder / "factor.csv", parse_dates=["date"])
    scores = factor.set_index(["date", "asset"])["value"].sort_index()
    with contextlib.redirect_stdout(sys.stderr):
        clean = utils.get_clean_factor_and_forward_returns(
            scores, prices, quantiles=quantiles, periods=periods, max_loss=0.9
        )
    columns = list(utils.get_forward_returns_columns(clean.columns))
    ic = performance.factor_information_coefficient(clean)
    means = {
        kind: performance.mean_return_by_quantile(clean, demeaned=kind == "demeaned")[0]
        for kind in ("demeaned", "raw")
    }
    bins = clean["factor_quantile"]
    json.dump(
        {
            "version": alphalens.__version__,
            "bins": [[f"{d:%Y-%m-%d}", name, int(k)] for (d, name), k in bins.items()],
            "ic": {p: by_date(ic[c]) for p, c in zip(periods, columns, strict=True)},
            "returns": {
                kind: {p: table[c].tolist() for p, c in zip(periods, columns, strict=True)}
                for kind, table in means.items()
            },
            "turnover": {
                k: by_date(performance.quantile_turnover(bins, k)) for k in range(1, quantiles + 1)
            },
            "autocorrelation": by_date(performance.factor_rank_autocorrelation(clean)),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(period) for period in sys.argv[3:]])
