"""Tables of `binnet bench`: `python bench/speed_tables.py host.json --peers peers.json`.

`binnet bench run --reportable --output host.json` and `binnet bench peers --output peers.json`
write the files. The tables replace what stands between comments like ``<!-- table: workloads -->``
and ``<!-- end of table -->`` in README.md, docs/benchmark.md and docs/results/speed.md; all else
stays as it is. Without files the list of workloads in docs/benchmark.md is written alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from binnet.benchmarks._files import load_result
from binnet.benchmarks._limits import find_limits, fraction_of_limit
from binnet.benchmarks._result import BenchmarkResult, Measurement
from binnet.benchmarks._scores import count_all_cores, measured_on
from binnet.benchmarks._statistics import describe_intervals, rate_interval, ratio_interval
from binnet.benchmarks._units import find_prefix, format_number, format_si
from binnet.benchmarks.workloads import all_workloads

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(ROOT / name for name in ("README.md", "docs/benchmark.md", "docs/results/speed.md"))
_END = "<!-- end of table -->"
_ALSO = ("learn-float-1600", "infer-1600")  # in README's table
Peers = Mapping[str, Measurement]


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def describe_machine(result: BenchmarkResult) -> str:
    """Return where and how a result was measured, as a sentence or two."""
    packages = result.provenance.get("packages", {})
    versions = ", ".join(
        f"{name} {packages[key]}"
        for key, name in (("numpy", "NumPy"), ("numba", "Numba"), ("llvmlite", "llvmlite"))
        if key in packages
    )
    simd = result.machine.get("kernels", {}).get("simd")
    commit = result.machine.get("binnet", {}).get("commit")
    cores = count_all_cores(result)
    return (
        f"{result.provenance['cpu']}{f' ({simd})' if simd else ''}, "
        f"{f'all cores: {cores} threads' if cores else 'one thread'}; "
        f"Python {result.provenance['python']}, {versions}; "
        f"binnet {result.provenance['binnet']}{f' at {commit[:7]}' if commit else ''}, "
        f"{result.provenance['started'][:10]}; "
        f"{'machine stable' if result.stability.is_stable else '**machine not stable**'}.\n"
    )


def describe_run(result: BenchmarkResult) -> str:
    """Return what a reader must know to judge a result."""
    processes = max(len(m.values) for m in result.measurements)
    lines = [f"Mode: {result.settings.get('mode')}, {processes} processes. Division: "
             f"{result.division}{': ' * bool(result.open_reasons)}"
             f"{'; '.join(result.open_reasons)}."]  # fmt: skip
    # What follows a semicolon is what to do against it.
    lines += [f"Not stable: {reason.partition(';')[0]}." for reason in result.stability.reasons]
    return f"{describe_machine(result)}\n{' '.join(lines)}\n"


def show_rate(measurement: Measurement | None) -> str:
    """Return a figure of merit."""
    return format_si(measurement.rate, f"{measurement.unit}/s") if measurement else ""


def show_interval(measurement: Measurement) -> str:
    """Return the interval of a figure of merit, in the unit of its `show_rate`."""
    factor, _ = find_prefix(measurement.rate)
    low, high = (format_number(end / factor) for end in rate_interval(measurement))
    return "" if low == "unknown" else f"{low} to {high}"


def show_fraction(measurement: Measurement | None, result: BenchmarkResult) -> str:
    """Return which part of which limit a workload reaches."""
    limits = None if measurement is None else find_limits(result, measurement.threads)
    if measurement is None or limits is None:
        return ""
    found = fraction_of_limit(measurement, limits)
    return "" if found is None else f"{100 * found.value:.0f} % of {found.name}"


def make_workload_table(result: BenchmarkResult) -> str:
    """Return each workload's figure of merit on one core and on all, and its share of the limit."""
    one, every = measured_on(result, "one"), measured_on(result, "all")
    cores = count_all_cores(result) or 1
    rows = []
    for name, alone in one.items():
        together = every.get(name) if cores > 1 else None
        rows.append((
            f"`{name}`",
            show_rate(alone),
            show_interval(alone),
            show_fraction(alone, result),
            show_rate(together),
            f"{together.rate / alone.rate:.2f}" if together else "",
            show_fraction(together, result),
        ))  # fmt: skip
    heads = ("workload", "one core", "interval", "of its limit", f"{cores} threads", "speed-up",
             "of its limit")  # fmt: skip
    return make_table(heads, rows)


def make_registry_table() -> str:
    """Return the list of all workloads."""
    rows = [
        (f"`{w.name}`", w.summary, w.unit, w.level, w.operation, "yes" if w.is_quick else "")
        for w in all_workloads().values()
    ]
    heads = ("workload", "what it does", "unit, per second", "data in", "operations", "quick")
    return make_table(heads, rows)


def make_limit_table(result: BenchmarkResult) -> str:
    """Return the limits of the machine, before and after."""
    rows = []
    for when, found in (("before", result.limits_before), ("after", result.limits_after)):
        for limits in found:
            reads = [format_si(value, "B/s") for value in limits.bandwidth.values()]
            peaks = [format_si(value, "op/s") for value in limits.peaks.values()]
            rows.append((str(limits.threads), when, *reads, *peaks))
    first = result.limits_before[0]
    reads = [f"read from {level}" for level in first.bandwidth]
    return make_table(("threads", "", *reads, *first.peaks), rows)


def collect_peers(result: BenchmarkResult) -> dict[tuple[str, int], dict[str, Measurement]]:
    """Return binnet and its peers by workload and threads, where there is a peer."""
    found: dict[tuple[str, int], dict[str, Measurement]] = {}
    for m in result.measurements:
        found.setdefault((m.workload, m.threads), {})[m.implementation] = m
    return {key: sides for key, sides in found.items() if {"binnet"} < set(sides)}


def make_peer_table(result: BenchmarkResult) -> str:
    """Return how much longer each peer takes, beside the fastest one's interval."""
    rows = []
    for (name, threads), sides in collect_peers(result).items():
        ours = sides.pop("binnet")
        best = find_fastest(sides)
        low, high = (format_number(end) for end in ratio_interval(ours, sides[best]))
        rows.append((
            f"`{name}`",
            str(threads),
            f"{format_number(1e3 * ours.seconds)} ms",
            best,
            f"**{format_number(ours.rate / sides[best].rate)}**",
            "" if low == "unknown" else f"{low} to {high}",
            ", ".join(
                f"{peer} {format_number(ours.rate / m.rate)}{'' if is_right(m) else ' (wrong)'}"
                for peer, m in sides.items() if peer != best
            ),
        ))  # fmt: skip
    heads = ("workload", "threads", "binnet, a call", "fastest peer", "times slower", "interval",
             "others")  # fmt: skip
    return make_table(heads, rows)


def is_right(measurement: Measurement) -> bool:
    """Return whether the answer was the known one; a fast wrong one is no peer."""
    return measurement.verdict != "wrong"


def find_fastest(sides: Peers) -> str:
    """Return the peer with the highest rate, of those that are right, if any is."""
    return max(sides, key=lambda name: (is_right(sides[name]), sides[name].rate))


def make_short_table(host: BenchmarkResult, peers: BenchmarkResult | None) -> str:
    """Return the README's table: the workloads of ``--quick``, and larger networks."""
    chosen = [name for name, w in all_workloads().items() if w.is_quick or name in _ALSO]
    one, every = measured_on(host, "one"), measured_on(host, "all")
    cores = count_all_cores(host) or 1
    beside = collect_peers(peers) if peers else {}
    rows = []
    for name in chosen:
        if name not in one:
            continue
        sides = dict(beside.get((name, 1), {}))
        ours, slower = sides.pop("binnet", None), ""
        if ours is not None:
            best = find_fastest(sides)
            slower = f"{format_number(ours.rate / sides[best].rate)} ({best})"
        rows.append((
            all_workloads()[name].summary,
            show_rate(one[name]),
            show_rate(every.get(name)) if cores > 1 else "",
            show_fraction(one[name], host),
            slower,
        ))  # fmt: skip
    heads = ("", "one core", f"{cores} threads", "one core, of its limit",
             "one core, times faster than")  # fmt: skip
    return make_table(heads, rows)


def replace_tables(text: str, tables: Mapping[str, str]) -> str:
    """Return a page with other tables in the places for them; a table without a place is left out.

    Raises
    ------
    ValueError
        For a place without an end.
    """
    parts = re.split(r"(<!-- table: .*? -->\n)", text)
    for k in range(1, len(parts), 2):
        name = parts[k].removeprefix("<!-- table: ").removesuffix(" -->\n")
        _, end, rest = parts[k + 1].partition(_END)
        if not end:
            raise ValueError(f"the table {name!r} has no line {_END}")
        if name in tables:
            parts[k + 1] = f"\n{tables[name]}\n{end}{rest}"
    return "".join(parts)


def make_tables(host: BenchmarkResult | None, peers: BenchmarkResult | None) -> dict[str, str]:
    """Return the tables by the names of their places."""
    tables = {"registry": make_registry_table()}
    if host is not None:
        tables |= {
            "machine": (
                f"{describe_run(host)}\n{describe_intervals(host.measurements).capitalize()}.\n"
            ),
            "workloads": make_workload_table(host),
            "limits": make_limit_table(host),
            "short": f"{describe_machine(host)}\n{make_short_table(host, peers)}",
        }
    if peers is not None:
        tables["peers"] = f"{describe_run(peers)}\n{make_peer_table(peers)}"
    return tables


@click.command()
@click.argument("host", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--peers", type=click.Path(exists=True, path_type=Path), help="of binnet bench peers")
@click.option("--show", is_flag=True, help="print the tables and change no file")
def main(host: Path | None, peers: Path | None, show: bool) -> None:
    """Write tables from result files into README.md and the pages of docs."""
    tables = make_tables(*(load_result(path) if path else None for path in (host, peers)))
    if show:
        for name, table in tables.items():
            click.echo(f"{name}\n\n{table}")
        return
    for page in PAGES:
        page.write_text(replace_tables(page.read_text("utf-8"), tables), "utf-8")


if __name__ == "__main__":
    main()
