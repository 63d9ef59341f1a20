"""Arrays by what they hold: the names that signatures use."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
