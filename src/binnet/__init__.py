"""binnet: learning without backpropagation in binary recurrent networks.

Networks of ±1 neurons learn by a local perceptron rule around fixed points of their own dynamics.
What is listed here is loaded when first used: ``import binnet`` alone loads neither Numba nor
Matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

import lazy_loader

_load, _, _names = lazy_loader.attach(
    __name__,
    submodules=[
        "benchmarks",
        "datasets",
        "dynamics",
        "encoders",
        "estimators",
        "fixed_points",
        "implicit_networks",
        "hardware",
        "landscape",
        "learning",
        "modules",
        "networks",
        "plotting",
        "random_networks",
        "rate",
        "schedules",
        "states",
        "studies",
        "sweeps",
        "theory",
    ],
    submod_attrs={
        "datasets": ["load_entangled_mnist", "load_mnist"],
        "dynamics": ["FreeRelaxation", "Relaxation", "energy", "predict", "relax"],
        "encoders": ["RandomSignProjection"],
        "estimators": ["BinaryRecurrentClassifier"],
        "learning": [
            "Configuration",
            "PerceptronPlasticity",
            "ThirdFactor",
            "TrainingParameters",
            "TrainingResult",
            "load_checkpoint",
            "preset",
            "resume",
            "train",
        ],
        "networks": ["BinaryNetwork", "ImplicitNetwork", "NetworkParameters", "RandomNetwork"],
        "schedules": ["FeedbackSchedule"],
        "states": ["pack_states", "unpack_states"],
        "_provenance": ["get_version"],
        "_records": ["UncheckedFileWarning"],
    },
)
_NEED_SCIKIT_LEARN = {
    "encoders",
    "estimators",
    "BinaryRecurrentClassifier",
    "RandomSignProjection",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _load("get_version")()
    if name == "__all__":
        return __dir__()
    return _load(name)


def __dir__() -> list[str]:
    """Return what is to be had here, so that help and ``import *`` meet nothing that is not."""
    try:
        importlib.import_module("binnet.estimators")
    except ImportError:
        return [name for name in _names if name not in _NEED_SCIKIT_LEARN]
    return list(_names)


if TYPE_CHECKING:
    __version__: str
    from binnet._provenance import get_version as get_version
    from binnet._records import UncheckedFileWarning as UncheckedFileWarning
    from binnet.datasets import load_entangled_mnist as load_entangled_mnist
    from binnet.datasets import load_mnist as load_mnist
    from binnet.dynamics import FreeRelaxation as FreeRelaxation
    from binnet.dynamics import Relaxation as Relaxation
    from binnet.dynamics import energy as energy
    from binnet.dynamics import predict as predict
    from binnet.dynamics import relax as relax
    from binnet.encoders import RandomSignProjection as RandomSignProjection
    from binnet.estimators import BinaryRecurrentClassifier as BinaryRecurrentClassifier
    from binnet.learning import Configuration as Configuration
    from binnet.learning import PerceptronPlasticity as PerceptronPlasticity
    from binnet.learning import ThirdFactor as ThirdFactor
    from binnet.learning import TrainingParameters as TrainingParameters
    from binnet.learning import TrainingResult as TrainingResult
    from binnet.learning import load_checkpoint as load_checkpoint
    from binnet.learning import preset as preset
    from binnet.learning import resume as resume
    from binnet.learning import train as train
    from binnet.networks import BinaryNetwork as BinaryNetwork
    from binnet.networks import ImplicitNetwork as ImplicitNetwork
    from binnet.networks import NetworkParameters as NetworkParameters
    from binnet.networks import RandomNetwork as RandomNetwork
    from binnet.schedules import FeedbackSchedule as FeedbackSchedule
    from binnet.states import pack_states as pack_states
    from binnet.states import unpack_states as unpack_states
