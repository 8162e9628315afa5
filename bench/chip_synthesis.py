"""Tables of docs/results/synthesis.md: `python bench/chip_synthesis.py --work FOLDER`.

Trains the networks, synthesises their cores one after the other (an hour or more on one thread) and
writes what stands between comments like ``<!-- table: learning -->`` and ``<!-- end of table -->``
in the page, and docs/results/synthesis.json. What is in the folder already is not done again, so
that a run that was stopped goes on; --only names cases by a part of their name. Needs the extra
"fpga".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from amaranth.back import rtlil
from amaranth.hdl import Module, Mux, Signal

from binnet._files import write_json
from binnet.chips.synthesis import measure_circuit
from binnet.chips.synthesis_targets import TOP
from speed_tables import make_table

ROOT = Path(__file__).resolve().parents[1]
PAGE, DATA = (ROOT / "docs" / "results" / f"synthesis.{suffix}" for suffix in ("md", "json"))
_END = "<!-- end of table -->"
GAMMA, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Case(NamedTuple):
    """A core of a table: neurons of its run, and the arguments of the command."""

    table: str
    neurons: int
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        words = (word.lstrip("-") for word in self.arguments if word != "--target")
        return "-".join((self.table, str(self.neurons), *words))


def _list_cases() -> list[Case]:
    cases = []
    small, large = ("--target", "ecp5", "--device", "25k"), ("--target", "ecp5", "--device", "85k")
    for P in ("auto", "16", "4", "1"):
        cases.append(Case("learning", 100, (*small, "--learning", "--elements", P)))
    cases.append(Case("learning", 100, (*large, "--learning", "--elements", "64")))
    for P in ("16", "64", "4", "1"):
        cases.append(Case("inference", 400, (*large, "--elements", P)))
    cases.append(Case("inference", 400, (*large, "--event-driven", "--elements", "16")))
    cases.append(Case("inference", 64, ("--target", "ice40", "--elements", "auto")))
    return cases


def _draw(stages: bool) -> Any:
    """Return a circuit of one counter-based draw a cycle: SplitMix64, of a key and a counter."""
    m, key, start, out = Module(), Signal(64), Signal(), Signal(16)

    def keep(value: Any) -> Any:
        if not stages:
            return value
        register = Signal(64)
        m.d.sync += register.eq(value)
        return register

    word = Signal(64)
    m.d.sync += word.eq(Mux(start, key, word + GAMMA))
    product = keep((keep(word ^ (word >> 30)) * MIX_1)[:64])
    product = keep((keep(product ^ (product >> 27)) * MIX_2)[:64])
    m.d.sync += out.eq((product ^ (product >> 31))[48:])
    return m, [key, start, out]


def _register() -> Any:
    """Return a circuit of one step of a 16-bit shift register a cycle."""
    m, key, start, out = Module(), Signal(16), Signal(), Signal(16)
    m.d.sync += out.eq(Mux(start, key, (out >> 1) ^ Mux(out[0], 0xB400, 0)))
    return m, [key, start, out]


DRAWS: Mapping[str, Callable[[], Any]] = {
    "16-bit shift register": _register,
    "SplitMix64, one cycle": lambda: _draw(False),
    "SplitMix64, four stages": lambda: _draw(True),
}


def _run(*arguments: object) -> None:
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "kernels"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "binnet", *map(str, arguments)]
    print(" ".join(command[1:]), flush=True)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _train(work: Path, neurons: int) -> Path:
    folder = work / f"run-{neurons}"
    if not folder.exists():
        _run("train", "--preset", "single", "--hidden", neurons, "--epochs", 5, "--seed", 0,
             "--arithmetic", "int4", "--latent-bits", 8, "--generator", "lfsr",
             "--out", folder)  # fmt: skip
    return folder


def _measure_draws(work: Path) -> dict[str, Any]:
    path = work / "draws.json"
    if not path.exists():
        found = {}
        for name, build in DRAWS.items():
            module, ports = build()
            convert: Any = rtlil.convert
            text = convert(module, name=TOP, ports=ports, emit_src=False)
            found[name] = measure_circuit(text, "ecp5").to_dict()
        write_json(path, {"binnet": "", **found})
    draws: dict[str, Any] = json.loads(path.read_text())
    del draws["binnet"]
    return draws


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _make_row(record: Mapping[str, Any]) -> list[str]:
    design, own, rates = (record[key] for key in ("design", "synthesis", "throughput"))
    cells = own["cells"] or dict.fromkeys(
        ("luts", "carries", "luts_with_carries", "flip_flops", "block_rams")
    )
    kind = "learns" if design["learning"] else "infers"
    frequency = own["frequency"]
    return [
        f"{kind}{', event-driven' if design['event_driven'] else ''}, H = {design['n_neurons']}",
        f"{own['target']} {own['device']}",
        str(own["elements"]) + (" (auto)" if record["tried"] else ""),
        *(_number(cells[key]) for key in ("luts", "carries", "luts_with_carries", "flip_flops",
                                          "block_rams")),
        _number(frequency, 1) if own["fits"] else f"does not fit: {own['reason']}",
        *(_number(rates[key]) for key in ("sweep", "inference", "inferences_per_second",
                                          "update", "learned_sample",
                                          "samples_learned_per_second")),
    ]  # fmt: skip


HEADS = (
    "core", "device", "P", "LUT4", "carries", "LUT4 with carries", "flip-flops", "block RAMs",
    "MHz", "cycles a sweep", "an inference", "inferences a second", "an update (16 samples)",
    "a learned sample", "learned a second",
)  # fmt: skip


def _make_draw_table(draws: Mapping[str, Any]) -> str:
    rows = []
    for name, own in draws.items():
        cells = own["cells"]
        counts = [cells[key] for key in ("luts_with_carries", "flip_flops", "multipliers")]
        rows.append([name, *map(_number, counts), _number(own["frequency"], 1)])
    heads = ("a draw a cycle", "LUT4 with carries", "flip-flops", "multipliers", "MHz")
    return make_table(heads, rows)


def _write_page(tables: Mapping[str, str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, mark, rest = page.partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition(_END)
        if not mark or not end:
            raise click.ClickException(f"{PAGE} has no table {name!r} with an end")
        page = before + mark + table + end + after
    PAGE.write_text(page, encoding="utf-8")


def _trim(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page is made of, and where it comes from."""
    keep = ("binnet", "cpu", "platform", "started", "design", "synthesis", "tried", "throughput")
    return {key: record[key] for key in keep}


@click.command()
@click.option("--work", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="folder for runs and results")  # fmt: skip
@click.option("--only", multiple=True, help="cases whose names hold this, or draws")
@click.option("--list", "show", is_flag=True, help="print the names of the cases, and do nothing")
def main(work: Path, only: tuple[str, ...], show: bool) -> None:
    """Measure what is missing in the folder, and write page and data."""
    cases = _list_cases()
    if show:
        click.echo("\n".join(case.name for case in cases))
        return
    work.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[list[str]]] = {"learning": [], "inference": []}
    data: dict[str, Any] = {}

    def is_asked(name: str) -> bool:
        return not only or any(part in name for part in only)

    for case in cases:
        path = work / f"{case.name}.json"
        if not path.exists():
            if not is_asked(case.name):
                continue
            _run("hardware", "synthesise", _train(work, case.neurons), *case.arguments,
                 "--output", path)  # fmt: skip
        record = json.loads(path.read_text())
        data[case.name] = _trim(record)
        tables[case.table].append(_make_row(record))
    texts = {name: make_table(HEADS, _sort(rows)) for name, rows in tables.items() if rows}
    if is_asked("draws") or (work / "draws.json").exists():
        data["draws"] = _measure_draws(work)
        texts["draws"] = _make_draw_table(data["draws"])
    _write_page(texts)
    write_json(DATA, {"binnet": "", "cases": data})


def _sort(rows: Iterable[list[str]]) -> list[list[str]]:
    return sorted(rows, key=lambda row: (row[0], int(row[2].split()[0]), row[2]))


if __name__ == "__main__":
    main()
