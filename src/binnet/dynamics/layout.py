"""Deprecated: moved to :mod:`binnet.networks.layout`."""

from binnet._deprecation import forward

__getattr__ = forward(__name__, "binnet.networks.layout")
