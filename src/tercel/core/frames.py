"""Data frame that results return: one of Polars that pandas takes without pyarrow."""

from pkgutil import resolve_name
from typing import Any

import polars as pl


class Frame(pl.DataFrame):
    """Polars data frame whose `to_pandas` needs pandas alone; frames computed from it are plain ones of Polars.

    >>> Frame({"lots": [3, None]}).to_pandas()["lots"].tolist()
    [3.0, nan]
    """

    def to_pandas(self, **options: Any) -> Any:
        """Data frame of pandas with the same columns; with `options` by Polars itself, which needs pyarrow for it."""
        if options:
            return super().to_pandas(**options)
        make_frame = resolve_name("pandas:DataFrame")  # not among our dependencies
        return make_frame(self.to_dict(as_series=False), columns=self.columns)
