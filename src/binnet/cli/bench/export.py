"""`binnet bench export`: a result in formats of others."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import check_file
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option, refuse_input


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["pytest-benchmark", "csv", "parquet"]),
              required=True, help="of what is written")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="file to write")  # fmt: skip
@force_option
def export(file: Path, form: str, output: Path) -> None:
    """Write the result FILE of `binnet bench run` in a format of others.

    For pyperf nothing needs to be written: it reads FILE as it is (python -m pyperf compare_to).
    What was written for pytest-benchmark is read by: pytest-benchmark compare OUTPUT.
    """
    from binnet.benchmarks._export import export_result
    from binnet.benchmarks._files import load_result

    with clear_errors():
        refuse_input(output, [file])
        check_file(output)
        export_result(load_result(file), output, form)
    click.echo(f"{form}: {output}")
