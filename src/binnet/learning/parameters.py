"""How a network is trained: epochs, batches, update order, numbers and seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from binnet._deprecation import renamed_field
from binnet._validation import check_choice, keep_integer, keep_real
from binnet.dynamics import INFERENCE_SWEEPS
from binnet.update_orders import find_order

DTYPES = ("float32", "float64")


@renamed_field("dynamics", "update_order")
@dataclass(frozen=True)
class TrainingParameters:
    """How a network is trained.

    Parameters
    ----------
    epochs : int, default 20
        Passes over the training samples, at least 1.
    batch_size : int, default 16
        B, samples per update, at least 1.
    update_order : str, default "sync"
        How neurons are updated, one of `binnet.update_orders.list_orders("driven")`.
    update_probability : float, default 0.5
        Of each neuron in a sweep of random-subset updates, in (0, 1].
    input_noise : float, default 0.0
        Probability, 0 to 0.5, that a spin of an input is flipped, or a graded input set to 0, when
        it is presented in training, anew in every epoch; where accuracies are measured there is
        none.
    curriculum_start : float, default 1.0
        Fraction of the epochs, 0 to 1, after which an epoch leaves out some samples, as an option
        of the source's code does; 1: none does.
    curriculum_wrong : float, default 0.5
        p, 0 to 1: such an epoch keeps a sample with this probability if the network predicts it
        wrongly before the epoch, else with 1 - p; all of them where it would keep none.
    inference_sweeps : int, default 10
        Sweeps at most when accuracies are measured.
    patience : int, default 0
        Epochs after which the run ends early, if its accuracy on the set "validation" has not risen
        in them; the network of the best epoch is kept. 0: it goes on to its last epoch. The rates
        of a linear schedule fall over all `epochs`, wherever the run ends.
    dtype : {"float32", "float64"}, default "float32"
        Arithmetic of the kernels.
    seed : int, default 0
        Of the initial weights, the order of samples and the update order.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    epochs: int = 20
    batch_size: int = 16
    update_order: str = "sync"
    update_probability: float = 0.5
    input_noise: float = 0.0
    curriculum_start: float = 1.0
    curriculum_wrong: float = 0.5
    inference_sweeps: int = INFERENCE_SWEEPS
    patience: int = 0
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "inference_sweeps"):
            keep_integer(self, name, 1)
        keep_integer(self, "patience", 0)
        keep_integer(self, "seed", 0, None)
        find_order(self.update_order, "driven")
        keep_real(self, "update_probability", 0.0, 1.0, above=True)
        keep_real(self, "input_noise", 0.0, 0.5)
        keep_real(self, "curriculum_start", 0.0, 1.0)
        keep_real(self, "curriculum_wrong", 0.0, 1.0)
        check_choice("dtype", self.dtype, DTYPES)

    def inference_options(self) -> dict[str, Any]:
        """Return how accuracies are measured, as keywords of `binnet.predict` and `binnet.relax`.

        Returns
        -------
        dict
            max_sweeps, update_order, update_probability and seed.
        """
        return {
            "max_sweeps": self.inference_sweeps,
            "update_order": self.update_order,
            "update_probability": self.update_probability,
            "seed": self.seed,
        }
