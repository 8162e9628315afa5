"""What a cost is made of: blocks of weights, and items of operations, memory and random numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from binnet._deprecation import renamed_field

FLOAT_BITS = 32
# A float network is counted as float32, whatever it was trained in.
INFERENCE = ("couplings", "input_weights", "readout")


@renamed_field("synapse_bits", "latent_bits")
@dataclass(frozen=True)
class BlockCost:
    """Cost of one block of weights.

    Attributes
    ----------
    shape : tuple of int
        Of the matrix.
    weights : int
        Weights that count; the couplings' diagonal does not.
    bits : int
        Of a weight, as fields read it; 32 is float32.
    latent_bits : int
        Of the latent weight behind it, as the memory of a chip that learns holds it; as many as
        `bits` without latent weights.
    memory_bits : int
        Bits of the memory of a chip that infers only, the diagonal included.
    learning_memory_bits : int
        The same of a chip that learns, which holds latent weights.
    saturation_events : int or None
        How often weights were cut at the ends of their format; None for floating point, or if
        unknown.
    updates_per_synapse : float or None
        Mean number of times that a synapse changed in training; None if unknown.
    """

    shape: tuple[int, int]
    weights: int
    bits: int
    latent_bits: int
    memory_bits: int
    learning_memory_bits: int
    saturation_events: int | None
    updates_per_synapse: float | None


@dataclass(frozen=True)
class CostItem:
    """What one part of the work takes, as a mean.

    Attributes
    ----------
    operations : float
        Additions, comparisons and changes of weights.
    bits_read, bits_written : float
        That memories move.
    draws : float
        Random numbers.
    words : float
        Words of memory that are read or written, of as many lanes as the design has processing
        elements; 0 where their number is not given.
    energy : float
        Picojoules, for all of these.
    """

    operations: float = 0.0
    bits_read: float = 0.0
    bits_written: float = 0.0
    draws: float = 0.0
    words: float = 0.0
    energy: float = 0.0


def sum_items(items: Iterable[CostItem]) -> CostItem:
    """Add items up.

    Parameters
    ----------
    items : iterable of CostItem
        The items.

    Returns
    -------
    CostItem
        Their sum.
    """
    items = list(items)
    names = [field.name for field in fields(CostItem)]
    return CostItem(**{name: sum(getattr(item, name) for item in items) for name in names})


@dataclass(frozen=True)
class SampleCost:
    """Mean cost of a training sample, item by item.

    Attributes
    ----------
    samples : int
        Training samples that it was measured on.
    batch_size : int
        B, samples before the weights change.
    sweeps : float
        Mean sweeps of a training relaxation.
    flips : float
        Mean number of neurons that flipped in it, after all woke in the first sweep.
    unstable, wrong : float
        Fractions of hidden neurons, and of readouts, that learn from a sample.
    feedback_bits, register_bits : int
        Memory that a chip that learns has besides its weights: the fields of the feedback with each
        label, and the shift registers of its neurons.
    dense, event_driven : dict of str to CostItem
        By name: "inputs", "relaxation" (couplings), "feedback", "stability" (couplings once more,
        without feedback), "readout", "comparisons", "events" (sums over the batch), "updates" and
        "decay"; and "total".
    """

    samples: int
    batch_size: int
    sweeps: float
    flips: float
    unstable: float
    wrong: float
    feedback_bits: int
    register_bits: int
    dense: dict[str, CostItem]
    event_driven: dict[str, CostItem]
