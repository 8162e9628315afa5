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
# # From a closed form to a phase transition, and to the dynamics
#
# A network of $N$ binary neurons with random asymmetric couplings of variance $1/N$ and a
# self-coupling $J_D$ has exponentially many fixed points. This notebook asks how many, how they
# are arranged, and which of them a dynamics or an algorithm finds. Every figure shows theory as
# lines and measurements as points.

# %%
import matplotlib.pyplot as plt
import numpy as np

from binnet import theory
from binnet.plotting.theory import plot_comparison, plot_gap, plot_local_entropy
from binnet.theory.message_passing import solve


def network(n, seed, dtype=np.float64):
    """One random network, reproducible by its seed."""
    return theory.random_couplings(n, np.random.default_rng(seed), dtype)


# %% [markdown]
# ## 1. How many?
#
# Rows of the coupling matrix are independent, so the mean number of fixed points is exact at any
# size: $E[N_{fp}] = [2\Phi(J_D\sqrt{N/(N-1)})]^N$, and the complexity is $\Sigma = \log
# 2\Phi(J_D)$. Points: every fixed point of small networks, found by enumeration.

# %%
n, draws = 16, 40
self_couplings = np.linspace(0.0, 2.0, 9)
counts = np.array([
    [len(theory.enumerate_fixed_points(network(n, [1, k]), j)) for k in range(draws)]
    for j in self_couplings
])  # fmt: skip
mean, error = counts.mean(axis=1), counts.std(axis=1, ddof=1) / np.sqrt(draws)
fig, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
plot_comparison(
    self_couplings, theory.log_expected_count(n, self_couplings) / n, np.log(mean) / n, ax,
    error=error / mean / n, meaning="standard error over networks", label=f"N = {n}",
)  # fmt: skip
ax.plot(self_couplings, theory.complexity(self_couplings), "k:", label=r"$N \to \infty$: $\Sigma$")
ax.set(xlabel=r"self-coupling $J_D$", ylabel="log of mean count, per neuron")
ax.legend(frameon=False)

# %% [markdown]
# ## 2. Pairs: typical fixed points are isolated
#
# The mean number of pairs at a given distance is exact too. Its growth rate $S_2(q)$ is largest at
# overlap 0, so the count is self-averaging. Close to a fixed point there is nothing: the
# Franz-Parisi entropy is negative up to the isolation radius.

# %%
n, draws, j = 18, 60, 0.5
histogram = np.array([
    theory.overlap_histogram(theory.enumerate_fixed_points(network(n, [2, k]), j))
    for k in range(draws)
])  # fmt: skip
mean, error = histogram.mean(axis=0), histogram.std(axis=0, ddof=1) / np.sqrt(draws)
k = np.arange(n + 1)
seen = mean > 0
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
plot_comparison(
    1 - 2 * k[seen] / n, np.exp(theory.log_expected_pairs(n, j))[seen], mean[seen], left,
    error=error[seen], meaning="standard error over networks", label=f"N = {n}",
)  # fmt: skip
left.set(xlabel="overlap q", ylabel="ordered pairs of fixed points", yscale="log")
distance = np.geomspace(1e-4, 0.5, 200)
for index, value in enumerate((0.05, 0.2, 0.5)):
    name = rf"$J_D$ = {value}, $d_{{iso}}$ = {theory.isolation_radius(value):.4f}"
    entropy = theory.franz_parisi(1 - 2 * distance, value)
    right.plot(distance, entropy, ls=("-", "--", "-.")[index], label=name)
right.axhline(0, color="0.5", lw=0.8)
right.set(
    xscale="log",
    ylim=(-0.05, 0.1),
    xlabel="distance d",
    ylabel=r"$s_{FP}$ of a typical fixed point",
)
right.legend(frameon=False, fontsize=8)
print("count self-averaging:", bool(theory.self_averaging(j).dominant))

# %% [markdown]
# ## 3. Clusters and the overlap gap
#
# Rare fixed points do have neighbours. The local entropy of the densest clusters that exist is
# negative over an interval of distances at small $J_D$: the overlap gap. It closes at the critical
# self-coupling. Points in the right panel: the distance within which a fixed point has one
# neighbour on average, in enumerated networks of 18 neurons. The exact theory at 18, 200 and 2000
# neurons (thin lines) leads from there to the isolation radius.

# %%
critical = theory.critical_self_coupling()
print(
    f"J_D^c = {critical.self_coupling:.6f}, closing at d = {critical.distance:.5f}\n"
    f"(numerical error {critical.error:.0e}; that replicas are symmetric is assumed, not covered)"
)
distance = np.geomspace(3e-4, 0.5, 40)
curves = {j: (distance, theory.local_entropy(j, distance).value) for j in (0.04, 0.06, 0.07, 0.2)}
gaps = {j: theory.overlap_gap(j)[:2] for j in (0.04,)}
fig, (left, right) = plt.subplots(1, 2, figsize=(11.5, 3.8), layout="constrained")
plot_local_entropy(curves, left, gaps=gaps)
left.set(xscale="log", ylim=(-0.01, 0.03))
table = theory.phase_diagram(np.geomspace(0.003, 1.0, 12))
plot_gap(table, right, closing=(critical.self_coupling, critical.distance))


def one_neighbour(log_pairs):
    """Distance within which the mean number of other fixed points per fixed point reaches 1."""
    n = len(log_pairs) - 1
    neighbours = np.logaddexp.accumulate(log_pairs[1 : n // 2 + 1]) - log_pairs[0]
    return np.exp(np.interp(0.0, neighbours, np.log(np.arange(1, n // 2 + 1) / n)))


grid = np.geomspace(0.1, 0.6, 8)
for n, dashes in ((18, ":"), (200, "-."), (2000, "-")):
    lines = [one_neighbour(theory.log_expected_pairs(n, j)) for j in grid]
    right.plot(grid, lines, color="k", ls=dashes, lw=0.9, label=f"one neighbour, N = {n}")
measured = []
for j in grid[2::2]:
    states = [theory.enumerate_fixed_points(network(18, [6, k]), j) for k in range(100)]
    with np.errstate(divide="ignore"):  # no pair at all at some distances
        log_pairs = np.log(np.mean([theory.overlap_histogram(s) for s in states], axis=0))
    measured.append(one_neighbour(log_pairs))
right.plot(grid[2::2], measured, "kD", mfc="white", label="measured, N = 18")
right.set(xscale="log", xlabel=r"self-coupling $J_D$")
right.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(1.0, 0.2))

# %% [markdown]
# ## 4. The dynamics freezes much later
#
# For large $N$ the synchronous dynamics is a single neuron in a self-consistent Gaussian field.
# Its flip fraction settles at a plateau that vanishes at $J_D = 0.8145(13)$, far above the
# transition. Points: one network of 3000 neurons, 16 starts (bars: spread of the starts; the
# network itself adds more near the plateau).

# %%
n, n_steps = 3000, 40
couplings = network(n, 3, np.float32)
fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for index, j in enumerate((0.4, 0.7, 1.0)):
    state = np.random.default_rng(4).choice(np.array([-1, 1], np.float32), (n, 16))
    flips = []
    for _ in range(n_steps):
        new = np.where(
            couplings @ state + np.float32(j) * state >= 0, np.float32(1), np.float32(-1)
        )
        flips.append(np.mean(new != state, axis=0))
        state = new
    cavity = theory.dynamical_cavity(j, n_steps, n_trajectories=8000, n_batches=2)
    flips = np.array(flips)
    plot_comparison(
        np.arange(1, n_steps + 1), cavity.flip_fraction, flips.mean(axis=1), ax,
        error=flips.std(axis=1) / 4, meaning="standard error over starts",
        label=rf"$J_D$ = {j}", index=index,
    )  # fmt: skip
ax.set(yscale="log", ylim=(3e-4, 0.6), xlabel="sweep", ylabel="fraction of neurons that flip")

# %% [markdown]
# ## 5. Algorithms that reach the clusters
#
# Between the transition and the freezing of the dynamics, dense clusters exist but the plain
# dynamics does not find them. Reinforced and focusing belief propagation do; each fixed point
# below was checked exactly.

# %%
for method in ("reinforced", "focusing"):
    for j in (0.4, 0.3, 0.2):
        solution = solve(network(1000, 5, np.float32), j, method=method)
        print(
            f"{method:<10} J_D = {j}: fixed point found: {solution.found} "
            f"in {solution.n_iterations} iterations"
        )
