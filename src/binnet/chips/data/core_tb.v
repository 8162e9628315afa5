// Plays the words of stimulus.hex into binnet_core, compares every word that comes out, and its flag
// `last`, with expected.hex, and ends with an exit status that is 0 only if all of them agreed.
//
//   stimulus.hex   8 hexadecimal digits a line: a word
//   expected.hex   9 hexadecimal digits a line: 1 if `last` is set, else 0; then a word
//
// Plusargs:
//   +full_speed    no gaps between words of the stimulus and no back pressure; else both are random
//   +seed=N        another sequence of gaps and back pressure, N from 1
//   +time_out=N    a core hangs if no word goes in or comes out in so many cycles
//   +vcd           waves into core_tb.vcd (Verilator: build with --trace)
//
// In the folder of this file:
//   $ iverilog -g2012 -Wall -o core_tb.vvp core_tb.v core.v && vvp -N core_tb.vvp
//   $ verilator --binary --timing --top-module core_tb core_tb.v core.v && obj_dir/Vcore_tb
`timescale 1ns / 1ps

module core_tb;
  parameter integer TIME_OUT = @TIME_OUT@;  // more than the longest command of this core takes
  localparam integer QUIET = 256;  // cycles at the end in which no word may come any more
  localparam integer MOST = 20;  // failures after which it ends

  reg clk, rst;
  reg [31:0] s_axis_tdata;
  reg s_axis_tvalid, m_axis_tready;
  wire s_axis_tready, m_axis_tvalid, m_axis_tlast;
  wire [31:0] m_axis_tdata;

  binnet_core dut (
    .clk(clk), .rst(rst),
    .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tlast(m_axis_tlast),
    .m_axis_tready(m_axis_tready)
  );

  integer stimulus, expected, found, n_sent, n_seen, failures, cycles, idle, time_out, seed;
  reg full_speed, has_word, has_wanted, was_stalled, is_taken, is_done;
  reg [31:0] word, lfsr;
  reg [32:0] wanted, seen, stalled;

  initial begin
    clk = 1'b0;
    forever #5 clk = ~clk;
  end

  initial begin
    full_speed = $test$plusargs("full_speed") != 0;
    if ($value$plusargs("seed=%d", seed) == 0) seed = 1;
    if ($value$plusargs("time_out=%d", time_out) == 0) time_out = TIME_OUT;
    if ($test$plusargs("vcd") != 0) begin
      $dumpfile("core_tb.vcd");
      $dumpvars(0, core_tb);
    end
    stimulus = $fopen("stimulus.hex", "r");
    expected = $fopen("expected.hex", "r");
    if (stimulus == 0 || expected == 0) $fatal(1, "FAIL stimulus.hex or expected.hex is not here");
    lfsr = seed ^ 32'hACE10000;
    n_sent = 0;
    n_seen = 0;
    failures = 0;
    cycles = 0;
    idle = 0;
    rst = 1'b1;
    s_axis_tdata = 32'd0;
    s_axis_tvalid = 1'b0;
    m_axis_tready = 1'b0;
    was_stalled = 1'b0;
    stalled = 33'd0;
    is_taken = 1'b0;
    is_done = 1'b0;
    repeat (4) @(negedge clk);
    rst = 1'b0;
    fetch_word;
    fetch_wanted;
    if (!has_word || !has_wanted) $fatal(1, "FAIL stimulus.hex or expected.hex is empty");
    while (!is_done) begin
      @(posedge clk);
      observe;
      @(negedge clk);
      drive;
    end
    if (failures != 0) $fatal(1, "FAIL %0d failures in %0d words", failures, n_seen);
    $display("PASS %0d words in, %0d words out as expected, %0d cycles", n_sent, n_seen, cycles);
    $finish;
  end

  // What is on the wires as the clock rises.
  task observe;
    begin
      cycles = cycles + 1;
      idle = idle + 1;
      if ((s_axis_tready !== 1'b0 && s_axis_tready !== 1'b1)
          || (m_axis_tvalid !== 1'b0 && m_axis_tvalid !== 1'b1)) begin
        fail("s_axis_tready or m_axis_tvalid is undefined");
        is_done = 1'b1;
      end
      seen = {m_axis_tlast, m_axis_tdata};
      if (was_stalled && (!m_axis_tvalid || seen !== stalled))
        fail("a word changed while it waited for m_axis_tready");
      was_stalled = m_axis_tvalid && !m_axis_tready;
      stalled = seen;
      if (m_axis_tvalid && m_axis_tready) begin
        idle = 0;
        compare;
      end
      is_taken = s_axis_tvalid && s_axis_tready;
      if (is_taken) begin
        idle = 0;
        n_sent = n_sent + 1;
      end
      if (!has_word && !has_wanted && !s_axis_tvalid && idle >= QUIET) is_done = 1'b1;
      if (failures >= MOST) is_done = 1'b1;
      if ((has_word || has_wanted || s_axis_tvalid) && idle >= time_out) begin
        fail("time-out: the core hangs");
        $display("  after %0d words in and %0d words out", n_sent, n_seen);
        is_done = 1'b1;
      end
    end
  endtask

  // Inputs change as the clock falls, half a cycle before the core looks at them.
  task drive;
    begin
      lfsr = lfsr[0] ? {1'b0, lfsr[31:1]} ^ 32'hA3000000 : {1'b0, lfsr[31:1]};  // maximal length
      if (!s_axis_tvalid || is_taken) begin
        s_axis_tvalid = has_word && (full_speed || lfsr[0]);
        s_axis_tdata = s_axis_tvalid ? word : 32'hxxxxxxxx;  // nothing to be taken from here
        if (s_axis_tvalid) fetch_word;
      end
      m_axis_tready = full_speed || lfsr[7];
    end
  endtask

  task compare;
    begin
      if (!has_wanted) fail("a word more than expected");
      else if (seen !== wanted) fail("a word is wrong");
      if (!has_wanted || seen !== wanted)
        $display("  word %0d: expected last %b, %h; got last %b, %h", n_seen,
                 wanted[32], wanted[31:0], seen[32], seen[31:0]);
      n_seen = n_seen + 1;
      fetch_wanted;
    end
  endtask

  task fetch_word;
    begin
      found = $fscanf(stimulus, "%h", word);
      has_word = found == 1;
    end
  endtask

  task fetch_wanted;
    begin
      found = $fscanf(expected, "%h", wanted);
      has_wanted = found == 1;
    end
  endtask

  task fail(input [8*64-1:0] what);
    begin
      failures = failures + 1;
      $display("FAIL cycle %0d: %0s", cycles, what);
    end
  endtask
endmodule
