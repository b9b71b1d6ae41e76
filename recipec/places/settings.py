"""`recipec.toml` beside a recipe: where the stores of URLs are, and which profile of the environment they are asked with.

```toml
[places."s3://team"]
endpoint = "https://s3.example.org"
region = "eu-central-1"
profile = "corpus"
```

A table holds for the URLs that begin with its name; the longest name wins. No credential has a word here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.places import local, scheme

NAME = "recipec.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """What is said of a store. "" is what its client finds in the environment.

    Attributes:
        anonymous: whether it is asked without credentials.
        account: the storage account of `az://`.
    """

    endpoint: str = ""
    region: str = ""
    profile: str = ""
    account: str = ""
    anonymous: bool = False


_LEARNT: dict[str, tuple[str, dict[str, Place]]] = {}
"""By file, the last one last: its mark, and what was learnt of it, by the beginning of URLs."""


def learn(folder: Path) -> None:
    """Takes over what the file in a folder says of places; it is read once as long as it does not change.

    Raises:
        Failure: it cannot be read, or says what no place has.
    """
    path = folder / NAME
    mark = local.mark(path) if local.is_file(path) else ""
    known, places = _LEARNT.pop(str(path), ("", {}))
    _LEARNT[str(path)] = (mark, places if known == mark else read(path) if mark else {})


def learn_for(paths: Iterable[str], folder: Path) -> None:
    """As `learn`, if one of some paths is a URL."""
    if any(map(scheme.of, paths)):
        learn(folder)


def of(url: str) -> Place:
    """What is said of the store of a URL."""
    places = {name: place for _, learnt in _LEARNT.values() for name, place in learnt.items()}
    found = [name for name in places if url == name or url.startswith(name.rstrip("/") + "/")]
    return places[max(found, key=len)] if found else Place()


def read(path: Path) -> dict[str, Place]:
    """What a file says of places, by the beginning of URLs.

    Raises:
        Failure: as in `learn`.
    """
    import tomllib

    try:
        value = tomllib.loads(local.read_text(path, local.LARGEST_NOTE))
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise _wrong(path, f"the file cannot be read: {words}") from None
    places = value.get("places", {})
    if not isinstance(places, dict) or not all(isinstance(one, dict) for one in places.values()):
        raise _wrong(path, "`places` is no table of tables", 'write for example `[places."s3://team"]`')
    return {name: _place(path, name, said) for name, said in places.items()}


SECRETS = ("key", "secret", "token", "password", "credential", "sas")


def _place(path: Path, name: str, said: dict[str, Any]) -> Place:
    if scheme.of(name) not in scheme.STORES:
        raise _wrong(path, f"`{name}` is no beginning of a URL", 'write for example `[places."s3://team"]`')
    kinds = {field.name: bool if field.name == "anonymous" else str for field in fields(Place)}
    for word, value in said.items():
        if word not in kinds:
            if any(secret in word.lower() for secret in SECRETS):
                helps = (
                    "credentials come from the environment of the store's client; `profile` names one of its profiles",
                )
                raise _wrong(path, f"`{word}` of `{name}` may be a credential, which is not read from here", *helps)
            raise _wrong(path, f"`{name}` has no setting `{word}`", *did_you_mean(word, kinds))
        if type(value) is not kinds[word]:
            wanted = "true or false" if kinds[word] is bool else "a string"
            raise _wrong(path, f"`{word}` of `{name}` is not {wanted}")
    return Place(**said)


def _wrong(path: Path, message: str, *helps: str) -> Failure:
    return Failure(Diagnostic("R0317", message, place=str(path), helps=helps))
