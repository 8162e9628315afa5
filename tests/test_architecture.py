"""The sources keep their shape: short files, short functions, and no import circle between files.

Imports between layers are the contracts of import-linter, in pyproject.toml.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOTS = (ROOT / "src", ROOT / "kernels")
LINES_OF_A_FILE = 400
# From `def` to the last line, without the docstring: documentation is welcome to be long.
LINES_OF_A_FUNCTION = 80
Function = ast.FunctionDef | ast.AsyncFunctionDef


def find_sources() -> dict[str, Path]:
    """Return the files by the names of their modules; a package is its __init__.py."""
    found = {}
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = find_sources()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def count_lines(function: Function) -> int:
    """Return the lines of a function less those of its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def find_imports(package: str, tree: ast.Module, modules: set[str]) -> Iterator[str]:
    """Yield the modules of ours that one in `package` imports.

    At its top, inside functions, or for its types alone (TYPE_CHECKING): all are counted.
    ``from package import name`` is an import of the module `name` if there is one, else of the
    package. That importing a module runs the __init__.py of its packages first is not counted.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            targets = [
                full if (full := f"{source}.{alias.name}") in modules else source
                for alias in node.names
            ]
        else:
            continue
        yield from (target for target in targets if target in modules)


def test_the_measures() -> None:
    text = 'def f():\n    """Say.\n\n    More.\n    """\n    def g():\n        pass\n    return g\n'
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    assert count_lines(function) == 4
    text = "import a.b\nfrom a import b, c\ndef f():\n    from .d import e\nif x:\n    import z"
    found = find_imports("a", ast.parse(text), {"a", "a.b", "a.d", "z"})
    assert sorted(found) == ["a", "a.b", "a.b", "a.d", "z"]


def test_all_sources_are_found() -> None:
    assert {"binnet", "binnet.networks.driven", "binnet_kernels.relaxation.fields"} <= set(SOURCES)


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES.values()
    }
    assert {file: n for file, n in lengths.items() if n > LINES_OF_A_FILE} == {}


def test_no_function_is_long() -> None:
    long = {}
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function) and (n := count_lines(node)) > LINES_OF_A_FUNCTION:
                long[f"{SOURCES[name].relative_to(ROOT).as_posix()}: {node.name}"] = n
    assert long == {}


def test_no_import_circle() -> None:
    modules = set(SOURCES)
    graph = {}
    for name, tree in TREES.items():
        is_package = SOURCES[name].name == "__init__.py"
        package = name if is_package else name.rpartition(".")[0]
        graph[name] = set(find_imports(package, tree, modules))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import circle: " + " -> ".join(error.args[1]))
