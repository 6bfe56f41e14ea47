"""The shape of the house: what a linter does not hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "airboss"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 50
BUCKETS = {"utils", "util", "common", "helpers", "helper", "core", "misc", "shared"}
FILES = sorted(SOURCE.rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring and without the functions inside it."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    inner = [node for node in functions(function) if node is not function]
    return lines - sum((node.end_lineno or node.lineno) - first_line(node) + 1 for node in inner)


def first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_and_its_functions_fit_a_head(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    long = [
        f"{function.name}: {own_lines(function)}"
        for function in functions(ast.parse(text))
        if own_lines(function) > MAX_FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_import_of_our_own_hides_in_a_function(file: Path) -> None:
    hidden = [
        f"{function.name}: {ast.unparse(node)}"
        for function in functions(ast.parse(file.read_text()))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) and "airboss" in ast.unparse(node)
    ]
    assert not hidden


def test_no_module_is_a_bucket() -> None:
    assert not {file.stem for file in FILES} & BUCKETS


def test_nothing_loads_an_sdk_before_it_is_needed() -> None:
    """The agents SDK takes seconds and the better part of 80 MB: a server that waits must not have it."""
    program = (
        "import sys, airboss.cli.main, airboss.app.create, airboss.runtime.runtime, airboss.runtime.lazy_mcp, "
        "airboss.mcp.connections; "
        "early = {'agents', 'anthropic', 'openai', 'mcp', 'mcp_types'} & set(sys.modules); assert not early, early"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_repository_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    forbidden = (
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "registry.npmjs" + ".org",
        "--index-url",
        "--find-links",
    )
    found = [
        f"{name}: {word}"
        for name in listed
        if name != "tests/architecture/test_shape.py" and (ROOT / name).is_file()
        for word in forbidden
        if word in (ROOT / name).read_text(errors="replace")
    ]
    assert not found
