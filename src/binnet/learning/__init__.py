"""Learning: parameters of a run, the trainer, and its checkpoints."""

from binnet.learning.arithmetic import ARITHMETICS, GENERATORS, ROUNDINGS, Arithmetic
from binnet.learning.checkpoints import load_checkpoint, save_checkpoint
from binnet.learning.configuration import (
    DTYPES,
    PRESETS,
    Configuration,
    TrainingParameters,
    preset,
)
from binnet.learning.metrics import QUANTILES, EpochMetrics
from binnet.learning.online import OnlineLearner
from binnet.learning.plasticity import RATE_SCALINGS, RATE_SCHEDULES, PerceptronPlasticity
from binnet.learning.third_factor import THIRD_FACTORS, ThirdFactor
from binnet.learning.trainer import TrainingResult, history_as_records, resume, train

__all__ = [
    "ARITHMETICS",
    "DTYPES",
    "GENERATORS",
    "PRESETS",
    "QUANTILES",
    "RATE_SCALINGS",
    "RATE_SCHEDULES",
    "ROUNDINGS",
    "THIRD_FACTORS",
    "Arithmetic",
    "Configuration",
    "EpochMetrics",
    "OnlineLearner",
    "PerceptronPlasticity",
    "ThirdFactor",
    "TrainingParameters",
    "TrainingResult",
    "history_as_records",
    "load_checkpoint",
    "preset",
    "resume",
    "save_checkpoint",
    "train",
]
