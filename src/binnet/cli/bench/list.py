"""`binnet bench list`: which workloads there are."""

from __future__ import annotations

import click

from binnet.cli.bench._tables import format_table


@click.command("list")
@click.option("--suite", default="all", show_default=True, help="only the workloads of this suite")
def list_workloads(suite: str) -> None:
    """List the workloads: what they do, in which unit, how large they are."""
    from binnet.benchmarks.workloads import choose_workloads

    try:
        workloads = choose_workloads(suite)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    heads = ("workload", "suite", "unit", "level", "operation", "quick", "sizes")
    rows = [
        (
            workload.name,
            workload.suite,
            f"{workload.unit}/s",
            workload.level,
            workload.operation,
            "yes" if workload.is_quick else "",
            ", ".join(f"{name} = {size}" for name, size in workload.sizes.items()),
        )
        for workload in workloads
    ]
    for line in format_table(heads, rows):
        click.echo(line)
    click.echo()
    for workload in workloads:
        click.echo(f"{workload.name}: {workload.summary}")
