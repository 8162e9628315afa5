"""Learning rules: the gradient of the loss, exact or truncated, behind one function.

``bptt`` goes back through time, ``rtrl`` carries the influence of every weight forward; both are
exact. ``tbptt-K`` truncates the former to chunks of K steps. ``eprop`` cuts the influence down to
what a synapse can know: the trace of its own presynaptic activity (the recurrent input is detached,
as an autodiff framework does it). ``eprop-self`` also keeps the neuron's coupling to itself (Liu et
al. 2024, Eq. 8). With a fixed random `feedback` in place of the readout, e-prop is RFLO (Murray
2019). ``modprop-C`` adds what C types of cells broadcast to all synapses, ModProp (Liu et al.
2022).

``uoro`` and ``kf-rtrl`` carry a random influence of a lower rank forward, whose expectation over
the signs drawn is that of ``rtrl``: their mean is the gradient, and one draw has noise.

``snap-N`` keeps the influence that arrives within N - 1 couplings (Menick et al. 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from binnet._threads import resolve_threads
from binnet._validation import check_choice, check_integer, check_matrix
from binnet.rate._losses import LOSSES, make_goal
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.model import RateRNN, check_inputs
from binnet.rate.rules._gradients import (
    LOCAL_RULES,
    RULES,
    Gradient,
    compute_gradient,
    find_kind,
)

__all__ = ["LOCAL_RULES", "RULES", "Gradient", "gradient"]


def gradient(
    network: RateRNN,
    inputs: ArrayLike,
    targets: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    rule: str = "bptt",
    loss: str = "squared",
    feedback: Floats | None = None,
    threads: int | None = 1,
    seed: int | tuple[int, ...] = 0,
) -> Gradient:
    """Return loss, gradient and outputs of a batch of trials (docs/model/rate.md, section 2).

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        x_0..x_{T-1} of each trial.
    targets : array_like
        Of shape (B, T, N_out) for the squared loss, integer labels (B, T) for the cross-entropy.
    mask : array_like, shape (B, T) or that of `targets`, optional
        Weights >= 0 of the steps. Default: all 1.
    rule : str, default "bptt"
        The learning rule: "bptt", "tbptt-K", "rtrl", "eprop", "eprop-self", "snap-N", "uoro",
        "kf-rtrl" or "modprop-C", with whole numbers K, N and C.
    loss : {"squared", "cross_entropy"}, default "squared"
        ``sum m (y - target)² / (2 sum m)``, or the mean cross-entropy of softmax(y).
    feedback : ndarray, shape (N_out, N), optional
        Fixed matrix B that the learning signal uses in place of the readout w, in all rules but
        bptt, tbptt and rtrl. The gradient of the readout stays exact.
    threads : int, optional
        Threads for rtrl, snap, uoro and kf-rtrl; the others run on one. None: all cores.
    seed : int or tuple of int, default 0
        Integers >= 0: the seed of the signs that uoro and kf-rtrl draw, each a function of seed,
        trial, step and neuron. The other rules do not read it.

    Returns
    -------
    Gradient
        Loss, gradient and outputs.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or the mask is all zeros.
    DivergenceError
        If activity, loss or gradient overflow: an ArithmeticError that names trial and step, or
        what is not finite.

    Examples
    --------
    >>> from binnet.rate import RateRNN, gradient, tasks
    >>> trials = tasks.romo(batch_size=4, seed=0)
    >>> network = RateRNN.initialise(trials.n_inputs, trials.n_outputs, gain=1.0)
    >>> exact = gradient(network, trials.inputs, trials.targets, trials.mask)
    >>> exact.grads["recurrent"].shape
    (64, 64)
    """
    kind, _ = find_kind(rule)
    for part in seed if isinstance(seed, tuple) else (seed,):
        check_integer("seed", part, 0, None)
    check_choice("loss", loss, LOSSES)
    x = check_inputs(network, inputs)
    shape = (*x.shape[:2], network.n_outputs)
    goal = make_goal(loss, targets, mask, shape, network.dtype)
    if feedback is not None:
        if not kind.takes_feedback:
            raise ValueError(
                f"feedback replaces the readout in a learning signal; rule {rule!r} has none: pass "
                f"no feedback, or one of the rules {', '.join(LOCAL_RULES)}"
            )
        feedback = np.asarray(feedback)
        check_matrix("feedback", feedback, network.readout.shape, "(N_out, N)")
        feedback = feedback.astype(network.dtype, copy=False)
    return compute_gradient(
        network, x, goal, rule, feedback, resolve_threads(threads), Workspace(), seed
    )
