"""Statistical mechanics of fixed points: the cavity/replica calculator.

How many fixed points a random asymmetric network with self-coupling J_D has, how they are
arranged, how its dynamics ends, and algorithms that find fixed points.  Independent of the
simulator: numpy and scipy only.
"""

from binnet.theory import message_passing
from binnet.theory.asynchronous import AsynchronousCavity, asynchronous_cavity
from binnet.theory.capacity import Capacity, argmax_capacity, capacity
from binnet.theory.clusters import ClusterEntropy, cluster_entropy
from binnet.theory.complexity import chain_complexity, complexity
from binnet.theory.counts import expected_count, log_expected_count
from binnet.theory.critical import Threshold, critical_self_coupling, monotone_self_coupling
from binnet.theory.cycles import cycle_complexity, log_expected_cycles
from binnet.theory.densest import LocalEntropy, local_entropy
from binnet.theory.dmft import DynamicalCavity, dynamical_cavity
from binnet.theory.enumeration import enumerate_fixed_points, overlap_histogram, random_couplings
from binnet.theory.freezing import (
    Freezing,
    freezing_from_plateaus,
    freezing_self_coupling,
    plateau_slope,
)
from binnet.theory.pairs import (
    SelfAveraging,
    franz_parisi,
    isolation_radius,
    log_bivariate_cdf,
    log_expected_pairs,
    pair_entropy,
    self_averaging,
)
from binnet.theory.phase import phase_diagram, phase_map
from binnet.theory.transition import OverlapGap, overlap_gap, replica_gap

__all__ = [
    "AsynchronousCavity",
    "Capacity",
    "ClusterEntropy",
    "DynamicalCavity",
    "Freezing",
    "LocalEntropy",
    "OverlapGap",
    "SelfAveraging",
    "Threshold",
    "argmax_capacity",
    "asynchronous_cavity",
    "capacity",
    "chain_complexity",
    "cluster_entropy",
    "complexity",
    "critical_self_coupling",
    "cycle_complexity",
    "dynamical_cavity",
    "enumerate_fixed_points",
    "expected_count",
    "franz_parisi",
    "freezing_from_plateaus",
    "freezing_self_coupling",
    "isolation_radius",
    "local_entropy",
    "log_bivariate_cdf",
    "log_expected_count",
    "log_expected_cycles",
    "log_expected_pairs",
    "message_passing",
    "monotone_self_coupling",
    "overlap_gap",
    "overlap_histogram",
    "pair_entropy",
    "phase_diagram",
    "phase_map",
    "plateau_slope",
    "random_couplings",
    "replica_gap",
    "self_averaging",
]
