"""Every fixed point of one small network, exactly: how many, how they lie, who ends up where.

A fixed point is a state that the dynamics leaves as it is: sign(h_i) = s_i for every neuron i, with
sign(0) = +1. For real couplings no field is exactly 0 and this is s_i h_i > 0
(docs/model/theory.md, section 1); fields of integer couplings may be 0, and then hold a neuron that
is +1.
"""

from binnet.fixed_points._search import METHODS
from binnet.fixed_points.attractors import Census, census
from binnet.fixed_points.basins import Basins
from binnet.fixed_points.enumeration import enumerate
from binnet.fixed_points.results import FixedPoints

__all__ = ["METHODS", "Basins", "Census", "FixedPoints", "census", "enumerate"]
