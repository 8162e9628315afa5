"""Signs of random projections, as a transformer of scikit-learn."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from binnet._validation import check_integer
from binnet.datasets.entangled import projection_matrix
from binnet.encoders._fitting import unchanged_by_failure


class RandomSignProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Transformer: signs of random projections, x = sign(P^T u) with sign(0) = +1.

    This is how entangled MNIST is made of pixels (docs/model/network.md, section 4); angles between
    samples survive as overlaps between spins. With the same seed and size it is the same
    projection: ``RandomSignProjection(100, random_state=0)`` turns the pixels of MNIST into
    `binnet.load_entangled_mnist`.

    Parameters
    ----------
    n_components : int, default 100
        Spins of the output, at least 1.
    random_state : int, RandomState or None, default None
        Seed of P, whose entries are independent and standard normal.

    Attributes
    ----------
    components_ : ndarray, shape (n_features, n_components)
        P.
    n_features_in_ : int
        Features seen in `fit`.

    Examples
    --------
    >>> RandomSignProjection(5, random_state=0).fit_transform(np.eye(3)).shape
    (3, 5)
    """

    def __init__(self, n_components: int = 100, *, random_state: Any = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> RandomSignProjection:
        """Draw the projection; of the samples only the number of features counts.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.
        y : object
            Ignored.

        Returns
        -------
        RandomSignProjection
            The fitted transformer.

        Raises
        ------
        TypeError, ValueError
            If the samples or a parameter are not what they must be.
        """
        with unchanged_by_failure(self):
            validate_data(self, X, accept_sparse="csr")
            n_components = check_integer("n_components", self.n_components, 1)
            seed = self.random_state
            if not isinstance(seed, numbers.Integral):
                seed = int(check_random_state(seed).randint(2**32, dtype=np.uint32))
            self.components_ = projection_matrix(n_components, seed, self.n_features_in_)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.int8]:
        """Return the signs of the projections.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray of int8, shape (n_samples, n_components)
            -1 or +1.
        """
        check_is_fitted(self, "components_")
        samples: Any = validate_data(self, X, accept_sparse="csr", reset=False)
        return np.where(samples @ self.components_ >= 0, np.int8(1), np.int8(-1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []  # spins are int8, whatever the features are
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[1])
