"""Chips: cores that relax and learn as the simulator does, bit for bit, their files and their size.

Circuits need the extra "hdl" (Amaranth, and Yosys as a wheel), synthesis the extra "fpga".
"""
