"""The network as scikit-learn knows estimators, for pipelines and grid searches."""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data  # noqa: F401 (new in 1.6)
except ImportError as error:
    raise ImportError(
        "binnet's estimators need scikit-learn 1.6 or newer; install it with "
        'pip install "binnet[sklearn]"'
    ) from error

from binnet.estimators.classifier import BinaryRecurrentClassifier
from binnet.estimators.projection import RandomSignProjection

__all__ = ["BinaryRecurrentClassifier", "RandomSignProjection"]
