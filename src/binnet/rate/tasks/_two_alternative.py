"""Perceptual decision: which of two noisy stimuli is stronger."""

from __future__ import annotations

import numpy as np

from binnet._validation import check_choice
from binnet.rate.tasks._trials import Seed, Trials, start

FIXATIONS = ("until-decision", "first-step")
COHERENCES = (0.0, 6.4, 12.8, 25.6, 51.2)
N_STEPS = 22  # 1 of fixation, 20 of stimulus, 1 of decision, 100 ms each
NOISE = 0.1  # 1 over the root of dt in ms


def two_alternative(
    batch_size: int = 32, seed: Seed = 0, *, fixation: str = "until-decision"
) -> Trials:
    """Draw trials of the two-alternative forced choice (neurogym PerceptualDecisionMaking-v0).

    22 steps of 100 ms: one of fixation, twenty of stimulus, one of decision. Three inputs:
    fixation, and two stimuli 0.5 ± coherence/200 with noise of standard deviation 0.1 while they
    are shown. Labels are 0 (fixate) until the last step, then 1 or 2, the stronger stimulus.
    Perfect fixation with chance in the decision has loss log(2)/22 = 0.0315; no observer does
    better than 0.0089, as coherences are small or 0. `Trials.response` is the decision: with that
    step alone chance has loss log(2) = 0.693.

    Parameters
    ----------
    batch_size : int, default 32
        B, number of trials.
    seed : int, tuple of int or numpy.random.Generator, default 0
        The same seed draws the same batch.
    fixation : {"until-decision", "first-step"}, default "until-decision"
        How long the fixation input is 1: through the stimulus, as in neurogym up to 2.0.0, or
        on the first step alone, as from 2.1.1 on.

    Returns
    -------
    Trials
        The batch, for the cross-entropy.
    """
    batch_size, rng = start(batch_size, seed)
    check_choice("fixation", fixation, FIXATIONS)
    choice = rng.integers(0, 2, batch_size)
    coherence = rng.choice(COHERENCES, batch_size)
    inputs = np.zeros((batch_size, N_STEPS, 3), np.float32)
    inputs[:, : N_STEPS - 1 if fixation == "until-decision" else 1, 0] = 1
    sign = np.where(choice[:, None] == [0, 1], 1.0, -1.0)
    means = 0.5 + sign * coherence[:, None] / 200
    noise = rng.standard_normal((batch_size, N_STEPS - 2, 2))
    inputs[:, 1:-1, 1:] = means[:, None] + NOISE * noise
    labels = np.zeros((batch_size, N_STEPS), np.int64)
    labels[:, -1] = choice + 1
    mask = np.ones(labels.shape, np.float32)
    return Trials(inputs, labels, mask, "cross_entropy", 3, labels != 0)
