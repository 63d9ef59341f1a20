"""Random streams: one per market, seeded by (seed, index), so that results do not depend on threads or batch size.

The generator is xoroshiro128+ (Blackman & Vigna 2018), seeded by splitmix64 (Steele, Lea & Flood 2014); the two state
words lie in an int64 array at an offset.
"""

import numpy as np

from tercel.core.jit import JIT, Longs, kernel

if not JIT:  # the interpreter warns about the wrap-around that 64-bit mixing is made of
    np.seterr(over="ignore")


@kernel
def mix(x: int | np.int64) -> np.uint64:
    """One step of splitmix64: maps an integer to a well-mixed 64-bit word."""
    z = np.uint64(np.int64(x)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def seed_stream(k: Longs, offset: int, seed: int, index: int, purpose: int) -> None:
    """Seed the stream whose state is `k[offset]`, `k[offset + 1]` from (seed, index, purpose), in place."""
    a = mix(seed) ^ mix(np.int64(mix(index)) + purpose)
    k[offset] = np.int64(mix(np.int64(a)))
    k[offset + 1] = np.int64(mix(np.int64(a) + 1)) | 1


@kernel
def next_word(k: Longs, offset: int) -> np.uint64:
    """Next 64 random bits of the stream at `k[offset]`, whose state is advanced in place; the lowest few are the weakest."""
    s0 = np.uint64(k[offset])
    s1 = np.uint64(k[offset + 1])
    result = s0 + s1
    s1 ^= s0
    k[offset] = np.int64(
        ((s0 << np.uint64(24)) | (s0 >> np.uint64(40))) ^ s1 ^ (s1 << np.uint64(16))
    )
    k[offset + 1] = np.int64((s1 << np.uint64(37)) | (s1 >> np.uint64(27)))
    return result


@kernel
def uniform(k: Longs, offset: int) -> float:
    """Next number in [0, 1), of 53 random bits, of the stream at `k[offset]`, whose state is advanced in place."""
    return float(next_word(k, offset) >> np.uint64(11)) * (1.0 / 9007199254740992.0)
