"""How a chip learns: what a cost of learning is counted for, and who learns from a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_choice, check_integer, check_labels
from binnet.dynamics import Relaxation
from binnet.networks import BinaryNetwork, QuantizedNetwork
from binnet.schedules import FeedbackSchedule

ROUNDINGS = ("per-weight", "per-event", "nearest")
GENERATORS = ("counter", "lfsr")


@dataclass(frozen=True, eq=False)
class LearningDesign:
    """What a cost is reported of: how a chip learns, and the samples to measure it on.

    It is of any chip and rule that `binnet.hardware.report_cost` counts (docs/model/arithmetic.md,
    section 3); what a core is built with is `binnet.chips.design.CoreLearning`.

    Parameters
    ----------
    inputs : array_like, shape (M, N_in)
        Training samples, as the network takes them, in the order of their batches.
    labels : array_like of int, shape (M,)
        Their labels.
    schedule : FeedbackSchedule
        Importance of the feedback in a training relaxation.
    batch_size : int
        B, samples before the weights change.
    rounding : {"per-weight", "per-event", "nearest"}
        As `binnet.Arithmetic.rounding`; a network in floating point draws nothing.
    generator : {"counter", "lfsr"}
        As `binnet.Arithmetic.generator`.
    exponents : tuple of (int or None), length 3
        k of J, W_in and W_out: an event moves a weight by 2**-k levels, and is rounded where k > 0.
        None: the block does not learn.
    decays : tuple of bool, length 3
        Which of the blocks decay.
    decay_period : int
        Batches from one decay to the next.
    threshold, readout_threshold : float, optional
        A neuron learns where s h, or y f, is not above it. Default: the margins of the network, if
        it is in integers, else 0.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    inputs: ArrayLike
    labels: ArrayLike
    schedule: FeedbackSchedule
    batch_size: int
    rounding: str = "per-weight"
    generator: str = "counter"
    exponents: tuple[int | None, int | None, int | None] = (1, 1, 1)
    decays: tuple[bool, bool, bool] = (False, False, False)
    decay_period: int = 1
    threshold: float | None = None
    readout_threshold: float | None = None

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, 1)
        check_integer("decay_period", self.decay_period, 1)
        check_choice("rounding", self.rounding, ROUNDINGS)
        check_choice("generator", self.generator, GENERATORS)
        for name in ("exponents", "decays"):
            if len(getattr(self, name)) != 3:
                raise ValueError(
                    f"{name} must have one entry for J, W_in and W_out each, got "
                    f"{getattr(self, name)!r}"
                )


def find_learning(
    network: BinaryNetwork | QuantizedNetwork, design: LearningDesign, result: Relaxation
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which hidden neurons and readouts learn from each sample.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    design : LearningDesign
        Its thresholds and labels.
    result : Relaxation
        What the samples relaxed to.

    Returns
    -------
    tuple of ndarray of bool, shapes (M, H) and (M, C)
        Whether each learns.
    """
    thresholds = [design.threshold or 0.0, design.readout_threshold or 0.0]
    if isinstance(network, QuantizedNetwork):
        formats = network.formats
        margins = (int(np.max(network.margin)), network.readout_margin)
        units = (2.0**-formats.fraction_bits, formats.readout.resolution)
        given = (design.threshold, design.readout_threshold)
        thresholds = [
            margin * unit if value is None else value
            for value, margin, unit in zip(given, margins, units, strict=True)
        ]
    labels = check_labels("labels", design.labels, len(result.sweeps), network.n_outputs)
    targets = np.where(np.arange(network.n_outputs) == labels[:, None], 1, -1)
    return (
        np.asarray(result.stabilities <= thresholds[0]),
        np.asarray(targets * result.readout_fields <= thresholds[1]),
    )
