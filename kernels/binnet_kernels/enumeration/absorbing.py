"""Where dynamics with chance end: the absorbing sets of the graph of possible transitions.

A state can go to every state that it becomes when one of the neurons that disagree with their field
is updated (random order), or any of them (random subset). States that can be reached from each
other are a communicating class; a class that nothing leaves is absorbing. Classes are found by
Tarjan's algorithm with a stack of its own; it completes a class after all those that can be reached
from it, so that by then it is known where these lead.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel

NOWHERE = np.uint32(2**32 - 1)  # a state that is not completed, or a class that nothing leaves
UNDECIDED = np.uint32(2**32 - 2)  # several absorbing sets can be reached


@kernel
def _merge(one, other):
    """Return where a class leads that leads where `one` does and where `other` does."""
    if one == NOWHERE or one == other:
        return other
    return one if other == NOWHERE else UNDECIDED


@kernel
def find_absorbing(successors, subsets, times, lowest, open_masks, ends, path, stack, members):
    """Find the absorbing sets, and where each state ends.

    Parameters
    ----------
    successors : array (2**N,) of uint32
        Of the synchronous map: the bits in which a state differs from its successor may change.
    subsets : bool
        Whether any of them may change at once, or only one.
    times : array (2**N,) of uint32
        Work space; must be 0.
    lowest, open_masks : array (2**N,) of uint32
        Work space.
    ends : array (2**N,) of uint32
        Must be NOWHERE; written: the absorbing set that a state ends in, or UNDECIDED.
    path, stack : array (2**N,) of uint32
        Work space.
    members : array (2**N,) of uint32
        Written: the states of the absorbing sets, one set after the other.

    Returns
    -------
    tuple of int
        How many sets, and how many states in them.
    """
    clock, n_sets, n_members = np.uint32(0), 0, 0
    for root in range(successors.shape[0]):
        if times[root] != 0:
            continue
        depth, height = 0, 0  # of the path that is walked, and of the stack of open states
        path[0] = root
        new = True
        while depth >= 0:
            s = path[depth]
            differing = s ^ successors[s]
            if new:
                clock += np.uint32(1)
                times[s] = lowest[s] = clock
                open_masks[s] = differing
                stack[height] = s
                height += 1
                new = False
            mask = open_masks[s]
            if mask != 0:
                if subsets:
                    t = s ^ mask
                    open_masks[s] = (mask - np.uint32(1)) & differing
                else:
                    rest = mask & (mask - np.uint32(1))
                    t = s ^ mask ^ rest
                    open_masks[s] = rest
                if times[t] == 0:
                    depth += 1
                    path[depth] = t
                    new = True
                elif lowest[t] != 0:  # in the stack
                    lowest[s] = min(lowest[s], times[t])
                else:
                    ends[s] = _merge(ends[s], ends[t])
                continue
            depth -= 1
            if lowest[s] < times[s]:  # its class is still open, and its parent belongs to it
                parent = path[depth]
                lowest[parent] = min(lowest[parent], lowest[s])
                continue
            # s is the first state of its class, which is complete: the top of the stack.
            bottom, end = height, NOWHERE
            while True:
                bottom -= 1
                end = _merge(end, ends[stack[bottom]])
                if stack[bottom] == s:
                    break
            if end == NOWHERE:
                end = np.uint32(n_sets)
                n_sets += 1
                for place in range(bottom, height):
                    members[n_members] = stack[place]
                    n_members += 1
            for place in range(bottom, height):
                ends[stack[place]] = end
                lowest[stack[place]] = 0
            height = bottom
            if depth >= 0:
                ends[path[depth]] = _merge(ends[path[depth]], end)
    return n_sets, n_members
