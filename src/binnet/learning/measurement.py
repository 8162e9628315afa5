"""Measuring a run at the end of an epoch: its network relaxes samples without feedback."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.dynamics import predict, relax
from binnet.dynamics.driven import sum_states
from binnet.learning.metrics import QUANTILES, EpochMetrics
from binnet.learning.plasticity import PerceptronPlasticity
from binnet.learning.run import Run
from binnet.networks import BinaryNetwork

_SATURATED = 0.95  # modulus of a neuron's mean spin
_SAMPLES_OF_STABILITIES = 1000


def measure_epoch(
    run: Run, sets: dict[str, tuple[NDArray[Any], ...]], threads: int
) -> EpochMetrics:
    """Measure a run at the end of an epoch.

    Parameters
    ----------
    run : Run
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
    network, relaxable = run.network(), run.relaxable()
    training = run.configuration.training
    options = {**training.inference_options(), "threads": threads}
    accuracy = {}
    for name, (X, y) in sets.items():
        if name != "train":
            accuracy[name] = float((predict(relaxable, X, **options) == y).mean())
            continue
        # Stabilities of all samples would be most of a run's memory; a sample relaxes as before.
        few = X[:_SAMPLES_OF_STABILITIES]
        result = relax(relaxable, few, stop_at_cycle=False, **options)
        if len(few) == len(X):
            sums, fields = result.states.sum(axis=0, dtype=np.int64), result.readout_fields
        else:
            sums, fields = sum_states(relaxable, X, **options)
        accuracy[name] = float((fields.argmax(axis=1) == y).mean())
        means = sums / len(X)
        saturation = float((np.abs(means) > _SATURATED).mean())
        quantiles = _stability_quantiles(
            network,
            run.configuration.plasticity,
            result.stabilities,
            result.readout_fields,
            y[:_SAMPLES_OF_STABILITIES],
        )
    n_samples, n_hidden = run.samples_per_epoch, network.n_neurons
    sweeps, fixed, hidden, readout = (int(total) for total in run.totals)
    return EpochMetrics(
        epoch=run.epoch + 1,
        accuracy=accuracy,
        unstable={
            "hidden": hidden / (n_samples * n_hidden),
            "readout": readout / (n_samples * network.n_outputs),
        },
        sweeps=sweeps / n_samples,
        fixed_points=fixed / n_samples,
        flips=[float(n) / (n_samples * n_hidden) for n in run.changes],
        saturation=saturation,
        stability_quantiles=quantiles,
        rate_factor=run.rate_factor,
        seconds=run.seconds,
        samples_per_second=n_samples / run.seconds,
    )


def _stability_quantiles(
    network: BinaryNetwork,
    plasticity: PerceptronPlasticity,
    stabilities: NDArray[Any],
    fields: NDArray[Any],
    y: NDArray[np.int64],
) -> dict[str, list[float]]:
    is_right = np.arange(network.n_outputs) == y[:, None]
    wrong, right = plasticity.target_sizes(network.n_outputs)
    return {
        name: [float(q) for q in np.quantile(values, QUANTILES)]
        for name, values in (
            ("hidden", stabilities - plasticity.fixed_help(network)),
            ("readout", fields * np.where(is_right, right, -wrong)),
        )
    }
