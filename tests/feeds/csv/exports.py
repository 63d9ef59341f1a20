"""Real sets that come in other shapes, exported as the CSV files that the shipped maps read.

The two exporters are the documented way: an R data file through `rdata`, a MATLAB file through `scipy.io`.
"""

from pathlib import Path
from warnings import catch_warnings

import numpy as np
import polars as pl


def taq_frame(path: Path) -> pl.DataFrame:
    """The one frame of an .rda file; its times are seconds since 1970."""
    import rdata

    with catch_warnings(action="ignore"):
        (frame,) = rdata.read_rda(path).values()
    ns = (pl.col("DT") * 1e9).round().cast(pl.Int64)
    return pl.DataFrame({name: frame[name].tolist() for name in frame}).with_columns(
        ns.cast(pl.Datetime("ns"))
    )


def export_taq(folder: Path, out: Path) -> list[Path]:
    """Raw quotes and trades as CSV."""
    files = []
    for source, name in (
        ("sampleQDataRaw", "raw_quotes.csv"),
        ("sampleTDataRaw", "raw_trades.csv"),
    ):
        frame = taq_frame(folder / f"{source}.rda")
        frame = frame.with_columns(
            pl.col("DT").cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%d %H:%M:%S%.9f")
        )
        frame.write_csv(out / name)
        files.append(out / name)
    return files


def export_mat(path: Path, out: Path, rows: int | None = None) -> list[Path]:
    """The snapshots and the market orders of a MATLAB file as two CSV files named for the map `lob-snapshots`."""
    from scipy.io import loadmat

    lob = loadmat(path)["LOB"][0, 0]
    time, orders = lob["EventTime"][:rows, 0], lob["MO"]
    columns = {
        f"{name}{n + 1}": lob[name][:rows, n]
        for name in ("BuyPrice", "BuyVolume", "SellPrice", "SellVolume")
        for n in range(lob[name].shape[1])
    }
    files = [out / f"{path.stem}_{what}.csv" for what in ("book", "orders")]
    pl.DataFrame({"EventTime": time, **columns}).write_csv(files[0])
    inside = (orders[:, 0] >= time[0]) & (orders[:, 0] <= time[-1])
    told = orders[inside][:, [0, 5, 6, 7]].astype(np.int64)
    pl.DataFrame(told, ["time", "price", "size", "direction"]).write_csv(files[1])
    return files
