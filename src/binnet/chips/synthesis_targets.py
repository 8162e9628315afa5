"""Targets of synthesis: their devices, what the tools are told, and what their reports say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = "binnet_core"
TARGETS = ("ecp5", "ice40", "generic")
CIRCUIT, NETLIST, CELLS, TIMING = "core.il", "netlist.json", "cells.json", "timing.json"


@dataclass(frozen=True)
class Device:
    """A device, as nextpnr knows it.

    Attributes
    ----------
    name : str
        What `--device` calls it.
    target : str
        Its family: one of `TARGETS`.
    package : str
        The package with enough pins for the ports of a core. ECP5 is placed without any ("out of
        context"), as a part of a larger design would be.
    luts : int
        LUT4s, and as many flip-flops.
    block_rams, block_bits : int
        Blocks of memory, and the bits of one.
    multipliers : int
        Multipliers of 18 x 18 bits (of iCE40: 16 x 16).
    """

    name: str
    target: str
    package: str
    luts: int
    block_rams: int
    block_bits: int
    multipliers: int


# Smallest first; as nextpnr reports them.
DEVICES = (
    Device("25k", "ecp5", "CABGA381", 24288, 56, 18432, 28),
    Device("45k", "ecp5", "CABGA381", 43848, 108, 18432, 72),
    Device("85k", "ecp5", "CABGA381", 83640, 208, 18432, 156),
    Device("hx1k", "ice40", "tq144", 1280, 16, 4096, 0),
    Device("hx8k", "ice40", "ct256", 7680, 32, 4096, 0),
)
_DEFAULT = {"ecp5": "25k", "ice40": "hx8k"}


@dataclass(frozen=True)
class Cells:
    """Cells of a circuit, as Yosys counts them.

    Attributes
    ----------
    luts : int
        LUT4s for logic; those of carries, and of memories in LUTs, are apart.
    carries : int
        Carry cells: of ECP5 CCU2C, which take the place of two LUT4 each; of iCE40 SB_CARRY, which
        lie beside a LUT4 and take none; 0 of the generic target, whose carries are LUT4s.
    flip_flops : int
        Flip-flops.
    block_rams : int
        DP16KD of 18 kbit (ECP5), SB_RAM40_4K of 4 kbit (iCE40); 0 of the generic target.
    distributed_rams : int
        TRELLIS_DPR16X4: 16 words of 4 bits, in the place of four LUT4 each.
    multipliers : int
        MULT18X18D, SB_MAC16; of the generic target multipliers are LUT4s.
    memory_bits : int
        Bits of memories that the generic target leaves as they are; 0 elsewhere.
    """

    luts: int
    carries: int
    flip_flops: int
    block_rams: int
    distributed_rams: int
    multipliers: int
    memory_bits: int

    @property
    def luts_with_carries(self) -> int:
        """LUT4s that are taken: by logic, carries of ECP5 and memories in LUTs."""
        return self.luts + 2 * self.carries + 4 * self.distributed_rams


def find_device(target: str, device: str | None) -> Device | None:
    """Return a device of a target; None of the generic one.

    Parameters
    ----------
    target : {"ecp5", "ice40", "generic"}
        The target.
    device : str, optional
        Its device. Default: 25k, or hx8k.

    Returns
    -------
    Device or None
        The device.

    Raises
    ------
    ValueError
        If there is none of these names.
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
    choice = {d.name: d for d in DEVICES if d.target == target}
    if not choice:
        if device is not None:
            raise ValueError(
                f"the generic target has no devices, got device {device!r}; leave it out"
            )
        return None
    name = _DEFAULT[target] if device is None else device
    if name not in choice:
        raise ValueError(f"device must be one of {', '.join(choice)} for {target}, got {device!r}")
    return choice[name]


def list_yosys_arguments(target: str) -> list[str]:
    """Return what Yosys is told: from `CIRCUIT` to `NETLIST` and `CELLS`.

    Parameters
    ----------
    target : {"ecp5", "ice40", "generic"}
        The target.

    Returns
    -------
    list of str
        Arguments.
    """
    commands = [f"read_rtlil {CIRCUIT}"]
    if target == "generic":  # memories stay as they are: what they become is another matter
        commands += [
            f"synth -top {TOP} -flatten -run begin:fine",
            "opt -fast -full",
            "memory_map -rom-only",
            "opt -full",
            "techmap",
            "opt -fast",
            "abc -lut 4",
            "opt -fast",
            "opt_clean",
            f"write_json {NETLIST}",
        ]
    else:
        commands += [f"synth_{target} -top {TOP} -json {NETLIST}"]
    return ["-p", "; ".join([*commands, f"tee -q -o {CELLS} stat -json"])]


def list_nextpnr_arguments(device: Device, frequency: float, seed: int) -> list[str]:
    """Return what nextpnr is told: from `NETLIST` to `TIMING`.

    Parameters
    ----------
    device : Device
        The device.
    frequency : float
        MHz to aim at.
    seed : int
        Of the placement.

    Returns
    -------
    list of str
        Arguments.
    """
    arguments = [f"--{device.name}", "--package", device.package, "--json", NETLIST]
    arguments += ["--report", TIMING, "--freq", f"{frequency:g}", "--timing-allow-fail"]
    arguments += ["--seed", str(seed)]
    return [*arguments, "--out-of-context"] if device.target == "ecp5" else arguments


def read_cells(folder: Path, target: str) -> Cells:
    """Return the cells that Yosys has counted.

    Parameters
    ----------
    folder : Path
        Where it ran.
    target : {"ecp5", "ice40", "generic"}
        The target.

    Returns
    -------
    Cells
        The cells.
    """
    count: dict[str, int] = json.loads((folder / CELLS).read_bytes())["design"]["num_cells_by_type"]

    def add(*beginnings: str) -> int:
        return sum(n for cell, n in count.items() if cell.startswith(beginnings))

    if target == "ecp5":
        return Cells(add("LUT4"), add("CCU2C"), add("TRELLIS_FF"), add("DP16KD"),
                     add("TRELLIS_DPR16X4"), add("MULT18X18D"), 0)  # fmt: skip
    if target == "ice40":
        return Cells(add("SB_LUT4"), add("SB_CARRY"), add("SB_DFF"), add("SB_RAM40_4K"), 0,
                     add("SB_MAC16"), 0)  # fmt: skip
    modules = json.loads((folder / NETLIST).read_bytes())["modules"]
    memories = [cell["parameters"] for cell in modules[TOP]["cells"].values()
                if cell["type"].startswith("$mem")]  # fmt: skip
    bits = sum(int(m["WIDTH"], 2) * int(m["SIZE"], 2) for m in memories)
    return Cells(add("$lut"), 0, add("$_DFF", "$_SDFF", "$_ALDFF"), 0, 0, 0, bits)


def read_timing(folder: Path) -> tuple[float | None, dict[str, tuple[int, int]]]:
    """Return the largest frequency that nextpnr reports, and what is taken of what is there.

    Parameters
    ----------
    folder : Path
        Where it ran.

    Returns
    -------
    frequency : float or None
        MHz; None where no path is between two flip-flops.
    utilization : dict of str to (int, int)
        Used, available, by kind of cell, where any is used.
    """
    report: Mapping[str, Any] = json.loads((folder / TIMING).read_bytes())
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    used = {
        kind: (cells["used"], cells["available"])
        for kind, cells in report["utilization"].items()
        if cells["used"]
    }
    return (min(clocks) if clocks else None), used


def find_excess(cells: Cells, device: Device) -> str | None:
    """Return what a device has too few of, before it is tried to place it; None: of nothing.

    Parameters
    ----------
    cells : Cells
        The cells of the circuit.
    device : Device
        The device.

    Returns
    -------
    str or None
        One clause.
    """
    limits = {
        "LUT4": (cells.luts_with_carries if device.target == "ecp5" else cells.luts, device.luts),
        "flip-flops": (cells.flip_flops, device.luts),
        "block RAMs": (cells.block_rams, device.block_rams),
        "multipliers": (cells.multipliers, device.multipliers),
    }
    lacking = [f"{n} {what} of {limit}" for what, (n, limit) in limits.items() if n > limit]
    return f"it takes {', '.join(lacking)}" if lacking else None
