"""Builds the syntax tree from lark's tree.

Everything that the grammar accepts becomes a node; invalid numbers and escapes become diagnostics.
"""

from __future__ import annotations

import re
from decimal import Decimal

from lark import Token, Tree

from recipec.diagnostics import Diagnostic
from recipec.source import Source, Span
from recipec.syntax import adjusting, ast, printing

NUMBER = re.compile(
    r"(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?P<scale>[KMGT]i?B|[KMBT])?\s*(?P<unit>%|[a-z]+)?"
)

SCALES = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "B": 10**9,
    "T": 10**12,
    **{letter + "B": 1000**power for power, letter in enumerate("KMGT", start=1)},
    **{letter + "iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}

LONGEST_NUMBER = 40
"""The most characters of a number; the largest token count has sixteen."""

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}

Found = Tree[Token] | Token | None


SETTINGS = ("setting", "for_setting", "named_setting")
"""The rules of one line of a block."""


class Builder:
    """Builds the node of one statement whose text starts at `offset` of the source."""

    def __init__(self, source: Source, offset: int) -> None:
        self.source, self.offset = source, offset
        self.diagnostics: list[Diagnostic] = []

    def statement(self, tree: Tree[Token]) -> ast.Statement:
        inner = tree.children[0]
        assert isinstance(inner, Tree)
        node: ast.Statement = getattr(self, "_" + inner.data)(inner, self._span(inner))
        return node

    def _span(self, item: Tree[Token] | Token) -> Span:
        if isinstance(item, Token):
            start, end = item.start_pos, item.end_pos
        else:
            start, end = item.meta.start_pos, item.meta.end_pos
        return Span(self.source, self.offset + (start or 0), self.offset + (end or 0))

    def _error(self, code: str, message: str, span: Span, *helps: str) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, helps=helps))

    # -- statements ----------------------------------------------------------------------------------------------------

    def _use(self, tree: Tree[Token], span: Span) -> ast.Use:
        return ast.Use(self._token_name(tree.children[0]), span=span)

    def _needs(self, tree: Tree[Token], span: Span) -> ast.Needs:
        token = tree.children[0]
        assert isinstance(token, Token)
        return ast.Needs(self._string(token), span=span)

    def _param(self, tree: Tree[Token], span: Span) -> ast.Param:
        name, value = tree.children
        return ast.Param(self._name(name), self.expr(value), span=span)

    def _seed(self, tree: Tree[Token], span: Span) -> ast.Seed:
        return ast.Seed(self.expr(tree.children[0]), span=span)

    def _source(self, tree: Tree[Token], span: Span) -> ast.Source:
        name, block = tree.children
        return ast.Source(self._name(name), self._block(block), span=span)

    def _target(self, tree: Tree[Token], span: Span) -> ast.Target:
        name, block = tree.children
        return ast.Target(self._name(name), self._block(block), span=span)

    def _where(self, tree: Tree[Token], span: Span) -> ast.Where:
        source, condition = tree.children
        return ast.Where(self.expr(condition), self._maybe_domain(source), span=span)

    def _criterion(self, tree: Tree[Token], span: Span) -> ast.Criterion:
        name, call, direction, source = tree.children
        word = str(direction.children[0]) if isinstance(direction, Tree) else None
        return ast.Criterion(self._name(name), self._call(call), word, self._maybe_domain(source), span=span)

    def _quality(self, tree: Tree[Token], span: Span) -> ast.Quality:
        return ast.Quality(self._block(tree.children[0]), span=span)

    def _sample(self, tree: Tree[Token], span: Span) -> ast.Sample:
        method, share, by, origin, block = tree.children
        return ast.Sample(
            self._name(method),
            self._maybe(share),
            tuple(self._name(one) for one in by.children) if isinstance(by, Tree) else (),
            self._from_file(origin) if origin is not None else None,
            self._maybe_block(block),
            span=span,
        )

    def _mixture(self, tree: Tree[Token], span: Span) -> ast.Mixture:
        value = tree.children[0]
        assert isinstance(value, Tree)
        match value.data:
            case "name":
                return ast.Mixture(self._name(value), span=span)
            case "call":
                return ast.Mixture(self._call(value), span=span)
            case "from_file":
                return ast.Mixture(self._from_file(value), span=span)
            case _:
                return ast.Mixture(tuple(self._share(item) for item in value.children if _is(item, "share")), span=span)

    def _quota(self, tree: Tree[Token], span: Span) -> ast.Quota:
        domain, condition, bounds = tree.children
        return ast.Quota(self._domain(domain), self._maybe(condition), self._bounds(bounds), span=span)

    def _repeat(self, tree: Tree[Token], span: Span) -> ast.Repeat:
        domain, limit = tree.children
        most = None if isinstance(limit, Token) else self.expr(limit)
        return ast.Repeat(self._maybe_domain(domain), most if most is None else adjusting.times(most), span=span)

    def _budget(self, tree: Tree[Token], span: Span) -> ast.Budget:
        tokens, block = tree.children
        return ast.Budget(self.expr(tokens), self._maybe_block(block), span=span)

    def _allow(self, tree: Tree[Token], span: Span) -> ast.Allow:
        what, value = tree.children
        return ast.Allow(self._name(what), self._maybe(value), span=span)

    def _shortfall(self, tree: Tree[Token], span: Span) -> ast.Shortfall:
        return ast.Shortfall(self._name(tree.children[0]), span=span)

    def _oversize(self, tree: Tree[Token], span: Span) -> ast.Oversize:
        return ast.Oversize(self._name(tree.children[0]), span=span)

    def _output(self, tree: Tree[Token], span: Span) -> ast.Output:
        format_, path, block = tree.children
        return ast.Output(self._name(format_), self.expr(path), self._maybe_block(block), span=span)

    def _search(self, tree: Tree[Token], span: Span) -> ast.Search:
        return ast.Search(self._block(tree.children[0]), span=span)

    def _phases(self, tree: Tree[Token], span: Span) -> ast.Phases:
        return ast.Phases(tuple(self._phase(item) for item in tree.children if _is(item, "phase")), span=span)

    def _phase(self, item: Found) -> ast.Phase:
        assert isinstance(item, Tree)
        until, *rest = item.children
        statements = tuple(
            self.statement(child) for child in rest if isinstance(child, Tree) and child.data == "statement"
        )
        return ast.Phase(self._maybe(until), statements, span=self._span(item))

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _block(self, item: Found) -> ast.Block:
        assert isinstance(item, Tree)
        return ast.Block(
            tuple(self._setting(child) for child in item.children if any(_is(child, rule) for rule in SETTINGS)),
            span=self._span(item),
        )

    def _maybe_block(self, item: Found) -> ast.Block | None:
        return self._block(item) if item is not None else None

    def _setting(self, item: Found) -> ast.Setting:
        assert isinstance(item, Tree)
        if item.data == "for_setting":
            span = self._span(item)
            word = ast.Name("for", span=Span(self.source, span.start, span.start + len("for")))
            of, inner = item.children
            return ast.Setting(word, self._domain(of), (), False, self._block(inner), span=span)
        if item.data == "named_setting":
            first, *pair = item.children
            named = tuple(self.expr(child) for child in pair)
            return ast.Setting(self._name(first), None, named, True, None, span=self._span(item))
        name, domain, values, block = item.children
        found = values.children if isinstance(values, Tree) else []
        listed = [self.expr(child) for child in found if isinstance(child, Tree)]
        if isinstance(values, Tree) and values.data in ("by_value", "from_value"):
            listed.insert(0, ast.Name(values.data.removesuffix("_value"), span=self._span(values)))
        if isinstance(values, Tree) and values.data == "range_value":
            listed.insert(0, ast.Name("..", span=self._span(values)))
        if isinstance(values, Tree) and values.data == "keyed_values":
            listed.insert(-1, ast.Name("by", span=listed[-1].span))
        setting = ast.Setting(
            self._name(name),
            self._maybe_domain(domain),
            tuple(listed),
            isinstance(values, Tree) and values.data == "assigned_value",
            self._maybe_block(block),
            span=self._span(item),
        )
        return adjusting.with_columns(setting) if setting.name.text == "attributes" else setting

    def _share(self, item: Found) -> ast.Share:
        assert isinstance(item, Tree)
        domain, share = item.children
        return ast.Share(self._domain(domain), self.expr(share), span=self._span(item))

    def _bounds(self, item: Found) -> ast.Bounds:
        assert isinstance(item, Tree)
        values = [self.expr(child) for child in item.children if isinstance(child, Tree)]
        least = values[0] if item.data in ("between", "at_least") else None
        most = values[-1] if item.data in ("between", "at_most") else None
        return ast.Bounds(least, most, span=self._span(item))

    def _from_file(self, item: Found) -> ast.FromFile:
        assert isinstance(item, Tree)
        token = item.children[0]
        assert isinstance(token, Token)
        return ast.FromFile(self._string(token), span=self._span(item))

    def _domain(self, item: Found) -> ast.Name | ast.String:
        if _is(item, "name"):
            return self._name(item)
        expr = self.expr(item)
        assert isinstance(expr, ast.String)
        return expr

    def _maybe_domain(self, item: Found) -> ast.Name | ast.String | None:
        return self._domain(item) if item is not None else None

    def _name(self, item: Found) -> ast.Name:
        assert isinstance(item, Tree)
        return self._token_name(item.children[0])

    def _token_name(self, token: Found) -> ast.Name:
        assert isinstance(token, Token)
        text = str(token)
        return ast.Name(self._unquoted(text[1:-1], token) if text.startswith("`") else text, span=self._span(token))

    def _unquoted(self, text: str, token: Token) -> str:
        """A name from between back quotes."""
        return self._characters(printing.unquoted(text), self._span(token))

    def _characters(self, text: str, span: Span) -> str:
        """Text in which halves of surrogate pairs are joined; a diagnostic if one is left."""
        value = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if any("\ud800" <= char <= "\udfff" for char in value):
            self._error("R0013", "half of a surrogate pair is not a character", span)
            return ""
        return value

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _maybe(self, item: Found) -> ast.Expr | None:
        return self.expr(item) if item is not None else None

    def expr(self, item: Found) -> ast.Expr:
        assert isinstance(item, Tree)
        span, children = self._span(item), item.children
        match item.data:
            case "name":
                name = self._name(item)
                return adjusting.value(name)
            case "path":
                assert isinstance(children[0], Token)
                found = ast.Path(self._parts(children[0]), span=span)
                # Back quotes around plain words mean nothing.
                written = printing.path(found)
                return ast.Name(written, span=span) if printing.PLAIN.fullmatch(written) else found
            case "string":
                assert isinstance(children[0], Token)
                return self._string(children[0])
            case "quantity":
                return self._quantity(str(children[0]), span)
            case "boolean":
                return ast.Boolean(children[0] == "true", span=span)
            case "param_ref":
                return ast.ParamRef(str(children[0])[1:], span=span)
            case "group":
                return self.expr(children[0])
            case "call":
                return self._call(item)
            case "unary":
                return ast.Unary(str(children[0]), self.expr(children[1]), span=span)
            case "binary":
                return ast.Binary(str(children[1]), self.expr(children[0]), self.expr(children[2]), span=span)
            case "in_":
                operand, negated, *items = children
                listed = tuple(self.expr(each) for each in items if each is not None)
                return ast.In(self.expr(operand), listed, negated is not None, span=span)
            case "is_null":
                return ast.IsNull(self.expr(children[0]), children[1] is not None, span=span)
        raise AssertionError(f"the grammar made an unknown node {item.data}")

    def _call(self, item: Found) -> ast.Call:
        assert isinstance(item, Tree)
        name, *rest = item.children
        arguments = tuple(self._argument(child) for child in rest if child is not None)
        return ast.Call(self._name(name), arguments, span=self._span(item))

    def _argument(self, item: Found) -> ast.Argument:
        assert isinstance(item, Tree)
        name = None if item.data == "positional_argument" else str(item.children[0])
        word = str(item.children[1]) if item.data == "phrase_argument" else ""
        return ast.Argument(name, self.expr(item.children[-1]), word=word, span=self._span(item))

    def _parts(self, token: Token) -> tuple[str | int, ...]:
        """The parts of a path as written."""
        found = re.findall(r"\[([0-9]+)\]|`([^`]+)`|([^.\[\]`]+)", str(token))
        return tuple(
            int(number) if number else self._unquoted(quoted, token) if quoted else plain
            for number, quoted, plain in found
        )

    def _string(self, token: Token) -> ast.String:
        span = self._span(token)

        def unescaped(match: re.Match[str]) -> str:
            word = match.group(1)
            if word[0] == "u" and len(word) == 5:
                return chr(int(word[1:], 16))
            if word in ESCAPES:
                return ESCAPES[word]
            place = Span(self.source, span.start + 1 + match.start(), span.start + 1 + match.end())
            helps = ("a backslash itself is written `\\\\`", 'known: `\\n`, `\\t`, `\\r`, `\\"`, `\\\\` and `\\u00e9`')
            self._error("R0013", f"unknown escape `\\{word}`", place, *helps)
            return word

        value = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", unescaped, str(token)[1:-1])
        return ast.String(self._characters(value, span), span=span)

    def _quantity(self, text: str, span: Span) -> ast.Quantity:
        match = NUMBER.fullmatch(text)
        assert match is not None
        number, scale, unit = match["number"], match["scale"] or "", match["unit"] or ""
        exponent = re.search(r"[eE][+-]?([0-9]+)", number)
        if len(number) > LONGEST_NUMBER or (exponent and int(exponent[1]) > 30):
            self._error("R0012", "the number is too long", span, f"at most {LONGEST_NUMBER} characters, up to `e30`")
            number = "0"
        if scale.endswith("B") and len(scale) > 1:
            if unit:
                self._error("R0011", f"`{scale}` is a unit of bytes, and cannot be combined with `{unit}`", span)
            return ast.Quantity(Decimal(number.replace("_", "")) * SCALES[scale], "bytes", number + scale, span=span)
        return ast.Quantity(Decimal(number.replace("_", "")) * SCALES[scale], unit, number + scale, span=span)


def _is(item: Found, rule: str) -> bool:
    return isinstance(item, Tree) and item.data == rule
