"""Files beside a core's Verilog, from templates: test benches, a Makefile, FuseSoC's core file."""

from __future__ import annotations

from importlib.resources import files

from binnet._provenance import get_version
from binnet.chips.design import CoreDesign

TEMPLATES = ("core_tb.v", "test_core.py", "Makefile", "binnet_core.core", "README.md")


def fill_templates(design: CoreDesign, time_out: int) -> dict[str, str]:
    """Return the files that play a stimulus into a core, by their names.

    Parameters
    ----------
    design : CoreDesign
        The core.
    time_out : int
        Cycles without a word in or out after which it counts as hung.

    Returns
    -------
    dict of str to str
        The text of each file.
    """
    does = "infers" if design.learning is None else "infers and learns"
    values = {
        "TIME_OUT": str(time_out),
        "VERSION": get_version().split("+")[0],
        "DESCRIPTION": f"a binary recurrent network of {design.n_neurons} neurons that {does}",
        "CONTENTS": "\n".join(
            f"      - core_{memory.name}.hex: {{file_type: user, copyto: core_{memory.name}.hex}}"
            for memory in design.memories
        ),
    }
    texts = {}
    for name in TEMPLATES:
        # A template with gaps is no Python yet.
        stored = f"{name}.txt" if name.endswith(".py") else name
        text = files("binnet.chips").joinpath("data", stored).read_text("utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        texts[name] = text
    return texts
