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
# # One figure: learning, dynamics and theory on the axis of self-coupling
#
# Does a network learn by local plasticity where stable fixed points exist and can be reached? The
# theory says where they exist, random networks show where plain dynamics reaches them, and training
# on entangled MNIST shows where learning works, at one margin. This notebook puts the three on one
# axis, in about a minute on one core, with short trainings; `binnet study self-coupling` is the
# full study.

# %%
# %matplotlib inline
from IPython.display import display

from binnet.plotting.self_coupling import draw_self_coupling
from binnet.studies.self_coupling import (
    SelfCouplingPlan,
    run_self_coupling,
    summarise_self_coupling,
)

plan = SelfCouplingPlan.quick()
print(plan)

# %% [markdown]
# ## Measure and compute
# Trainings at several self-couplings $J_D$ with all else as in the source, whose annealing takes
# the readout feedback away at the end; random networks of the same size, relaxed from random
# starts; entropies of the theory, and its transitions. Nothing is typed in: thresholds come from
# the calculator and from the sweeps.

# %%
result = run_self_coupling(plan=plan, progress=False)
summary = summarise_self_coupling(result)
for name, (value, error) in summary["transitions"].items():
    print(f"theory, {name:<12} J_D = {value:.4f} ± {error:.1g}")
for name, (value, error) in summary["thresholds"].items():
    print(f"half converge, {name:<5} J_D = {value:.4f} ± {error:.1g}")

# %% [markdown]
# ## The figure
# **a** test accuracy, and how often a training relaxation ends in a fixed point; **b** random
# networks without input; **c** complexity and local entropies of the densest clusters at distance
# $d$; **d** the latter near zero: below 0 there are no clusters at that distance.

# %%
display(draw_self_coupling(result, "quick form"))

# %% [markdown]
# ## What it says
# The overlap gap closes at a far smaller self-coupling than the one at which half of the random
# networks' runs converge. Accuracy rises in between, at the source's margin; where it rises follows
# the margin (docs/results/self_coupling.md), so that this axis alone shows no cause.

# %%
accuracy = {row["self_coupling"]: row["accuracy"][0] for row in summary["learning"]}
best = max(accuracy, key=accuracy.get)
print(f"J_D = 0: {accuracy[0.0]:.3f}; best, at J_D = {best:g}: {accuracy[best]:.3f}")
print(f"at J_D = 0.3: {accuracy[0.3]:.3f}")
assert accuracy[best] > accuracy[0.0] + 0.1
assert summary["transitions"]["gap closes"][0] < summary["thresholds"]["async"][0]
