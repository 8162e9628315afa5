"""What learning goes on from, besides the network: latent weights, registers and constants.

It is kept beside a network in memory images and in network files. Where latent weights stand behind
a block, the network's weights are their highest bits, and whoever reads both is told if they are
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record
from binnet.networks import BLOCKS, QFormat, QuantizedNetwork
from binnet.networks.formats import FRACTION_BITS

#: Blocks that a core learns.
LEARNED = ("couplings", "input_weights", "readout")
#: Of shift registers: x^16 + x^14 + x^13 + x^11 + 1 in Galois form (docs/model/arithmetic.md, 4).
TAPS = 0xB400


@dataclass(frozen=True, eq=False)
class LearningImage:
    """Where learning stands, as files keep it (docs/model/arithmetic.md, section 3).

    Of it and a network, `binnet.chips.learning_images.take_images` makes what a core is built with.

    Attributes
    ----------
    latent : mapping of str to ndarray of int8 or int16
        Latent weights of the blocks that have some, in the shape of the block.
    formats : mapping of str to QFormat
        Their formats.
    registers : ndarray of uint16, shape (H + C,), optional
        Shift registers of the hidden neurons, then of the readouts; None: random numbers do not
        come from registers.
    constants : mapping of str to Any
        Plain values: margins, rates, schedule and where the run stands, as the manifest of memory
        images has them; empty where a core that learns does not do it.
    """

    latent: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    formats: Mapping[str, QFormat] = field(default_factory=dict)
    registers: NDArray[np.uint16] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)

    def check(self, network: QuantizedNetwork) -> None:
        """Refuse latent weights and registers that are not those of a network.

        Parameters
        ----------
        network : QuantizedNetwork
            The network.

        Raises
        ------
        ValueError
            If a shape or a value does not fit, or a weight is not what its latent weight exposes.
        """
        for name, block in self.latent.items():
            if name not in BLOCKS or name not in self.formats:
                raise ValueError(f"latent weights must be of {', '.join(BLOCKS)}, got {name!r}")
            stored, weights = self.formats[name], getattr(network, name)
            format = getattr(network.formats, name)
            unseen = stored.bits - format.bits
            if unseen <= 0 or stored.fraction_bits != format.fraction_bits + unseen:
                raise ValueError(
                    f"latent {name} must have more bits than their {format.bits}, all of them "
                    f"fraction bits, got {stored} behind {format}"
                )
            if block.shape != weights.shape or ((block < stored.low) | (block > stored.high)).any():
                raise ValueError(
                    f"latent {name} must have shape {weights.shape} and lie within {stored.low} to "
                    f"{stored.high}, got shape {block.shape} and {block.min(initial=0)} to "
                    f"{block.max(initial=0)}"
                )
            differs = expose(block, format, unseen) != weights
            if name == "couplings":
                np.fill_diagonal(differs, False)  # no weight
            if differs.any():
                row, column = np.argwhere(differs)[0]
                raise ValueError(
                    f"the latent {name} do not expose the weights: {name}[{row}, {column}] is "
                    f"{weights[row, column]}, its latent weight {block[row, column]}"
                )
        n = network.n_neurons + network.n_outputs
        if self.registers is not None and (
            self.registers.shape != (n,) or not self.registers.all()
        ):
            raise ValueError(
                f"registers must be {n} integers of 1 to 65535, one for each hidden neuron and "
                f"readout, got shape {self.registers.shape} with "
                f"{int((self.registers == 0).sum())} that are 0"
            )


def expose(latent: NDArray[Any], format: QFormat, unseen_bits: int) -> NDArray[Any]:
    """Return the weights that latent weights expose (docs/model/arithmetic.md, eq. (3.5)).

    Parameters
    ----------
    latent : ndarray of int
        Latent weights.
    format : QFormat
        Format of the weights.
    unseen_bits : int
        How many more bits a latent weight has; 0 of one that is seen as it is.

    Returns
    -------
    ndarray
        The weights; of one bit the signs, also on the diagonal of couplings, which is no weight.
    """
    if format.bits == 1:
        return np.where(latent >= 0, 1, -1).astype(format.dtype)
    rounded = (latent.astype(np.int32) + (1 << unseen_bits >> 1)) >> unseen_bits
    return np.asarray(np.clip(rounded, format.low, format.high), format.dtype)


def read_format(entry: Record) -> QFormat:
    """Return the format of weights that an entry of a header describes.

    Parameters
    ----------
    entry : Record
        With bits and fraction bits.

    Returns
    -------
    QFormat
        The format.
    """
    return QFormat(entry.integer("bits", 1, 16), entry.integer("fraction_bits", *FRACTION_BITS))
