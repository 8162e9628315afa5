"""What is measured after an epoch: accuracies, and how stable the learned states are."""

from __future__ import annotations

from dataclasses import dataclass

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


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
        Quantiles 1, 5, 25, 50, 75, 95, 99 % of s_i h_i - J_D ("hidden"; less the excitation that
        does not count towards the margin, too) and of f_c y_c ("readout", y_c of the size that it
        learns from) over 1000 training samples, without feedback.
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
