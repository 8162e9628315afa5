"""Which code measures: a digest of an observable's bytecode and of all that it reads beside it.

The observable is taken apart into named parts: its own bytecode, the functions, classes and values
of the user's that it refers to, and so on from those; of installed packages, name and version. So
an edited function is another observable, and it can be said what has changed. Bytecode is what
runs, whatever has become of the source file since it was imported. Memory addresses, places of
files and the order of sets are not part of it: it is the same in every process of one version of
Python.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import importlib
import importlib.util
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from binnet.sweeps._packages import find_package, find_version

Code = dict[str, str]  # a digest, or a version, for each part
_ATOMS = (type(None), bool, int, str, bytes, complex, type(Ellipsis), type(NotImplemented))
_STEADY = (*_ATOMS, float, tuple, frozenset, types.FunctionType, types.MethodType, type,
           functools.partial, types.MappingProxyType)  # fmt: skip
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_CONST, _NAMED = frozenset(dis.hasconst), frozenset(dis.hasname)
_HAS_DOCSTRING = 0x4000000  # a flag of code, from Python 3.14 on


def name_function(function: Callable[..., Any]) -> str:
    """Return module and name of what is called; a script has the name that it is imported by."""
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    module = str(getattr(named, "__module__", None) or "")
    if module == "__main__":
        main = sys.modules["__main__"]
        file = getattr(main, "__file__", None)
        spec = getattr(main, "__spec__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}:{named.__qualname__}"


def identify(function: Callable[..., Any]) -> Code | None:
    """Return the parts of an observable; None for one of binnet's own, whose version says it.

    Raises TypeError where a part cannot be told from another, as an open file or a lock.
    """
    if isinstance(function, types.FunctionType) and _is_public(function, "binnet"):
        return None
    walk = _Walk()
    name = name_function(function).rpartition(".")[2].rpartition(":")[2]
    try:
        while isinstance(function, functools.partial):
            walk.keep(f"{name}(...)", (function.args, function.keywords))
            function = function.func
        walk.keep(name, function)
    except RecursionError:
        raise TypeError(
            f"{name} cannot be told from another observable: what it refers to is nested too deep"
        ) from None
    return {"Python": f"{sys.version_info[0]}.{sys.version_info[1]}", **walk.parts}


def digest_code(code: Mapping[str, str] | None) -> str | None:
    """Return one short digest of all parts."""
    if code is None:
        return None
    return _hash(sorted(code.items()))


def list_changes(before: Mapping[str, str] | None, now: Mapping[str, str] | None) -> str:
    """Return which parts differ, as text."""
    before, now = before or {}, now or {}
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    names.sort(key=list({**now, **before}).index)
    shown = [
        f"{name} {before[name]}, now {now[name]}"
        if name in before and name in now and (name == "Python" or name.startswith("package "))
        else name
        for name in names
    ]
    return ", ".join(shown if len(shown) <= 5 else [*shown[:4], f"{len(shown) - 4} more"])


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Walk:
    """Takes an observable apart."""

    def __init__(self) -> None:
        self.parts: Code = {}
        self._names: dict[int, str] = {}  # of the functions and classes that have their part
        self._kept: dict[str, int] = {}  # which value is at a path
        self._inside: list[int] = []  # containers around the present value
        self._alive: list[object] = []  # else an id could come twice

    def keep(self, path: str, value: object) -> None:
        """Make the value a part."""
        if self._kept.get(path) == id(value):
            return
        self._kept[path] = id(value)
        self._alive.append(value)
        path = self._find_free(path)
        text = self._tell(value, path)
        if text != f"@{path}":  # else it is a function or a class, which has filled it
            self.parts[self._find_free(path)] = text if text.startswith("@") else _hash(text)

    def _find_free(self, path: str) -> str:
        while path in self.parts:
            path += "'"
        return path

    def _tell(self, value: object, path: str) -> str:
        """Return a text that is another for another value; functions and classes by reference."""
        if isinstance(value, _ATOMS) and type(value) in _ATOMS:
            return f"{type(value).__name__} {value!r}"
        if type(value) is float:
            return f"float {value.hex()}"
        if isinstance(value, types.FunctionType | type):
            return self._refer(value, path)
        if isinstance(value, types.ModuleType):
            return self._tell_module(value)
        if isinstance(value, types.CodeType):
            return self._tell_code(value, path)
        if id(value) in self._inside:
            return f"the value {self._inside[::-1].index(id(value))} levels up"
        self._inside.append(id(value))
        self._alive.append(value)
        try:
            return self._tell_object(value, path)
        finally:
            self._inside.pop()

    def _tell_all(self, values: Iterable[object], path: str) -> str:
        return ", ".join(self._tell(value, path) for value in values)

    def _tell_object(self, value: Any, path: str) -> str:
        kind = type(value)
        if kind in (tuple, list):
            return f"{kind.__name__} ({self._tell_all(value, path)})"
        if kind in (set, frozenset):
            return f"{kind.__name__} {sorted(self._tell(v, path) for v in value)}"
        if kind in (dict, types.MappingProxyType):
            pairs = sorted(self._tell_all(pair, path) for pair in value.items())
            return f"mapping {pairs}"
        if kind is np.ndarray and not value.dtype.hasobject:
            held = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"array {value.dtype.descr} {value.shape} {held}"
        if isinstance(value, types.MethodType | classmethod | staticmethod):
            bound = getattr(value, "__self__", None)
            return f"{kind.__name__} {self._tell_all((value.__func__, bound), path)}"
        if isinstance(value, property):
            return f"property {self._tell_all((value.fget, value.fset, value.fdel), path)}"
        if isinstance(value, functools.cached_property):
            return f"cached {self._tell(value.func, path)}"
        if isinstance(value, _DESCRIPTORS):
            return f"slot {value.__name__}"
        inner = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)
        if isinstance(inner, types.FunctionType):  # compiled by Numba, or behind a cache
            options = getattr(value, "targetoptions", None)
            return f"{kind.__name__} {self._tell_all((inner, options), path)}"
        return self._tell_reduced(value, path)

    def _tell_reduced(self, value: Any, path: str) -> str:
        """Return what pickle would keep of it."""
        try:
            reduced = value.__reduce_ex__(4)
            name = pickle.dumps(value) if isinstance(reduced, str) else b""  # if it has that name
        except Exception as error:
            raise TypeError(
                f"{path} refers to a {type(value).__name__} ({' '.join(str(error).split())}), so "
                "that nobody can tell whether a result is still the observable's: make it inside "
                "the function, or leave out the path"
            ) from None
        if name:
            return f"name {name!r}"
        function, arguments, *rest = reduced
        state = [list(part) if hasattr(part, "__next__") else part for part in rest]
        return f"object {self._tell_all((function, arguments, *state), path)}"

    def _refer(self, value: Any, path: str) -> str:
        """Return a reference to a function or class; one of the user's gets its part."""
        if id(value) in self._names:
            return f"@{self._names[id(value)]}"
        package = self._package(_module_of(value))
        if package is not None and (isinstance(value, type) or _is_public(value, package)):
            return f"{package} {value.__module__}.{value.__qualname__}"
        own = value.__name__
        name = path if path == own or path.endswith(f".{own}") else f"{path}.{own}"
        name = self._find_free(name)
        self._names[id(value)] = name
        self._alive.append(value)
        self.parts[name] = ""
        inside, self._inside = self._inside, []
        try:
            if isinstance(value, type):
                self.parts[name] = _hash(self._tell_class(value, name))
            elif package is None:
                self.parts[name] = _hash(self._tell_function(value, name))
            else:
                self.parts[name] = _hash(self._tell_wrapper(value, name))
        finally:
            self._inside = inside
        return f"@{name}"

    def _tell_class(self, value: type, path: str) -> str:
        members = {
            name: member
            for name, member in vars(value).items()
            if name != "_abc_impl"
            and (not name.startswith("__") or isinstance(member, types.FunctionType))
        }
        told = [f"{k} {self._tell(v, f'{path}.{k}')}" for k, v in members.items()]
        return f"class {self._tell_all(value.__bases__, path)} {told}"

    def _tell_wrapper(self, function: types.FunctionType, path: str) -> str:
        """Return a function that a package has made, around what is the user's."""
        for name, value in (*_enclosed(function), *vars(function).items()):
            # Of its objects, caches and locks are the package's own matter.
            if isinstance(value, _STEADY) or hasattr(value, "py_func"):
                self.keep(f"{path}.{name}", value)
        return f"{_module_of(function)}.{function.__code__.co_name}"

    def _tell_function(self, function: types.FunctionType, path: str) -> str:
        attributes = {k: v for k, v in vars(function).items() if k != "__wrapped__"}
        for name, value in _enclosed(function):
            self.keep(f"{path}.{name}", value)
        names, attribute_names, imported, assigned = _names_in(function.__code__)
        # A global that the function assigns is what it keeps for itself, as data loaded once.
        for name in sorted(names - assigned):
            if name in function.__globals__:
                self._keep_global(
                    f"{path}.{name}", function.__globals__[name], names | attribute_names
                )
        for name, level in imported:
            self._keep_import(f"{path}.{name}", name, level, function, names | attribute_names)
        settings = (function.__defaults__, function.__kwdefaults__, attributes)
        return f"{self._tell(function.__code__, path)} {self._tell_all(settings, path)}"

    def _keep_global(self, path: str, value: object, names: frozenset[str]) -> None:
        if not isinstance(value, types.ModuleType) or self._package(value.__name__) is not None:
            self.keep(path, value)
            return
        if path.count(".") < 50 and id(value) not in self._inside:  # of a module, what is used
            self._inside.append(id(value))
            for name in sorted(names & vars(value).keys()):
                self._keep_global(f"{path}.{name}", vars(value)[name], names)
            self._inside.pop()

    def _keep_import(
        self, path: str, name: str, level: int, function: Any, names: frozenset[str]
    ) -> None:
        """Keep what a function imports when it is called."""
        if level:
            package = str(function.__globals__.get("__package__") or "")
            try:
                name = importlib.util.resolve_name("." * level + name, package)
            except ImportError:
                return
        top = name.partition(".")[0]
        if self._package(top) is not None:
            return
        try:
            importlib.import_module(name)
        except Exception:  # it will say so itself when it is called
            self.parts[path] = "missing"
            return
        # `import a.b` binds a; `from a.b import c` takes c from a.b.
        for module in dict.fromkeys((name, top)):
            self._keep_global(path, sys.modules[module], names)

    def _tell_module(self, module: types.ModuleType) -> str:
        package = self._package(module.__name__)
        if package is not None:
            return f"module {module.__name__}"
        file = getattr(module, "__file__", None)
        held = "" if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()
        return f"module {held}"

    def _tell_code(self, code: types.CodeType, path: str) -> str:
        """Return bytecode as text, constants by value; so a docstring is none of it."""
        told = []
        for step in dis.get_instructions(code):
            if step.opname == "EXTENDED_ARG":
                continue
            if step.opcode in _CONST:
                held = self._tell(step.argval, path)
            else:
                held = f"{step.argval}" if step.opcode in _NAMED else f"{step.arg}"
            told.append(f"{step.opname} {held}")
        flags = code.co_flags & ~_HAS_DOCSTRING
        head = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)
        names = (code.co_varnames, code.co_freevars, code.co_cellvars, code.co_exceptiontable)
        return f"code {head} {names} {told}"

    def _package(self, module: str) -> str | None:
        """Return the installed package of a module, and note its version; None for the user's."""
        package = find_package(module)
        if package is not None and package not in ("python", "binnet"):
            self.parts[f"package {package}"] = find_version(package)
        return package


def _module_of(value: Any) -> str:
    """Return where code is from: `functools.wraps` gives a function the module of another."""
    if isinstance(value, types.FunctionType):
        return str(value.__globals__.get("__name__", ""))
    return str(value.__module__)


def _enclosed(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Iterate over the variables that a function has from those around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _package_of(value: Any) -> str | None:
    return find_package(_module_of(value))


def _is_public(function: types.FunctionType, package: str) -> bool:
    """Return whether a package's function is one that it has by that name, not one made later."""
    if {_package_of(function), find_package(function.__module__ or "")} != {package}:
        return False
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _names_in(
    code: types.CodeType,
) -> tuple[frozenset[str], frozenset[str], list[tuple[str, int]], frozenset[str]]:
    """Return names of globals, other names, imports with their levels, and globals it assigns."""
    names: dict[str, set[str]] = {"global": set(), "other": set(), "assigned": set()}
    imported: list[tuple[str, int]] = []
    steps = list(dis.get_instructions(code))
    for k, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names["global"].add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            names["assigned"].add(step.argval)
        elif step.opname == "IMPORT_NAME":
            before = [s.argval for s in steps[max(0, k - 4) : k] if s.opname != "EXTENDED_ARG"]
            imported.append((step.argval, before[-2] if isinstance(before[-2], int) else 0))
        elif step.opcode in _NAMED:
            names["other"].add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = _names_in(constant)
            for kind, found in zip(names, (inner[0], inner[1], inner[3]), strict=True):
                names[kind] |= found
            imported += inner[2]
    known, other, assigned = (frozenset(found) for found in names.values())
    return known, other, imported, assigned
