"""Parameters of the local plasticity: every neuron applies the perceptron rule to its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_choice, keep_bool, keep_real
from binnet.networks import BinaryNetwork, NetworkParameters, QuantizedNetwork

BLOCKS = ("couplings", "input", "readout")
RATE_SCHEDULES = ("constant", "linear")
RATE_SCALINGS = ("weights", "fields")
READOUT_TARGETS = ("equal", "balanced")
EXCITATION_EXCLUDED = ("before", "once")
_REFERENCE_SIZE = 400  # H at which both scalings are the same


@dataclass(frozen=True)
class PerceptronPlasticity:
    """The source's local rule (docs/model/network.md, section 3).

    After the relaxation of a mini-batch of B samples every hidden neuron tests its own stability
    with the feedback removed, unstable_i = [s_i h_i <= margin + J_D], and every readout neuron
    unstable_c = [f_c y_c <= readout_margin]. Then, after a decay of each block by the fraction
    (its prefactor and rate) * (its decay)::

        dJ_ij  = (rate_couplings / sqrt(H))                  / sqrt(B) * sum_b unstable_i s_i s_j
        dW_in  = (rate_input * lambda_in / sqrt(N_in))       / sqrt(B) * sum_b unstable_i s_i x_n
        dW_out = (rate_readout / sqrt(H))                    / sqrt(B) * sum_b unstable_c y_c s_i

    A synapse uses its own value, its two ends and the field of its target neuron: no error signal
    is transported, and no gradient.

    Parameters
    ----------
    rate_couplings, rate_input, rate_readout : float
        eta_J, eta_in, eta_out >= 0; 0 leaves the block as it was drawn. Defaults 0.005, 0.03, 0.1.
    margin : float, default 0.9
        kappa, the stability that a hidden neuron asks for.
    readout_margin : float, default 3.0
        kappa_out, the stability that a readout neuron asks for.
    decay_couplings, decay_input, decay_readout : float
        Weight decays wd >= 0. Defaults 0.005, 0, 0.005.
    margin_excludes_self_coupling : bool, default True
        Whether J_D (and lambda of the module before) is added to `margin`: fixed help then does not
        count.
    margin_excludes_excitation : {"before", "once"}, default "before"
        With it, which excitation does not count: lambda of the module before, where there is one,
        so that the help of the module behind does; or, as in the source's code, lambda once in
        every module that has a neighbour, be it before or behind.
    rate_schedule : {"constant", "linear"}, default "constant"
        Whether all rates stay, or fall linearly to 0 over the run.
    rate_scaling : {"weights", "fields"}, default "weights"
        How dJ goes with H. "weights": as above, the source's; an event moves a coupling by as many
        of its initial standard deviations in every network, and a hidden field by sqrt(H) of them.
        "fields": rate_couplings sqrt(400 / H) in its place; an event moves a hidden field by as
        much, through the couplings of its module, at every H. H is density H in a diluted module;
        couplings from neighbouring modules learn at the same rate.
    averaging : float, default 0.0
        gamma >= 0 of a running mean that each synapse keeps of itself: a value of time m counts as
        m**gamma in it (docs/model/network.md, eq. (3.8)). The network that is measured and kept is
        then that of the means, which integers round, while the weights go on learning. 0: no mean.
    readout_targets : {"equal", "balanced"}, default "equal"
        Sizes of the readout spins y_c that the readout learns from. "equal": 1. "balanced", as in
        the source's code: C/4 for the class of the sample, sqrt(C)/4 for the others, which divide
        `readout_margin` and multiply `rate_readout` (docs/model/network.md, eq. (11.3)); floating
        point only.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    rate_couplings: float = 0.005
    rate_input: float = 0.03
    rate_readout: float = 0.1
    margin: float = 0.9
    readout_margin: float = 3.0
    decay_couplings: float = 0.005
    decay_input: float = 0.0
    decay_readout: float = 0.005
    margin_excludes_self_coupling: bool = True
    margin_excludes_excitation: str = "before"
    rate_schedule: str = "constant"
    rate_scaling: str = "weights"
    readout_targets: str = "equal"
    averaging: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rate_couplings", "rate_input", "rate_readout"):
            keep_real(self, name, 0.0)
        for name in ("decay_couplings", "decay_input", "decay_readout"):
            keep_real(self, name, 0.0, 1.0)
        keep_real(self, "margin")
        keep_real(self, "readout_margin")
        keep_bool(self, "margin_excludes_self_coupling")
        check_choice(
            "margin_excludes_excitation", self.margin_excludes_excitation, EXCITATION_EXCLUDED
        )
        check_choice("rate_schedule", self.rate_schedule, RATE_SCHEDULES)
        check_choice("rate_scaling", self.rate_scaling, RATE_SCALINGS)
        check_choice("readout_targets", self.readout_targets, READOUT_TARGETS)
        keep_real(self, "averaging", 0.0)

    def target_sizes(self, n_outputs: int) -> NDArray[np.float64]:
        """Return the sizes of the readout spins of a wrong class and of the right one.

        Parameters
        ----------
        n_outputs : int
            C.

        Returns
        -------
        ndarray, shape (2,)
            1 and 1, or sqrt(C)/4 and C/4.
        """
        if self.readout_targets == "equal":
            return np.ones(2)
        return np.array([math.sqrt(n_outputs), n_outputs]) / 4

    def fixed_help(self, network: BinaryNetwork | QuantizedNetwork) -> NDArray[Any]:
        """Return J_D and the excitation that `margin_excludes_excitation` names, of each neuron.

        Parameters
        ----------
        network : BinaryNetwork or QuantizedNetwork
            The network.

        Returns
        -------
        ndarray, shape (H,)
            What is added to `margin`; for a network in integers in units of its accumulator.
        """
        if self.margin_excludes_excitation == "before" or network.partners is None:
            return network.fixed_help
        return np.asarray(network.self_couplings + network.partners[1].max(axis=0))

    def scaled_rates(self, network: NetworkParameters) -> NDArray[np.float64]:
        """Return the rates with the prefactors of their blocks, but without 1 / sqrt(B).

        Parameters
        ----------
        network : NetworkParameters
            Sizes and strengths.

        Returns
        -------
        ndarray, shape (3,)
            Of couplings, input weights and readout.
        """
        rates = np.array([self.rate_couplings, self.rate_input, self.rate_readout])
        rates = rates * network.prefactors
        if self.rate_scaling == "fields":
            rates[0] *= math.sqrt(_REFERENCE_SIZE) * network.prefactors[0]
        return np.asarray(rates)

    def gains(self, network: NetworkParameters) -> NDArray[np.float64]:
        """Return what multiplies the scaled rates of each neuron besides.

        Parameters
        ----------
        network : NetworkParameters
            Sizes and strengths.

        Returns
        -------
        ndarray, shape (3, H of all modules)
            Of its couplings, its input weights and the readout from it; 1 in one dense module.
        """
        gains = network.rate_gains
        if self.rate_scaling == "fields":
            gains = np.stack([gains[0] ** 2, *gains[1:]])
        return gains

    def losses(self, network: NetworkParameters) -> NDArray[np.float64]:
        """Return the fraction that each block loses per batch by its decay, at rate factor 1.

        Parameters
        ----------
        network : NetworkParameters
            Sizes and strengths.

        Returns
        -------
        ndarray, shape (3,)
            Of couplings, input weights and readout.
        """
        decays = np.array([self.decay_couplings, self.decay_input, self.decay_readout])
        return np.asarray(self.scaled_rates(network) * decays)

    def rate_factors(self, first: int, n: int, n_total: int) -> NDArray[np.float64]:
        """Return what multiplies all rates in batches first..first+n-1 of a run of `n_total`.

        Parameters
        ----------
        first, n, n_total : int
            Number of the first batch, how many batches, and how many the run has.

        Returns
        -------
        ndarray, shape (n,)
            1, or falling linearly from 1 at batch 0 towards 0 at batch `n_total`; beyond the last
            batch it stays.
        """
        if self.rate_schedule == "constant":
            return np.ones(n)
        return 1.0 - np.minimum(np.arange(first, first + n), n_total - 1) / n_total
