"""Deprecated: moved to :mod:`binnet.networks.random`."""

from binnet._deprecation import forward

__getattr__ = forward(__name__, "binnet.networks.random")
