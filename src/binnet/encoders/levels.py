"""Spins that say whether a feature is above a level: one level, or several (a thermometer)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from binnet._memory import check_memory
from binnet._validation import check_integer, check_real
from binnet.encoders._fitting import unchanged_by_failure


class _LevelEncoder(TransformerMixin, BaseEstimator, ABC):
    """What both encoders share: x = +1 where a feature is above a level, else -1."""

    thresholds_: NDArray[np.float64]

    def fit(self, X: ArrayLike, y: object = None) -> Any:
        """Find the levels of each feature.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.
        y : object
            Ignored.

        Returns
        -------
        object
            The fitted transformer.

        Raises
        ------
        TypeError, ValueError
            If the samples or a parameter are not what they must be.
        """
        with unchanged_by_failure(self):
            samples = _to_dense(validate_data(self, X, accept_sparse="csr"))
            self.thresholds_ = self._find_thresholds(samples)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.int8]:
        """Compare each feature with its levels.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray of int8, shape (n_samples, n_features * n_levels)
            -1 or +1, the levels of a feature side by side.
        """
        check_is_fitted(self, "thresholds_")
        samples = validate_data(self, X, accept_sparse="csr", reset=False)
        n_samples = samples.shape[0]
        check_memory(
            f"{n_samples} samples with {self.thresholds_.size} levels",
            9.0 * samples.shape[0] * samples.shape[1] + n_samples * float(self.thresholds_.size),
            "transform fewer samples at a time",
        )
        above = _to_dense(samples)[:, :, None] > self.thresholds_.reshape(self.n_features_in_, -1)
        spins = above.reshape(n_samples, -1).view(np.int8)
        spins *= 2
        spins -= 1
        return spins

    @abstractmethod
    def _find_thresholds(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the levels of each feature, (n_features,) or (n_features, n_levels)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []  # spins are int8, whatever the features are
        return tags


class ThresholdEncoder(OneToOneFeatureMixin, _LevelEncoder):
    """Transformer: +1 where a feature is above a threshold, else -1.

    Parameters
    ----------
    threshold : float or {"median", "mean"}, default 0.0
        What a feature must be above: a number, or the median or mean of the feature in the samples
        of `fit`. The number 0 fits spins, {0, 1} and bool. A median that no sample is above (a
        feature that is mostly at its maximum) gives way to the next smaller value.

    Attributes
    ----------
    thresholds_ : ndarray, shape (n_features,)
        The threshold of each feature.
    n_features_in_ : int
        Features seen in `fit`.

    Examples
    --------
    >>> ThresholdEncoder("median").fit_transform([[0.0], [1.0], [5.0]]).tolist()
    [[-1], [-1], [1]]
    """

    def __init__(self, threshold: float | str = 0.0) -> None:
        self.threshold = threshold

    def _find_thresholds(self, X: NDArray[Any]) -> NDArray[np.float64]:
        if self.threshold == "median":
            return _find_quantiles(X, np.array([0.5]))[:, 0]
        if self.threshold == "mean":
            return np.asarray(X.mean(axis=0, dtype=np.float64))
        if isinstance(self.threshold, str):
            raise ValueError(
                f'threshold must be a number, "median" or "mean", got {self.threshold!r}'
            )
        return np.full(X.shape[1], check_real("threshold", self.threshold))


class ThermometerEncoder(_LevelEncoder):
    """Transformer: each feature as n spins, +1 for the levels that it is above.

    The levels of a feature are quantiles of the samples of `fit`, at 1 / (n + 1), ..., n / (n + 1):
    a larger feature turns on more spins, and two samples differ in as many as there are levels
    between them. A quantile that no sample is above gives way to the next smaller value.

    Parameters
    ----------
    n_levels : int, default 8
        Spins of each feature, at least 1.

    Attributes
    ----------
    thresholds_ : ndarray, shape (n_features, n_levels)
        The levels.
    n_features_in_ : int
        Features seen in `fit`.

    Examples
    --------
    >>> ThermometerEncoder(3).fit_transform([[0.0], [1.0], [2.0], [3.0]]).tolist()
    [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [1, 1, 1]]
    """

    def __init__(self, n_levels: int = 8) -> None:
        self.n_levels = n_levels

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the spins, "FEATURE_LEVEL" with levels from 0.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features; those seen in `fit`, or "x0", "x1", ..., if not given.

        Returns
        -------
        ndarray of str, shape (n_features * n_levels,)
            The names.
        """
        check_is_fitted(self, "thresholds_")
        names = _check_feature_names_in(self, input_features)
        levels = range(self.thresholds_.shape[1])
        return np.array([f"{name}_{level}" for name in names for level in levels], dtype=object)

    def _find_thresholds(self, X: NDArray[Any]) -> NDArray[np.float64]:
        n = check_integer("n_levels", self.n_levels, 1)
        return _find_quantiles(X, np.arange(1, n + 1) / (n + 1))


def _to_dense(X: Any) -> NDArray[Any]:
    """Return samples as an array of numbers; bool has no quantiles."""
    dense = X.toarray() if issparse(X) else X
    return np.asarray(dense, np.uint8) if dense.dtype == bool else np.asarray(dense)


def _find_quantiles(X: NDArray[Any], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of each feature, shape (n_features, n_levels), below its maximum."""
    quantiles = np.quantile(X, levels, axis=0).T.astype(np.float64)
    # Nothing is above the maximum: the spin would be the same for all samples.
    most = X.max(axis=0)
    lower = np.where(most > X, X, X.min(axis=0)).max(axis=0)
    reached = quantiles >= most[:, None]
    return np.asarray(np.where(reached, lower[:, None], quantiles))
