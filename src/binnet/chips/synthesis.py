"""Synthesis of a core: what it takes of a device, how fast it runs, how many samples it learns.

Yosys maps the circuit to the cells of a target, nextpnr places and routes them and finds the
largest frequency. Both come as wheels (the extra "fpga"). A core that does not fit is a result as
well.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from binnet._validation import check_integer, check_real
from binnet.chips.design import CoreDesign
from binnet.chips.synthesis_targets import (
    CIRCUIT,
    TOP,
    Cells,
    Device,
    find_device,
    find_excess,
    list_nextpnr_arguments,
    list_yosys_arguments,
    read_cells,
    read_timing,
)
from binnet.chips.synthesis_tools import (
    NEXTPNR,
    YOSYS,
    Progress,
    ToolFailed,
    check_tools,
    run_tool,
)

FREQUENCY = 60.0  # MHz to aim at
_NO_PROGRESS: Progress = lambda what, share: None  # noqa: E731

Contents = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class SynthesisReport:
    """What a circuit takes of a device.

    Attributes
    ----------
    target : str
        "ecp5", "ice40" or "generic".
    device : str or None
        Its device; None of the generic target.
    elements : int
        P, processing elements.
    cells : Cells or None
        As Yosys counts them; None if it failed.
    utilization : dict of str to (int, int)
        Used and available, by kind of nextpnr's cells; empty if it was not placed.
    target_frequency : float
        MHz that were aimed at.
    frequency : float or None
        MHz that nextpnr reports; None if it was not placed.
    fits : bool or None
        Whether it was placed and routed on the device, or (not placed) whether its cells are not
        too many; None of the generic target.
    reason : str or None
        Why it does not fit.
    seconds : float
        Of both tools.
    versions : dict of str to str
        Of binnet and the tools.
    """

    target: str
    device: str | None
    elements: int
    cells: Cells | None
    utilization: dict[str, tuple[int, int]]
    target_frequency: float
    frequency: float | None
    fits: bool | None
    reason: str | None
    seconds: float
    versions: dict[str, str]

    @property
    def reaches_frequency(self) -> bool:
        """Whether it fits and is as fast as was aimed at, where that is known."""
        if self.fits is False:
            return False
        return self.frequency is None or self.frequency >= self.target_frequency

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON; frequencies are in MHz.

        Returns
        -------
        dict
            Nested plain values.
        """
        record = dataclasses.asdict(self)
        if self.cells is not None:
            record["cells"]["luts_with_carries"] = self.cells.luts_with_carries
        return record


def synthesise(
    design: CoreDesign,
    contents: Contents,
    target: str,
    *,
    device: str | None = None,
    place: bool = True,
    frequency: float = FREQUENCY,
    seed: int = 1,
    progress: Progress = _NO_PROGRESS,
) -> SynthesisReport:
    """Synthesise a core, place and route it; it takes minutes.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray, shape (words, lanes)
        Initial contents of its memories, from `binnet.chips.contents.fill_memories`.
    target : {"ecp5", "ice40", "generic"}
        ``"generic"`` counts LUT4s and leaves memories as they are; nothing is placed.
    device : str, optional
        25k, 45k or 85k; hx1k or hx8k. Default: 25k, hx8k.
    place : bool, default True
        Whether to place and route it, which takes the longer part of the time.
    frequency : float, default 60
        MHz to aim at.
    seed : int, default 1
        Of the placement.
    progress : callable, optional
        Called with what is done, and the share of all time that has passed, roughly.

    Returns
    -------
    SynthesisReport
        The report, also if it does not fit.

    Raises
    ------
    ImportError
        If a tool is missing.
    TypeError, ValueError
        If an argument is out of its range.
    """
    chosen = find_device(target, device)
    check_real("frequency", frequency, 0.0, above=True)
    check_integer("seed", seed, 0)
    versions = _check_versions(chosen if place else None)
    circuit = to_circuit(design, contents)
    return _measure(
        circuit, design.elements, target, chosen, place, frequency, seed, versions, progress
    )


def synthesise_largest(
    build: Callable[[int], tuple[CoreDesign, Contents]],
    n_neurons: int,
    target: str,
    *,
    device: str | None = None,
    frequency: float = FREQUENCY,
    seed: int = 1,
    progress: Progress = _NO_PROGRESS,
) -> tuple[SynthesisReport, list[SynthesisReport]]:
    """Find the most processing elements that fit a device at a frequency, by synthesis.

    P is one of 1, 2, 4, 8, .., H. The largest whose cells are not too many for the device is found
    by bisection; from there on P falls until one is placed and as fast as it should be.

    Parameters
    ----------
    build : callable
        Returns the design and the contents for a P.
    n_neurons : int
        H.
    target : {"ecp5", "ice40"}
        The target.
    device : str, optional
        As of `synthesise`.
    frequency : float, default 60
        MHz that it must reach.
    seed : int, default 1
        Of the placement.
    progress : callable, optional
        As of `synthesise`; for each P anew.

    Returns
    -------
    best : SynthesisReport
        That of the largest P; if none will do, of the smallest.
    tried : list of SynthesisReport
        All, in the order in which they were tried.

    Raises
    ------
    ImportError
        If a tool is missing.
    TypeError, ValueError
        If an argument is out of its range.
    """
    chosen = find_device(target, device)
    if chosen is None:
        raise ValueError(
            "the generic target has no size that P could fill; name P, or take the target ecp5 or "
            "ice40"
        )
    candidates = list_elements(n_neurons)
    tried: list[SynthesisReport] = []

    def attempt(k: int, place: bool) -> SynthesisReport:
        design, contents = build(candidates[k])
        report = synthesise(
            design, contents, target, device=device, place=place, frequency=frequency, seed=seed,
            progress=lambda what, share: progress(f"P = {candidates[k]}: {what}", share),
        )  # fmt: skip
        tried.append(report)
        return report

    low, high = 0, len(candidates) - 1  # below `low` all fit, above `high` none
    while low < high:
        middle = (low + high + 1) // 2
        if attempt(middle, place=False).fits:
            low = middle
        else:
            high = middle - 1
    for k in range(low, -1, -1):
        report = attempt(k, place=True)
        if report.reaches_frequency:
            break
    return report, tried


def list_elements(n_neurons: int) -> list[int]:
    """Return the numbers of processing elements that are tried: 1, 2, 4, 8, .., H.

    Parameters
    ----------
    n_neurons : int
        H.

    Returns
    -------
    list of int
        In rising order.
    """
    powers = [2**k for k in range(n_neurons.bit_length()) if 2**k < n_neurons]
    return [*powers, n_neurons]


def to_circuit(design: CoreDesign, contents: Contents) -> str:
    """Return a core as Yosys reads it (RTLIL), memories and their contents included.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray, shape (words, lanes)
        Initial contents of its memories.

    Returns
    -------
    str
        RTLIL.
    """
    from binnet.chips.core import Core  # first: it says what to install

    from amaranth.back import rtlil  # isort: skip

    text = str(rtlil.convert(Core(design, contents), name=TOP, emit_src=False))
    # That no word is read while it is written stands at each memory (no_rw_check). Yosys heeds it
    # in Verilog; of a port in RTLIL that is clocked already it asks for this mask.
    return text.replace("parameter \\COLLISION_X_MASK 1'0", "parameter \\COLLISION_X_MASK 1'1")


def measure_circuit(
    circuit: str, target: str, *, device: str | None = None, place: bool = True,
    frequency: float = FREQUENCY, seed: int = 1, progress: Progress = _NO_PROGRESS,
) -> SynthesisReport:  # fmt: skip
    """Synthesise any circuit in RTLIL, module `binnet_core`, as `synthesise` does a core.

    Parameters
    ----------
    circuit : str
        RTLIL.
    target : {"ecp5", "ice40", "generic"}
        The target.
    device : str, optional
        Its device.
    place : bool, default True
        Whether to place and route it.
    frequency : float, default 60
        MHz to aim at.
    seed : int, default 1
        Of the placement.
    progress : callable, optional
        As of `synthesise`.

    Returns
    -------
    SynthesisReport
        The report; `elements` is 0.
    """
    chosen = find_device(target, device)
    versions = _check_versions(chosen if place else None)
    return _measure(circuit, 0, target, chosen, place, frequency, seed, versions, progress)


def check_extras(target: str, device: str | None = None, place: bool = True) -> None:
    """Refuse a target or a device that is unknown, and say what is not installed, before any work.

    Parameters
    ----------
    target : {"ecp5", "ice40", "generic"}
        The target.
    device : str, optional
        Its device.
    place : bool, default True
        Whether it is going to be placed.

    Raises
    ------
    ImportError
        If a tool, or Amaranth, is missing.
    ValueError
        If there is no such target or device.
    """
    chosen = find_device(target, device)
    _check_versions(chosen if place else None)  # first: their extra brings Amaranth, too
    import binnet.chips.core  # noqa: F401 # which needs Amaranth


def _check_versions(device: Device | None) -> dict[str, str]:
    return check_tools([YOSYS] if device is None else [YOSYS, NEXTPNR[device.target]])


def _measure(
    circuit: str,
    elements: int,
    target: str,
    device: Device | None,
    place: bool,
    frequency: float,
    seed: int,
    versions: dict[str, str],
    progress: Progress,
) -> SynthesisReport:
    began = time.perf_counter()
    placed = place and device is not None
    share_of_yosys = 0.25 if placed else 1.0
    cells: Cells | None = None
    reason: str | None = None
    utilization: dict[str, tuple[int, int]] = {}
    achieved: float | None = None
    with tempfile.TemporaryDirectory(prefix="binnet-") as name:
        folder = Path(name)
        (folder / CIRCUIT).write_text(circuit, encoding="ascii")
        try:
            run_tool(YOSYS, list_yosys_arguments(target), folder,
                     lambda what, share: progress(what, share_of_yosys * share))  # fmt: skip
            cells = read_cells(folder, target)
            reason = None if device is None else find_excess(cells, device)
            if placed and device is not None and reason is None:
                arguments = list_nextpnr_arguments(device, frequency, seed)
                run_tool(
                    NEXTPNR[target],
                    arguments,
                    folder,
                    lambda what, share: progress(what, share_of_yosys + 0.75 * share),
                )
                achieved, utilization = read_timing(folder)
        except ToolFailed as error:
            reason = str(error)
    progress("done", 1.0)
    return SynthesisReport(
        target,
        None if device is None else device.name,
        elements,
        cells,
        utilization,
        frequency,
        achieved,
        None if device is None and cells is not None else reason is None,
        reason,
        round(time.perf_counter() - began, 1),
        versions,
    )
