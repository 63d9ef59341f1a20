"""What the process has that commands are forked from: modules of gates and of the command line, kernels loaded."""

import gc

import numpy as np

import tercel.cli.root
import tercel.desk.gate.__main__
import tercel.fix.client  # noqa: F401
from tercel.core.orders import Listing, MarketRows
from tercel.core.version import code_mark
from tercel.desk.trading.parent_orders.follower import Follower

Follower(Listing("X", 0.01, 1, dense_ids=16)).on_market(
    MarketRows("X", np.empty((0, 8), np.int64), snapshot=True)
)
code_mark()
gc.collect()
gc.freeze()  # what is collected here is not looked through by each of them
