"""Rate networks: exact and biologically plausible learning rules, and the role of initial weights.

A network of leaky ReLU (or tanh) neurons learns a task by BPTT, RTRL, e-prop or RFLO; its
Lyapunov exponents are measured, or pushed towards 0 before it learns (gradient flossing).
"""

from binnet.rate import tasks
from binnet.rate._trajectories import Trajectory
from binnet.rate.alignments import Alignment, alignment
from binnet.rate.configuration import RateConfiguration
from binnet.rate.divergence import DivergenceError
from binnet.rate.flossing import (
    FLOSSINGS,
    FlossingGradient,
    FlossingResult,
    floss,
    flossing_gradient,
)
from binnet.rate.lyapunov import LyapunovSpectrum, lyapunov_spectrum
from binnet.rate.model import ACTIVATIONS, RateRNN
from binnet.rate.optimisers import OPTIMISERS, SGD, Adam
from binnet.rate.regimes import LearningRegime, learning_regime, tangent_kernel
from binnet.rate.results import RateTrainingResult
from binnet.rate.rules import LOCAL_RULES, RULES, Gradient, gradient
from binnet.rate.starting import start_network
from binnet.rate.structures import STRUCTURES
from binnet.rate.together import train_together
from binnet.rate.trainer import load_result, resume, train

__all__ = [
    "ACTIVATIONS",
    "FLOSSINGS",
    "LOCAL_RULES",
    "OPTIMISERS",
    "RULES",
    "SGD",
    "STRUCTURES",
    "Adam",
    "Alignment",
    "DivergenceError",
    "FlossingGradient",
    "FlossingResult",
    "Gradient",
    "LearningRegime",
    "LyapunovSpectrum",
    "RateConfiguration",
    "RateRNN",
    "RateTrainingResult",
    "Trajectory",
    "alignment",
    "floss",
    "flossing_gradient",
    "gradient",
    "learning_regime",
    "load_result",
    "lyapunov_spectrum",
    "resume",
    "start_network",
    "tangent_kernel",
    "tasks",
    "train",
    "train_together",
]
