"""What is measured at one cell of a map: a network that learns, the same before, the theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer, check_real
from binnet.dynamics import relax
from binnet.learning import Configuration, preset
from binnet.learning.run import Run
from binnet.networks.sparse import densify
from binnet.studies._training import (
    check_training,
    describe_presets,
    find_data,
    load_measured,
    train_whole,
)
from binnet.sweeps import Observable

if TYPE_CHECKING:
    from binnet.learning import TrainingResult

#: Complexities, in nats per neuron, that are looked for in the plane.
LEVELS = (0.02, 0.1)
#: Inputs that a network relaxes under before it learns, and sweeps at most.
UNTRAINED_INPUTS, UNTRAINED_SWEEPS = 500, 200

_STABILITIES = 1000  # samples whose stabilities are measured: quantiles need no more
_QUANTILES = (0.05, 0.5)


def train_cell(
    preset_name: str,
    seed: int,
    samples: int,
    validation: bool = False,
    local_entropy: int = 0,
    distances: Sequence[float] = (),
    **parameters: Any,
) -> dict[str, Any]:
    """Train one network on entangled MNIST and measure it after every epoch.

    Parameters
    ----------
    preset_name : str
        Where the other parameters come from.
    seed : int
        Of the training.
    samples : int
        Training samples, the first of 60000, or with `validation` of 50000.
    validation : bool, default False
        Whether to measure on the last 10000 training samples in place of the test set.
    local_entropy : int, default 0
        Around the inference states of so many measured samples, the first, fixed points are
        counted, after the last epoch. Of one module only.
    distances : sequence of float, optional
        Distances d of these.
    **parameters
        Parameters of the configuration, by name, as of `Configuration.replace`.

    Returns
    -------
    dict
        After each epoch (epoch): "accuracy", fraction of the measured samples that are classified
        rightly; "training_convergence" and "inference_convergence", fractions of the training
        relaxations and of the measured samples that end in a fixed point; "unstable", fraction of
        (sample, neuron) pairs that learned; "flips", changes of a neuron in a training relaxation
        after the first sweep; "margin_q05" and "margin_median", quantiles of s_i h_i - J_D over
        the neurons of 1000 measured samples after inference (less lambda of the module before,
        too); "sample_overlap", mean overlap of the inference states of two measured samples. And
        "seconds", spent learning in all epochs; with `local_entropy`, the measurements of
        `find_local_entropy`.
    """
    configuration = configure(preset_name, seed, **parameters)
    X, y = load_measured(validation)
    rows: list[dict[str, float]] = []

    def measure(result: TrainingResult) -> None:
        options = configuration.training.inference_options()
        found = relax(result.run.relaxable(), X, stop_at_cycle=False, **options)
        margins = found.stabilities[:_STABILITIES] - result.network.fixed_help
        quantiles = np.quantile(margins, _QUANTILES)
        epoch = result.history[-1]
        rows.append(
            {
                "accuracy": float((found.readout_fields.argmax(axis=1) == y).mean()),
                "training_convergence": epoch.fixed_points,
                "inference_convergence": float(found.converged.mean()),
                "unstable": epoch.unstable["hidden"],
                "flips": float(sum(epoch.flips[1:])),
                "margin_q05": float(quantiles[0]),
                "margin_median": float(quantiles[1]),
                "sample_overlap": average_overlap(found.states),
            }
        )

    result = train_whole(configuration, samples, measure, evaluate=False)
    found = {name: ("epoch", [row[name] for row in rows]) for name in rows[0]}
    seconds = sum(epoch.seconds for epoch in result.history)
    around = find_local_entropy(result.run, X[:local_entropy], distances)
    return {**found, "seconds": seconds, **around}


def average_overlap(states: NDArray[np.int8]) -> float:
    """Return the mean overlap of two samples' states.

    Parameters
    ----------
    states : ndarray of int8, shape (B, H)
        -1 or +1, or 0 for a silent neuron.

    Returns
    -------
    float
        (1/H) sum_i s_i^a s_i^b, mean over pairs a != b (docs/model/network.md, eq. (10.1)); NaN for
        one sample.
    """
    n, n_neurons = states.shape
    if n < 2:
        return float("nan")
    totals = states.sum(axis=0, dtype=np.int64)
    own = int(np.count_nonzero(states))  # of each row with itself; silent neurons count as 0
    return float((int(totals @ totals) - own) / (n * (n - 1) * n_neurons))


def relax_untrained(
    preset_name: str,
    seed: int,
    validation: bool = False,
    local_entropy: int = 0,
    distances: Sequence[float] = (),
    **parameters: Any,
) -> dict[str, Any]:
    """Relax measured samples in a network that has not learned: random couplings, driven.

    Parameters
    ----------
    preset_name, seed, validation, local_entropy, distances, **parameters
        As of `train_cell`, which begins with this network.

    Returns
    -------
    dict
        "convergence", the fraction of the first 500 measured samples that reach a fixed point
        within 200 sweeps; with `local_entropy`, the measurements of `find_local_entropy`.
    """
    configuration = configure(preset_name, seed, **parameters)
    options = configuration.training.inference_options() | {"max_sweeps": UNTRAINED_SWEEPS}
    X = load_measured(validation)[0][:UNTRAINED_INPUTS]
    run = Run.start(configuration, len(X))
    convergence = float(relax(run.relaxable(), X, **options).converged.mean())
    around = find_local_entropy(run, X[:local_entropy], distances)
    return {"convergence": convergence, **around}


def find_local_entropy(run: Run, X: NDArray[np.int8], distances: Sequence[float]) -> dict[str, Any]:
    """Count the fixed points around inference states, by message passing on the network's weights.

    Parameters
    ----------
    run : Run
        Where a training stands.
    X : ndarray of int8, shape (n, N_in)
        Inputs, one for each state.
    distances : sequence of float
        Distances d from the state, in neurons that differ over H.

    Returns
    -------
    dict
        "local_entropy" (distance), (1/H) log of the number of fixed points of the dynamics under
        the input at that distance from the state that inference reaches, by
        `binnet.theory.message_passing.around`, or 0 where less than one is expected: mean over the
        inputs for which this is known, nan without any. "settled" (distance), the fraction of
        inputs for which messages settle, and "empty" (distance), that of the others for which a
        bound says that there is no fixed point. Nothing without inputs.
    """
    import xarray as xr

    from binnet.landscape import positive_entropy
    from binnet.theory import message_passing

    if len(X) == 0:
        return {}
    options = run.configuration.training.inference_options()
    states = relax(run.relaxable(), X, stop_at_cycle=False, **options).states
    network = run.network()
    fields = network.input_fields(X)
    couplings = densify("couplings", network.couplings)
    found = [
        # Silent neurons, which random subsets have left out, count as up: sign(0) = +1.
        message_passing.around(
            couplings,
            network.self_couplings,
            np.where(state == 0, 1, state),
            distances,
            field=field,
        )
        for state, field in zip(states, fields, strict=True)
    ]
    pairs = np.array([(around.entropy, around.bound) for around in found])
    counts = xr.Dataset(
        {
            name: (("sample", "distance"), pairs[:, k])
            for k, name in enumerate(("local_entropy", "local_bound"))
        }
    )
    entropies = positive_entropy(counts)
    settled = counts["local_entropy"].notnull()
    return {
        "local_entropy": ("distance", entropies.mean("sample").values),
        "settled": ("distance", settled.mean("sample").values),
        "empty": ("distance", (entropies.notnull() & ~settled).mean("sample").values),
    }


def find_lines(field_std: float, estimate_freezing: bool = True) -> dict[str, Any]:
    """Return where the theory of random networks has transitions, at one strength of fields.

    Parameters
    ----------
    field_std : float
        sigma_b, which the strength lambda_in of a network's input stands for.
    estimate_freezing : bool, default True
        Whether to estimate where the dynamics freezes, which takes most of the time.

    Returns
    -------
    dict
        "critical", the J_D - kappa at which the overlap gap closes (with fields a lower bound),
        and "freezing", the J_D from which the synchronous dynamics freezes (nan where it is not
        asked for, or not found), each with its "..._error"; "reach" (level), the J_D - kappa at
        which the complexity is `LEVELS`; "level", these.
    """
    from scipy.optimize import brentq

    from binnet import theory

    def beyond(reach: float, level: float) -> float:
        return float(theory.complexity(reach, 0.0, field_std)) - level

    found = theory.phase_map(0.0, field_std=field_std, dynamics=estimate_freezing)
    names = ("critical", "critical_error", "freezing", "freezing_error")
    return {
        **{name: float(found[name][0]) for name in names},
        "reach": ("complexity", [float(brentq(beyond, 0.0, 20.0, (v,))) for v in LEVELS]),
        "level": ("complexity", LEVELS),
    }


def configure(preset_name: str, seed: int, **parameters: Any) -> Configuration:
    """Return what a cell trains.

    Parameters
    ----------
    preset_name, seed, **parameters
        As of `train_cell`.

    Returns
    -------
    Configuration
        The preset with the parameters in place.
    """
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value  # of each module
        for name, value in parameters.items()
    }
    return preset(preset_name, changes.pop("n_modules", None)).replace(**changes, seed=seed)


def _check_cell(
    samples: int,
    validation: bool,
    local_entropy: int = 0,
    distances: Sequence[float] = (),
    **parameters: Any,
) -> None:
    configuration = configure(**parameters)
    check_training(configuration, samples, validation=validation)
    _check_around(configuration, local_entropy, distances)


def _check_untrained(
    validation: bool, local_entropy: int = 0, distances: Sequence[float] = (), **parameters: Any
) -> None:
    configuration = configure(**parameters)
    find_data()
    _check_around(configuration, local_entropy, distances)


def _check_around(
    configuration: Configuration, local_entropy: int, distances: Sequence[float]
) -> None:
    check_integer("local_entropy", local_entropy, 0, UNTRAINED_INPUTS)
    for distance in distances:
        check_real("distances", distance, 0.0, 1.0, above=True, below=True)
    if local_entropy and configuration.network.n_modules > 1:
        raise ValueError(
            "local_entropy must be 0 for more than one module, got "
            f"{local_entropy} with n_modules = {configuration.network.n_modules}: messages are "
            "those of one densely coupled module"
        )


def _check_lines(field_std: float, estimate_freezing: bool) -> None:
    check_real("input_strength", field_std, 0.0, 100.0)


def _cost(samples: int, **parameters: Any) -> float:
    """Return the relative work: drives by the input and events go as H, products as H^2."""
    for name in ("validation", "local_entropy", "distances"):
        parameters.pop(name, None)
    configuration = configure(**parameters)
    n_hidden = configuration.network.n_neurons
    return float(configuration.training.epochs * samples * (n_hidden + 100) * (n_hidden + 1000))


def observe_training(preset_name: str) -> Observable:
    """Return `train_cell` for a sweep of one preset, with its checks and cost.

    Parameters
    ----------
    preset_name : str
        The preset.

    Returns
    -------
    Observable
        For `binnet.sweeps.run`.
    """
    settings = describe_presets(preset_name)
    return Observable(train_cell, cost=_cost, check=_check_cell, settings=settings)


def observe_untrained(preset_name: str) -> Observable:
    """Return `relax_untrained` for a sweep of one preset, with its checks.

    Parameters
    ----------
    preset_name : str
        The preset.

    Returns
    -------
    Observable
        For `binnet.sweeps.run`.
    """
    settings = describe_presets(preset_name)
    return Observable(relax_untrained, check=_check_untrained, settings=settings)


FIND_LINES = Observable(find_lines, check=_check_lines)
"""`find_lines` with its checks, for `sweeps.run`."""
