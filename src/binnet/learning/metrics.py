"""What is measured after an epoch: accuracies, and how stable the learned states are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.dynamics import relax

if TYPE_CHECKING:
    from binnet.learning._state import RunState
    from binnet.networks import BinaryNetwork

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_SATURATED = 0.95  # modulus of a neuron's mean spin
_SAMPLES_OF_STABILITIES = 1000


@dataclass(frozen=True)
class EpochMetrics:
    """Measurements of one epoch.

    Attributes
    ----------
    epoch : int
        1 for the first.
    accuracy : dict of str to float
        Fraction of right predictions for each measured set, after the epoch.
    unstable : dict of str to float
        Fraction of (sample, neuron) pairs of the epoch that were unstable and hence learned:
        "hidden" drives both J and W_in, "readout" drives W_out.
    sweeps : float
        Mean number of sweeps of a training relaxation; settled samples rest.
    fixed_points : float
        Fraction of training relaxations whose last sweep changed nothing.
    flips : list of float
        Fraction of the neurons that changed in each sweep (in the first all wake from silence).
    saturation : float
        Fraction of hidden neurons that hardly tell inputs apart: mean spin over the measured
        training samples beyond +-0.95.
    stability_quantiles : dict of str to list of float
        Quantiles 1, 5, 25, 50, 75, 95, 99 % of s_i h_i - J_D ("hidden"; less lambda of the module
        before, too) and of f_c y_c ("readout") over 1000 training samples, without feedback.
    rate_factor : float
        What multiplied the learning rates in the last batch.
    seconds : float
        Time spent learning, without the measurements.
    samples_per_second : float
        Training samples over seconds.
    """

    epoch: int
    accuracy: dict[str, float]
    unstable: dict[str, float]
    sweeps: float
    fixed_points: float
    flips: list[float]
    saturation: float
    stability_quantiles: dict[str, list[float]]
    rate_factor: float
    seconds: float
    samples_per_second: float


def measure_epoch(
    state: RunState, sets: dict[str, tuple[NDArray[Any], ...]], threads: int
) -> EpochMetrics:
    """Measure a state at the end of an epoch.

    Parameters
    ----------
    state : RunState
        At the end of an epoch.
    sets : dict of str to (X, y)
        Sets to measure the accuracy on, "train" among them.
    threads : int
        Threads to run on.

    Returns
    -------
    EpochMetrics
        The measurements.
    """
    network = state.network()
    training = state.configuration.training
    accuracy = {}
    for name, (X, y) in sets.items():
        result = relax(
            state.relaxable(),
            X,
            max_sweeps=training.inference_sweeps,
            dynamics=training.dynamics,
            update_probability=training.update_probability,
            seed=training.seed,
            threads=threads,
            stop_at_cycle=False,
        )
        accuracy[name] = float((result.readout_fields.argmax(axis=1) == y).mean())
        if name == "train":
            saturation = float((np.abs(result.states.mean(axis=0)) > _SATURATED).mean())
            quantiles = _stability_quantiles(
                network,
                result.stabilities[:_SAMPLES_OF_STABILITIES],
                result.readout_fields[:_SAMPLES_OF_STABILITIES],
                y[:_SAMPLES_OF_STABILITIES],
            )
    n_samples, n_hidden = state.n_samples, network.n_hidden
    sweeps, fixed, hidden, readout = (int(total) for total in state.totals)
    return EpochMetrics(
        epoch=state.epoch + 1,
        accuracy=accuracy,
        unstable={
            "hidden": hidden / (n_samples * n_hidden),
            "readout": readout / (n_samples * network.n_outputs),
        },
        sweeps=sweeps / n_samples,
        fixed_points=fixed / n_samples,
        flips=[float(n) / (n_samples * n_hidden) for n in state.changes],
        saturation=saturation,
        stability_quantiles=quantiles,
        rate_factor=state.rate_factor,
        seconds=state.seconds,
        samples_per_second=n_samples / state.seconds,
    )


def _stability_quantiles(
    network: BinaryNetwork, stabilities: NDArray[Any], fields: NDArray[Any], y: NDArray[np.int64]
) -> dict[str, list[float]]:
    targets = np.where(np.arange(network.n_outputs) == y[:, None], 1, -1)
    return {
        name: [float(q) for q in np.quantile(values, QUANTILES)]
        for name, values in (
            ("hidden", stabilities - network.fixed_help),
            ("readout", fields * targets),
        )
    }
