# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Counts, cycles and the overlap gap of correlated and driven networks
#
# Couplings $J_{ij}$ and $J_{ji}$ with correlation $\eta$, a margin $\kappa$ that every neuron must
# have, and external fields of standard deviation $\sigma_b$. Self-coupling $J_D$, margin and
# fields are in units of the standard deviation of a neuron's field. Lines are theory
# (docs/model/theory.md), points are small networks of which every state was looked at. `draws`
# networks stand behind each point; more of them make the bars shorter.

# %%
import matplotlib.pyplot as plt
import numpy as np

from binnet import RandomNetwork, fixed_points, theory
from binnet.plotting import COLOURS, finish
from binnet.plotting.theory import plot_comparison

plt.rc("axes", prop_cycle=plt.cycler(color=COLOURS))
draws = 100
over_networks = {"meaning": "standard error over networks"}


def counted(function):
    """Mean of a number over `draws` networks, by seed, and its standard error."""
    values = np.array([function(seed) for seed in range(draws)])
    return values.mean(), values.std(ddof=1) / np.sqrt(draws)


def count(n, j, margin=0.0, **ensemble):
    """Mean number of fixed points of N neurons, all of them enumerated, and its error."""
    return counted(
        lambda seed: (
            fixed_points.enumerate(
                RandomNetwork.draw(n, j, dtype="float64", seed=seed, **ensemble), margin=margin
            ).count
        )
    )


# %% [markdown]
# ## 1. How many fixed points?
#
# The mean number is exact at every $N$, for both signs of $\eta$, and with margin and fields.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.9), layout="constrained")
sizes, j = np.arange(6, 17, 2), 0.3
for k, eta in enumerate((-0.5, 0.0, 0.5, 1.0)):
    measured, error = np.transpose([count(n, j, symmetry=eta) for n in sizes])
    plot_comparison(
        sizes, theory.expected_count(sizes, j, symmetry=eta), measured, left,
        error=error, label=rf"$\eta$ = {eta}", index=k, **over_networks,
    )  # fmt: skip
left.set(xlabel="neurons $N$", ylabel="fixed points of a network", yscale="log", ylim=(1, 5000))
finish(left, ncols=2, loc="upper left")
left.set_title(f"$J_D$ = {j}, no margin, no fields", fontsize=10)
n, j, margins = 14, 0.8, np.linspace(0.0, 0.8, 5)
for k, (eta, std) in enumerate(((0.0, 0.0), (0.0, 0.5), (0.5, 0.5))):
    measured, error = np.transpose(
        [count(n, j, kappa, symmetry=eta, field_std=std) for kappa in margins]
    )
    plot_comparison(
        margins, theory.expected_count(n, j, margins, std, symmetry=eta), measured, right,
        error=error, label=rf"$\eta$ = {eta}, $\sigma_b$ = {std}", index=k, **over_networks,
    )  # fmt: skip
right.set(xlabel=r"margin $\kappa$", ylabel="fixed points of a network", yscale="log")
right.set_title(f"N = {n}, $J_D$ = {j}", fontsize=10)

# %% [markdown]
# ## 2. The complexity
#
# For large $N$ the logarithm of the number grows as $N \Sigma$. Where $\Sigma$ is negative there
# are no fixed points as stable as that. Symmetric couplings raise it: at $\eta = 1$, $J_D = 0$ to
# 0.1992, the stable states of a spin glass. Fields lower it, and make it depend less on the margin.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.7), layout="constrained")
styles = ("-", "--", "-.", ":")
etas, margins = np.linspace(-0.9, 1.0, 20), np.linspace(0.0, 1.5, 16)
for style, reach in zip(styles, (0.3, 0.0, -0.3), strict=False):
    label = rf"$J_D - \kappa$ = {reach}"
    left.plot(etas, theory.complexity(0.3, 0.3 - reach, symmetry=etas), style, label=label)
for style, (std, eta) in zip(styles, ((0.0, 0.0), (1.0, 0.0), (5.0, 0.0), (1.0, 1.0)), strict=True):
    label = rf"$\sigma_b$ = {std}, $\eta$ = {eta}"
    right.plot(margins, theory.complexity(0.5, margins, std, eta), style, label=label)
left.set(xlabel=r"correlation $\eta$ of $J_{ij}$ and $J_{ji}$", title="no fields")
right.set(xlabel=r"margin $\kappa$", title="$J_D$ = 0.5")
for ax in (left, right):
    ax.axhline(0.0, color="0.5", lw=0.8)
    ax.set_ylabel(r"complexity $\Sigma$ (nats per neuron)")
    finish(ax)

# %% [markdown]
# ## 3. Cycles of length two
#
# Under the synchronous dynamics two states may follow each other. Their mean number is exact, too,
# and falls with the self-coupling, against which the neurons alternate; the number of fixed points
# grows. Right: per overlap of the two states. At overlap 1 they are fixed points.

# %%
n, self_couplings = 12, np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def count_cycles(j, length):
    """Mean number of attractors of a length in the census of all 2^N states, and its error."""
    return counted(
        lambda seed: (
            fixed_points.census(RandomNetwork.draw(n, j, dtype="float64", seed=seed))
            .count_lengths()
            .get(length, 0)
        )
    )


figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.7), layout="constrained")
exact = np.array([np.exp(theory.log_expected_cycles(n, j)) for j in self_couplings])
by_length = {1: exact[:, 0], 2: exact[:, 1:].sum(axis=1)}
for k, (length, name) in enumerate(((1, "fixed points"), (2, "2-cycles"))):
    measured, error = np.transpose([count_cycles(j, length) for j in self_couplings])
    plot_comparison(
        self_couplings, by_length[length], measured, left,
        error=error, label=name, index=k, **over_networks,
    )  # fmt: skip
left.set(xlabel="self-coupling $J_D$", ylabel="attractors of a network", yscale="log")
left.set_title(f"N = {n}", fontsize=10)
overlap = np.linspace(-1.0, 1.0, 101)
for style, j in zip(styles, (0.0, 0.1, 0.3, 0.6), strict=True):
    right.plot(overlap, theory.cycle_complexity(overlap, j), style, label=f"$J_D$ = {j}")
right.axhline(0.0, color="0.5", lw=0.8)
right.set(
    xlabel="overlap q of the two states", ylabel=r"$\Sigma_2$ (nats per neuron)", ylim=(-1, 0.5)
)
finish(right)

# %% [markdown]
# ## 4. Clusters and the overlap gap with fields
#
# The local entropy of the densest clusters at distance $d$ is negative in the overlap gap. With
# fields what is found is an upper bound of it: the gap that is certain becomes narrower, and closes
# at a smaller self-coupling, a lower bound of $J_D^c$. A margin moves $J_D^c$ by itself: all
# depends on $J_D - \kappa$.

# %%
j, stds = 0.04, (0.0, 0.5, 1.0)
distance = np.geomspace(2e-4, 0.5, 40)
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.7), layout="constrained")
for style, std in zip(styles, stds, strict=False):
    curve = theory.local_entropy(j, distance, field_std=std)
    left.plot(distance, curve.value, style, label=rf"$\sigma_b$ = {std}")
    gap = theory.overlap_gap(j, field_std=std)
    print(f"sigma_b = {std}: certainly no clusters from {gap.lower:.5f} to {gap.upper:.5f}")
left.axhline(0.0, color="0.5", lw=0.8)
left.set(xscale="log", ylim=(-0.01, 0.02), xlabel="distance d (fraction of neurons that differ)",
         ylabel=r"$S_{loc}$ (nats per neuron)")  # fmt: skip
left.set_title(f"$J_D$ = {j}", fontsize=10)
finish(left)
field_stds = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
thresholds = [theory.critical_self_coupling(field_std=std) for std in field_stds]
right.plot(field_stds, [t.self_coupling for t in thresholds], "o-", label="$J_D^c - \\kappa$")
right.set(xlabel=r"standard deviation of the fields $\sigma_b$", ylabel=r"$J_D^c - \kappa$",
          ylim=(0, None))  # fmt: skip
right.set_title("where the gap closes, with fields there or above", fontsize=10)
finish(right, legend=False)
print("largest numerical error of J_D^c:", f"{max(t.error for t in thresholds):.0e}")
shifted = theory.critical_self_coupling(margin=0.3, field_std=1.0)
print(f"J_D^c at margin 0.3, sigma_b = 1: {shifted.self_coupling:.6f}, without: "
      f"{thresholds[3].self_coupling:.6f}")  # fmt: skip
