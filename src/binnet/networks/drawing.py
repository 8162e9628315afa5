"""The initial weights of a driven network: independent normal numbers, all of them or a few.

Sparse weights are drawn where they are: nothing here makes an array of all pairs for them.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet.networks.modules import NetworkParameters, spread
from binnet.networks.sparse import is_sparse
from binnet.networks.structure import find_modules

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Of a seed; stream 1 draws the connectivity of the couplings.
_BIAS_STREAM, _INPUT_STREAM = 2, 3


def draw_couplings(
    p: NetworkParameters, draw: Any, seed: int, dtype: DTypeLike
) -> tuple[Any, NDArray[np.bool_] | None]:
    """Return J and which couplings there are.

    Parameters
    ----------
    p : NetworkParameters
        Sizes and strengths.
    draw : callable
        Returns normal numbers of variance 1, as many as its argument says or of that shape.
    seed : int
        Of what else is drawn.
    dtype : dtype
        Of the weights.

    Returns
    -------
    couplings : ndarray or csr_array, shape (H, H)
        J.
    connectivity : ndarray of bool, shape (H, H), or None
        Which couplings there are; None: all, or those that sparse ones say themselves.
    """
    if p.has_sparse_couplings:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        return _draw_sparse_couplings(p, draw, rng, dtype), None
    couplings = draw((p.n_neurons, p.n_neurons))
    _correlate(couplings, p)
    std = _coupling_std(p)
    connectivity = _connect(p, std, seed)
    couplings *= std
    if connectivity is not None:
        couplings *= connectivity
    np.fill_diagonal(couplings, 0.0)
    return couplings.astype(dtype), connectivity


def draw_input_weights(p: NetworkParameters, draw: Any, seed: int, dtype: DTypeLike) -> Any:
    """Return W_in, with the biases if there are any.

    Parameters
    ----------
    p : NetworkParameters
        Sizes and strengths.
    draw : callable
        Returns normal numbers of variance 1, as many as its argument says or of that shape.
    seed : int
        Of what else is drawn.
    dtype : dtype
        Of the weights.

    Returns
    -------
    ndarray or csr_array, shape (H, N_in) or (H, N_in + 1)
        The weights.
    """
    if p.has_sparse_inputs:
        stream = np.random.SeedSequence(seed, spawn_key=(_INPUT_STREAM,))
        weights = _draw_sparse_inputs(p, draw, np.random.default_rng(stream), dtype)
    else:
        inputs = spread(p.each("input_strength"), p.sizes)[:, None] / math.sqrt(p.n_inputs)
        weights = draw((p.n_neurons, p.n_inputs)) * inputs
    if p.has_biases:
        stream = np.random.SeedSequence(seed, spawn_key=(_BIAS_STREAM,))
        biases = np.random.default_rng(stream).standard_normal(p.n_neurons)
        weights = _add_column(weights, biases * spread(p.each("bias_strength"), p.sizes))
    return weights.astype(dtype, copy=False)


def pair_readouts(
    readout: NDArray[np.float64], feedback: NDArray[np.float64], p: NetworkParameters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return W_out and W_back, of variance 1, as `feedback_weights` says.

    Parameters
    ----------
    readout : ndarray, shape (C, H)
        Drawn numbers.
    feedback : ndarray, shape (H, C)
        More of them.
    p : NetworkParameters
        Sizes and strengths.

    Returns
    -------
    readout : ndarray, shape (C, H)
        W_out.
    feedback : ndarray, shape (H, C)
        W_back.
    """
    if p.feedback_weights == "independent":
        return readout, feedback
    index = np.concatenate([np.arange(size) for size in p.sizes])  # in its module
    readout, feedback = readout[:, index], feedback[index]
    return readout, feedback if p.feedback_weights == "repeated" else readout.T.copy()


def _correlate(couplings: NDArray[np.float64], p: NetworkParameters) -> None:
    """Give J_ij and J_ji of the same module, of variance 1, the correlation eta, in place."""
    if not p.symmetry:
        return
    rest = math.sqrt(1 - p.symmetry**2)
    for module in find_modules(p.sizes):
        block = couplings[module, module]
        upper = np.triu(block, 1)
        block[:] = upper + p.symmetry * upper.T + rest * np.tril(block, -1)


def _coupling_std(p: NetworkParameters) -> NDArray[np.float64]:
    """Return the standard deviation of each coupling, (H, H); a number for one dense module."""
    densities, strengths = p.each("density"), p.each("neighbour_strength")
    if p.n_modules == 1:
        return np.asarray(1 / math.sqrt(p.sizes[0] * (densities[0] or 1.0)))
    std = np.zeros((p.n_neurons, p.n_neurons))
    edges = np.cumsum((0, *p.sizes))
    modules = [slice(a, b) for a, b in pairwise(edges)]
    for k, module in enumerate(modules):
        if densities[k]:
            std[module, module] = 1 / math.sqrt(p.sizes[k] * densities[k])
        for neighbour in (k - 1, k + 1):
            if 0 <= neighbour < p.n_modules:
                std[module, modules[neighbour]] = strengths[k] / math.sqrt(p.sizes[neighbour])
    return std


def _connect(p: NetworkParameters, std: NDArray[np.float64], seed: int) -> NDArray[np.bool_] | None:
    """Draw which couplings there are, or return None for one dense module."""
    densities = p.each("density")
    if p.n_modules == 1 and densities[0] == 1.0:
        return None
    connectivity = np.zeros((p.n_neurons, p.n_neurons), bool)
    connectivity |= std > 0
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    start = 0
    for size, density in zip(p.sizes, densities, strict=True):
        module = slice(start, start + size)
        connectivity[module, module] = rng.random((size, size)) < density
        if p.symmetry:
            upper = np.triu(connectivity[module, module], 1)
            connectivity[module, module] = upper | upper.T
        start += size
    np.fill_diagonal(connectivity, False)
    return connectivity


def _draw_sparse_couplings(
    p: NetworkParameters, draw: Any, rng: np.random.Generator, dtype: DTypeLike
) -> csr_array:
    """Draw J: which couplings there are, and normal ones in their places."""
    strengths, rest = p.each("neighbour_strength"), math.sqrt(1 - p.symmetry**2)
    modules = find_modules(p.sizes)
    rows, columns, values = [], [], []
    for k, (module, density) in enumerate(zip(modules, p.each("density"), strict=True)):
        size = p.sizes[k]
        to, source = np.divmod(_draw_places(size * size, density, rng), size)
        there = source > to if p.symmetry else source != to
        to, source = to[there] + module.start, source[there] + module.start
        drawn = draw(len(to)) / math.sqrt(size * (density or 1.0))
        if p.symmetry:
            other = p.symmetry * drawn
            other += rest * draw(len(to)) / math.sqrt(size * (density or 1.0))
            to, source = np.concatenate([to, source]), np.concatenate([source, to])
            drawn = np.concatenate([drawn, other])
        rows.append(to)
        columns.append(source)
        values.append(drawn)
        for neighbour in (k - 1, k + 1):
            if strengths[k] and 0 <= neighbour < p.n_modules:
                other_size = p.sizes[neighbour]
                to, source = np.divmod(np.arange(size * other_size), other_size)
                rows.append(to + module.start)
                columns.append(source + modules[neighbour].start)
                values.append(draw(len(to)) * (strengths[k] / math.sqrt(other_size)))
    return _compress(rows, columns, values, (p.n_neurons, p.n_neurons), dtype)


def _draw_sparse_inputs(
    p: NetworkParameters, draw: Any, rng: np.random.Generator, dtype: DTypeLike
) -> csr_array:
    """Draw W_in without the biases, likewise."""
    rows, columns, values = [], [], []
    each = (p.each("input_density"), p.each("input_strength"))
    for module, density, strength in zip(find_modules(p.sizes), *each, strict=True):
        n = (module.stop - module.start) * p.n_inputs
        to, source = np.divmod(_draw_places(n, density, rng), p.n_inputs)
        rows.append(to + module.start)
        columns.append(source)
        values.append(draw(len(to)) * (strength / math.sqrt(p.n_inputs * density)))
    return _compress(rows, columns, values, (p.n_neurons, p.n_inputs), dtype)


def _add_column(weights: Any, column: NDArray[Any]) -> Any:
    """Return weights with one more column, which is dense."""
    if not is_sparse(weights):
        return np.column_stack([weights, column])
    from scipy.sparse import csr_array, hstack

    n = len(column)  # entries that are 0 count, too
    last = csr_array((column, np.zeros(n, np.int32), np.arange(n + 1)), shape=(n, 1))
    return hstack([weights, last], format="csr", dtype=weights.dtype)


def _draw_places(n: int, density: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which of n places are taken, each with this probability, in ascending order."""
    if density == 0.0:
        return np.zeros(0, np.int64)
    if density == 1.0:
        return np.arange(n)
    # The gaps between taken places are geometric: work and memory go with those that are taken.
    parts, last = [], -1
    while last < n:
        expected = (n - last) * density
        gaps = rng.geometric(density, int(expected + 4 * math.sqrt(expected)) + 1)
        parts.append(last + np.cumsum(gaps))
        last = int(parts[-1][-1])
    places = np.concatenate(parts)
    return places[places < n]


def _compress(
    rows: list[NDArray[Any]],
    columns: list[NDArray[Any]],
    values: list[NDArray[Any]],
    shape: tuple[int, int],
    dtype: DTypeLike,
) -> csr_array:
    from scipy.sparse import coo_array

    data, *where = (np.concatenate(parts) for parts in (values, rows, columns))
    where = [index.astype(np.int32) for index in where]
    compressed = coo_array((data.astype(dtype), tuple(where)), shape=shape).tocsr()
    compressed.sort_indices()
    return compressed
