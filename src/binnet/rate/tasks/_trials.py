"""A batch of trials, and what all tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_integer

Seed = int | tuple[int, ...] | np.random.Generator


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of aligned trials: all begin at h_0 = 0 and have T steps.

    Attributes
    ----------
    inputs : ndarray, shape (B, T, N_in)
        x_0..x_{T-1}.
    targets : ndarray
        What the output should be: values (B, T, N_out) for the squared loss, labels (B, T) for
        the cross-entropy. Step t is judged by the first output that x_t reaches.
    mask : ndarray, shape (B, T)
        Weight of each step.
    loss : {"squared", "cross_entropy"}
        Which loss the targets are for.
    n_outputs : int
        N_out.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    mask: NDArray[np.float32]
    loss: str
    n_outputs: int

    @property
    def n_inputs(self) -> int:
        """N_in."""
        return int(self.inputs.shape[2])


def start(batch_size: int, seed: Seed) -> tuple[int, np.random.Generator]:
    """Return the checked batch size, and the generator to draw the batch with."""
    batch_size = check_integer("batch_size", batch_size, 1)
    check_memory(f"batch_size = {batch_size}: the trials", 500.0 * batch_size, "take fewer")
    if isinstance(seed, np.random.Generator):
        return batch_size, seed
    parts = seed if isinstance(seed, tuple) else (seed,)
    return batch_size, np.random.default_rng(
        [check_integer("seed", part, 0, None) for part in parts]
    )
