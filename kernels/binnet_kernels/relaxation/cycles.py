"""How a cycle is found: a hash follows the flips, and states are compared where it returns."""

from __future__ import annotations

from binnet_kernels._jit import kernel
from binnet_kernels.relaxation.replicas import CYCLE


@kernel
def note_flip(replicas, search, b, i):
    """Hash the flip of neuron i of replica b; return by how much the distance from start grew."""
    search.hashes[0, b] ^= search.site_keys[i]
    return -1 if replicas.state[b, i] == replicas.start[b, i] else 1


@kernel
def _same_spins(state, anchor):
    n_different = 0
    for i in range(state.shape[0]):
        n_different += state[i] != anchor[i]
    return n_different == 0


@kernel
def count_return(search, b, state):
    """Note a step of a deterministic dynamics; return the cycle's length if it closed one, else 0.

    Brent (BIT 20, 1980): the anchor is dropped anew after 1, 2, 4, ... steps, so that at last it
    lies in the cycle; the first return to it closes the cycle. Equal hashes only say that it is
    worth while to compare the states.
    """
    search.steps[0, b] += 1
    if search.hashes[0, b] == search.hashes[1, b] and _same_spins(state, search.anchor[b]):
        return search.steps[0, b]
    if search.steps[0, b] == search.steps[1, b]:
        for i in range(state.shape[0]):
            search.anchor[b, i] = state[i]
        search.hashes[1, b] = search.hashes[0, b]
        search.steps[0, b] = 0
        search.steps[1, b] *= 2
    return 0


@kernel
def note_return(records, search, b, state):
    """Note a step of a deterministic order of replica b; a cycle that it closes ends it."""
    length = count_return(search, b, state)
    if length > 0:
        records.status[b] = CYCLE
        records.cycle_length[b] = length
