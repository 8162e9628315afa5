"""The encoders by name: made, chosen from the data, written down and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from binnet._validation import check_choice
from binnet.encoders.levels import ThermometerEncoder, ThresholdEncoder
from binnet.encoders.projection import RandomSignProjection


def _keep_features() -> Any:
    return FunctionTransformer(
        validate=True, accept_sparse=True, check_inverse=False, feature_names_out="one-to-one"
    )


_MAKERS: dict[str, Callable[..., Any]] = {
    "none": _keep_features,
    "threshold": ThresholdEncoder,
    "thermometer": ThermometerEncoder,
    "entangled": RandomSignProjection,
    "standardise": StandardScaler,
}
ENCODERS = tuple(_MAKERS)
# Chosen by measuring: docs/results/estimator.md.
_FEW_FEATURES, _MOST_LEVELS, _SPINS = 128, 16, 512
_CLASSES = {
    FunctionTransformer: "none",
    ThresholdEncoder: "threshold",
    ThermometerEncoder: "thermometer",
    RandomSignProjection: "entangled",
    StandardScaler: "standardise",
}


def make_encoder(name: str, **parameters: Any) -> Any:
    """Return an encoder, not fitted yet.

    Parameters
    ----------
    name : {"none", "threshold", "thermometer", "entangled", "standardise"}
        "none" passes features on as they are; "threshold" is `ThresholdEncoder`, "thermometer"
        `ThermometerEncoder`, "entangled" `RandomSignProjection`; "standardise" is scikit-learn's
        `StandardScaler`, which gives each feature the mean 0 and the variance 1 (and passes NaN
        on, which the others refuse, and so does a network).
    **parameters
        Of its class.

    Returns
    -------
    object
        A transformer of scikit-learn.

    Raises
    ------
    TypeError, ValueError
        If there is no encoder of that name, or it has no such parameter.

    Examples
    --------
    >>> from binnet.encoders import make_encoder
    >>> make_encoder("thermometer", n_levels=4)
    ThermometerEncoder(n_levels=4)
    """
    make = _MAKERS[check_choice("encoder", name, ENCODERS)]
    known = set() if name == "none" else set(make().get_params())
    for parameter in parameters:
        if parameter not in known:
            has = ", ".join(sorted(known)) or "none"
            raise TypeError(f"encoder {name!r} has no parameter {parameter!r}; it has {has}")
    return make(**parameters)


def choose_encoder(X: Any) -> Any:
    """Return the encoder that fits the features, not fitted yet.

    Parameters
    ----------
    X : ndarray or sparse matrix, shape (n_samples, n_features)
        Finite real features.

    Returns
    -------
    object
        Where all entries are -1 or +1, or X is of uint8 with a maximum above 1 (pixels, x / 255):
        "none". Where all are 0 or 1: "threshold". Else: of up to 128 features "thermometer", with
        16 levels, or as many as make 512 spins; of more features "standardise", which of a sparse
        matrix divides by the standard deviations only.
    """
    values = X.data if issparse(X) else X
    has_zero = issparse(X) or bool((values == 0).any())
    if not has_zero and bool((np.abs(values) == 1).all()):
        return make_encoder("none")
    if bool(((values == 0) | (values == 1)).all()):
        return make_encoder("threshold")
    if values.dtype == np.uint8:
        return make_encoder("none")
    n_features = X.shape[1]
    if n_features <= _FEW_FEATURES:
        return make_encoder("thermometer", n_levels=min(_MOST_LEVELS, _SPINS // n_features))
    return make_encoder("standardise", with_mean=not issparse(X))


def describe_encoder(encoder: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Write a fitted encoder down, without pickle.

    Parameters
    ----------
    encoder : object
        A fitted encoder of one of the classes of `make_encoder`.

    Returns
    -------
    values : dict
        Name, parameters and fitted attributes as plain values, as JSON takes them. A random
        generator among the parameters becomes None: what it drew is among the arrays.
    arrays : dict of str to ndarray
        Fitted attributes that are arrays of numbers.

    Raises
    ------
    TypeError
        If it is of another class.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    name = _CLASSES.get(type(encoder))
    if name is None or (name == "none" and encoder.func is not None):
        raise TypeError(
            f"encoder must be one that make_encoder makes ({', '.join(ENCODERS)}), "
            f"got {encoder!r}; others can be applied before"
        )
    check_is_fitted(encoder, "n_features_in_")
    parameters = {} if name == "none" else encoder.get_params()
    values: dict[str, Any] = {
        "name": name,
        "parameters": {key: _to_plain(value) for key, value in parameters.items()},
        "attributes": {},
    }
    arrays = {}
    for key, value in vars(encoder).items():
        if not key.endswith("_") or key.startswith("_"):
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            arrays[key] = np.ascontiguousarray(value)
        else:
            values["attributes"][key] = value.tolist() if hasattr(value, "tolist") else value
    return values, arrays


def restore_encoder(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the fitted encoder that `describe_encoder` wrote down.

    Parameters
    ----------
    values : mapping
        Its plain values.
    arrays : mapping of str to ndarray
        Its arrays.

    Returns
    -------
    object
        An encoder that transforms as the one before does, to the bit.

    Raises
    ------
    TypeError, ValueError, KeyError
        If this is not the description of an encoder.
    """
    encoder = make_encoder(values["name"], **values["parameters"])
    for key, value in values["attributes"].items():
        names = key == "feature_names_in_"
        setattr(encoder, key, np.array(value, dtype=object) if names else value)
    for key, array in arrays.items():
        setattr(encoder, key, np.array(array))
    check_is_fitted(encoder, "n_features_in_")
    return encoder


def _to_plain(value: Any) -> Any:
    """Return a parameter as JSON takes it; None for a random generator."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float | str) else None
