"""The source's rule: every neuron that is not stable enough reinforces its own state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from binnet.learning.rules._float import FloatSynapses
from binnet.learning.rules._integer import IntegerSynapses
from binnet.learning.rules._protocol import PlasticityRule


class PerceptronSynapses(FloatSynapses):
    """Synapses of the source's rule in floating point."""

    def _kernels(self) -> Any:
        from binnet_kernels.rules.perceptron import KERNELS

        return KERNELS


class IntegerPerceptronSynapses(IntegerSynapses):
    """Synapses of the source's rule in integers."""

    def _kernels(self) -> Any:
        from binnet_kernels.rules.integer import KERNELS

        return KERNELS


@dataclass(frozen=True)
class Perceptron(PlasticityRule):
    """The source's local rule (docs/model/network.md, section 3).

    Its rates, margins and decays are those that all rules share, in `PerceptronPlasticity`, whose
    documentation has the equations; it has no parameters of its own. In integers it follows
    docs/model/arithmetic.md, section 3.
    """

    name: ClassVar[str] = "perceptron"
    float_synapses = PerceptronSynapses
    integer_synapses = IntegerPerceptronSynapses
