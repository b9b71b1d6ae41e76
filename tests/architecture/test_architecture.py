"""Who imports whom, what is never imported, and that files stay small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ORDER = [
    "arrays",
    "source",
    "diagnostics",
    "progress",
    "resources",
    "numbers",
    "ir",
    "syntax",
    "plugins",
    "spec",
    "semantics",
    "places",
    "database",
    "laws",
    "models",
    "inputs",
    "scoring",
    "selection",
    "dataset",
    "planning",
    "execution",
    "proxies",
    "tikmix",
    "search",
    "audit",
    "quickstart",
    "pipeline",
    "cli",
]
"""Each package may import those before it."""

EXTENSIONS = {"criteria": "laws", "formats": "laws", "forms": "laws", "mixers": "tikmix", "engines": "execution"}
"""Each kind of extension, and the last package that it may import: mixers measure, engines run, the others only say what
something is."""

LEVEL = {name: level for level, name in enumerate(ORDER)}

FILES = sorted((REPOSITORY / "recipec").rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, everywhere: bool = True) -> set[str]:
    """Modules that a file imports: anywhere in it, what is for types included, or only when it is imported itself."""
    found: set[str] = set()
    stack: list[ast.AST] = [parsed(path)]
    while stack:
        node = stack.pop()
        if not everywhere and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(node)):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        stack += ast.iter_child_nodes(node)
    return found


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def package(path: Path) -> str:
    """The package of a module, from its last folder `recipec` on."""
    parts = path.with_suffix("").parts
    parts = parts[len(parts) - parts[::-1].index("recipec") :]
    return "forms" if parts[:2] == ("laws", "forms") else parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY / "recipec")))
def test_imports_go_one_way(path: Path) -> None:
    own = package(path)
    if own in ("__init__", "__main__"):
        return
    others = {name.split(".")[1] for name in imported(path) if name.startswith("recipec.")} - {own, "__version__"}
    if own in EXTENSIONS:
        assert others <= {name for name in LEVEL if LEVEL[name] <= LEVEL[EXTENSIONS[own]]}
        return
    assert not others & EXTENSIONS.keys(), "extensions are found by their word"
    assert {name for name in others if LEVEL[name] >= LEVEL[own]} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY / "recipec")))
def test_heavy_packages_are_imported_in_functions(path: Path) -> None:
    heavy = {"torch", "transformers", "lightgbm", "fasttext", "tokenizers", "scipy", "rich", "datasets"}
    here = {name.split(".")[0] for name in imported(path, everywhere=False)}
    assert not here & (heavy if package(path) != "laws" else heavy - {"scipy"})
    everywhere = {name.split(".")[0] for name in imported(path)}
    assert "rich" not in everywhere or package(path) == "cli"
    assert "lark" not in everywhere or package(path) == "syntax"


DISK = {
    *("glob", "iglob", "rglob", "iterdir", "walk", "scandir", "listdir"),
    *("stat", "is_file", "is_dir", "is_symlink", "exists", "access", "disk_usage"),
    *("mkdir", "makedirs", "touch", "unlink", "rename", "rmdir", "rmtree", "copyfile", "copytree", "move", "fsync"),
}
"""Methods and functions that ask or change the disk."""

ON_DISK = {
    "places": "that is what they are",
    "cli": "the edge: arguments are local",
    "quickstart": "makes its corpus from the local Python",
    "resources.py": "the package's own data",
    "source.py": "the one bounded read of a regular file, for recipes and for places",
    "syntax/loading.py": "a recipe is local; the syntax stands below the places",
    "semantics/imports.py": "as the recipe that uses it",
    "models": "the cache of models is local: libraries map its files into memory",
    "proxies": "trainings run where their files lie",
    "tikmix": "to be moved: intermediate files of measurements",
    "execution": "to be moved: intermediate files of cascades and forecasts",
}
"""Who may do so, and why."""


def on_disk(path: Path) -> set[str]:
    """Calls of a file that ask or change the disk themselves; those of `places.local` have the word before them."""
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call, ast.Attribute)]
    owner = {call: call.value.id if isinstance(call.value, ast.Name) else "" for call in named}
    return {call.attr for call in named if owner[call] == "shutil" or (call.attr in DISK and owner[call] != "local")}


def test_the_disk_is_touched_in_places_and_where_the_list_says() -> None:
    breaches, needed = {}, set()
    for path in FILES:
        relative = path.relative_to(REPOSITORY / "recipec").as_posix()
        allowed = {relative, relative.split("/")[0]} & ON_DISK.keys()
        found = on_disk(path)
        needed |= allowed if found else set()
        if found and not allowed:
            breaches[relative] = found
    assert breaches == {}
    assert needed == ON_DISK.keys(), "who needs it no more leaves the list"


@pytest.mark.parametrize("path", [*FILES, *(REPOSITORY / "tests").rglob("*.py")], ids=lambda path: path.name)
def test_files_are_small(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_one_place_connects_to_the_engine() -> None:
    found = [
        path
        for path in FILES
        if re.search(r"duckdb\s*\.\s*connect|from duckdb import .*connect", path.read_text("utf-8"))
    ]
    assert found == [REPOSITORY / "recipec/database/connection.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_connection_is_confined_to_folders(path: Path) -> None:
    """Unconfined connections are for tests alone."""
    calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "connect"]
    assert all(any(word.arg == "folders" for word in call.keywords) for call in made)


def test_the_checkout_has_no_copy_of_the_data() -> None:
    assert not (REPOSITORY / "recipec/_data").exists()


def test_the_top_level_is_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    found = {line.split("/")[0] for line in tracked.splitlines()} or {"README.md"}
    agreed = {"pyproject.toml", "recipec", "grammar", "stdlib_recipes", "tests", "examples", "README.md", "LICENSE"}
    assert {name for name in found if not name.startswith(".")} <= agreed


def test_a_plan_imports_no_model_library(mix: Path) -> None:
    script = (
        "import sys; from recipec.cli.main import main; code = main(['plan', sys.argv[1]]); "
        "print(code, sorted({'torch', 'transformers', 'lightgbm', 'scipy', 'fasttext'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(mix)], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "0 []"


def test_help_imports_little() -> None:
    script = (
        "import sys; from recipec.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'duckdb', 'pydantic', 'rich', 'lark', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


def test_fmt_and_check_import_what_they_need(mix: Path) -> None:
    heavy = {"duckdb", "pydantic", "numpy", "scipy", "rich", "recipec.laws", "recipec.planning", "recipec.runtime"}
    for command, needed in (("fmt", set()), ("check", {"duckdb", "pydantic"})):
        script = (
            "import sys; from recipec.cli.main import main; main(sys.argv[1:])\n"
            f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script, command, str(mix)], capture_output=True, text=True, check=True
        )
        assert ended.stderr.splitlines()[-1] == str(sorted(needed))


def test_the_import_test_catches_a_breach(tmp_path: Path) -> None:
    planted = tmp_path / "recipec/syntax/planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("def f():\n    from recipec.cli import main\n")
    with pytest.raises(AssertionError):
        test_imports_go_one_way(planted)
