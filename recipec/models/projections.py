"""Finds the projections of a decoder's layers whose outputs are its neurons, by structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:
    from torch import nn

NAMES = {"up": "up_proj", "down": "down_proj", "q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}
"""Words of `neurons` to module names in Llama, Qwen, SmolLM, Mistral, Gemma, OLMo and similar models."""

SHOWN = 12
"""Maximum number of module names that a message lists."""


def layers(decoder: nn.Module) -> list[nn.Module]:
    """The layers of a decoder in order: its first list of modules of one type with the length in its configuration."""
    from torch import nn

    config = decoder.config
    depth = getattr(config, "num_hidden_layers", None)
    for module in decoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and len({type(child) for child in module}) == 1:
            return list(module)
    raise Failure(Diagnostic("R1105", f"`{type(decoder).__name__}` has no layers that can be told apart"))


def find(decoder: nn.Module, neurons: str) -> list[nn.Module]:
    """The module of each layer whose outputs are the neurons.

    Args:
        neurons: a word of `NAMES`, or the name of a projection in each layer ("dense_h_to_4h", "mlp.c_fc").

    Raises:
        Failure: a layer has no such module, or several.
    """
    name = NAMES.get(neurons, neurons)
    found = []
    for number, layer in enumerate(layers(decoder)):
        modules = dict(layer.named_modules())
        mine = [key for key in modules if key == name or key.endswith(f".{name}")]
        if len(mine) != 1:
            raise _none(neurons, name, number, modules) if not mine else _several(name, number, mine)
        found.append(modules[mine[0]])
    return found


def _none(neurons: str, name: str, number: int, modules: dict[str, nn.Module]) -> Failure:
    leaves = [key for key, module in modules.items() if key and not list(module.children()) and module._parameters]
    helps = (f'name one: `neurons: "…"`; layer {number} has {", ".join(leaves[:SHOWN])}',)
    return Failure(
        Diagnostic("R1105", f"layer {number} of the model has no `{name}` for `neurons: {neurons}`", helps=helps)
    )


def _several(name: str, number: int, mine: list[str]) -> Failure:
    helps = (f"it has {', '.join(mine[:SHOWN])}", "name one of them in full")
    return Failure(Diagnostic("R1105", f"layer {number} of the model has {len(mine)} modules `{name}`", helps=helps))
