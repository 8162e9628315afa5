"""Features of any kind as inputs of a network: a small family of scikit-learn transformers.

`make_encoder` has them by name; `describe_encoder` and `restore_encoder` write a fitted one down as
plain values and arrays, and read it again, without pickle.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data  # noqa: F401 (new in 1.6)
except ImportError as error:
    raise ImportError(
        "binnet's encoders and estimators need scikit-learn 1.6 or newer; install it with "
        'pip install "binnet[sklearn]"'
    ) from error

from binnet.encoders.family import (
    ENCODERS,
    choose_encoder,
    describe_encoder,
    make_encoder,
    restore_encoder,
)
from binnet.encoders.levels import ThermometerEncoder, ThresholdEncoder
from binnet.encoders.projection import RandomSignProjection

__all__ = [
    "ENCODERS",
    "RandomSignProjection",
    "ThermometerEncoder",
    "ThresholdEncoder",
    "choose_encoder",
    "describe_encoder",
    "make_encoder",
    "restore_encoder",
]
