"""Data frame that results return: one of Polars that pandas takes without pyarrow."""

from pkgutil import resolve_name
from typing import Any

import polars as pl

from tercel.core.errors import ConfigError


class Frame(pl.DataFrame):
    """Polars data frame whose `to_pandas` needs pandas alone; frames computed from it are plain ones of Polars.

    >>> Frame({"lots": [3, None]}).to_pandas()["lots"].tolist()
    [3.0, nan]
    """

    def to_pandas(self, **options: Any) -> Any:
        """Frame of pandas with the same columns; with `options` by Polars, which needs pyarrow; ConfigError without it."""
        if options:
            return super().to_pandas(**options)
        try:
            make_frame = resolve_name("pandas:DataFrame")  # not among our dependencies
        except ModuleNotFoundError as error:
            raise ConfigError("pandas", "no module pandas", "pip install pandas") from error
        with_times = self.cast({pl.Date: pl.Datetime})  # dates too are times there
        return make_frame(with_times.to_dict(as_series=False), columns=self.columns)
