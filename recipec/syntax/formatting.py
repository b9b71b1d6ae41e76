"""`format`: the canonical text of a recipe, with its comments.

Statements are in the order of `scanner.STATEMENTS`, those of one kind as written; an empty line separates the kinds and
surrounds statements with a block. Nothing is aligned across lines, so that a diff shows one line per change. A comment
on its own line stays above what follows it; a trailing comment stays behind its line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from recipec.source import Source
from recipec.syntax import ast, printing
from recipec.syntax.printing import INDENT, Item
from recipec.syntax.scanner import STATEMENTS, Comment, scan


@dataclass(slots=True)
class Notes:
    """The comments of one item: above it, behind its first line, before its closing brace, and behind that brace."""

    above: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    bottom: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def format(tree: ast.Recipe, source: Source) -> str:  # noqa: A001 - the word of the language's command
    """The canonical text of `tree`, with the comments of `source`, from which it was parsed."""
    comments = scan(source).comments
    top, comments = _header(tree, source, comments)
    notes: dict[int, Notes] = {}
    bottom = _attach(tree.statements, source, comments, notes)
    ordered = sorted(tree.statements, key=lambda statement: STATEMENTS.index(type(statement).__name__.lower()))
    blocks = [top] if top else []
    previous: ast.Statement | None = None
    for statement in ordered:
        lines = _lines(statement, 0, notes)
        apart = previous is None or type(previous) is not type(statement) or _is_block(statement) or _is_block(previous)
        if apart:
            blocks.append(lines)
        else:
            blocks[-1] += lines
        previous = statement
    if bottom:
        blocks.append(bottom)
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n" if blocks else ""


def _is_block(statement: ast.Statement) -> bool:
    return bool(printing.items(statement))


def _header(tree: ast.Recipe, source: Source, comments: Sequence[Comment]) -> tuple[list[str], list[Comment]]:
    """The comment at the top of the file, if an empty line follows it: then it is about the whole file."""
    first = tree.statements[0].span.start if tree.statements else len(source.text)
    header: list[Comment] = []
    for comment in comments:
        gap = source.text[header[-1].end if header else 0 : comment.start]
        if comment.start > first or gap.count("\n") > bool(header):
            break
        header.append(comment)
    following = min([first, *(comment.start for comment in comments[len(header) :])])
    if not header or (following < len(source.text) and source.text[header[-1].end : following].count("\n") < 2):
        return [], list(comments)
    return [_comment(source, comment) for comment in header], list(comments[len(header) :])


def _comment(source: Source, comment: Comment) -> str:
    return source.text[comment.start : comment.end].rstrip()


def _attach(items: Sequence[Item], source: Source, comments: Sequence[Comment], notes: dict[int, Notes]) -> list[str]:
    """Attaches each comment to an item; returns those below all items."""
    waiting: list[str] = []
    rest = deque(comments)
    for item in items:
        while rest and rest[0].start < item.span.start:
            waiting.append(_comment(source, rest.popleft()))
        note = notes.setdefault(id(item), Notes())
        note.above += waiting
        waiting = []
        within = []
        while rest and rest[0].start < item.span.end:
            within.append(rest.popleft())
        _attach_within(item, source, within, notes)
        if rest and not rest[0].own_line and source.text.find("\n", item.span.end, rest[0].start) < 0:
            comment = _comment(source, rest.popleft())
            (note.after if printing.items(item) else note.behind).append(comment)
    return waiting + [_comment(source, comment) for comment in rest]


def _attach_within(item: Item, source: Source, comments: Sequence[Comment], notes: dict[int, Notes]) -> None:
    """Attaches comments inside an item: those in its braces to what is there, others above the item."""
    note, inside = notes[id(item)], printing.items(item)
    brace = source.text.find("{", item.span.start, item.span.end) if inside is not None else -1
    if not inside:
        note.above += [_comment(source, comment) for comment in comments]
        return
    start = inside[0].span.start
    if brace >= 0:
        early = [comment for comment in comments if comment.start < start and not comment.own_line]
        note.behind += [_comment(source, comment) for comment in early]
        comments = [comment for comment in comments if comment.start >= start or comment.own_line]
    note.bottom += _attach(inside, source, comments, notes)


def _lines(item: Item, depth: int, notes: dict[int, Notes], prefix: str = "") -> list[str]:
    pad, inside = INDENT * depth, printing.items(item)
    note = notes.get(id(item), Notes())
    # Two comments on one line would become one; all but the last go above.
    behind, after = note.behind[-1:], note.after[-1:]
    lines = [pad + comment for comment in (*note.above, *note.behind[:-1], *note.after[:-1])]
    first = " ".join(word for word in (prefix, printing.first_line(item)) if word)
    opening = pad + " ".join(word for word in (first, "" if inside is None else "{" if inside else "{}") if word)
    lines.append("  ".join([opening, *behind]))
    if inside:
        for number, child in enumerate(inside):
            joined = "then" if number and isinstance(child, ast.Phase) else ""
            lines += _lines(child, depth + 1, notes, joined)
        lines += [pad + INDENT + comment for comment in note.bottom]
        lines.append("  ".join([pad + "}", *after]))
    return lines
