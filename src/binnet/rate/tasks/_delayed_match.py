"""Delayed match to sample: whether the test is the stimulus that was shown before the delay."""

from __future__ import annotations

import numpy as np

from binnet.rate.tasks._trials import Seed, Trials, start

EPOCHS = {"fixation": 3, "sample": 5, "delay": 10, "test": 5, "decision": 9}  # steps of 100 ms
NOISE = 0.1  # 1 over the root of dt in ms
MATCH, NON_MATCH = 1, 2


def delayed_match(batch_size: int = 32, seed: Seed = 0) -> Trials:
    """Draw trials of delayed match to sample (neurogym DelayMatchSample-v0).

    32 steps of 100 ms: 3 of fixation, 5 of sample, 10 of delay, 5 of test, 9 of decision. Three
    inputs: fixation, 1 until the decision, and two channels that show sample and test one-hot,
    with noise of standard deviation 0.1 while they are shown. Labels are 0 (fixate) until the
    decision, then 1 (match) or 2 (non-match). Perfect fixation with chance in the decision has
    loss 9 log(2)/32 = 0.195. `Trials.response` is the decision: with those steps alone chance has
    loss log(2) = 0.693.

    Parameters
    ----------
    batch_size : int, default 32
        B, number of trials.
    seed : int, tuple of int or numpy.random.Generator, default 0
        The same seed draws the same batch.

    Returns
    -------
    Trials
        The batch, for the cross-entropy.
    """
    batch_size, rng = start(batch_size, seed)
    label = rng.integers(MATCH, NON_MATCH + 1, batch_size)
    sample = rng.integers(0, 2, batch_size)
    test = np.where(label == MATCH, sample, 1 - sample)
    ends = np.cumsum(list(EPOCHS.values()))
    stop = dict(zip(EPOCHS, ends.tolist(), strict=True))
    n_steps = stop["decision"]
    inputs = np.zeros((batch_size, n_steps, 3), np.float32)
    inputs[:, : stop["test"], 0] = 1
    for shown, first, last in (
        (sample, stop["fixation"], stop["sample"]),
        (test, stop["delay"], stop["test"]),
    ):
        noise = rng.standard_normal((batch_size, last - first, 2))
        inputs[:, first:last, 1:] = np.eye(2)[shown][:, None] + NOISE * noise
    labels = np.zeros((batch_size, n_steps), np.int64)
    labels[:, stop["test"] :] = label[:, None]
    mask = np.ones(labels.shape, np.float32)
    return Trials(inputs, labels, mask, "cross_entropy", 3, labels != 0)
