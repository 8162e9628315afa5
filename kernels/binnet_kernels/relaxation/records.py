"""What is noted at a flip: the distance from the start, and the hash by which a cycle is found."""

from __future__ import annotations

from binnet_kernels._jit import kernel


@kernel
def note_flip(replicas, watch, b, i):
    """Hash the flip of neuron i of replica b; return by how much the distance has grown."""
    watch.hashes[0, b] ^= watch.site_keys[i]
    return -1 if replicas.state[b, i] == replicas.start[b, i] else 1


@kernel
def _same_spins(state, anchor):
    n_different = 0
    for i in range(state.shape[0]):
        n_different += state[i] != anchor[i]
    return n_different == 0


@kernel
def count_return(watch, b, state):
    """Note a step of a deterministic dynamics; return the cycle's length if it closed one, else 0.

    Brent (BIT 20, 1980): the anchor is dropped anew after 1, 2, 4, ... steps, so that at last it
    lies in the cycle; the first return to it closes the cycle. Equal hashes only say that it is
    worth while to compare the states.
    """
    watch.steps[0, b] += 1
    if watch.hashes[0, b] == watch.hashes[1, b] and _same_spins(state, watch.anchor[b]):
        return watch.steps[0, b]
    if watch.steps[0, b] == watch.steps[1, b]:
        for i in range(state.shape[0]):
            watch.anchor[b, i] = state[i]
        watch.hashes[1, b] = watch.hashes[0, b]
        watch.steps[0, b] = 0
        watch.steps[1, b] *= 2
    return 0
