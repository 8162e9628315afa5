"""Cases of `test_kernels_integer_rules.py`: what is learned in integers, and how."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import naive_integer
from binnet_kernels.rules import integer_synapses

SIZES = (13, 20, 9)
N_INPUTS, N_CLASSES = 7, 4
FRACTIONS = (2, 3, 1, 3)  # of an accumulator with 3: couplings are shifted by 1
ENDS = {1: (-1, 1), 2: (-1, 1), 4: (-8, 7), 8: (-128, 127), 16: (-32768, 32767)}
ROUNDINGS = {
    "nearest": integer_synapses.NEAREST,
    "per-weight": integer_synapses.PER_WEIGHT,
    "per-event": integer_synapses.PER_EVENT,
}
KEY, FIRST, FIRST_BATCH = np.uint64(5), 300, 6
BLOCKS = ("J", "W_in", "W_out", "W_back")
NEVER = None
# k of J, W_in, W_out and W_back in each module: as gains of 2, 1/2, 1/4, and what is not attached.
RAISED = ((-1, 0, 1), (0, 2, NEVER), (NEVER, 1, 0), (0, 1, NEVER))


class Case(NamedTuple):
    bits: int | tuple[int, ...] = 8  # of all blocks, or of each
    latent_bits: int | tuple[int, ...] = 0  # 0: no latent weights
    ks: tuple[int, ...] = (2, 1, 1)
    rounding: str = "per-weight"
    use_register: bool = False
    decays: tuple[int, int, int] = (-1, -1, -1)
    n: int = 30
    batch_size: int = 12
    sizes: tuple[int, ...] = SIZES
    density: float = 1.0  # of a single module
    asynchronous: bool = False
    third: naive_integer.ThirdFactor | None = None
    raised: tuple[tuple[int | None, ...], ...] = RAISED
    fraction: int = -1  # fraction bits of graded inputs; negative: spins
    ends: tuple[int, int] = (0, 15)  # of graded inputs

    @property
    def bits_of_blocks(self) -> tuple[int, ...]:
        return self.bits if isinstance(self.bits, tuple) else (self.bits,) * 4

    @property
    def unseen_bits(self) -> list[int]:
        latent = (
            self.latent_bits if isinstance(self.latent_bits, tuple) else (self.latent_bits,) * 4
        )
        return [max(0, wide - seen) for wide, seen in zip(latent, self.bits_of_blocks, strict=True)]


def dtype_of(bits: int) -> Any:
    return np.int8 if bits <= 8 else np.int16


THIRD = naive_integer.ThirdFactor(scale=2**14, threshold=150000)
CASES = {
    "modules": Case(),
    "modules by registers": Case(use_register=True),
    "modules by events": Case(rounding="per-event"),
    "modules by events and registers": Case(rounding="per-event", use_register=True),
    "modules to the nearest": Case(rounding="nearest"),
    "modules, asynchronous": Case(asynchronous=True),
    "modules, 40 samples at once": Case(n=60, batch_size=40, use_register=True),
    "33 samples at once": Case(n=70, batch_size=33, ks=(3, 4, 2)),
    "64 samples at once to the nearest": Case(n=130, batch_size=64, rounding="nearest"),
    "100 samples at once by events": Case(n=210, batch_size=100, rounding="per-event"),
    "100 samples at once by events and registers": Case(
        n=210, batch_size=100, rounding="per-event", use_register=True, ks=(4, 3, 2)
    ),
    "64 samples at once, more than a level": Case(n=65, batch_size=64, ks=(-1, 0, -2)),
    "64 samples at once with gaps": Case(
        n=130, batch_size=64, sizes=(42,), density=0.4, ks=(3, 3, 2), decays=(2, 2, 2)
    ),
    "64 samples at once with gaps by registers": Case(
        n=130, batch_size=64, sizes=(42,), density=0.4, ks=(3, 3, 2), use_register=True
    ),
    "64 samples at once, latent": Case(n=130, batch_size=64, bits=4, latent_bits=8, ks=(4, 3, 3)),
    "64 samples at once, one bit": Case(n=130, batch_size=64, bits=1, ks=(4, 3, 3)),
    "bits of blocks": Case(bits=(2, 8, 4, 8)),
    "bits of blocks by registers": Case(bits=(1, 8, 2, 8), use_register=True),
    "one bit of J, latent, wide W_in": Case(
        bits=(1, 8, 4, 8), latent_bits=(4, 16, 0, 0), decays=(1, 2, 1)
    ),
    "latent W_in alone": Case(bits=(4, 2, 1, 4), latent_bits=(0, 8, 0, 0)),
    "bits of blocks, latent W_back": Case(
        bits=(4, 2, 4, 4), latent_bits=(8, 0, 16, 8), third=THIRD, ks=(2, 1, 1, 2)
    ),
    "modules with decay": Case(decays=(2, -1, 1)),
    "modules with decay by registers": Case(decays=(2, 3, 1), use_register=True),
    "more than a level": Case(ks=(-1, 0, -2)),
    "gaps": Case(sizes=(42,), density=0.4),
    "gaps and registers": Case(sizes=(42,), density=0.4, use_register=True, decays=(2, 2, 2)),
    "one bit in modules": Case(bits=1),
    "one bit in modules by registers": Case(bits=1, use_register=True),
    "one bit with gaps": Case(bits=1, sizes=(42,), density=0.4, rounding="per-event"),
    "latent": Case(bits=4, latent_bits=8),
    "latent with gaps and decay": Case(
        bits=4, latent_bits=8, sizes=(42,), density=0.4, use_register=True, decays=(2, -1, 1)
    ),
    "latent, one bit seen": Case(bits=1, latent_bits=8),
    "latent, one bit with gaps": Case(bits=1, latent_bits=8, sizes=(42,), density=0.4),
    "third factor": Case(third=THIRD),
    "third factor, W_back learned": Case(third=THIRD, ks=(2, 1, 1, 2)),
    "third factor, latent W_back": Case(third=THIRD, ks=(2, 1, 1, 2), bits=4, latent_bits=8),
    "third factor by events and registers": Case(
        third=THIRD, ks=(2, 1, 1, 2), rounding="per-event", use_register=True
    ),
    "third factor, 64 samples at once": Case(
        third=THIRD, ks=(3, 2, 1, 3), n=70, batch_size=64, rounding="per-event"
    ),
    "third factor in one module": Case(
        third=THIRD, ks=(2, 1, 1, 2), sizes=(42,), density=0.4, n=40, batch_size=36
    ),
    "graded": Case(fraction=4),
    "graded, signed, by registers": Case(fraction=3, ends=(-16, 15), use_register=True),
    "graded by events": Case(fraction=4, rounding="per-event"),
    "graded, signed, by events and registers": Case(
        fraction=3, ends=(-16, 15), rounding="per-event", use_register=True
    ),
    "graded to the nearest": Case(fraction=4, rounding="nearest"),
    "graded, 40 samples at once": Case(fraction=4, n=60, batch_size=40, use_register=True),
    "graded, 64 samples at once by events": Case(
        fraction=4, n=70, batch_size=64, rounding="per-event"
    ),
    "graded, slow": Case(fraction=8, ends=(0, 255), ks=(2, 8, 1), n=90, batch_size=32),
    "graded, slow, by registers": Case(
        fraction=8, ends=(0, 255), ks=(2, 9, 1), n=90, batch_size=32, use_register=True
    ),
    "graded, slow, by events and registers": Case(
        fraction=8,
        ends=(0, 255),
        ks=(2, 9, 1),
        n=90,
        batch_size=32,
        use_register=True,
        rounding="per-event",
        raised=((0,),) * 3,
        sizes=(42,),
    ),
    "graded, more than a level": Case(fraction=2, ends=(-4, 3), ks=(-1, -4, -2)),
    "graded, more than a level, by events": Case(
        fraction=2, ends=(-4, 3), ks=(-1, -2, -2), rounding="per-event"
    ),
    "graded, whole": Case(fraction=0, ends=(-2, 1), rounding="per-event", ks=(2, -1, 1)),
    "graded, one bit": Case(fraction=4, bits=1, decays=(-1, -1, -1)),
    "graded, latent, with decay": Case(fraction=4, bits=4, latent_bits=8, decays=(2, 2, 1)),
    "graded, third factor": Case(fraction=4, third=THIRD, ks=(2, 1, 1, 2)),
}
