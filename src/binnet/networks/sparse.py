"""Weights of which most do not exist, in compressed rows: row i holds those onto neuron i.

Memory and time go with the weights that there are; no array of all pairs is made. Where a
calculation needs one, `BinaryNetwork.to_dense` asks first whether it fits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from binnet_kernels.structs import SparseWeights

_PARTS = ("data", "indices", "indptr")
_MOST_WEIGHTS = 2**31 - 1  # that 32-bit indices tell apart


def is_sparse(weights: object) -> bool:
    """Return whether weights are in compressed rows.

    Parameters
    ----------
    weights : object
        The weights.

    Returns
    -------
    bool
        Whether they are.
    """
    return hasattr(weights, "indptr")


def check_weights(name: str, value: Any, shape: tuple[int, int], axes: str, diagonal: bool) -> Any:
    """Return weights, dense or sparse, checked.

    Parameters
    ----------
    name : str
        For messages.
    value : ndarray or csr_array
        The weights.
    shape : tuple of int
        Their shape.
    axes : str
        What the axes are, for messages.
    diagonal : bool
        Whether there may be entries on the diagonal; where not, those of an array must be 0.

    Returns
    -------
    ndarray or csr_array
        The weights.

    Raises
    ------
    TypeError, ValueError
        If the type, the shape or the dtype is another, an entry is not finite, or sparse weights
        are not in canonical form: indices in their range, ascending in each row.
    """
    if not is_sparse(value):
        array = check_matrix(name, value, shape, axes)
        if not diagonal and np.diagonal(array).any():
            raise ValueError(
                f"the diagonal of {name} must be 0: pass the self-coupling as self_coupling"
            )
        return array
    from scipy.sparse import csr_array

    if not isinstance(value, csr_array):
        raise TypeError(
            f"{name} must be a NumPy array or a scipy.sparse.csr_array, got "
            f"{type(value).__name__}; convert it with scipy.sparse.csr_array({name})"
        )
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {axes} = {shape}, got {value.shape}")
    if value.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}")
    try:
        value.check_format()  # that the three arrays fit each other
    except ValueError as error:
        raise ValueError(f"{name} must be a valid csr_array: {error}") from error
    if value.nnz > _MOST_WEIGHTS:
        raise ValueError(f"{name} must have at most {_MOST_WEIGHTS} entries, got {value.nnz}")
    rows = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(value.indptr))
    indices = value.indices[: len(rows)]
    if (np.diff(indices) <= 0)[rows[1:] == rows[:-1]].any():
        raise ValueError(
            f"the columns of {name} must ascend in each row, each there once: call "
            ".sum_duplicates() on it"
        )
    if not np.isfinite(value.data).all():
        k = int(np.flatnonzero(~np.isfinite(value.data))[0])
        raise ValueError(
            f"{name} must be finite, got {value.data[k]} at {[int(rows[k]), int(indices[k])]}"
        )
    if not diagonal and (rows == indices).any():
        raise ValueError(
            f"sparse {name} must have no entry on the diagonal: pass the self-coupling as "
            f"self_coupling, and set no entry ({name}[i, i] = 0 leaves one that is 0)"
        )
    return value


def densify(name: str, weights: Any) -> NDArray[Any]:
    """Return weights as an array, if there is memory for it.

    Parameters
    ----------
    name : str
        Of the weights, for messages.
    weights : ndarray or csr_array
        The weights.

    Returns
    -------
    ndarray
        The same ones.

    Raises
    ------
    MemoryError
        If there is not.
    """
    if not is_sparse(weights):
        return np.asarray(weights)
    n_bytes = float(math.prod(weights.shape)) * weights.dtype.itemsize
    check_memory(
        f"{name} of shape {weights.shape} as a dense array", n_bytes, "take a smaller network"
    )
    dense: NDArray[Any] = weights.toarray()
    return dense


def scale_weights(weights: Any, factor: Any) -> Any:
    """Return weights times a number.

    Parameters
    ----------
    weights : ndarray or csr_array
        The weights.
    factor : scalar
        The number, of their dtype.

    Returns
    -------
    ndarray or csr_array
        New weights.
    """
    if not is_sparse(weights):
        return np.multiply(weights, factor, order="C")
    return with_values(weights, weights.data * factor)


def with_values(weights: csr_array, values: NDArray[Any]) -> csr_array:
    """Return other weights where the same ones exist.

    Parameters
    ----------
    weights : csr_array
        The weights.
    values : ndarray, shape (n,)
        Of each of them.

    Returns
    -------
    csr_array
        The new weights.
    """
    from scipy.sparse import csr_array

    return csr_array((values, weights.indices, weights.indptr), shape=weights.shape)


def mirror(weights: csr_array) -> csr_array:
    """Return square weights whose entries below the diagonal are those above it.

    Parameters
    ----------
    weights : csr_array, shape (H, H)
        The weights.

    Returns
    -------
    csr_array, shape (H, H)
        Symmetric ones.
    """
    from scipy.sparse import csr_array, triu

    upper = triu(weights, 1, format="csr")
    symmetric = csr_array(upper + upper.T)
    symmetric.sort_indices()
    return symmetric


def lay_out_sparse(weights: csr_array, n_banks: int, *, with_targets: bool) -> SparseWeights:
    """Return sparse weights as the kernels take them, their values copied.

    Parameters
    ----------
    weights : csr_array, shape (H, K)
        The weights.
    n_banks : int
        Pieces that the neurons are cut into.
    with_targets : bool
        Whether the targets of a source must be found, as where sources flip.

    Returns
    -------
    SparseWeights
        For the kernels.
    """
    from scipy.sparse import csr_array

    from binnet_kernels.structs import SparseWeights, bank_width

    n_neurons, n_sources = weights.shape
    width = bank_width(n_neurons, n_banks)
    n = int(weights.indptr[-1])
    starts = np.full(n_banks * width + 1, n, np.int64)
    starts[: n_neurons + 1] = weights.indptr
    targets, places = np.zeros((2, 0), np.int32)
    target_starts = np.zeros(0, np.int64)
    if with_targets:
        numbered = csr_array(
            (np.arange(n, dtype=np.int32), weights.indices, weights.indptr), shape=weights.shape
        ).tocsc()
        targets, places = numbered.indices.astype(np.int32, copy=False), numbered.data
        target_starts = numbered.indptr.astype(np.int64)
    return SparseWeights(
        weights.data.copy(),
        weights.indices.astype(np.int32, copy=False),
        starts,
        n_sources,
        width,
        target_starts,
        targets,
        places,
    )


def to_tensors(name: str, weights: Any) -> dict[str, NDArray[Any]]:
    """Return weights as arrays by name: one, or the three of compressed rows.

    Parameters
    ----------
    name : str
        Of the weights.
    weights : ndarray or csr_array
        The weights.

    Returns
    -------
    dict of str to ndarray
        "NAME", or "NAME.data", "NAME.indices" and "NAME.indptr".
    """
    if not is_sparse(weights):
        return {name: np.ascontiguousarray(weights)}
    parts = (weights.data, weights.indices.astype(np.int32), weights.indptr.astype(np.int64))
    return {f"{name}.{part}": array for part, array in zip(_PARTS, parts, strict=True)}


def from_tensors(
    name: str, tensors: Mapping[str, NDArray[Any]], n_columns: int
) -> NDArray[Any] | csr_array:
    """Return the weights that `to_tensors` wrote; `BinaryNetwork` checks them.

    Parameters
    ----------
    name : str
        Of the weights.
    tensors : mapping of str to ndarray
        All arrays.
    n_columns : int
        Columns of the weights, if they are sparse.

    Returns
    -------
    ndarray or csr_array
        The weights.

    Raises
    ------
    ValueError
        If the three arrays do not fit each other.
    """
    if name in tensors:
        return tensors[name]
    from scipy.sparse import csr_array

    missing = [f"{name}.{part}" for part in _PARTS if f"{name}.{part}" not in tensors]
    if missing:
        raise ValueError(f"{', '.join(missing)} must be there, for sparse {name}")
    parts = [tensors[f"{name}.{part}"] for part in _PARTS]
    if any(array.ndim != 1 for array in parts) or any(a.dtype.kind not in "iu" for a in parts[1:]):
        raise ValueError(f"{name} must be in three vectors, those of indices of integers")
    return csr_array(tuple(parts), shape=(len(parts[2]) - 1, n_columns))
