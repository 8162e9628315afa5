"""Entangled MNIST: the digits behind a random projection, as binary inputs for the network.

Each image u becomes x = sign(P^T u) with a Gaussian matrix P, which mixes all pixels so that the
classes are no longer nearly linearly separable. The usual size, 100 features, comes with the
package; other sizes and other projections are computed from the raw MNIST files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_integer

from ._embedded import ATTRIBUTION, LICENCE, N_FEATURES, SEED, Arrays, read_embedded
from .mnist import Mnist, load_mnist

N_PIXELS = 784
_BLOCK = 4096  # images projected at a time: 26 MB of float64 pixels


@dataclass(frozen=True, eq=False)
class EntangledMnist:
    """Entangled MNIST with its standard split.

    Attributes
    ----------
    X_train, X_test : ndarray of int8, shapes (60000, n_features) and (10000, n_features)
        Inputs, each -1 or +1.
    y_train, y_test : ndarray of int64, shapes (60000,) and (10000,)
        Digits 0..9.
    n_features : int
        Number of projections.
    seed : int
        Seed of the projection matrix.
    description, licence, attribution : str
        What the data are, under which licence they may be passed on, and whom to name.
    """

    X_train: NDArray[np.int8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.int8]
    y_test: NDArray[np.int64]
    n_features: int
    seed: int
    description: str
    licence: str = LICENCE
    attribution: str = ATTRIBUTION


@overload
def load_entangled_mnist(  # numpydoc ignore=GL08
    n_features: int = ...,
    seed: int | None = ...,
    return_X_y: Literal[False] = ...,
    *,
    data_dir: str | os.PathLike[str] | None = ...,
    download: bool = ...,
) -> EntangledMnist: ...
@overload
def load_entangled_mnist(  # numpydoc ignore=GL08
    n_features: int = ...,
    seed: int | None = ...,
    *,
    return_X_y: Literal[True],
    data_dir: str | os.PathLike[str] | None = ...,
    download: bool = ...,
) -> Arrays: ...
def load_entangled_mnist(
    n_features: int = N_FEATURES,
    seed: int | None = None,
    return_X_y: bool = False,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
) -> EntangledMnist | Arrays:
    """Load entangled MNIST: x = sign(P^T u), with u the pixels and P random normal.

    ``n_features=100`` with the recorded seed is read from the package itself, offline, and never
    looks at `data_dir`. Any other projection is computed from the raw MNIST files, see
    `load_mnist`.

    Parameters
    ----------
    n_features : int, default 100
        Number of projections N_in, at least 1.
    seed : int, optional
        Seed of the projection matrix P, 0..2**32-1. Default: the recorded seed, 0.
    return_X_y : bool, default False
        Whether to return the four arrays alone. Unlike scikit-learn's loaders this keeps the
        standard split, since published accuracies are those of its test part.
    data_dir : path-like, optional
        Folder of the four raw files. Default: the folder in ``BINNET_MNIST_DIR``, then the cache.
    download : bool, default False
        Whether raw files that were not found may be downloaded.

    Returns
    -------
    EntangledMnist or tuple
        The data set as an object, or with ``return_X_y=True`` the tuple
        (X_train, y_train, X_test, y_test): int8 inputs of ±1, shapes (60000, n_features) and
        (10000, n_features), and int64 labels 0..9.

    Raises
    ------
    TypeError, ValueError
        If `n_features` or `seed` is not an integer in its range.
    FileNotFoundError, DataFileError, ConnectionError
        If the raw files are needed and cannot be had, see `load_mnist`; DataFileError also if
        the data inside the installed package are damaged.

    Examples
    --------
    >>> data = load_entangled_mnist()
    >>> data.X_train.shape, data.X_test.shape
    ((60000, 100), (10000, 100))
    >>> X_train, y_train, X_test, y_test = load_entangled_mnist(return_X_y=True)
    """
    n_features = check_integer("n_features", n_features, 1)
    seed = SEED if seed is None else check_integer("seed", seed, 0, 2**32 - 1)
    arrays: Arrays
    if (n_features, seed) == (N_FEATURES, SEED):
        arrays = read_embedded()
    else:
        arrays = entangle(load_mnist(data_dir, download), n_features, seed)
    if return_X_y:
        return arrays
    description = (
        f"Entangled MNIST: x = sign(P^T u) of the 784 pixels u of 60000 training and 10000 test "
        f"digits, P random normal with {n_features} columns from seed {seed}, sign(0) = +1."
    )
    return EntangledMnist(*arrays, n_features, seed, description)


def entangle(mnist: Mnist, n_features: int, seed: int) -> Arrays:
    """Turn raw MNIST into entangled MNIST.

    Parameters
    ----------
    mnist : Mnist
        Raw images and labels.
    n_features : int
        Number of projections, at least 1.
    seed : int
        Seed of the projection matrix, 0..2**32-1.

    Returns
    -------
    tuple of ndarray
        (X_train, y_train, X_test, y_test), as `load_entangled_mnist` returns them.
    """
    return (
        project_and_binarise(mnist.images_train, n_features, seed),
        mnist.labels_train,
        project_and_binarise(mnist.images_test, n_features, seed),
        mnist.labels_test,
    )


def projection_matrix(n_features: int, seed: int, n_inputs: int = N_PIXELS) -> NDArray[np.float64]:
    """Return the matrix P, shape (n_inputs, n_features), standard normal in steps of 2**-24.

    Parameters
    ----------
    n_features : int
        Number of columns, at least 1.
    seed : int
        Seed, 0..2**32-1.
    n_inputs : int, default 784
        Number of rows, at least 1: pixels, or other features.

    Returns
    -------
    ndarray of float64, shape (n_inputs, n_features)
        The matrix.
    """
    n_features = check_integer("n_features", n_features, 1)
    seed = check_integer("seed", seed, 0, 2**32 - 1)
    n_inputs = check_integer("n_inputs", n_inputs, 1)
    what = f"n_features = {n_features} of n_inputs = {n_inputs}: the projection"
    check_memory(what, 16.0 * n_features * n_inputs, "take fewer features")
    # With seed 0, the draw on which the reference figures were measured. NEP 19 lets numpy change
    # this stream in a later version; the embedded bits would stay, and a test would tell.
    normal = np.random.Generator(np.random.PCG64(seed)).standard_normal((n_inputs, n_features))
    # The steps make the projection exact (see project_and_binarise) and absorb the last-digit
    # differences between the logarithms of different C libraries.
    return np.asarray(np.rint(normal * 2.0**24) * 2.0**-24)


def project_and_binarise(images: NDArray[np.uint8], n_features: int, seed: int) -> NDArray[np.int8]:
    """Compute x = sign(P^T u) for each image u, with sign(0) = +1.

    The pixels enter as integers 0..255 and not as u in [0, 1]: the scale does not change a sign.

    Parameters
    ----------
    images : ndarray of uint8, shape (n_images, 784)
        Pixels 0..255.
    n_features : int
        Number of columns of P, at least 1.
    seed : int
        Seed of P, 0..2**32-1.

    Returns
    -------
    ndarray of int8, shape (n_images, n_features)
        -1 or +1, the same on every machine.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(
            f"images must be an array of uint8 pixels, 0..255 and not scaled, got {images.dtype}"
        )
    if images.ndim != 2 or images.shape[1] != N_PIXELS:
        raise ValueError(
            f"images must have shape (n_images, {N_PIXELS}), got {images.shape}; "
            f"flatten them with images.reshape(len(images), {N_PIXELS})"
        )
    projection = projection_matrix(n_features, seed)
    result = np.empty((len(images), projection.shape[1]), np.int8)
    for start in range(0, len(images), _BLOCK):
        # Every product and partial sum is a multiple of 2**-24, and below 784 * 255 * 16 < 2**22
        # in size (numpy's ziggurat draws normal numbers below 14). It thus fits 22 + 24 < 53 bits:
        # float64 arithmetic is exact, and so the sign does not depend on the order in which the
        # machine's BLAS adds up.
        field = images[start : start + _BLOCK].astype(np.float64) @ projection
        result[start : start + _BLOCK] = np.where(field >= 0, 1, -1)
    return result
