"""A batch of trials, and what all tasks share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_choice, check_integer

Seed = int | tuple[int, ...] | np.random.Generator
#: Which steps count: those that the task says, or only those of the response.
LOSS_MASKS = ("task", "response")


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
    response : ndarray, shape (B, T), optional
        The steps of the response or decision, as booleans or weights. Default: it is not known.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    mask: NDArray[np.float32]
    loss: str
    n_outputs: int
    response: NDArray[Any] | None = None

    @property
    def n_inputs(self) -> int:
        """N_in."""
        return int(self.inputs.shape[2])

    def masked(self, loss_mask: str) -> Trials:
        """Return the trials with the mask of a run.

        Parameters
        ----------
        loss_mask : {"task", "response"}
            Which steps count: those that the task says, or of them only those of the response.

        Returns
        -------
        Trials
            These trials, or the same with another mask.

        Raises
        ------
        ValueError
            If the steps of the response are not known.
        """
        if check_choice("loss_mask", loss_mask, LOSS_MASKS) == "task":
            return self
        steps = self.inputs.shape[:2]
        if self.response is None or np.shape(self.response) != steps:
            found = "None" if self.response is None else f"of shape {np.shape(self.response)}"
            raise ValueError(
                f"loss_mask 'response' needs trials that say which steps those are: response must "
                f"be of shape (B, T) = {steps}, got {found}; let the task set Trials.response, or "
                "take loss_mask 'task'"
            )
        weights = np.asarray(self.response, np.float32)
        if self.mask.ndim == 3:  # weights of each output
            weights = weights[..., None]
        return replace(self, mask=self.mask * weights)


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
