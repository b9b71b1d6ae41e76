"""Packages with plug-ins: the toy of tests/acme, installed by pip, and small ones that are laid out by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from recipec import pipeline, plugins, spec
from recipec.cli import views
from recipec.diagnostics import Failure
from tests.conftest import REPOSITORY, SOURCE, Result, Run

RECIPE = f"""needs "acme-filters >= 1.2"

{SOURCE}
where spaces() > 3

criterion vowels = vowel_share()

sample top 50% by vowels

mixture even

budget 2K tokens {{
  model 1M params
  law power("power.json")
}}

output csv "out"
"""


CRITERION = """
from pydantic import BaseModel
from recipec.spec import Criterion
class Params(BaseModel):
    pass
SPEC = Criterion(name="vowel_share", summary="", source="", params=Params, sql=lambda text, params: "1.0")
"""


TOYS = {"acme_filters", "other", "broken_one", "failing", "toy"}
"""Modules of the packages that tests lay out or install."""

Lay = Callable[..., None]
OnPath = Callable[[Path], None]


def install(folder: Path, version: str) -> Path:
    """A folder for PYTHONPATH in which pip has installed the toy package under some version."""
    source, target = folder / f"source-{version}", folder / f"acme-{version}"
    shutil.copytree(REPOSITORY / "tests/acme", source)
    project = source / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "1.2"', f'version = "{version}"'))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True, text=True)
    return target


def lay_out(folder: Path, name: str, version: str, words: Mapping[str, Mapping[str, str]], code: str = "") -> Path:
    """A folder for `sys.path` with a package as an installer leaves it.

    Args:
        words: entry points by kind.
        code: of its only module.
    """
    module = name.replace("-", "_")
    described = folder / f"{module}-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (
        f"[recipec.{kind}]\n" + "".join(f"{word} = {place}\n" for word, place in entries.items())
        for kind, entries in words.items()
    )
    (described / "entry_points.txt").write_text("\n".join(groups))
    (folder / f"{module}.py").write_text(code)
    return folder


def recipec(folder: Path, *words: object, plugins: Path) -> Result:
    """Runs the command line in a process of its own in `folder`, with a folder of packages on its path."""
    return python(folder, "-m", "recipec", *map(str, words), plugins=plugins)


def python(folder: Path, *words: str, plugins: Path) -> Result:
    """Runs Python with this checkout and a folder of packages on its path."""
    paths = os.pathsep.join([str(REPOSITORY), str(plugins)])
    environment = {**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1", "COLUMNS": "200"}
    ended = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def write_law(path: Path) -> None:
    """A law file of the toy's law."""
    numbers = {"E": (1.5, "nats"), "A": (300.0, "nats · tokens^alpha"), "alpha": (0.3, "1")}
    value = {
        "version": 1,
        "law": "power",
        "fitted": False,
        "source": "Acme",
        "parameters": {name: {"value": v, "low": v, "high": v, "unit": unit} for name, (v, unit) in numbers.items()},
        "params": {"low": 1.0, "high": 1e9},
        "tokens": {"low": 1.0, "high": 1e9},
        "repetition": {"low": 1.0, "high": 9.0},
        "error": 0.1,
    }
    path.write_text(json.dumps(value))


def forget() -> None:
    """Forgets what was found and imported of other packages."""
    for name in [name for name in sys.modules if name.partition(".")[0] in TOYS]:
        del sys.modules[name]
    plugins._offers.cache_clear()
    spec._plugged.cache_clear()


def told(world: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The diagnostics of a recipe."""
    monkeypatch.chdir(world)
    Path("a.recipe").write_text(text + SOURCE)
    try:
        found = pipeline.compile_recipe(Path("a.recipe"), {}).diagnostics
    except Failure as failure:
        found = failure.diagnostics
    return "\n".join(views.render(one) for one in found)


def actions(run: Run) -> dict[str, tuple[str, str]]:
    """What the plan of a.recipe does with each step, and why."""
    steps = json.loads(run("plan", "a.recipe", "--json").out)["steps"]
    return {
        step["op"].get("call", {}).get("name", step["op"]["kind"]): (step["action"], step["reason"]) for step in steps
    }


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[OnPath]:
    """Puts a folder of packages on the path of this process."""

    def add(folder: Path) -> None:
        monkeypatch.syspath_prepend(folder)
        forget()

    yield add
    forget()


@pytest.fixture
def lay(tmp_path: Path, on_path: OnPath) -> Lay:
    """Lays out a package and puts it on the path."""

    def add(name: str, words: Mapping[str, Mapping[str, str]], code: str = CRITERION, version: str = "1.2") -> None:
        on_path(lay_out(tmp_path / "packages" / name, name, version, words, code))

    return add
