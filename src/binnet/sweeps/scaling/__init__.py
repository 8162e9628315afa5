"""Finite sizes: thresholds with their errors, their limit for large networks, and data collapse.

Everything takes and returns labelled arrays and works on any result of `binnet.sweeps.run`.
Errors come from a bootstrap over the networks: runs in one network are not independent.
"""

from binnet.sweeps.scaling._collapse import collapse
from binnet.sweeps.scaling._extrapolation import extrapolate
from binnet.sweeps.scaling._thresholds import thresholds

__all__ = ["collapse", "extrapolate", "thresholds"]
