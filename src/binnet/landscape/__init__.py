"""The landscape of a trained network: the fixed points under an input, and the states around them.

For a network and a sample: how many fixed points there are, how stable the state is that inference
reaches, from how far away the dynamics comes back to it, and how many fixed points lie around it
(docs/results/landscape.md). The same for the network as drawn, for its couplings shuffled and for
states that random starts end in; and all of it along training.
"""

from binnet.landscape.along_training import choose_samples, run_landscape, summarise_landscape
from binnet.landscape.measurement import (
    EXACT_NEURONS,
    STATES,
    LandscapePlan,
    measure_landscape,
    measure_state,
    positive_entropy,
)
from binnet.landscape.networks import drive, shuffle_couplings
from binnet.landscape.states import Dynamics, measure_basin, measure_overlaps

__all__ = [
    "EXACT_NEURONS",
    "STATES",
    "Dynamics",
    "LandscapePlan",
    "choose_samples",
    "drive",
    "measure_basin",
    "measure_landscape",
    "measure_overlaps",
    "measure_state",
    "positive_entropy",
    "run_landscape",
    "shuffle_couplings",
    "summarise_landscape",
]
