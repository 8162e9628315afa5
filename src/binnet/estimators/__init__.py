"""The network as scikit-learn knows estimators, for pipelines and grid searches."""

from __future__ import annotations

from binnet.encoders import RandomSignProjection
from binnet.estimators.classifier import BinaryRecurrentClassifier

__all__ = ["BinaryRecurrentClassifier", "RandomSignProjection"]
