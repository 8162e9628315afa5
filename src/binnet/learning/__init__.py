"""Learning: parameters of a run, the trainer, and its checkpoints."""

from binnet.learning.arithmetic import ARITHMETICS, GENERATORS, ROUNDINGS, Arithmetic
from binnet.learning.checkpoints import find_kept, load_best, load_checkpoint, save_checkpoint
from binnet.learning.class_report import ClassReport, report_classes
from binnet.learning.configuration import Configuration, make_rule
from binnet.learning.metrics import QUANTILES, EpochMetrics
from binnet.learning.online import OnlineLearner
from binnet.learning.parameters import DTYPES, TrainingParameters
from binnet.learning.plasticity import (
    EXCITATION_EXCLUDED,
    RATE_SCALINGS,
    RATE_SCHEDULES,
    READOUT_TARGETS,
    PerceptronPlasticity,
)
from binnet.learning.presets import PRESETS, preset
from binnet.learning.readouts import READOUTS, Readouts, fit_readouts
from binnet.learning.rules import RULES, THIRD_FACTORS, Perceptron, PlasticityRule, ThirdFactor
from binnet.learning.run import Run
from binnet.learning.trainer import TrainingResult, history_as_records, resume, train

__all__ = [
    "ARITHMETICS",
    "DTYPES",
    "EXCITATION_EXCLUDED",
    "GENERATORS",
    "PRESETS",
    "QUANTILES",
    "RATE_SCALINGS",
    "RATE_SCHEDULES",
    "READOUTS",
    "READOUT_TARGETS",
    "ROUNDINGS",
    "RULES",
    "THIRD_FACTORS",
    "Arithmetic",
    "ClassReport",
    "Configuration",
    "EpochMetrics",
    "OnlineLearner",
    "Perceptron",
    "PerceptronPlasticity",
    "PlasticityRule",
    "Readouts",
    "Run",
    "ThirdFactor",
    "TrainingParameters",
    "TrainingResult",
    "find_kept",
    "fit_readouts",
    "history_as_records",
    "load_best",
    "load_checkpoint",
    "make_rule",
    "preset",
    "report_classes",
    "resume",
    "save_checkpoint",
    "train",
]
