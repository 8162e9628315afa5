"""The soft rule: a local cross-entropy in place of the hard margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from binnet._validation import keep_real
from binnet.learning.rules._float import FloatSynapses
from binnet.learning.rules._protocol import PlasticityRule


class SoftSynapses(FloatSynapses):
    """Synapses of the rule."""

    def _kernels(self) -> Any:
        from binnet_kernels.rules.soft import KERNELS

        return KERNELS

    def _rule(self, shared: Any) -> Any:
        from binnet_kernels.rules.soft import SoftRule

        return SoftRule(**shared._asdict(), sharpness=float(self.settings.rule.sharpness))


@dataclass(frozen=True)
class SoftPerceptron(PlasticityRule):
    """The source's soft rule (docs/model/network.md, section 8, eq. (8.1)).

    The step of the perceptron rule becomes a logistic function of the distance to the margin, for
    hidden neurons and, with y_c and f_c in the place of s_i and h_i, for the readout::

        u_i = sigmoid(-sharpness (s_i h_i - kappa_i))      in the place of  [s_i h_i <= kappa_i]

    Every neuron then learns in every sample, the more the smaller its stability is. A synapse uses
    what it uses in the source's rule. The rates, margins and decays are those that all rules share,
    in `PerceptronPlasticity`; the rule learns in floating point.

    Parameters
    ----------
    sharpness : float, default 16.0
        beta > 0, in units of one over the fields; as it grows the rule becomes the source's.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    name: ClassVar[str] = "soft"
    float_synapses = SoftSynapses
    why_no_integers = "as its events are numbers between 0 and 1"

    sharpness: float = 16.0

    def __post_init__(self) -> None:
        keep_real(self, "sharpness", 0.0, above=True)
