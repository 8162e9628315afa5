"""Deprecated: moved to :mod:`binnet.networks.modules`."""

from binnet._deprecation import forward

__getattr__ = forward(__name__, "binnet.networks.modules")
