"""What a network is made of: sizes and strengths of its modules, in one small parameter object."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import (
    MOST,
    check_choice,
    check_integer,
    check_real,
    keep_integer,
    keep_real,
)

# A value for all modules, or one for each.
#: Modules of a network at most; the couplings of as many neurons take tens of gigabytes.
MOST_MODULES = 2**16

PerModule = float | tuple[float, ...]

STORAGES = ("auto", "dense", "sparse")
# Couplings of a module of a lower density are faster as compressed rows. Measured.
_SPARSE_BELOW = 0.1

FEEDBACK_WEIGHTS = ("independent", "repeated", "shared", "tied")

_STRENGTHS = (
    "self_coupling",
    "input_strength",
    "feedback_strength",
    "excitation",
    "neighbour_strength",
    "readout_strength",
    "bias_strength",
)


@dataclass(frozen=True)
class NetworkParameters:
    """Sizes and strengths of a network (docs/model/network.md, sections 1 and 5).

    A network is a row of modules, by default one. What is not a count of inputs, outputs or modules
    is a number for all modules, or a tuple with one for each.

    Parameters
    ----------
    n_hidden : int or tuple of int, default 400
        Hidden neurons H of a module, at least 1.
    n_inputs : int, default 100
        Inputs N_in, at least 1.
    n_outputs : int, default 10
        Readout neurons C, one a class, at least 2.
    self_coupling : float or tuple, default 0.5
        J_D >= 0, the coupling of each hidden neuron to itself.
    input_strength : float or tuple, default 5.0
        lambda_in >= 0: the input field of a neuron has this standard deviation. 0: no input.
    feedback_strength : float or tuple, default 0.9
        lambda_back >= 0, of the readout feedback; 0 switches the feedback off.
    n_modules : int, default 1
        Modules L, at least 1.
    excitation : float or tuple, default 0.0
        lambda >= 0, fixed: what a neuron receives from the neuron of the same index in the module
        before it, and in the one behind it.
    density : float or tuple, default 1.0
        Fraction of the couplings inside a module that exist, 0 (none) to 1 (dense). Their initial
        variance is 1 / (density H), which keeps the field of order one.
    input_density : float or tuple, default 1.0
        Fraction > 0 of the input weights onto a module that exist. Their initial variance and the
        square of their rate are divided by it. Below 1 they are sparse.
    storage : {"auto", "dense", "sparse"}, default "auto"
        How the couplings are stored: as an array of all pairs, or those alone that there are, with
        memory and time in proportion to them. "auto": sparse in a single module whose density is
        0.1 at most, if it learns in floating point. The draws of the two differ.
    neighbour_strength : float or tuple, default 0.0
        Of the dense, learned couplings that a module receives from each of its neighbours: their
        initial standard deviation is this over sqrt(H of the neighbour). 0: there are none.
    readout_strength : float or tuple, default 1.0
        Of the readout's weights from a module: their initial standard deviation is this over
        sqrt(number of neurons that are read), and it multiplies their rate. 0: it is not read.
    bias_strength : float or tuple, default 0.0
        Standard deviation >= 0 of the initial biases, learned like the weights of one more input
        that is always +1. 0 for all modules: there are none; for one of them: its begin at 0.
    symmetry : float, default 0.0
        eta, -1 to 1: correlation of the initial J_ij and J_ji inside modules; 1: they are equal, as
        an option of the source's code has it. Where not 0, diluted couplings exist in pairs.
    feedback_weights : {"independent", "repeated", "shared", "tied"}, default "independent"
        How W_back and W_out are drawn, up to their strengths: all independent; the same two draws
        in every module; one draw for both, the same in every module; or that, and W_back follows
        W_out as it learns (docs/model/network.md, section 11.1).

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range, or a tuple has not one value for each module.

    Examples
    --------
    >>> chain = NetworkParameters(n_modules=3, n_hidden=100, self_coupling=0.0, excitation=0.5)
    >>> chain.sizes, chain.n_neurons
    ((100, 100, 100), 300)
    """

    n_hidden: int | tuple[int, ...] = 400
    n_inputs: int = 100
    n_outputs: int = 10
    self_coupling: PerModule = 0.5
    input_strength: PerModule = 5.0
    feedback_strength: PerModule = 0.9
    n_modules: int = 1
    excitation: PerModule = 0.0
    density: PerModule = 1.0
    neighbour_strength: PerModule = 0.0
    readout_strength: PerModule = 1.0
    bias_strength: PerModule = 0.0
    symmetry: float = 0.0
    feedback_weights: str = "independent"
    input_density: PerModule = 1.0
    storage: str = "auto"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("n_inputs", 1, MOST), ("n_outputs", 2, MOST), ("n_modules", 1, MOST_MODULES)
        ):  # fmt: skip
            keep_integer(self, name, low, high)
        self._keep("n_hidden", check_integer, 1)
        for name in _STRENGTHS:
            self._keep(name, check_real, 0.0)
        self._keep("density", check_real, 0.0, 1.0)
        self._keep("input_density", partial(check_real, above=True), 0.0, 1.0)
        check_choice("storage", self.storage, STORAGES)
        if self.storage == "dense" and self.has_sparse_inputs:
            raise ValueError(
                'input_density must be 1 with storage = "dense", as input weights that do not '
                f'exist have no place in an array, got {self.input_density}; set storage to "auto"'
            )
        keep_real(self, "symmetry", -1.0, 1.0)
        for name in ("input_strength", "readout_strength"):
            if self.n_modules > 1 and not any(self.each(name)):
                raise ValueError(
                    f"{name} must be > 0 for at least one module, got {getattr(self, name)}; "
                    "attach one"
                )
        check_choice("feedback_weights", self.feedback_weights, FEEDBACK_WEIGHTS)
        strengths = zip(self.each("feedback_strength"), self.each("readout_strength"), strict=True)
        if self.feedback_weights == "tied" and any(back > out == 0 for back, out in strengths):
            raise ValueError(
                "readout_strength must be > 0 where feedback_strength is with feedback_weights = "
                f'"tied", got {self.readout_strength}; attach the readout, or set '
                "feedback_strength to 0 there"
            )

    def _keep(self, name: str, check: Callable[..., Any], *limits: float) -> None:
        value = check_per_module(name, getattr(self, name), self.n_modules, check, *limits)
        object.__setattr__(self, name, value)

    def check_memory(self, dtype: str) -> None:
        """Refuse a network whose weights take more memory than there is.

        Parameters
        ----------
        dtype : str
            Of the weights.

        Raises
        ------
        MemoryError
            If they do.
        """
        n, itemsize = self.n_neurons, np.dtype(dtype).itemsize
        weights = self.n_couplings + self.n_input_weights + 2 * n * self.n_outputs
        check_memory(
            f"n_hidden = {self.n_hidden} in n_modules = {self.n_modules} with n_inputs = "
            f"{self.n_inputs} and n_outputs = {self.n_outputs}: the weights",
            float(weights) * (8 + itemsize),  # they are drawn in float64
            "take a smaller network",
        )

    def each(self, name: str) -> tuple[Any, ...]:
        """Return a parameter of each module.

        Parameters
        ----------
        name : str
            A parameter that may be a tuple.

        Returns
        -------
        tuple
            One value for each module.
        """
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,) * self.n_modules

    @property
    def sizes(self) -> tuple[int, ...]:
        """Hidden neurons of each module."""
        return self.each("n_hidden")

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons of all modules."""
        return sum(self.sizes)

    @property
    def has_sparse_couplings(self) -> bool:
        """Whether the couplings are drawn, and stored, as those alone that there are."""
        if self.storage == "auto":
            return self.n_modules == 1 and self.each("density")[0] <= _SPARSE_BELOW
        return self.storage == "sparse"

    @property
    def has_sparse_inputs(self) -> bool:
        """Whether the input weights are."""
        return any(density < 1.0 for density in self.each("input_density"))

    @property
    def n_couplings(self) -> float:
        """Number of couplings that are stored, of sparse ones on average."""
        if not self.has_sparse_couplings:
            return float(self.n_neurons) ** 2
        sizes, density = np.array(self.sizes, float), np.array(self.each("density"))
        between = np.zeros(self.n_modules)
        between[1:] += sizes[1:] * sizes[:-1]
        between[:-1] += sizes[:-1] * sizes[1:]
        return float(sizes**2 @ density + between @ (np.array(self.each("neighbour_strength")) > 0))

    @property
    def n_input_weights(self) -> float:
        """Number of input weights that are stored, of sparse ones on average."""
        return float(np.dot(self.sizes, self.each("input_density"))) * self.n_inputs

    @property
    def has_biases(self) -> bool:
        """Whether there are biases, the last column of the input weights."""
        return any(self.each("bias_strength"))

    @property
    def n_read(self) -> int:
        """Number of hidden neurons that the readout reads."""
        strengths = self.each("readout_strength")
        return sum(n for n, strength in zip(self.sizes, strengths, strict=True) if strength) or 1

    @property
    def ties(self) -> NDArray[np.float64]:  # numpydoc ignore=RT01
        """W_back[i, c] / W_out[c, i] of each neuron where they are tied, shape (H,); else (0,).

        See docs/model/network.md, eq. (11.1).
        """
        if self.feedback_weights != "tied":
            return np.zeros(0)
        scale = math.sqrt(self.n_read / self.n_outputs)
        strengths = zip(self.each("feedback_strength"), self.each("readout_strength"), strict=True)
        return spread([scale * back / (out or 1.0) for back, out in strengths], self.sizes)

    @property
    def prefactors(self) -> NDArray[np.float64]:  # numpydoc ignore=RT01
        """What multiplies the learning rates of couplings, input weights and readout, shape (3,).

        1 / sqrt(H), lambda_in / sqrt(N_in) and 1 / sqrt(neurons read) (docs/model/network.md, eq.
        (5.4)); H is the mean size, lambda_in the largest of the modules.
        """
        return np.array(
            [
                1 / math.sqrt(self.n_neurons / self.n_modules),
                max(self.each("input_strength")) / math.sqrt(self.n_inputs),
                1 / math.sqrt(self.n_read),
            ]
        )

    @property
    def rate_gains(self) -> NDArray[np.float64]:  # numpydoc ignore=RT01
        """What multiplies the learning rates of each neuron besides, shape (3, H of all modules).

        Together with `prefactors`: 1 / sqrt(density H) for the couplings of a module,
        lambda_in / sqrt(input_density N_in) for its input weights, its strength for the readout.
        """
        sizes = self.sizes
        mean, strongest = self.n_neurons / self.n_modules, max(self.each("input_strength"))
        couplings = [
            math.sqrt(mean / (size * (density or 1.0)))
            for size, density in zip(sizes, self.each("density"), strict=True)
        ]
        inputs = [
            strength / ((strongest or 1.0) * math.sqrt(density))
            for strength, density in zip(
                self.each("input_strength"), self.each("input_density"), strict=True
            )
        ]
        return np.stack(
            [spread(values, sizes) for values in (couplings, inputs, self.each("readout_strength"))]
        )


def check_per_module(
    name: str, value: Any, n_modules: int, check: Callable[..., Any], *limits: float
) -> Any:
    """Return a number for all modules, or a tuple with one for each, checked by `check`.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    value : object
        What to check.
    n_modules : int
        Number of modules.
    check : callable
        ``check(name, value, *limits)`` returns a checked number.
    *limits : float
        Of the valid range.

    Returns
    -------
    number or tuple
        What was given, as plain numbers.
    """
    if not isinstance(value, list | tuple | np.ndarray):
        return check(name, value, *limits)
    if len(value) != n_modules:
        raise ValueError(
            f"{name} must be one number, or one for each of the {n_modules} modules, got "
            f"{len(value)}: {tuple(value)}; change it or n_modules"
        )
    numbers = tuple(check(name, number, *limits) for number in value)
    return numbers if n_modules > 1 else numbers[0]


def spread(values: Sequence[float], sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return the value of each module at each of its neurons.

    Parameters
    ----------
    values : sequence of float
        One for each module.
    sizes : sequence of int
        Neurons of each module.

    Returns
    -------
    ndarray, shape (sum of sizes,)
        One value for each neuron.
    """
    return np.repeat(np.asarray(values, np.float64), sizes)
