"""What is measured of one network and one sample, around one of its states."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet import fixed_points
from binnet._progress import progress_bar
from binnet._validation import (
    MOST,
    check_choice,
    check_inputs,
    check_integer,
    check_labels,
    check_real,
)
from binnet.landscape.networks import check_size, drive, shuffle_couplings
from binnet.landscape.states import Dynamics, Spins, measure_basin, measure_overlaps
from binnet.learning import QUANTILES
from binnet.networks import BinaryNetwork, RandomNetwork
from binnet.theory import message_passing

if TYPE_CHECKING:
    import xarray as xr

#: Networks of at most so many neurons have their fixed points counted exactly, too.
EXACT_NEURONS = 22
#: "inference": the state that inference reaches; "random": the state that a random start ends in;
#: "shuffled": the state that inference reaches in the network with shuffled couplings.
STATES = ("inference", "random", "shuffled")

# Of each variable what it is, and its unit where it has one.
_MEANINGS = {
    "state": "state that is measured",
    "quantile": "quantile over neurons",
    "distance": "distance from the state, in neurons that differ over H",
    "flipped": "fraction of the spins that are flipped",
    "n_flips": "neurons that differ from the state",
    "fixed": "whether the state is a fixed point under the input",
    "unstable": "fraction of neurons that are not stable in the state",
    "margin": "s_i h_i less J_D, and less lambda of the module before | field",
    "input_share": "sum of s_i b_i over that of s_i h_i, less J_D: share of input and biases",
    "return_probability": "fraction of the starts that end in the state",
    "return_overlap": "mean overlap of the ends with the state",
    "overlap_with_inference": "overlap of the state with that of inference",
    "entropy": "Bethe entropy of all fixed points | nats per neuron",
    "typical_distance": "mean distance of all fixed points from the state",
    "local_entropy": "Bethe entropy of the fixed points at a distance | nats per neuron",
    "local_bound": "upper bound of the local entropy | nats per neuron",
    "n_fixed_points": "number of fixed points, exact",
    "n_at_flips": "number of fixed points that differ in so many neurons, exact",
    "fixed_point_margin": "margin, over the neurons of all fixed points, exact | field",
    "overlap_clamped_free": "overlap of the clamped state with the free one",
    "overlap_clamped_inference": "overlap of the clamped state with that of inference",
    "overlap_free_inference": "overlap of the free state with that of inference",
    "right": "whether the readout of the state has the right class",
}


@dataclasses.dataclass(frozen=True)
class LandscapePlan:
    """What is measured around a state, and how finely.

    Parameters
    ----------
    distances : tuple of float
        Distances d from the state, in neurons that differ over H, at which fixed points are counted
        by message passing, 0 < d < 1.
    flipped : tuple of float
        Fractions f of the spins that are flipped, 0 < f <= 1.
    trials : int, default 20
        Starts at each f.
    max_sweeps : int, default 100
        Sweeps of a start at most, and of a random start; 10000 at most.
    seed : int, default 0
        Of flips, random starts and shuffles.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    distances: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
    flipped: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
    trials: int = 20
    max_sweeps: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name, below in (("distances", True), ("flipped", False)):
            values = tuple(getattr(self, name))
            if not values:
                raise ValueError(f"{name} must hold at least one number, got {values}")
            for value in values:
                check_real(name, value, 0.0, 1.0, above=True, below=below)
            object.__setattr__(self, name, values)
        for name, low, high in (("trials", 1, MOST), ("max_sweeps", 1, 10000), ("seed", 0, MOST)):
            check_integer(name, getattr(self, name), low, high)


def measure_state(
    network: BinaryNetwork,
    inputs: ArrayLike,
    state: str = "inference",
    *,
    label: int | None = None,
    dynamics: Dynamics | None = None,
    plan: LandscapePlan | None = None,
    draw: int = 0,
) -> dict[str, Any]:
    """Measure the landscape of a network under one input, around one state.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    inputs : array_like, shape (N_in,)
        One input, as `binnet.relax` takes it.
    state : {"inference", "random", "shuffled"}, default "inference"
        Which state; see `STATES`.
    label : int, optional
        Its class, for the overlaps of `measure_overlaps` and for whether the readout is right.
    dynamics : Dynamics, optional
        How states are reached. Default: all at once, 10 sweeps.
    plan : LandscapePlan, optional
        What is measured.
    draw : int, default 0
        Number of the sample, which draws its own random numbers.

    Returns
    -------
    dict
        See `measure_landscape`: the variables of one sample and state.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or modules differ in J_D.
    MemoryError
        If the network is too large.
    """
    check_choice("state", state, STATES)
    dynamics, plan = dynamics or Dynamics(), plan or LandscapePlan()
    x = check_inputs("inputs", np.atleast_2d(inputs), network.n_inputs)
    check_size(network.n_neurons, len(plan.flipped) * plan.trials, plan.max_sweeps)
    rng = np.random.default_rng([plan.seed, check_integer("draw", draw, 0)])
    if state == "shuffled":
        network = shuffle_couplings(network, plan.seed)
    driven = drive(network, x[0])
    inferred = reached = dynamics.infer(network, x)[0]
    if state == "random":
        start = rng.integers(0, 2, (1, network.n_neurons), np.int8) * 2 - 1
        reached = dynamics.relax(network, x, initial_states=start, max_sweeps=plan.max_sweeps)[0]
    probability, overlap = measure_basin(
        network, x[0], reached, plan.flipped,
        trials=plan.trials, max_sweeps=plan.max_sweeps, dynamics=dynamics, rng=rng,
    )  # fmt: skip
    found: dict[str, Any] = {
        "return_probability": ("flipped", probability),
        "return_overlap": ("flipped", overlap),
        "overlap_with_inference": float(np.mean(reached * inferred.astype(np.float64))),
        **_describe_state(driven, network.fixed_help, reached),
        **_count(driven, network.partners is not None, reached, plan),
    }
    if network.n_neurons <= EXACT_NEURONS:
        found |= _count_exactly(driven, network.fixed_help, reached)
    if label is not None:
        fields = network.readout @ reached.astype(np.float64)
        overlaps = measure_overlaps(network, x[0], label, dynamics)
        found |= {f"overlap_{name}": value for name, value in overlaps.items()}
        found["right"] = float(fields.argmax() == label)
    return found


def _describe_state(
    driven: RandomNetwork, fixed_help: NDArray[np.float64], state: Spins
) -> dict[str, Any]:
    """Return how stable a state is; the signs of the stabilities exactly."""
    spins = state.astype(np.float64)
    fields = driven.to_float() @ spins + driven.fields  # without J_D
    stabilities = spins * fields + driven.self_coupling
    unstable = message_passing.count_unstable(
        driven.couplings, driven.self_coupling, state, field=driven.fields
    )
    return {
        "margin": ("quantile", np.quantile(stabilities - fixed_help, QUANTILES)),
        "input_share": float(spins @ driven.fields / (spins @ fields)),
        "unstable": unstable / len(spins),
        "fixed": float(unstable == 0),
    }


def _count(
    driven: RandomNetwork, excited: bool, state: Spins, plan: LandscapePlan
) -> dict[str, Any]:
    """Return the entropies of message passing: of all fixed points, and of those around a state.

    None where modules excite each other: two neurons then hold each other as one holds itself by
    J_D, which messages that take J_ij and J_ji as small and independent miss, though they settle.
    """
    if excited:
        nowhere = ("distance", np.full(len(plan.distances), np.nan))
        one = {"entropy": np.nan, "typical_distance": np.nan}
        return {**one, "local_entropy": nowhere, "local_bound": nowhere}
    J, J_D = driven.to_float(), driven.self_coupling  # in float32 no message would settle to 1e-8
    every = message_passing.belief_propagation(J, J_D, field=driven.fields)
    near = message_passing.around(J, J_D, state, plan.distances, field=driven.fields)
    typical = 0.5 * (1.0 - float(np.mean(every.magnetisations * state)))
    return {
        "entropy": every.entropy if every.converged else np.nan,
        "typical_distance": typical if every.converged else np.nan,
        "local_entropy": ("distance", near.entropy),
        "local_bound": ("distance", np.where(np.isfinite(near.bound), near.bound, np.nan)),
    }


def positive_entropy(result: xr.Dataset) -> xr.DataArray:
    """Return the local entropy, 0 where no fixed point is expected, for means over samples.

    Messages hardly settle where there are no fixed points: a mean over those samples alone at which
    they do would be of the others.

    Parameters
    ----------
    result : xarray.Dataset
        From `measure_landscape` or `run_landscape`.

    Returns
    -------
    xarray.DataArray
        "local_entropy" where it is positive; 0 where it, or "local_bound", is negative; NaN where
        neither is known.
    """
    entropy = result["local_entropy"].clip(min=0.0)
    empty = entropy.isnull() & (result["local_bound"] < 0.0)
    return entropy.where(~empty, 0.0)


def _count_exactly(
    driven: RandomNetwork, fixed_help: NDArray[np.float64], state: Spins
) -> dict[str, Any]:
    found = fixed_points.enumerate(driven)
    n = driven.n_neurons
    differ = (n - found.unpacked().astype(np.int64) @ state) // 2
    margins = found.stabilities() - fixed_help
    quantiles = np.quantile(margins, QUANTILES) if found.count else np.full(len(QUANTILES), np.nan)
    return {
        "n_fixed_points": found.count,
        "n_at_flips": ("n_flips", np.bincount(differ, minlength=n + 1)),
        "fixed_point_margin": ("quantile", quantiles),
    }


def measure_landscape(
    network: BinaryNetwork,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    dynamics: Dynamics | None = None,
    plan: LandscapePlan | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Measure the landscape of a network under some inputs.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    inputs : array_like, shape (B, N_in)
        Inputs, as `binnet.relax` takes them.
    labels : array_like of int, shape (B,), optional
        Their classes; with them overlaps with the states of training are measured, too.
    dynamics : Dynamics, optional
        How states are reached. Default: all at once, 10 sweeps.
    plan : LandscapePlan, optional
        What is measured.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    xarray.Dataset
        Over sample and state (`STATES`): "fixed", whether the state is a fixed point under the
        input; "unstable", the fraction of neurons that are not stable in it; "margin" (quantile) of
        s_i h_i - J_D (less lambda of the module before, too: docs/model/network.md, eq. (3.1), also
        where the rule takes back lambda by eq. (11.2)) over its neurons, in the units of h;
        "input_share", how much of the sum of s_i h_i - J_D is that of input and biases, s_i b_i;
        "return_probability" and "return_overlap" (flipped), as of `measure_basin`;
        "overlap_with_inference", of the state with that of inference; "entropy", of all fixed
        points (Bethe), in nats per neuron, and their mean "typical_distance" from the state;
        "local_entropy" (distance), of those at a distance of the state, NaN where messages did not
        settle, and "local_bound", an upper bound: where that is negative none are expected there
        (docs/model/theory.md, section 6). These four say nothing (NaN) where modules
        excite each other, which message passing cannot count. Of at most 22 neurons exactly, too:
        "n_fixed_points", "n_at_flips" (n_flips), the number of them in which so many neurons differ
        from the state, and "fixed_point_margin" (quantile) over all of them. With labels:
        "overlap_clamped_free", "overlap_clamped_inference" and "overlap_free_inference", see
        `measure_overlaps`; "right", whether the readout of the state is.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or modules differ in J_D.
    MemoryError
        If the network is too large.

    Examples
    --------
    Without couplings a neuron with |b| < J_D keeps either spin.

    >>> import numpy as np
    >>> network = BinaryNetwork(
    ...     np.zeros((3, 3)), np.diag([0.2, 0.7, 0.4]), np.ones((2, 3)), np.ones((3, 2)), 0.5
    ... )
    >>> found = measure_landscape(network, np.ones((1, 3)))
    >>> int(found.n_fixed_points.sel(state="inference").item())
    4
    """
    import xarray as xr

    plan = plan or LandscapePlan()
    X = check_inputs("inputs", inputs, network.n_inputs)
    y: list[int | None] = [None] * len(X)
    if labels is not None:
        y = [int(label) for label in check_labels("labels", labels, len(X), network.n_outputs)]
    if not len(X):
        raise ValueError("inputs must hold at least one sample, got none")
    cells = [(k, state) for k in range(len(X)) for state in STATES]
    rows = [
        measure_state(network, X[k], state, label=y[k], dynamics=dynamics, plan=plan, draw=k)
        for k, state in progress_bar(cells, disable=not progress, unit=" states")
    ]
    parts = [xr.Dataset(row) for row in rows]
    samples = [
        xr.concat(parts[k : k + len(STATES)], xr.Variable("state", list(STATES)))
        for k in range(0, len(parts), len(STATES))
    ]
    return describe(xr.concat(samples, xr.Variable("sample", np.arange(len(X)))), plan)


def describe(result: xr.Dataset, plan: LandscapePlan) -> xr.Dataset:
    """Return measurements with the values along their axes, and what each is, with its unit.

    Parameters
    ----------
    result : xarray.Dataset
        What `measure_state` returned, joined.
    plan : LandscapePlan
        What was measured.

    Returns
    -------
    xarray.Dataset
        The same, with coordinates, and "long_name" and "units" of each variable.
    """
    axes: dict[str, Any] = {
        "quantile": list(QUANTILES), "distance": list(plan.distances),
        "flipped": list(plan.flipped), "n_flips": range(result.sizes.get("n_flips", 0)),
    }  # fmt: skip
    named = result.assign_coords({name: axes[name] for name in axes if name in result.dims})
    for name in map(str, named.variables):
        if name in _MEANINGS:
            meaning, _, unit = _MEANINGS[name].partition(" | ")
            named[name].attrs |= {"long_name": meaning, "units": unit or "1"}
    return named
