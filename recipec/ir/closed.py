"""Closed types of values in files that come from elsewhere: plans, manifests, laws, reports, state.

A field whose values are really of some form has that form as its type, so that nothing else passes the door: no name
of a file is a path, no word is SQL, no count is negative or larger than any counter of ours.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

LARGEST = 2**63 - 1

Model = TypeVar("Model", bound=BaseModel)


def parsed(kind: type[Model], content: str | bytes) -> Model:
    """The value of a closed type in JSON. Nothing is converted: no text is a number, and no number is true.

    Raises:
        ValueError: it is not JSON, not of that type, or nested too deeply; `reason` says it in words.
    """
    return kind.model_validate_json(content, strict=True)


def reason(error: ValueError) -> str:
    """The first thing that is wrong with a value, with its place in the value: "parameters.k: Input should be…"."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return f"{place}: {first['msg']}"


Count = Annotated[int, Field(ge=0, le=LARGEST)]
"""A number of rows, tokens, bytes or nanoseconds."""

Whole = Annotated[int, Field(ge=-LARGEST - 1, le=LARGEST)]
"""An integer that DuckDB holds as BIGINT."""

Number = Annotated[float, Field(allow_inf_nan=False)]
"""A finite number."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number that is not negative."""

Share = Annotated[float, Field(ge=0, le=1)]

Total = Annotated[int, Field(ge=0, le=10**60)]
"""A sum or a product of counts."""

Positive = Annotated[int, Field(ge=1, le=LARGEST)]

Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]

Sha256OrNone = Annotated[str, Field(pattern=r"\A([0-9a-f]{64})?\z")]
"""A digest, or "" where there is nothing of which it could be."""

Identity = Annotated[str, Field(pattern=r"\A([0-9a-f]{64}|(etag|version|modified) [ -~]{1,300})\z")]
"""What changes whenever the bytes of a file do: the sha256 of them, or what a store says of an object."""

STATED = " "
"""What is in the identity that a store states, and in no sha256."""

Key = Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\z")]
"""An identity that is the name of a file or folder of ours: of a training, a state folder."""

StepId = Key
"""The identity of a step."""

Word = Annotated[str, Field(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\+?\z")]
"""A word of the language or of a plug-in: an engine, a format, a criterion, a mixer, a law (`infolaw+`), a compression."""

Package = Annotated[str, Field(pattern=r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\z")]
"""The name of an installed package (PEP 508)."""

Version = Annotated[str, Field(pattern=r"\A[A-Za-z0-9.!+_-]{1,100}\z")]
"""The version of a package (PEP 440, and what older packages have)."""


LONGEST_PATH = 4096
"""The most characters of a path: no system opens a longer one."""


def _path(text: str) -> str:
    # Names of files need not be UTF-8, so that a pattern could not be asked.
    if "\0" in text or len(text) > LONGEST_PATH:
        raise ValueError("it is not a path: it has the character NUL, or is too long")
    return text


Path = Annotated[str, AfterValidator(_path)]
"""A path or a glob as written. Whether it may be read or written is another question: see `planning.reach`."""


def _member(text: str) -> str:
    parts = text.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in text:
        raise ValueError("it is not the path of a file inside a dataset")
    return text


Member = Annotated[Path, AfterValidator(_member)]
"""The path of a file inside a folder of ours, such as `data/part-00000.parquet`."""
