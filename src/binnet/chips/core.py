"""A core that relaxes as the simulator does, and learns, in Amaranth: a circuit for any chip.

P lanes compute P neurons at a time. Of each group of P neurons, all presynaptic ones walk past the
lanes, one a cycle: a word of weight memory is added to P sums, or subtracted. There is no
multiplier. `binnet.chips.protocol` says what goes in and comes out; `binnet.chips.model` does the
same in NumPy.

The module needs the extra "hdl" (Amaranth, and Yosys as a wheel to print Verilog).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

try:
    from amaranth.hdl import Module
    from amaranth.lib.wiring import Component, In, Out
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.design import WORD_BITS, CoreDesign
from binnet.chips.lanes import Lanes
from binnet.chips.learning_states import add_learning, add_learning_states
from binnet.chips.parts import Parts
from binnet.chips.relaxing import (
    add_end_states,
    add_external_states,
    add_readout_states,
    add_relaxing,
    add_sweep_states,
)
from binnet.chips.streams import (
    add_command_states,
    add_input_states,
    add_memory_states,
    add_streams,
)
from binnet.chips.updates import Plasticity, add_update_group_states, add_update_states
from binnet.chips.weight_ports import WeightPorts


class Core(Component):  # type: ignore[misc] # Amaranth has no types
    """A core of a design, with initial contents of its memories.

    ==================  ===  =====  ==========================================================
    port                     width  meaning
    ==================  ===  =====  ==========================================================
    ``clk``, ``rst``    in   1      clock; synchronous reset, which ends any command
    ``s_axis_tdata``    in   32     a word of commands
    ``s_axis_tvalid``   in   1      it is there
    ``s_axis_tready``   out  1      it is taken at the next edge, if it is there
    ``m_axis_tdata``    out  32     a word of answers
    ``m_axis_tvalid``   out  1      it is there, and stays until it is taken
    ``m_axis_tready``   in   1      it is taken at the next edge
    ``m_axis_tlast``    out  1      it is the last one of an answer
    ==================  ===  =====  ==========================================================

    Parameters
    ----------
    design : CoreDesign
        The design.
    contents : mapping of str to ndarray, shape (words, lanes)
        Initial contents of the memories, from `binnet.chips.contents.fill_memories`.
    """

    def __init__(self, design: CoreDesign, contents: Mapping[str, NDArray[Any]]) -> None:
        self.design = design
        self.contents = contents
        super().__init__(
            {
                "s_axis_tdata": In(WORD_BITS),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(WORD_BITS),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Build the circuit: one state machine around lanes and memories."""
        m = Module()
        parts = Parts(m, self, self.design, self.contents)
        weights = WeightPorts(parts)
        lanes = Lanes(parts, weights)
        add_streams(parts)
        add_relaxing(parts, lanes)
        learns = self.design.learning is not None
        if learns:
            add_learning(parts, lanes)
            plasticity = Plasticity(parts, weights)
        with m.FSM():
            add_command_states(parts)
            add_memory_states(parts, weights)
            add_input_states(parts)
            add_external_states(parts, lanes)
            add_sweep_states(parts, lanes)
            add_end_states(parts)
            add_readout_states(parts, lanes)
            if learns:
                add_learning_states(parts)
                add_update_states(parts, plasticity)
                add_update_group_states(parts, plasticity)
        return m
