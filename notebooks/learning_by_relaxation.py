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
# # Learning by relaxation
#
# A network of ±1 neurons maps an input to a fixed point of its own dynamics. While it learns,
# the readout, clamped to the label, steers the relaxation for a few sweeps; then the steering
# is switched off, and every neuron that is not stable enough on its own strengthens its present
# state. Nothing else: no gradient, no error signal.
#
# This notebook trains a small network, looks at what its dynamics does, and asks which self-
# coupling it needs.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np

from binnet import FeedbackSchedule, load_entangled_mnist, preset, relax, train
from binnet.plotting import COLOURS, draw_stabilities, plot_accuracy

data = load_entangled_mnist()
print(data.description)

# %% [markdown]
# ## Train
# `preset()` holds every parameter of a run; `replace` changes some. One epoch of 100 neurons
# takes well under a second once the kernels are compiled.

# %%
small = preset().replace(n_hidden=100, epochs=4)
result = train(data.X_train, data.y_train, small, evaluate_on={"test": (data.X_test, data.y_test)})
last = result.history[-1]
print(f"test accuracy {last.accuracy['test']:.3f}; {last.sweeps:.1f} sweeps a relaxation")

# %%
fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
plot_accuracy(result.history, ax)

# %% [markdown]
# How stable are the learned states? The dashed line is the margin that plasticity asks for;
# `s_i h_i` counts the field without the self-coupling.

# %%
plasticity = small.plasticity
draw_stabilities(result.history, plasticity.margin, plasticity.readout_margin, "H = 100")

# %% [markdown]
# ## Follow a relaxation
# `relax` returns what happened: states, stabilities, sweeps, and how many neurons changed in
# each sweep. With labels, the readout is clamped and feeds back under a schedule; without, the
# network is on its own.

# %%
free = relax(result.network, data.X_test[:1000])
steered = relax(
    result.network, data.X_test[:1000], data.y_test[:1000], schedule=FeedbackSchedule(1, 5, 5)
)
fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
for k, (name, run) in enumerate({"on its own": free, "steered, then released": steered}.items()):
    flips = run.changes[:, 1:].mean(axis=0) / result.network.n_neurons
    ax.plot(np.arange(2, 2 + len(flips)), flips, "os"[k] + "-", color=COLOURS[k], label=name)
ax.set(xlabel="sweep", ylabel="fraction of neurons that flip", title="flips after the first sweep")
ax.legend()
print(f"fixed points: {free.converged.mean():.1%} and {steered.converged.mean():.1%}")

# %% [markdown]
# ## Which self-coupling?
# The same training with four self-couplings, under the source's settings, and with a margin of 0.
# At the source's margin, 0.9, J_D = 0 does not learn; without a margin it reaches 0.62. What goes
# wrong at 0.9, and what does not, is in docs/results/claims.md.

# %%
self_couplings = [0.0, 0.25, 0.5, 1.0]
test = {"test": (data.X_test, data.y_test)}
base = preset("source").replace(n_hidden=100, epochs=2)
fig, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
for k, margin in enumerate((0.9, 0.0)):
    accuracies = []
    for self_coupling in self_couplings:
        settings = base.replace(self_coupling=self_coupling, margin=margin)
        run = train(data.X_train, data.y_train, settings, evaluate_on=test)
        accuracies.append(run.history[-1].accuracy["test"])
    label = rf"$\kappa$ = {margin:g}"
    ax.plot(self_couplings, accuracies, "os"[k] + "-", color=COLOURS[k], label=label)
ax.axhline(0.1, color="black", linestyle=":", label="chance")
ax.set(xlabel="self-coupling $J_D$", ylabel="test accuracy", title="H = 100, 2 epochs", ylim=(0, 1))
ax.legend()
