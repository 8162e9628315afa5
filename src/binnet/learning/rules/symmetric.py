"""The symmetric perceptron rule: both synapses of a pair take the mean of their two updates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from binnet.learning.rules._float import FloatSynapses
from binnet.learning.rules._protocol import PlasticityRule, Settings
from binnet.networks.sparse import is_sparse, mirror


class SymmetricSynapses(FloatSynapses):
    """Synapses of the rule."""

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Return synapses whose couplings are symmetric.

        Parameters
        ----------
        settings : Settings
            Of the run.

        Returns
        -------
        SymmetricSynapses
            Before the first batch.
        """
        synapses = super().start(settings)
        couplings = synapses.weights.couplings
        if is_sparse(couplings):
            synapses.weights = replace(synapses.weights, couplings=mirror(couplings))
            return synapses
        upper = np.triu(couplings, 1)
        connectivity = synapses.weights.connectivity
        if connectivity is not None:
            connectivity = np.triu(connectivity, 1)
            connectivity = connectivity | connectivity.T
        synapses.weights = replace(
            synapses.weights, couplings=upper + upper.T, connectivity=connectivity
        )
        return synapses

    def _kernels(self) -> Any:
        from binnet_kernels.rules.symmetric import KERNELS

        return KERNELS


@dataclass(frozen=True)
class SymmetricPerceptron(PlasticityRule):
    """The source's symmetric rule (docs/model/network.md, section 7, eq. (7.1)).

    The couplings begin symmetric, the upper triangle of the drawn ones mirrored, and stay so: with
    D_ij the update that the perceptron rule would make, ::

        dJ_ij = dJ_ji = (D_ij + D_ji) / 2

    A synapse uses its value, its two ends and the fields of both. Input weights and readout learn
    as in the source's rule. The rates, margins and decays are those that all rules share, in
    `PerceptronPlasticity`; the rule has no parameters of its own, and learns in floating point.
    """

    name: ClassVar[str] = "symmetric"
    float_synapses = SymmetricSynapses
    why_no_integers = "as the mean of two updates may be half a level"

    def check(self, settings: Settings) -> None:
        """Refuse initial couplings of a symmetry that the rule would not keep.

        Parameters
        ----------
        settings : Settings
            Of the run.
        """
        super().check(settings)
        if settings.network.symmetry not in (0.0, 1.0):
            raise ValueError(
                'symmetry must be 1, or 0 as for other rules, with rule = "symmetric", whose '
                f"couplings begin symmetric in any case, got {settings.network.symmetry}; leave it "
                'out, or set rule = "perceptron"'
            )
