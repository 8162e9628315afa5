"""What a run in integers learns with, as the numbers that a chip is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from binnet.learning.arithmetic import EXPONENTS
from binnet.learning.rules._integer import IntegerSynapses
from binnet.learning.rules._levels import (
    derive_decays,
    derive_exponents,
    derive_shifts,
    latent_formats,
)
from binnet.learning.run import Run
from binnet.networks import BLOCKS, QFormat

_NEVER = EXPONENTS[1] + 1  # a gain of 0 raises k beyond all that is learned with


@dataclass(frozen=True)
class IntegerPlasticity:
    """The rates of one batch of a run in integers, of J, W_in, W_out (docs/model/arithmetic.md, 3).

    `binnet.chips.design.CoreLearning` is all that a core needs, with the rates at factor 1.

    Attributes
    ----------
    exponents : tuple of (int or None)
        k of a block: an event moves a weight by 2**-k levels; None: it does not learn.
    decays : tuple of (int or None)
        k of its decay by 2**-k; None: none.
    decay_period : int
        Batches from one decay to the next.
    formats : tuple of QFormat
        Of what plasticity changes: the latent weights, where there are any.
    """

    exponents: tuple[int | None, int | None, int | None]
    decays: tuple[int | None, int | None, int | None]
    decay_period: int
    formats: tuple[QFormat, QFormat, QFormat]


def describe_integer_plasticity(run: Run, factor: float = 1.0) -> IntegerPlasticity:
    """Return what a run in integers, of one module, learns with.

    Parameters
    ----------
    run : Run
        The run.
    factor : float, default 1.0
        phi, the rate factor of the batch.

    Returns
    -------
    IntegerPlasticity
        Its exponents and formats.

    Raises
    ------
    TypeError
        If the run is not one in integers.
    """
    if not isinstance(run.synapses, IntegerSynapses):
        raise TypeError(
            f"run must be one in integers, got arithmetic = "
            f"{run.configuration.arithmetic.arithmetic!r}; train with arithmetic = 'int8', or fewer"
        )
    settings, formats = run.configuration, run.synapses.weights.formats
    raised, most = round(-math.log2(factor)), EXPONENTS[1]
    gains = derive_shifts(settings)[:, 0].tolist()
    exponents = [
        None if k is None or gain > _NEVER else min(min(k + raised, most) + gain, most)
        for k, gain in zip(derive_exponents(settings, formats), gains, strict=False)
    ]
    decays, period = derive_decays(settings)
    fading = [None if k < 0 else min(k + raised, most) for k in decays]
    J, W_in, W_out = latent_formats(settings, formats)[:3]
    return IntegerPlasticity(
        (exponents[0], exponents[1], exponents[2]),
        (fading[0], fading[1], fading[2]),
        period,
        (J, W_in, W_out),
    )


def take_latent(run: Run) -> tuple[dict[str, NDArray[Any]], dict[str, QFormat]]:
    """Return the latent weights of a run in integers, and their formats.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    latent : dict of str to ndarray
        By the names of the blocks, W_back among them where it learns; empty where there are none.
    formats : dict of str to QFormat
        Formats of these.
    """
    if not isinstance(run.synapses, IntegerSynapses):
        return {}, {}
    formats = latent_formats(run.configuration, run.synapses.weights.formats)
    latent = {name: block.copy() for name, block in run.synapses.latent.items()}
    return latent, {
        name: format for name, format in zip(BLOCKS, formats, strict=True) if name in latent
    }
