"""`exp` for kernels: inlined, with equal bits on every machine.

The method of Arm's optimized routines, which is that of the GNU C library since 2.28: x = k ln 2 / 128 + r, a table of
2^(i/128) with what its rounding left, a polynomial in r; every product that is added to is fused. Its results are
those of the C library on machines that fuse, to the bit (a test); a call into it costs several times as much.
"""

import math
from decimal import Decimal, localcontext
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import JIT, kernel

_N: Final = 128
_INV_LN2_N: Final = float.fromhex("0x1.71547652b82fep0") * _N
_LN2_N_HIGH: Final = -float.fromhex("0x1.62e42fefa0000p-8")
_LN2_N_LOW: Final = -float.fromhex("0x1.cf79abc9e3b3ap-47")
_C2: Final = float.fromhex("0x1.ffffffffffdbdp-2")
_C3: Final = float.fromhex("0x1.555555555543cp-3")
_C4: Final = float.fromhex("0x1.55555cf172b91p-5")
_C5: Final = float.fromhex("0x1.1111167a4d017p-7")
# Added to a number, it leaves the nearest whole number in the last bits.
_SHIFT: Final = float.fromhex("0x1.8p52")
_LEAST: Final = 2.0**-54
_MOST: Final = 512.0


def _build_table() -> NDArray[np.int64]:
    """Table of 2^(i/N): for every i the bits of its rounding error, relative to it, and its own bits less (i << 52) /
    N."""
    table = np.zeros(2 * _N, np.int64)
    with localcontext() as context:
        context.prec = 60
        for i in range(_N):
            exact = Decimal(2) ** (Decimal(i) / _N)
            rounded = float(exact)
            residual = float(exact / Decimal(rounded) - 1)
            table[2 * i] = np.float64(residual).view(np.int64)
            table[2 * i + 1] = np.float64(rounded).view(np.int64) - ((i << 52) // _N)
    return table


_TABLE: Final = _build_table()

if JIT:
    from numba.core import types
    from numba.extending import intrinsic

    def _generate_fma(context: Any, a: Any, b: Any, c: Any) -> Any:
        """Signature and code generator of a b + c with one rounding (fused multiply-add)."""

        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            """Emit the LLVM instruction for a fused multiply-add."""
            return builder.fma(*args)

        return types.float64(types.float64, types.float64, types.float64), generate

    _fma: Any = intrinsic(_generate_fma)

    @kernel
    def exp(x: float) -> float:
        """e to the power of x."""
        if not _LEAST <= abs(x) < _MOST:
            return math.exp(x)
        shifted = _fma(x, _INV_LN2_N, _SHIFT)
        k = np.float64(shifted).view(np.int64)
        multiple = shifted - _SHIFT
        r = _fma(multiple, _LN2_N_LOW, _fma(multiple, _LN2_N_HIGH, x))
        i = 2 * (k & (_N - 1))
        scale = np.int64(_TABLE[i + 1] + (k << 45)).view(np.float64)
        r2 = r * r
        low = _fma(_fma(_C3, r, _C2), r2, np.int64(_TABLE[i]).view(np.float64) + r)
        result: float = _fma(scale, _fma(r2 * r2, _fma(r, _C5, _C4), low), scale)
        return result

else:

    def exp(x: float) -> float:
        """e to the power of x."""
        return math.exp(x)
