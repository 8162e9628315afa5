"""How well the gradient of a learning rule follows the exact one, by block of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet._threads import resolve_threads
from binnet._validation import check_choice, check_integer, check_matrix
from binnet.rate._losses import LOSSES, make_goal
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.model import WEIGHTS, RateRNN, check_inputs
from binnet.rate.rules._gradients import RULES, compute_draws, compute_gradient, find_kind

if TYPE_CHECKING:
    import xarray

EXACT = ("bptt", "rtrl")
#: What gradients are compared in: each array of weights, and all of them as one vector.
BLOCKS = (*WEIGHTS, "all")

_Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How well gradients follow the exact one (docs/model/rate.md, section 6).

    Values are NaN where there is nothing to compare with: all of a block whose exact gradient is
    zero, and the cosines of a rule whose gradient of the block is zero.

    Attributes
    ----------
    rules : tuple of str
        The rules that were compared: the first axis of all arrays below.
    blocks : tuple of str
        "recurrent", "input_weights", "readout" and "all": their second axis.
    loss : float
        The loss of the trials.
    exact_norm : ndarray, shape (n_blocks,)
        Norm of the exact gradient.
    cosine, norm_ratio : ndarray, shape (n_rules, n_blocks)
        Cosine of a rule's gradient with the exact one, and ratio of their norms; of a stochastic
        rule, of the mean of its draws, with the noise that is left in it.
    single_cosine, single_norm_ratio : ndarray, shape (n_rules, n_blocks)
        Of single draws: the mean of their cosines, and the root mean square of their norms over
        that of the exact gradient.
    squared_bias, squared_bias_error : ndarray, shape (n_rules, n_blocks)
        |expected gradient - exact one|² / |exact one|², estimated without bias (so that it may be
        below 0 where there is none), and its standard error by the jackknife, which errs to the
        large side. That of a rule which draws nothing is known, and its error 0.
    variance : ndarray, shape (n_rules, n_blocks)
        Trace of the covariance of single draws / |exact one|²; 0 of a rule which draws nothing.
    n_draws : int
        Draws of each stochastic rule.
    """

    rules: tuple[str, ...]
    blocks: tuple[str, ...]
    loss: float
    exact_norm: _Values
    cosine: _Values
    norm_ratio: _Values
    single_cosine: _Values
    single_norm_ratio: _Values
    squared_bias: _Values
    squared_bias_error: _Values
    variance: _Values
    n_draws: int

    @property
    def bias(self) -> _Values:
        """Root of `squared_bias`, 0 where that is estimated below 0."""
        return np.sqrt(np.maximum(self.squared_bias, 0.0))

    def to_dataset(self) -> xarray.Dataset:
        """Return the same as a labelled data set.

        Returns
        -------
        xarray.Dataset
            The arrays by their names, over "rule" and "block"; loss and number of draws are in
            the attributes.
        """
        import xarray

        measured = {name: (("rule", "block"), getattr(self, name)) for name in MEASURES}
        return xarray.Dataset(
            {**measured, "exact_norm": ("block", self.exact_norm)},
            {"rule": list(self.rules), "block": list(self.blocks)},
            {"loss": self.loss, "n_draws": self.n_draws},
        )


#: The measures of a rule and a block.
MEASURES = (
    "cosine", "norm_ratio", "single_cosine", "single_norm_ratio", "squared_bias",
    "squared_bias_error", "variance",
)  # fmt: skip


def alignment(
    network: RateRNN,
    inputs: ArrayLike,
    targets: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    rules: Sequence[str] | None = None,
    loss: str = "squared",
    n_draws: int = 32,
    feedback: Floats | None = None,
    seed: int | tuple[int, ...] = 0,
    threads: int | None = 1,
) -> Alignment:
    """Compare gradients of learning rules with the exact one, that of bptt.

    Takes a gradient of each rule, `n_draws` of each stochastic one, and memory for that many
    gradients in float64.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs, targets, mask : array_like
        A batch of trials, as for `binnet.rate.gradient`.
    rules : sequence of str, optional
        The rules. Default: one of each kind but the exact ones, bptt and rtrl.
    loss : {"squared", "cross_entropy"}, default "squared"
        As for `binnet.rate.gradient`.
    n_draws : int, default 32
        Draws of a stochastic rule, at least 3.
    feedback : ndarray, shape (N_out, N), optional
        What carries the error back in place of the readout, in those rules that take it.
    seed : int or tuple of int, default 0
        Of the draws.
    threads : int, optional
        Threads of the rules that take several. None: all cores.

    Returns
    -------
    Alignment
        Cosines, ratios of norms, biases and variances by rule and block of the weights.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or the mask is all zeros.
    DivergenceError
        If activity, loss or a gradient overflows.

    Examples
    --------
    >>> from binnet.rate import RateRNN, alignment, tasks
    >>> trials = tasks.romo(batch_size=4, seed=0)
    >>> network = RateRNN.initialise(trials.n_inputs, trials.n_outputs, gain=1.0)
    >>> found = alignment(network, trials.inputs, trials.targets, trials.mask, rules=["eprop"])
    >>> found.blocks
    ('recurrent', 'input_weights', 'readout', 'all')
    >>> round(float(found.cosine[0, 2]), 6)  # of the readout it is exact
    1.0
    """
    names = _check_rules(rules)
    check_choice("loss", loss, LOSSES)
    n_draws = check_integer("n_draws", n_draws, 3)
    stem = _check_seed(seed)
    x = check_inputs(network, inputs)
    goal = make_goal(loss, targets, mask, (*x.shape[:2], network.n_outputs), network.dtype)
    feedback = _check_feedback(network, feedback, names)
    if any(find_kind(rule)[0].is_stochastic for rule in names):
        n_bytes = 3.0 * 8 * n_draws * sum(w.size for w in network.weights().values())
        check_memory(f"n_draws = {n_draws}: the gradients", n_bytes, "take fewer")
    n_threads, work = resolve_threads(threads), Workspace()

    found = compute_gradient(network, x, goal, "bptt", None, n_threads, work)
    exact = {name: found.grads[name].astype(np.float64).ravel() for name in WEIGHTS}

    def draw(rule: str) -> dict[str, _Values]:
        """Return the gradients of a rule by block, a row for each draw."""
        kind, _ = find_kind(rule)
        own = feedback if kind.takes_feedback else None
        given = (network, x, goal, rule, own, n_threads, work)
        n = n_draws if kind.is_stochastic else 1
        if kind.is_stochastic:
            grads = compute_draws(*given, [(*stem, k) for k in range(n)])
        else:
            grads = compute_gradient(*given).grads
        return {name: grads[name].astype(np.float64).reshape(n, -1) for name in WEIGHTS}

    rows = [_compare(exact, draw(rule)) for rule in names]
    measured = {name: np.array([row[name] for row in rows]) for name in MEASURES}
    norms = np.array([_norm(exact[name]) for name in WEIGHTS])
    return Alignment(
        names, BLOCKS, found.loss, np.append(norms, _norm(norms)), n_draws=n_draws, **measured
    )


class _Products(NamedTuple):
    """Inner products between the draws g_1..g_n of a rule and the exact gradient e of a block.

    Those of all blocks together are their sums.
    """

    deviations: _Values  # (g_i - e) . (g_j - e)
    along: _Values  # g_i . e
    squares: _Values  # g_i . g_i
    square_of_mean: float
    exact: float  # e . e

    @classmethod
    def of(cls, exact: _Values, draws: _Values) -> _Products:
        deviations, mean = draws - exact, draws.mean(axis=0)
        return cls(
            deviations @ deviations.T,
            draws @ exact,
            np.einsum("ij,ij->i", draws, draws),
            float(mean @ mean),
            float(exact @ exact),
        )

    def measure(self) -> dict[str, float]:
        """Return the measures of `Alignment`, in the order of docs/model/rate.md, section 6."""
        n, nothing = len(self.along), dict.fromkeys(MEASURES, math.nan)
        if self.exact == 0:
            return nothing
        total, own = float(self.deviations.sum()), float(np.trace(self.deviations))
        found = {
            "norm_ratio": math.sqrt(self.square_of_mean / self.exact),
            "single_norm_ratio": math.sqrt(self.squares.mean() / self.exact),
            "squared_bias": total / self.exact,
            "squared_bias_error": 0.0,
            "variance": 0.0,
        }
        if n > 1:
            # Pairs of different draws alone: what a draw has in common with itself is its noise.
            pairs = total - own
            others = self.deviations.sum(axis=1) - self.deviations.diagonal()
            without = (pairs - 2 * others) / ((n - 1) * (n - 2))
            found["squared_bias"] = pairs / (n * (n - 1)) / self.exact
            found["squared_bias_error"] = math.sqrt((n - 1) * without.var()) / self.exact
            found["variance"] = max(own - total / n, 0.0) / (n - 1) / self.exact
        if self.square_of_mean > 0:
            scale = math.sqrt(self.square_of_mean * self.exact)
            found["cosine"] = float(self.along.mean()) / scale
        if (self.squares > 0).all():
            cosines = self.along / np.sqrt(self.squares * self.exact)
            found["single_cosine"] = float(cosines.mean())
        return nothing | found


def _compare(exact: dict[str, _Values], draws: dict[str, _Values]) -> dict[str, list[float]]:
    """Return each measure by block."""
    # In units of the largest entry: the squares of small or large gradients are numbers too.
    largest = max(float(np.abs(grad).max()) for grads in (exact, draws) for grad in grads.values())
    unit = largest or 1.0
    products = [_Products.of(exact[name] / unit, draws[name] / unit) for name in WEIGHTS]
    products.append(_Products(*(sum(parts) for parts in zip(*products, strict=True))))
    found = [product.measure() for product in products]
    return {name: [block[name] for block in found] for name in MEASURES}


def _norm(values: _Values) -> float:
    unit = float(np.abs(values).max()) or 1.0
    return unit * float(np.linalg.norm(values / unit))


def _check_rules(rules: Sequence[str] | None) -> tuple[str, ...]:
    if rules is None:
        return tuple(rule for rule in RULES if rule not in EXACT)
    if isinstance(rules, str):
        raise TypeError(
            f"rules must be a sequence of names, got the text {rules!r}: pass [{rules!r}]"
        )
    names = tuple(rules)
    for rule in names:
        find_kind(rule)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"rules must be at least one name, each once, got {list(names)}")
    return names


def _check_seed(seed: int | tuple[int, ...]) -> tuple[int, ...]:
    parts = seed if isinstance(seed, tuple) else (seed,)
    return tuple(check_integer("seed", part, 0, None) for part in parts)


def _check_feedback(
    network: RateRNN, feedback: Floats | None, rules: tuple[str, ...]
) -> Floats | None:
    if feedback is None:
        return None
    if not any(find_kind(rule)[0].takes_feedback for rule in rules):
        raise ValueError(
            f"feedback replaces the readout in a learning signal, which none of the rules "
            f"{', '.join(rules)} has: add a rule such as 'eprop', or pass no feedback"
        )
    feedback = np.asarray(feedback)
    check_matrix("feedback", feedback, network.readout.shape, "(N_out, N)")
    return feedback.astype(network.dtype, copy=False)
