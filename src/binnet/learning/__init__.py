"""Learning: parameters of a run, the trainer, and its checkpoints."""

from binnet.learning.arithmetic import ARITHMETICS, GENERATORS, ROUNDINGS, Arithmetic
from binnet.learning.checkpoints import find_kept, load_checkpoint, save_checkpoint
from binnet.learning.configuration import PRESETS, Configuration, make_rule, preset
from binnet.learning.metrics import QUANTILES, EpochMetrics
from binnet.learning.online import OnlineLearner
from binnet.learning.parameters import DTYPES, TrainingParameters
from binnet.learning.plasticity import RATE_SCALINGS, RATE_SCHEDULES, PerceptronPlasticity
from binnet.learning.rules import RULES, THIRD_FACTORS, Perceptron, PlasticityRule, ThirdFactor
from binnet.learning.run import Run
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
    "RULES",
    "THIRD_FACTORS",
    "Arithmetic",
    "Configuration",
    "EpochMetrics",
    "OnlineLearner",
    "Perceptron",
    "PerceptronPlasticity",
    "PlasticityRule",
    "Run",
    "ThirdFactor",
    "TrainingParameters",
    "TrainingResult",
    "find_kept",
    "history_as_records",
    "load_checkpoint",
    "make_rule",
    "preset",
    "resume",
    "save_checkpoint",
    "train",
]
