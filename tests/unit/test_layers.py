"""Imports point one way: a package may use those after it in this list, never those before it."""

import ast
from pathlib import Path

import pytest

import lvrestore

ROOT = Path(lvrestore.__file__).parent
ORDER = [
    "cli",
    "engine",
    "run",
    "tasks",
    "preflight",
    "play",
    "rehearsal",
    "catalog",
    "report",
    "sandbox",
    "state",
    "plan",
    "content",
    "settings",
    "looker",
    "vault",
    "scratch",
    "times",
    "model",
    "text",
    "durations",
    "errors",
    "crashpoints",
]
# The pure part decides; it opens no file, socket or database, and starts no process.
PURE = ("plan", "content", "run/ledger.py")
IO = {
    "apsw",
    "socket",
    "urllib3",
    "requests",
    "sqlite3",
    "subprocess",
    "multiprocessing",
    "threading",
    "time",
    "os",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


MODULES = [p for p in ROOT.rglob("*.py") if layer(p) in ORDER]
DECIDING = [p for p in MODULES if layer(p) in PURE or str(p.relative_to(ROOT)) in PURE]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    here = ORDER.index(layer(path))
    used = {name.split(".")[1] for name in imports(path) if name.startswith("lvrestore.")}
    assert not {name for name in used if name in ORDER and ORDER.index(name) < here}


def test_every_top_module_has_its_place():
    tops = {layer(path) for path in ROOT.rglob("*.py")} - {"__init__", "__main__"}
    assert tops == set(ORDER)


def test_only_the_command_line_imports_the_sandbox():
    users = {layer(p) for p in MODULES if any(n.startswith("lvrestore.sandbox") for n in imports(p))}
    assert users == {"cli", "sandbox"}


@pytest.mark.parametrize("path", DECIDING, ids=lambda p: p.name)
def test_what_decides_knows_no_client(path):
    sending = ("lvrestore.looker.client", "lvrestore.looker.transport")
    assert not [name for name in imports(path) if name.startswith(sending)]


@pytest.mark.parametrize("path", DECIDING, ids=lambda p: p.name)
def test_what_decides_does_no_io(path):
    assert not IO & {name.split(".")[0] for name in imports(path)}
