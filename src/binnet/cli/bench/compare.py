"""`binnet bench compare`: results of the benchmark beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from binnet._files import atomic_path, check_file
from binnet.benchmarks._units import format_si
from binnet.cli._common import clear_errors
from binnet.cli._figures import (
    FIGURE_SUFFIXES,
    check_output,
    force_option,
    refuse_input,
    save_pictures,
)
from binnet.cli.bench._tables import format_table

if TYPE_CHECKING:
    from binnet.benchmarks._comparison import Comparison, Ratio, Row
    from binnet.benchmarks._result import BenchmarkResult

_REFERENCE = "reference"
_CORES = {"1": "one core", "all": "all cores"}


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="draw the ratios into this file: .png, .pdf or .svg")  # fmt: skip
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path),
              help="write all numbers into this file, as CSV")  # fmt: skip
@click.option("--unstable-ok", is_flag=True,
              help="print scores of machines that were not stable, too")  # fmt: skip
@force_option
def compare(
    files: tuple[Path, ...], output: Path | None, table: Path | None, unstable_ok: bool
) -> None:
    """Compare results of `binnet bench run` with the first of them.

    A line for each workload: its rate in every FILE, and the ratio to that in the first, with an
    interval of 95 % (of 90 % where there are three processes); * marks ratios whose interval does
    not contain 1. A single FILE is compared with the reference machine, whose score is 1000.
    """
    from binnet.benchmarks import _comparison, _scores

    with clear_errors():
        if output is not None:
            check_output(output, FIGURE_SUFFIXES)
        if table is not None:
            refuse_input(table, files)
            check_file(table)
        results = _load(files)
        found = _comparison.compare(results)
        if table is not None:
            with atomic_path(table) as temporary:
                found.to_frame().to_csv(temporary, index=False)
    for line in _describe(results, found):
        click.echo(line)
    for label in results:
        if label != _REFERENCE:
            click.echo(f"\n{label}")
            for reason in found.scores[label].unstable:
                click.echo(f"  not stable: {reason}")
            for line in _scores.format_scores(found.scores[label], unstable_ok=unstable_ok):
                click.echo(f"  {line}")
    _draw(found, output)
    if table is not None:
        click.echo(f"numbers: {table}")


def _load(files: Sequence[Path]) -> dict[str, BenchmarkResult]:
    """Return the results by label; one alone comes after the reference machine's."""
    from binnet.benchmarks import _files, _scores

    results = {
        label: _files.load_result(path) for label, path in zip(_name(files), files, strict=True)
    }
    return results if len(results) > 1 else {_REFERENCE: _scores.load_reference(), **results}


def _name(files: Sequence[Path]) -> list[str]:
    """Return labels that differ: stems of files, with their folders or a number where they must."""
    labels = [path.stem for path in files]
    if len({*labels, _REFERENCE}) <= len(labels):
        labels = [str(path) for path in files]
    taken = [_REFERENCE, *labels]
    return [
        f"{label} ({taken[: k + 1].count(label)})" if taken.count(label) > 1 else label
        for k, label in enumerate(taken)
    ][1:]


def _describe(results: Mapping[str, BenchmarkResult], found: Comparison) -> Iterator[str]:
    """Yield the lines on machines, workloads, means and agreement."""
    first, *others = results
    for label, result in results.items():
        about = result.provenance
        notes = [str(about.get("cpu", "unknown CPU")), f"binnet {about.get('binnet', 'unknown')}"]
        notes += [f"{result.division} division", str(about.get("started", ""))]
        notes += [] if result.is_complete else ["stopped before the end"]
        yield f"{label}: {', '.join(note for note in notes if note)}"
    yield ""
    heads = ["workload", "cores", "unit", first]
    for label in others:
        heads += [label, "ratio", "interval", ""]
    yield from format_table(heads, list(_list_rows(found, others)))
    yield ""
    for label in others:
        agreeing, expected, n = found.count_agreeing(label)
        if n:
            yield (
                f"{label}: {agreeing} of {n} intervals contain 1 (of equal machines about "
                f"{expected:.0f} would); * marks the others"
            )
            ratios = found.list_ratios(label)
            row, ratio = max(ratios, key=lambda pair: abs(math.log(pair[1].value)))
            cores = _CORES.get(row.cores, f"{row.cores} threads")
            shown = " ".join(_format_ratio(ratio)).rstrip()
            yield f"{label}: farthest from {first} is {row.workload} on {cores}: {shown}"
        else:
            yield f"{label}: no interval, as there is a single process"
    coverages = [ratio.coverage for label in others for _, ratio in found.list_ratios(label)
                 if ratio.is_significant is not None]  # fmt: skip
    if coverages:
        yield (
            "intervals: 95 % by bootstrap over the processes of both, which hold the true ratio in "
            f"about {100 * min(coverages):.0f} % of runs"
        )


def _list_rows(found: Comparison, others: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cells of the table: workloads suite by suite, each suite with its means."""
    all_cores = dict.fromkeys(row.cores for row in found.rows)
    for suite in (*dict.fromkeys(row.suite for row in found.rows), "all"):
        for row in found.rows:
            if row.suite == suite:
                first = _format_rate(row, found.labels[0])
                yield [row.workload, row.cores, f"{row.unit}/s", first] + [
                    cell
                    for label in others
                    for cell in (
                        _format_rate(row, label),
                        *_format_ratio(row.entries[label].ratio if label in row.entries else None),
                    )
                ]
        for cores in all_cores:
            means = [found.means.get((label, suite, cores)) for label in others]
            if any(means):
                name = "mean of all suites" if suite == "all" else f"  mean of {suite}"
                yield [name, cores, "", ""] + [
                    cell for mean in means for cell in ("", *_format_ratio(mean))
                ]


def _format_rate(row: Row, label: str) -> str:
    if label not in row.entries:
        return "-"
    measurement = row.entries[label].measurement
    wrong = " (wrong answer)" if measurement.verdict == "wrong" else ""
    return format_si(measurement.rate, "") + wrong


def _format_ratio(ratio: Ratio | None) -> tuple[str, str, str]:
    """Return a ratio, its interval, and the mark of what is significant."""
    if ratio is None:
        return "-", "", ""
    low, high = ratio.interval
    ends = "" if math.isnan(low) else f"[{low:.3f}, {high:.3f}]"
    return f"{ratio.value:.3f}", ends, "*" if ratio.is_significant else ""


def _draw(found: Comparison, output: Path | None) -> None:
    if output is None:
        return
    from binnet.plotting.benchmarks_comparison import draw_comparison

    for path in save_pictures({output: lambda: draw_comparison(found)}):
        click.echo(f"figure: {path}")
