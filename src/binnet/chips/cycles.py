"""Clock cycles of a core: from the word that is a command to the one that can be the next.

All are exact where no word is waited for, going in or out, and nothing is traced.
"""

from __future__ import annotations

from collections.abc import Sequence

from binnet.chips.design import WORD_BITS, CoreDesign, CoreLearning


def count_sweep_cycles(design: CoreDesign, walked: int, flips: int = 0) -> int:
    """Return the cycles of a sweep.

    Parameters
    ----------
    design : CoreDesign
        The core.
    walked : int
        Neurons that are walked past each group: H, or none in the first sweep from silence; of an
        event-driven core those that flipped in the sweep before.
    flips : int, default 0
        Neurons that flip in this one, which an event-driven core lists (but not from silence).

    Returns
    -------
    int
        Cycles.
    """
    return 2 + _count_groups(design, walked, flips)


def _count_groups(design: CoreDesign, walked: int, flips: int) -> int:
    """Count the cycles of all groups: 6 to begin and end a dense one."""
    if design.event_driven:
        return design.n_groups * (walked + 9 - (walked == 0)) + flips
    return design.n_groups * (walked + 6)


def count_inference_cycles(
    design: CoreDesign, sweeps: int, *, silent: bool = True, changes: Sequence[int] = ()
) -> int:
    """Return the cycles of INFER.

    Parameters
    ----------
    design : CoreDesign
        The core.
    sweeps : int
        Sweeps until the end, from 1.
    silent : bool, default True
        Whether it begins silent; else states follow the inputs.
    changes : sequence of int, optional
        Neurons that change in each sweep; needed of an event-driven core.

    Returns
    -------
    int
        Cycles.

    Raises
    ------
    ValueError
        If the core is event-driven and there are not as many changes as sweeps.
    """
    words = 0 if silent else 1 + -(-design.elements // WORD_BITS)
    walks = _count_walks(design, sweeps, changes, silent)
    relaxation = sum(1 + count_sweep_cycles(design, *walk) for walk in walks[:-1])
    return 2 + _count_inputs(design) + design.n_groups * words + relaxation + _count_readout(design)


def _count_inputs(design: CoreDesign) -> int:
    """Count the cycles to take the inputs and to sum their fields."""
    bits = design.n_inputs * design.input_bits
    return 1 + bits + -(-bits // WORD_BITS) - 1 + design.n_groups * (bits + 5)


def _count_readout(design: CoreDesign) -> int:
    return design.n_readout_groups * (design.n_neurons + 4) + 2 * design.n_outputs


def _count_walks(
    design: CoreDesign, sweeps: int, changes: Sequence[int], silent: bool
) -> list[tuple[int, int]]:
    """Return neurons that are walked and that flip, of each sweep and of one that would follow."""
    H = design.n_neurons
    first = 0 if silent else H
    if not design.event_driven:
        return [(first, 0)] + [(H, 0)] * sweeps
    if len(changes) != sweeps:
        raise ValueError(
            f"changes must be given of each of the {sweeps} sweeps of an event-driven core, got "
            f"{len(changes)}; take them from the model, or from binnet.relax"
        )
    flips = [0 if silent and t == 0 else int(n) for t, n in enumerate(changes)]
    walked = [first, *flips]
    if silent:
        walked[1] = H
    return list(zip(walked, [*flips, 0], strict=True))


def count_training_cycles(
    design: CoreDesign, label: int, sweeps: int, *, turns: int, changes: Sequence[int] = ()
) -> int:
    """Return the cycles of LEARN, without the update at the end of a batch.

    Parameters
    ----------
    design : CoreDesign
        The core.
    label : int
        The label of the sample.
    sweeps : int
        Sweeps that are done, from 1.
    turns : int
        Sweeps of the schedule: SWEEPS.
    changes : sequence of int, optional
        Neurons that change in each sweep that is done; needed of an event-driven core.

    Returns
    -------
    int
        Cycles.

    Raises
    ------
    ValueError
        If the core is event-driven and there are not as many changes as sweeps.
    """
    walks = _count_walks(design, sweeps, changes, True)
    relaxation = turns + 1 + sum(count_sweep_cycles(design, *walk) for walk in walks[:-1])
    test = 1 + _count_groups(design, *walks[-1])
    readout = _count_readout(design) + design.n_readout_groups
    return 4 + label + 1 + _count_inputs(design) + relaxation + readout + test


def count_update_cycles(
    design: CoreDesign,
    samples: int,
    *,
    decays: bool = False,
    groups: tuple[int, int, int] | None = None,
) -> int:
    """Return the cycles of an update at the end of a batch.

    Parameters
    ----------
    design : CoreDesign
        The core, one that learns.
    samples : int
        Samples of the batch.
    decays : bool, default False
        Whether the weights decay in it.
    groups : tuple of int, length 3, optional
        Groups with a neuron that learns, of J, W_in and W_out; where rounding is per event, one
        that still does after it. Default: all.

    Returns
    -------
    int
        Cycles.

    Raises
    ------
    ValueError
        If the core does not learn.
    """
    learning = _get_learning(design)
    G, R = design.n_groups, design.n_readout_groups
    total = 1 + 3 * 2
    for block, (all_groups, busy) in enumerate(zip((G, G, R), groups or (G, G, R), strict=True)):
        if learning.exponents[block] is not None:
            walk = _count_sources(design, block) * samples + 6
            total += 1 + all_groups * (4 + 2 * samples) + busy * walk
    if decays and any(k is not None for k in learning.decays):
        total += 3 * 2
        for block, all_groups in enumerate((G, G, R)):
            if learning.decays[block] is not None:
                beats = design.stored_bits[block] + 3
                total += 1 + all_groups * (4 + _count_sources(design, block) * beats + 3)
    return total


def count_longest_command(design: CoreDesign, max_sweeps: int) -> int:
    """Return cycles that no command of a core exceeds: for time-outs.

    Parameters
    ----------
    design : CoreDesign
        The core.
    max_sweeps : int
        Most sweeps of an inference, and of a training relaxation.

    Returns
    -------
    int
        Cycles without those in which a word is waited for.
    """
    changes = [design.n_neurons] * max_sweeps
    inference = count_inference_cycles(design, max_sweeps, silent=False, changes=changes)
    if design.learning is None:
        return inference
    label, size = design.n_outputs - 1, design.learning.batch_size
    training = count_training_cycles(design, label, max_sweeps, turns=max_sweeps, changes=changes)
    return max(inference, training + count_update_cycles(design, size, decays=True))


def _get_learning(design: CoreDesign) -> CoreLearning:
    if design.learning is None:
        raise ValueError("design must be of a core that learns, got one that infers only")
    return design.learning


def _count_sources(design: CoreDesign, block: int) -> int:
    return (design.n_neurons, design.n_inputs, design.n_neurons)[block]
