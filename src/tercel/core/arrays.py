"""Type aliases of NumPy arrays by element type: `Floats`, `Ints`, `Bools` ..."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int8 = NDArray[np.int8]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
AnyArray = NDArray[Any]
