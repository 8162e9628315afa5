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
# What does a network that learns by local plasticity need its self-coupling $J_D$ for? This
# notebook puts training on entangled MNIST, the convergence of its dynamics and the theory of
# random networks on one axis, at several margins $\kappa$ of the learning rule, in about a minute
# on one core, with short trainings; `binnet study self-coupling` is the full study.

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
# Trainings at several $J_D$ and $\kappa$ with all else as in the source; the same with hidden
# weights that do not learn, as a control; the networks before they learn; random networks of the
# same size without input; entropies of the theory at the same $\kappa$, with fields as strong as
# the input and without. Nothing is typed in.

# %%
result = run_self_coupling(plan=plan, progress=False)
summary = summarise_self_coupling(result)
for row in summary["transitions"]:
    print(f"fields {row['field_std']:g}: the gap closes {row['gap closes'][0]:.4f} beyond kappa")
for name, (value, error) in summary["thresholds"].items():
    print(f"without input half converge, {name:<5} J_D = {value:.4f} ± {error:.1g}")

# %% [markdown]
# ## The figure
# **a**, **f** test accuracy; triangles on the upper edge are where the theory's overlap gap closes
# at the same $\kappa$; **b** convergence after learning; **c** before it, and without input;
# **d**, **e** complexity and local entropy of the densest clusters at the same $\kappa$, with and
# without fields.

# %%
display(draw_self_coupling(result, "quick form"))

# %% [markdown]
# ## What it says
# At the source's margin, $\kappa = 0.9$, accuracy rises with $J_D$; at $\kappa = 0$ there is no
# rise, and where it rises is not where the theory of random networks has its transitions at that
# $\kappa$. In this short training the control, which learns its readout only, is as good as the
# best.

# %%
accuracy = {
    (row["margin"], row["self_coupling"]): row["accuracy"][0] for row in summary["learning"]
}
for kappa in plan.margin:
    print(f"kappa = {kappa:g}: J_D = 0 {accuracy[kappa, 0.0]:.3f}, 0.5 {accuracy[kappa, 0.5]:.3f}")
print(f"control, J_D = 0: {summary['control'][0]['accuracy'][0]:.3f}")
assert accuracy[0.9, 0.5] > accuracy[0.9, 0.0] + 0.2
assert abs(accuracy[0.0, 0.5] - accuracy[0.0, 0.0]) < 0.1
