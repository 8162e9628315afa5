"""Random networks without input, their couplings stored: what `relax` and the counts work on.

A network of N neurons ±1 with the fields h_i = sum_{j != i} J_ij s_j + J_D s_i + b_i. Couplings are
Gaussian or ±, dense or diluted, independent or correlated across the diagonal, in one module or
in a chain of modules; floating-point, or 16-bit integers whose fields are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._validation import check_choice, check_integer, check_real, keep_real

DISTRIBUTIONS = ("gaussian", "sign")
COUPLING_DTYPES = ("float32", "float64", "int16")

# A Gaussian coupling of 8 standard deviations or more has probability 1e-15; 16-bit couplings
# reach that far and saturate beyond.
_GAUSSIAN_REACH = 8.0
_INT16_MAX = int(np.iinfo(np.int16).max)
_INT32_MAX = int(np.iinfo(np.int32).max)
_ROWS = 256  # in work at a time: bounds the memory beside the couplings


def check_size(n_neurons: int, dtype: str) -> None:
    """Refuse couplings (N, N) that take more memory to draw than there is.

    Parameters
    ----------
    n_neurons : int
        N.
    dtype : {"float32", "float64", "int16"}
        Of the couplings; integers are drawn in float32.

    Raises
    ------
    MemoryError
        If they do.
    """
    per_coupling = {"float32": 4.0, "float64": 8.0, "int16": 4.0 + 2.0}[dtype]
    check_memory(
        f"n_neurons = {n_neurons}: the couplings",
        per_coupling * n_neurons**2,
        "take fewer neurons, or couplings that are drawn again when needed (ImplicitNetwork)",
    )


@dataclass(frozen=True, eq=False)
class RandomNetwork:
    """Couplings of a network without input (docs/model/network.md, section 9.1).

    The field of neuron i is ``h_i = sum_{j != i} J_ij s_j + J_D s_i + b_i`` with
    ``J_ij = scale * couplings[i, j]``.

    Parameters
    ----------
    couplings : ndarray of float32, float64 or int16, shape (N, N)
        From neuron j to neuron i at ``[i, j]``; the diagonal must be 0.
    self_coupling : float, default 0
        J_D >= 0.
    external_field : ndarray of float64, shape (N,), optional
        b_i. Default: zeros.
    scale : float, default 1
        A power of two for int16 couplings, 1 for floating-point ones.
    parameters : mapping, optional
        What the network was drawn with, for the record; `draw` fills it in.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a value is not finite or out of range, or if a field of the int16
        couplings could exceed 32 bits.

    Examples
    --------
    >>> network = RandomNetwork.draw(100, self_coupling=1.0, dtype="int16", seed=1)
    >>> network.n_neurons, network.dtype, network.scale
    (100, dtype('int16'), 3.0517578125e-05)
    """

    couplings: NDArray[Any]
    self_coupling: float = 0.0
    external_field: NDArray[np.float64] | None = None
    scale: float = 1.0
    parameters: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_couplings(self.couplings)
        n_neurons = len(self.couplings)
        keep_real(self, "self_coupling", 0.0)
        keep_real(self, "scale", 0.0, above=True)
        if self.dtype == np.int16 and math.frexp(self.scale)[0] != 0.5:
            raise ValueError(
                f"scale must be a power of two for int16 couplings, got {self.scale:g}; round it, "
                "or draw the network with RandomNetwork.draw(..., dtype='int16')"
            )
        if self.dtype != np.int16 and self.scale != 1.0:
            raise ValueError(
                f"scale must be 1 for {self.dtype} couplings, got {self.scale:g}; multiply them "
                "by it"
            )
        b = np.zeros(n_neurons) if self.external_field is None else np.asarray(self.external_field)
        if b.shape != (n_neurons,):
            raise ValueError(
                f"external_field must have shape ({n_neurons},), one value a neuron, got {b.shape}"
            )
        if b.dtype.kind not in "iuf":
            raise TypeError(f"external_field must be real numbers, got an array of {b.dtype}")
        b = b.astype(np.float64)
        if not np.isfinite(b).all():
            where = int(np.flatnonzero(~np.isfinite(b))[0])
            raise ValueError(f"external_field must be finite, got {b[where]} at [{where}]")
        object.__setattr__(self, "external_field", b)
        if self.dtype == np.int16:
            self._check_field_range()

    def _check_field_range(self) -> None:
        """Refuse couplings whose fields could leave the 32-bit accumulator."""
        beside = (self.self_coupling + np.abs(self.fields)) / self.scale
        largest = float((_absolute_row_sums(self.couplings) + np.ceil(beside)).max())
        if largest > _INT32_MAX:
            raise ValueError(
                f"the largest possible |field| is {largest:.12g} in units of scale = "
                f"{self.scale:g}, beyond the {_INT32_MAX} of a 32-bit accumulator; use a larger "
                "scale with smaller integers, or float32 couplings"
            )

    @classmethod
    @renamed_parameter("module_coupling", "excitation")
    def draw(
        cls,
        n_neurons: int,
        self_coupling: float = 0.5,
        *,
        distribution: str = "gaussian",
        symmetry: float = 0.0,
        density: float = 1.0,
        n_modules: int = 1,
        excitation: float = 0.0,
        field_std: float = 0.0,
        dtype: str = "float32",
        seed: int = 0,
    ) -> RandomNetwork:
        """Draw a network: J_ij of mean 0 and variance 1/N, J_ii = 0 (N neurons in a module).

        All dtypes get the same draw, rounded. The scale of int16 couplings follows from the
        distribution, not from the draw: the smallest power of two for which 8 standard deviations
        (Gaussian), or the coupling itself (sign), and the excitation fit into 16 bits.

        Parameters
        ----------
        n_neurons : int
            Neurons of all modules together, a multiple of `n_modules`.
        self_coupling : float, default 0.5
            J_D >= 0.
        distribution : {"gaussian", "sign"}, default "gaussian"
            Normal couplings, or one strength with random signs.
        symmetry : float, default 0
            Correlation eta in [-1, 1] between J_ij and J_ji; 1 is symmetric, -1 antisymmetric.
        density : float, default 1
            Fraction rho in (0, 1] of the couplings that is there; these have variance 1/(rho N).
            J_ij and J_ji are drawn to be there together with probability |eta|, else each for
            itself.
        n_modules : int, default 1
            L, modules in a chain.
        excitation : float, default 0
            lambda: each neuron receives it from the neuron of its index in the neighbouring
            modules (docs/model/theory.md, eq. (2.3)).
        field_std : float, default 0
            Standard deviation of the Gaussian external fields b_i.
        dtype : {"float32", "float64", "int16"}, default "float32"
            Of the couplings.
        seed : int, default 0
            Seed of the draw.

        Returns
        -------
        RandomNetwork
            The network.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of its range.
        """
        n_total = check_integer("n_neurons", n_neurons, 1)
        modules = check_integer("n_modules", n_modules, 1)
        if n_total % modules:
            raise ValueError(
                f"n_neurons must be a multiple of n_modules = {modules}, got {n_total}; it counts "
                "the neurons of all modules together"
            )
        check_choice("distribution", distribution, DISTRIBUTIONS)
        check_choice("dtype", dtype, COUPLING_DTYPES)
        J_D = check_real("self_coupling", self_coupling, 0.0)
        eta = check_real("symmetry", symmetry, -1.0, 1.0)
        rho = check_real("density", density, 0.0, 1.0, above=True)
        excitation = check_real("excitation", excitation)
        std_field = check_real("field_std", field_std, 0.0)
        sequence = np.random.SeedSequence(check_integer("seed", seed, 0, None))
        of_couplings, of_fields = (np.random.default_rng(part) for part in sequence.spawn(2))

        working = np.float64 if dtype == "float64" else np.float32
        check_size(n_total, dtype)
        n = n_total // modules
        std = 1.0 / math.sqrt(rho * n)
        # The kernels read the couplings *from* a neuron: these are the rows in memory.
        J = np.zeros((n_total, n_total), working).T
        for first in range(0, n_total, n):
            block = J[first : first + n, first : first + n]
            _fill_module(block.T, of_couplings, distribution, std, eta, rho)
        if modules > 1 and excitation != 0.0:
            site = np.arange(n_total - n)
            J[site, site + n] = J[site + n, site] = excitation
        couplings, scale = J, 1.0
        if dtype == "int16":
            largest = std * (_GAUSSIAN_REACH if distribution == "gaussian" else 1.0)
            scale = _power_of_two(
                max(largest, abs(excitation) if modules > 1 else 0.0) / _INT16_MAX
            )
            couplings = _quantise(J, scale)
        return cls(
            couplings,
            J_D,
            std_field * of_fields.standard_normal(n_total),
            scale,
            {
                "n_neurons": n_total, "self_coupling": J_D, "distribution": distribution,
                "symmetry": eta, "density": rho, "n_modules": modules,
                "excitation": excitation, "field_std": std_field, "dtype": dtype, "seed": seed,
            },
        )  # fmt: skip

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.couplings)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the couplings."""
        return self.couplings.dtype

    @property
    def fields(self) -> NDArray[np.float64]:
        """External fields b_i, shape (N,)."""
        assert self.external_field is not None  # __post_init__ has filled it in
        return self.external_field

    @cached_property
    def presynaptic(self) -> NDArray[Any]:
        """Couplings *from* each neuron in a row of memory, ``couplings.T``: a copy unless drawn."""
        from binnet_kernels.structs import allocate_aligned

        rows = self.couplings.T
        if rows.flags.c_contiguous:
            return rows
        copy = allocate_aligned(rows.shape, rows.dtype)
        copy[...] = rows
        return copy

    def to_float(self) -> NDArray[np.float64]:
        """Return the couplings J_ij in float64, shape (N, N).

        Returns
        -------
        ndarray of float64, shape (N, N)
            ``scale * couplings``.
        """
        return np.asarray(self.scale * self.couplings.astype(np.float64))

    def in_field_units(self) -> tuple[Any, NDArray[Any]]:
        """Return J_D and b_i in the format in which the fields are summed.

        For int16 couplings these are int32 in units of `scale`, each rounded once (half to even);
        the couplings themselves stay free of them. For floating-point ones it is their dtype.

        Returns
        -------
        scalar
            J_D.
        ndarray, shape (N,)
            b_i.
        """
        kind = np.dtype(np.int32) if self.dtype == np.int16 else self.dtype
        J_D, b = np.float64(self.self_coupling) / self.scale, self.fields / self.scale
        if self.dtype == np.int16:
            J_D, b = np.rint(J_D), np.rint(b)
        return kind.type(J_D), b.astype(kind)


def _check_couplings(value: object) -> None:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"couplings must be a NumPy array, got {type(value).__name__}")
    if value.ndim != 2 or value.shape[0] != value.shape[1] or value.shape[0] == 0:
        raise ValueError(
            f"couplings must be a square matrix (N, N) with N >= 1, got shape {value.shape}"
        )
    if value.dtype not in (np.float32, np.float64, np.int16):
        raise TypeError(
            f"couplings must be float32, float64 or int16, got {value.dtype}; convert them with "
            ".astype()"
        )
    if not all(np.isfinite(rows).all() for rows in _stretches(value)):
        i, j = (int(k) for k in np.argwhere(~np.isfinite(value))[0])
        raise ValueError(f"couplings must be finite, got {value[i, j]} at [{i}, {j}]")
    if np.diagonal(value).any():
        where = int(np.flatnonzero(np.diagonal(value))[0])
        raise ValueError(
            f"the diagonal of couplings must be 0, got {value[where, where]} at [{where}, {where}]:"
            " pass the self-coupling as self_coupling"
        )


def _fill_module(
    J: NDArray[Any],
    rng: np.random.Generator,
    distribution: str,
    std: float,
    eta: float,
    rho: float,
) -> None:
    """Fill one module's couplings (n, n) row by row; J and its transpose are alike.

    The values of a pair (J_ij, J_ji) have correlation c, and with probability |eta| the two share
    whether they are there; then J_ij J_ji is on average c (|eta| + (1 - |eta|) rho) / n = eta / n.
    """
    shared = abs(eta)
    c = eta / (shared + (1.0 - shared) * rho) if eta else 0.0
    for i in range(len(J)):
        row = std * rng.standard_normal(len(J))
        if distribution == "sign":
            row = np.copysign(std, row)
        if rho < 1.0:
            there = rng.random(len(J)) < rho
        if eta:
            mirror = J[:i, i]  # J_ji, already drawn, 0 where it is not there
            is_there = mirror != 0.0
            if distribution == "sign":  # equal signs with probability (1 + c) / 2
                tied = np.where(rng.random(i) < (1.0 + c) / 2, mirror, -mirror)
            else:
                tied = c * mirror + math.sqrt(1.0 - c * c) * row[:i]
            row[:i] = np.where(is_there, tied, row[:i])
            if rho < 1.0:
                there[:i] = np.where(rng.random(i) < shared, is_there, there[:i])
        if rho < 1.0:
            row *= there
        J[i] = row
        J[i, i] = 0.0


def _power_of_two(value: float) -> float:
    """Return the smallest power of two >= `value`."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(1.0, exponent - 1 if fraction == 0.5 else exponent)


def _stretches(matrix: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield some rows after the other, or columns where those are contiguous in memory."""
    along_rows = matrix if matrix.flags.c_contiguous else matrix.T
    for first in range(0, len(along_rows), _ROWS):
        yield along_rows[first : first + _ROWS]


def _quantise(J: NDArray[Any], scale: float) -> NDArray[np.int16]:
    """Round to the nearest multiple of `scale` (half to even), saturating at 16 bits.

    Columns are contiguous, as they are in `J`.
    """
    from binnet_kernels.structs import allocate_aligned

    integers: NDArray[np.int16] = allocate_aligned(J.T.shape, np.int16).T
    for rows, rounded in zip(_stretches(J), _stretches(integers), strict=True):
        values = np.rint(rows.astype(np.float64) / scale)
        rounded[...] = np.clip(values, -_INT16_MAX, _INT16_MAX)
    return integers


def _absolute_row_sums(couplings: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return sum_j |J_ij|, shape (N,)."""
    parts = [np.abs(rows.astype(np.int32)) for rows in _stretches(couplings)]
    if couplings.flags.c_contiguous:
        return np.concatenate([part.sum(axis=1, dtype=np.int64) for part in parts])
    return np.asarray(sum(part.sum(axis=0, dtype=np.int64) for part in parts))
