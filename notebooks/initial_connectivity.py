# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Initial connectivity
#
# A network of leaky ReLU neurons has to keep an amplitude in mind, compare it with a second one,
# and say which was larger (the Romo task). How well it learns that depends on how strong its
# recurrent weights are *before* it learns: $W_h$ is drawn from $\mathcal N(0, \mathrm{gain}^2/N)$.
# This notebook shows it, in about a minute, with one seed and a few hundred updates; the full
# study (`binnet rnn study`) has five seeds and a grid of learning rates.

# %%
# %matplotlib inline
import os

import matplotlib.pyplot as plt
import numpy as np

from binnet.plotting import COLOURS
from binnet.plotting.rate import plot_exponents, plot_learning_curves, plot_spectra
from binnet.rate import (
    RateConfiguration,
    RateRNN,
    floss,
    gradient,
    lyapunov_spectrum,
    tasks,
    train,
)

# More updates show more; BINNET_NOTEBOOK_UPDATES=4000 is what the source trains.
updates = int(os.environ.get("BINNET_NOTEBOOK_UPDATES", "800"))
gains = [0.2, 0.5, 1.0, 1.5]

# %% [markdown]
# ## The task
# Two pulses, a random delay apart, and then a response on the channel of the larger one. The grey
# band is where the answer counts.

# %%
trials = tasks.romo(batch_size=3, seed=1)
fig, axes = plt.subplots(1, 3, figsize=(10, 2.6), layout="constrained", sharey=True)
for b, ax in enumerate(axes):
    ax.fill_between(np.arange(56), 0, 1.6, where=trials.mask[b] > 0, color="0.92", lw=0)
    ax.step(np.arange(56), trials.inputs[b, :, 0], color="black", where="mid", label="input")
    for k in range(2):
        ax.step(np.arange(56), trials.targets[b, :, k], color=COLOURS[k], where="mid",
                ls=["-", "--"][k], label=f"target {k + 1}")  # fmt: skip
    ax.set(xlabel="step", title=f"trial {b + 1}")
axes[0].legend(fontsize=8)

# %% [markdown]
# ## Four learning rules, one gradient
# BPTT goes back through time, RTRL carries the influence of every weight forward: the same number.
# e-prop keeps only what a synapse can know, and its "gradient" points somewhere else.

# %%
network = RateRNN.initialise(1, 2, gain=1.0, dtype="float64", seed=0)
by_rule = {
    rule: gradient(network, trials.inputs, trials.targets, trials.mask, rule=rule).grads[
        "recurrent"
    ]
    for rule in ("bptt", "rtrl", "eprop", "eprop-self")
}
exact = by_rule["bptt"]
for rule, grads in by_rule.items():
    cosine = (grads * exact).sum() / np.linalg.norm(grads) / np.linalg.norm(exact)
    print(f"{rule:10s} largest difference {np.abs(grads - exact).max():.1e}, cosine {cosine:.3f}")
assert np.abs(by_rule["rtrl"] - exact).max() < 1e-10 * np.abs(exact).max()

# %% [markdown]
# ## Before learning: how fast does a memory fade?
# The largest Lyapunov exponent says how fast a small difference of state shrinks: at -0.6 per step
# it is gone after a few steps, and a delay has 4 to 15 of them.

# %%
inputs = tasks.romo(32, 0).inputs
drawn = {gain: RateRNN.initialise(1, 2, gain=gain, seed=(0, 0)) for gain in gains}
before = [lyapunov_spectrum(drawn[gain], inputs).exponents[0] for gain in gains]
for gain, exponent in zip(gains, before, strict=True):
    fades = f"a tenth is left after {np.log(0.1) / exponent:.0f} steps" if exponent < 0 else "grows"
    print(f"gain {gain:3.1f}: {exponent:6.3f} per step, {fades}")

# %% [markdown]
# ## Learning
# With the exact gradient all gains get there, the small ones later. With e-prop, whose gradient
# does not see through the recurrent weights, a small gain stays at chance.

# %%
results = {
    rule: {
        gain: train(
            RateConfiguration(rule=rule, gain=gain, iterations=updates, learning_rate=1e-3, seed=0)
        )
        for gain in gains
    }
    for rule in ("bptt", "eprop")
}
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
for ax, (rule, runs) in zip(axes, results.items(), strict=True):
    curves = {
        f"gain {gain}": run.losses[: updates // 20 * 20].reshape(1, -1, 20).mean(axis=2)
        for gain, run in runs.items()
    }
    plot_learning_curves(curves, 20, ax, task="romo").set_title(rule)

# %% [markdown]
# ## After learning
# Networks that have learned sit close to 0, wherever they began. That alone is not a solution:
# e-prop gets there from gain 0.2, too, and has not learned the task.

# %%
after = {
    rule: [[lyapunov_spectrum(run.network, inputs).exponents[0]] for run in runs.values()]
    for rule, runs in results.items()
}
fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
plot_exponents(gains, {"before": np.array(before)[:, None]} | {
    f"after {rule}": values for rule, values in after.items()
}, ax)  # fmt: skip

# %% [markdown]
# ## Gradient flossing
# Pretraining can push the exponents to 0 before any target is seen. The local version takes the
# basis that comes into a step as given, so that a weight needs only what happens in that step. One
# exponent goes to 0 easily. Whether that helps e-prop is another question: one direction that
# keeps a memory is not many.

# %%
spectra = {"not flossed": lyapunov_spectrum(drawn[0.2], inputs, 64).per_trial}
for k in (1, 8):
    flossed = floss(drawn[0.2], "romo", k, version="local", batch_size=4).network
    spectra[f"k = {k}"] = lyapunov_spectrum(flossed, inputs, 64).per_trial
fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
plot_spectra(spectra, ax).set_title("gain 0.2, local flossing")
for name, spectrum in spectra.items():
    print(f"{name:12s} largest exponents", spectrum.mean(axis=0)[:4].round(3))
