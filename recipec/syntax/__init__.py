"""Syntax: from text to tree and back."""

from recipec.syntax.formatting import format  # noqa: A004 - the word of the language's command
from recipec.syntax.loading import LARGEST, decoded, load
from recipec.syntax.parser import parse
from recipec.syntax.printing import statement_text, text

__all__ = ["LARGEST", "decoded", "format", "load", "parse", "statement_text", "text"]
