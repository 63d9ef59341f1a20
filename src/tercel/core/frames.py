"""Data frame that results return: one of Polars that pandas takes without pyarrow."""

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pandas as pd


class Frame(pl.DataFrame):
    """Polars data frame whose `to_pandas` needs pandas alone; frames computed from it are plain ones of Polars.

    >>> Frame({"lots": [3, None]}).to_pandas()["lots"].tolist()
    [3.0, nan]
    """

    def to_pandas(self, **options: Any) -> "pd.DataFrame":
        """Data frame of pandas with the same columns; with `options` by Polars itself, which needs pyarrow for it."""
        import pandas as pd

        if options:
            return super().to_pandas(**options)
        return pd.DataFrame(self.to_dict(as_series=False), columns=self.columns)
