"""From features to inputs of the network: the encoder of a classifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from binnet.encoders import ThresholdEncoder, choose_encoder, make_encoder


def begin_encoder(encoder: Any, threshold: float | str | None, X: Any, random_state: Any) -> Any:
    """Return the encoder that a classifier's parameters ask for, or the data; not fitted yet.

    One by name that draws has its seed of `random_state`; a transformer has its own.
    """
    if threshold is not None:
        if not (isinstance(encoder, str) and encoder in ("auto", "threshold")):
            raise ValueError(
                f"threshold = {threshold!r} belongs to the encoder 'threshold', but encoder is "
                f"{encoder!r}; give one of the two"
            )
        return ThresholdEncoder(threshold)
    if not isinstance(encoder, str):
        return clone(encoder)
    begun = choose_encoder(X) if encoder == "auto" else make_encoder(encoder)
    if "random_state" in begun.get_params():
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        begun.set_params(random_state=seed)
    return begun


def encode(encoder: Any, X: Any) -> NDArray[Any]:
    """Return features as a dense array of inputs."""
    encoded = encoder.transform(X)
    return np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded)


def warn_of_constants(X: Any, inputs: NDArray[Any], encoder: Any) -> None:
    """Warn where samples that differ look the same to the network."""
    varies = (inputs != inputs[0]).any(axis=0)
    if len(inputs) > 1 and not varies.any():
        warnings.warn(
            f"after {encoder!r} all samples have the same inputs: there is nothing to learn from; "
            "take another encoder or threshold, or look at X",
            stacklevel=3,
        )
        return
    before = X.max(axis=0) != X.min(axis=0)
    before = np.asarray(before.toarray() if hasattr(before, "toarray") else before).ravel()
    lost = int(before.sum()) - int(varies.sum())
    if lost > 0 and inputs.shape[1] >= X.shape[1]:
        warnings.warn(
            f"after {encoder!r} {lost} of {X.shape[1]} features are constant though they vary in "
            "X; the network does not see them: take another encoder or threshold",
            stacklevel=3,
        )
