"""The structure of shards in the terminal: `recipec show RECIPE --stage schema`."""

from __future__ import annotations

import json as jsons
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table
from recipec.ir import shapes
from recipec.numbers import count
from recipec.pipeline.describing import File, Schema

MOST_FILES = 100
"""The most files of a source that the terminal lists; `--json` has all."""


def show(found: Sequence[Schema], *, json: bool) -> None:
    """Prints the structure of each source, of all files together and of each."""
    if json:
        print(jsons.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False))
        return
    console = stdout()
    for one in found:
        draw_table(console, _fields(one))
        draw_table(console, _files(one))


def _as_json(found: Schema) -> dict[str, object]:
    return {
        "source": found.source,
        "columns": {name: _words(shape) for name, shape in found.columns},
        "files": [
            {
                "path": one.path,
                "rows": one.rows,
                "unreadable": one.unreadable,
                "columns": {name: _words(shape) for name, shape in one.columns},
                "fields": {name: {**kinds, "missing": _missing(one, kinds)} for name, kinds in one.kinds.items()},
            }
            for one in found.files
        ],
    }


def _words(shape: str) -> str:
    """A shape as people read it."""
    return {"JSON": "mixed", "CLASH": "conflicting types", '"NULL"': "null"}.get(shape, shape)


def _missing(file: File, kinds: Mapping[str, int]) -> int:
    """The readable rows of a file that lack a field."""
    return max(0, file.rows - file.unreadable - sum(kinds.values()))


def _fields(found: Schema) -> Table:
    counted: dict[str, Counter[str]] = {}
    files: Counter[str] = Counter()
    for one in found.files:
        for name, kinds in one.kinds.items():
            counted.setdefault(name, Counter()).update(kinds)
            files[name] += 1
    rows = sum(one.rows - one.unreadable for one in found.files)
    known = dict(found.columns)
    listed = [*dict.fromkeys((*known, *counted))]
    return Table(
        f"{found.source}: {count(rows)} readable rows in {count(len(found.files))} files",
        ("field", "type", "values", "null", "missing", "files"),
        tuple(
            (
                name,
                _words(known[name]) if name in known else _nested(counted[name]),
                _values(counted.get(name, {})),
                count(counted.get(name, Counter())["null"]),
                count(rows - sum(counted.get(name, {}).values())) if name in counted else "",
                count(files[name]) if name in counted else "",
            )
            for name in listed
        ),
        numeric=frozenset({3, 4, 5}),
    )


def _nested(kinds: Mapping[str, int]) -> str:
    found = [kind for kind in kinds if kind != "null"]
    return found[0] if len(found) == 1 else "null" if not found else "mixed"


def _values(kinds: Mapping[str, int]) -> str:
    ordered = sorted((kind for kind in kinds if kind != "null"), key=lambda kind: (-kinds[kind], kind))
    return ", ".join(f"{count(kinds[kind])} {kind}" for kind in ordered if kinds[kind])


def _files(found: Schema) -> Table:
    """The files, each with the fields in which it differs from what all have together."""
    shown = found.files[:MOST_FILES]
    rows = [(one.path, count(one.rows), count(one.unreadable), "; ".join(_differences(one, found))) for one in shown]
    if len(found.files) > len(shown):
        rows.append((f"… and {count(len(found.files) - len(shown))} more: `--json` has them", "", "", ""))
    return Table(
        f"Files of {found.source}", ("file", "rows", "unreadable", "unlike the others"), tuple(rows), frozenset({1, 2})
    )


def _differences(file: File, found: Schema) -> Iterator[str]:
    own = dict(file.columns)
    for name, shape in found.columns:
        if name not in own:
            yield f"no {name}"
        elif own[name] != shape and shapes.parse(own[name]) != shapes.NULL:
            yield f"{name} {_values(file.kinds.get(name, {})) or own[name]}"
        elif own[name] != shape:
            yield f"{name} always null"
