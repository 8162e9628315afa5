"""The report of a synthesis as lines to read."""

from __future__ import annotations

from collections.abc import Sequence

from binnet.chips.design import CoreDesign
from binnet.chips.synthesis import SynthesisReport
from binnet.chips.synthesis_targets import DEVICES
from binnet.chips.throughput import Throughput
from binnet.hardware.cost import CostReport
from binnet.hardware.published import PUBLISHED_CHIPS

_WIDTH = 34
_NAMES = {
    "ecp5": ("CCU2C, two LUT4 each", "DP16KD, 18 kbit"),
    "ice40": ("SB_CARRY, beside a LUT4", "SB_RAM40_4K, 4 kbit"),
}


def format_synthesis(
    design: CoreDesign,
    report: SynthesisReport,
    throughput: Throughput | None = None,
    tried: Sequence[SynthesisReport] = (),
) -> str:
    """Return the report of a synthesis as text.

    Parameters
    ----------
    design : CoreDesign
        The core.
    report : SynthesisReport
        From `synthesise`.
    throughput : Throughput, optional
        Its cycles and rates.
    tried : sequence of SynthesisReport
        What was tried to find the number of processing elements.

    Returns
    -------
    str
        Lines.
    """
    kind = "that infers" if design.learning is None else "that learns"
    lines = [
        f"core {kind}{', event-driven' if design.event_driven else ''}: H = {design.n_neurons}, "
        f"N_in = {design.n_inputs}, C = {design.n_outputs}, P = {design.elements}",
        _row("bits of J, W_in, W_out", " / ".join(map(str, design.weight_bits))),
        _row("in memory", " / ".join(map(str, design.stored_bits))),
        _row("accumulators", f"{design.accumulator_bits} bits"),
    ]
    if tried:
        lines += [
            "",
            "tried:",
            *(f"  P = {own.elements}: {describe_outcome(own)}" for own in tried),
        ]
    lines += ["", _name_target(report)]
    if report.cells is not None:
        lines += _format_cells(report)
    lines.append(_row("result", describe_outcome(report)))
    if throughput is not None:
        lines += ["", *_format_throughput(throughput)]
    tools = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return "\n".join([*lines, "", f"{tools}; {report.seconds:.0f} s"])


def describe_outcome(report: SynthesisReport) -> str:
    """Return in one clause whether a core fits, and how fast it is.

    Parameters
    ----------
    report : SynthesisReport
        The report.

    Returns
    -------
    str
        One clause.
    """
    if report.fits is None:
        return "counted alone: the generic target has no device"
    if not report.fits:
        return f"does not fit: {report.reason}"
    if report.frequency is None:
        return "its cells are not too many; not placed"
    missed = "" if report.reaches_frequency else ", too slow"
    return f"fits, {report.frequency:.1f} MHz (asked for: {report.target_frequency:g}){missed}"


def format_beside(cost: CostReport, event_driven: bool) -> str:
    """Return the cost model's figures and those of published chips, to stand below a synthesis.

    Parameters
    ----------
    cost : CostReport
        Of the same network.
    event_driven : bool
        Which design's figures to take.

    Returns
    -------
    str
        Lines.
    """
    operations = cost.event_driven if event_driven else cost.dense
    lines = [
        f"cost model, {cost.table.process_nm:g} nm, without clock, wires and control "
        "(binnet hardware report):",
        _row("  inference", f"{operations.total:,.0f} operations, {operations.energy / 1000:,.2f} "
             f"nJ, {operations.energy_per_operation:.2f} pJ an operation"),
    ]  # fmt: skip
    if cost.training is not None:
        items = cost.training.event_driven if event_driven else cost.training.dense
        total = items["total"]
        lines.append(_row("  learned sample", f"{total.operations:,.0f} operations, "
                          f"{total.energy / 1000:,.2f} nJ"))  # fmt: skip
    lines.append("published chips that learn, whole (docs/results/published_chips.md):")
    for chip in PUBLISHED_CHIPS:
        figures = []
        if chip.picojoules_per_operation is not None:
            figures.append(f"{chip.picojoules_per_operation:g} pJ an operation")
        if chip.nanojoules_per_inference is not None:
            figures.append(f"{chip.nanojoules_per_inference:,g} nJ an inference")
        lines.append(_row(f"  {chip.name}, {chip.year}, {chip.node_nm:g} nm", ", ".join(figures)))
    return "\n".join(lines)


def _name_target(report: SynthesisReport) -> str:
    return report.target if report.device is None else f"{report.target} {report.device}"


def _format_cells(report: SynthesisReport) -> list[str]:
    cells = report.cells
    assert cells is not None
    limit = next((d for d in DEVICES if d.name == report.device), None)
    carries, blocks = _NAMES.get(report.target, ("", ""))

    def of(count: int, most: int | None) -> str:
        return (
            f"{count:,}" if most is None else f"{count:,} of {most:,} ({100 * count / most:.1f} %)"
        )

    luts = None if limit is None else limit.luts
    lines = [_row("LUT4, logic", f"{cells.luts:,}")]
    if carries:
        lines.append(_row(f"carries ({carries})", f"{cells.carries:,}"))
    if report.target == "ecp5":
        lines.append(_row("LUT4 with carries and memories", of(cells.luts_with_carries, luts)))
        lines.append(_row("memories in LUTs (16 x 4 bits)", f"{cells.distributed_rams:,}"))
    lines.append(_row("flip-flops", of(cells.flip_flops, luts)))
    if limit is None:
        return [*lines, _row("memory", f"{cells.memory_bits:,} bits")]
    lines.append(_row(f"block RAMs ({blocks})", of(cells.block_rams, limit.block_rams)))
    if cells.multipliers:
        lines.append(_row("multipliers", of(cells.multipliers, limit.multipliers)))
    for kind in ("TRELLIS_COMB", "ICESTORM_LC"):
        if kind in report.utilization:
            lines.append(_row(f"{kind}, as placed", of(*report.utilization[kind])))
    return lines


def _format_throughput(throughput: Throughput) -> list[str]:
    at = "" if throughput.frequency is None else f", at {throughput.frequency:.1f} MHz"
    lines = [f"cycles{at}"]
    for name, cycles, what in throughput.rows():
        text = f"{cycles:,.0f}"
        if throughput.frequency is not None and cycles > 0:
            rate = 1e6 * throughput.frequency / cycles
            text += f"  ({cycles / throughput.frequency:,.1f} us, {rate:,.0f} per second)"
        lines.append(_row(f"  {name}", f"{text}{what}"))
    return lines


def _row(name: str, value: str) -> str:
    return f"{name:<{_WIDTH}}{value}"
