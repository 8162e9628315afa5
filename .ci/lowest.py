"""Print constraints that hold every dependency to the lowest version that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

# What users install; the tools of the extras dev and bench are held elsewhere.
EXTRAS = ("hardware", "onnx", "hdl", "cluster", "sklearn", "tables", "zarr", "test")

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
required = list(project["dependencies"])
for extra in EXTRAS:
    required += project["optional-dependencies"][extra]
for requirement in required:
    if requirement.startswith("binnet["):
        continue
    needed, _, _ = requirement.partition(";")  # without the platforms where it is needed
    match = re.fullmatch(r"([\w.-]+)(\[[\w,-]+\])?>=([\w.]+)(,<[\w.]+)?", needed)
    if match is None:
        raise SystemExit(f"pyproject.toml: {requirement!r} has no lowest version")
    print(f"{match[1]}=={match[3]}")
