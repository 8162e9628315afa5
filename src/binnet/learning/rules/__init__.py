"""The learning rules: each is a value, its parameters, and the synapses that it changes.

A rule has one file here and one of kernels, in `binnet_kernels.rules`; it is known to the rest by
its line in `RULES`.
"""

from __future__ import annotations

from binnet.learning.rules._protocol import PlasticityRule, Settings, Synapses
from binnet.learning.rules.perceptron import Perceptron
from binnet.learning.rules.soft import SoftPerceptron
from binnet.learning.rules.symmetric import SymmetricPerceptron
from binnet.learning.rules.third_factor import THIRD_FACTORS, ThirdFactor

#: Every rule by its name.
RULES: dict[str, type[PlasticityRule]] = {
    rule.name: rule
    for rule in (
        Perceptron,
        ThirdFactor,
        SymmetricPerceptron,
        SoftPerceptron,
    )
}

__all__ = [
    "RULES",
    "THIRD_FACTORS",
    "Perceptron",
    "PlasticityRule",
    "Settings",
    "SoftPerceptron",
    "SymmetricPerceptron",
    "Synapses",
    "ThirdFactor",
]
