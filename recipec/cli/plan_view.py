"""Output of a plan: one screen of tables, Markdown for a pull request, or a page, all from the same rows.

`sections` turns an execution plan into titled tables of text; the renderers only draw them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from recipec import dataset
from recipec.cli import forecast_view, reweight_view
from recipec.cli import page as pages
from recipec.cli.tables import Table
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan, PhasedPlan, Step
from recipec.ir.expressions import describe
from recipec.ir.model import STANDARD_LIMIT, Recipe, Repeat, TokenCount
from recipec.ir.selection import Cell, Selection
from recipec.numbers import count, plain, seconds, share, size
from recipec.planning import cautions


def sections(plan: ExecutionPlan, *, full: bool) -> Iterator[Table]:
    """Yields the tables of a plan in reading order; `full` adds the shards, the nested cells and every filter."""
    yield inputs(plan, full=full)
    if plan.selection is not None:
        yield rejections(plan, plan.selection, full=full)
        if plan.selection.stats:
            yield criteria(plan, plan.selection)
        yield domains(plan.selection, nested=full)
        if plan.selection.cascades:
            yield cascades(plan.selection)
    if plan.reweighting is not None:
        yield from reweight_view.tables(plan.reweighting)
    if plan.forecast is not None:
        yield from forecast_view.tables(plan.forecast)
    yield steps(plan, full=full)


def inputs(plan: ExecutionPlan, *, full: bool) -> Table:
    header = ("source", "shards", "documents", "bytes", "tokens counted by")
    counted = {source.name: counted_by(source.tokens) for source in plan.recipe.sources}
    if full:
        rows = [(s.source, s.path, f"{s.rows:,}", size(s.bytes), counted[s.source]) for s in plan.shards]
    else:
        groups = defaultdict(list)
        for shard in plan.shards:
            groups[shard.source].append(shard)
        rows = [
            (
                name,
                f"{len(shards):,}",
                count(sum(s.rows for s in shards)),
                size(sum(s.bytes for s in shards)),
                counted[name],
            )
            for name, shards in groups.items()
        ]
    return Table("Inputs", header, tuple(rows), frozenset({2, 3} if full else {1, 2, 3}))


def counted_by(tokens: TokenCount) -> str:
    """Where the token counts of a source come from; all token figures of a plan are only as accurate."""
    match tokens.by:
        case "column":
            return f"column {describe(tokens.column)}" if tokens.column is not None else "column"
        case "tokenizer":
            return f"tokenizer {tokens.tokenizer}"
        case _:
            return "estimate: bytes / 4"


def rejections(plan: ExecutionPlan, selection: Selection, *, full: bool) -> Table:
    """Table of how many documents each clause removes, with the clause's line."""
    documents: dict[str, int] = defaultdict(int)
    tokens: dict[str, int] = defaultdict(int)
    for reason in selection.reasons:
        key = "unreadable" if reason.reason == "unreadable" else reason.rejected_by
        if key is not None:
            documents[key] += reason.documents
            tokens[key] += reason.tokens
    places = {clause.text: str(clause.origin) for clause in plan.recipe.clauses}
    ordered = sorted(documents, key=lambda key: (-documents[key], key))
    shown = ordered if full else ordered[:8]
    rows = [(key, places.get(key, ""), count(documents[key]), count(tokens[key])) for key in shown]
    if len(ordered) > len(shown):
        rest = ordered[len(shown) :]
        total = sum(documents[key] for key in rest), sum(tokens[key] for key in rest)
        rows.append((f"{len(rest)} more (--full)", "", count(total[0]), count(total[1])))
    pool = sum(cell.documents for cell in selection.cells), sum(cell.tokens for cell in selection.cells)
    rows.append(("left in the pool", "", count(pool[0]), count(pool[1])))
    return Table("Filters", ("rejected by", "line", "documents", "tokens"), tuple(rows), frozenset({2, 3}))


def criteria(plan: ExecutionPlan, selection: Selection) -> Table:
    places = {criterion.name: criterion for criterion in plan.recipe.criteria}
    rows = tuple(
        (
            stats.criterion,
            f"{places[stats.criterion].direction} is better" if stats.criterion in places else "",
            plain(stats.mean),
            plain(stats.std),
            f"{plain(stats.low)} … {plain(stats.high)}",
            count(stats.missing),
        )
        for stats in selection.stats
    )
    header = ("criterion", "direction", "mean", "std", "range", "missing")
    return Table("Criteria over the pool", header, rows, frozenset({2, 3, 4, 5}))


MOST_ROWS = 200
"""The most domains that a table shows, those with the most tokens drawn."""


def domains(selection: Selection, *, nested: bool) -> Table:
    """Table of the mixture: the shares asked for, the shares after quotas and pool limits, and the drawn tokens."""
    drawn = sum(cell.drawn_tokens for cell in selection.cells)
    groups = list(grouped(selection.cells, nested=nested))
    largest = sorted(groups, key=lambda group: (-sum(cell.drawn_tokens for cell in group[1]), group[0]))[:MOST_ROWS]
    names = {label for label, _ in largest}
    rows = []
    for label, cells in (group for group in groups if group[0] in names):
        scales = " … ".join(dict.fromkeys(plain(scale, 3) for scale in sorted(cell.scale for cell in cells)))
        bound = ", ".join(sorted({word for cell in cells for word in bound_by(cell)}))
        rows.append(domain_row(label, cells, drawn, scales, bound))
    if rest := [cell for label, cells in groups if label not in names for cell in cells]:
        rows.append(domain_row(f"{len(groups) - len(names):,} more (--json)", rest, drawn, "", ""))
    header = (
        "domain",
        "pool tokens",
        "asked",
        "planned",
        "drawn",
        "scale",
        "documents",
        "copies",
        "tokens",
        "bound by",
    )
    return Table("Mixture", header, tuple(rows), frozenset(range(1, 9)))


def domain_row(label: str, cells: Sequence[Cell], drawn: int, scales: str, bound: str) -> tuple[str, ...]:
    """A row of the mixture: the sums of some cells, of `drawn` tokens in all."""
    tokens = sum(cell.drawn_tokens for cell in cells)
    return (
        label,
        count(sum(cell.tokens for cell in cells)),
        share(sum(cell.asked for cell in cells)),
        share(sum(cell.weight for cell in cells)),
        share(tokens / drawn) if drawn else "—",
        scales,
        count(sum(cell.drawn_documents for cell in cells)),
        count(sum(cell.drawn_copies for cell in cells)),
        count(tokens),
        bound,
    )


def bound_by(cell: Cell) -> Iterator[str]:
    """Why a cell has not the share that was asked for, or fewer tokens than planned."""
    if cell.binds:
        yield cell.binds
    if cell.blocked_by:
        yield "a large document"


def cascades(selection: Selection) -> Table:
    """Table of what cascades save and at what recall, or that they cannot guarantee the recall and save nothing."""
    rows = []
    for one in selection.cascades:
        if one.exact is None:
            seen = f"~{one.pool:,} without it, at least {one.sample:,} with it"
        elif one.promised:
            seen = f"{one.exact:,} of {one.pool:,} documents run through the model"
        else:
            seen = f"every document is scored: all {one.pool:,}"
        if one.recall is None:
            kept = "not measured: the sample is most of the pool" if one.exact is not None else "not measured yet"
        else:
            kept = f"{share(one.recall)} ({share(one.low or 0)} … {share(one.high or 1)})"
            kept += "" if one.promised else ", too low to promise it"
        rows.append((", ".join(one.calls), f"recall {share(one.asked)}", kept, f"{one.sample:,}", seen))
    header = ("scores", "asked", "on the sample", "sample", "documents")
    return Table("Cascade", header, tuple(rows), frozenset({3}))


def grouped(cells: tuple[Cell, ...], *, nested: bool) -> Iterator[tuple[str, list[Cell]]]:
    """Yields the cells grouped by domain, and by nested quota if `nested` and there are nested quotas."""
    groups: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.domain, cell.nest if nested else 0].append(cell)
    for (domain, nest), members in sorted(groups.items()):
        yield (f"{domain} / quota {nest:b}" if nest else domain), members


def steps(plan: ExecutionPlan, *, full: bool) -> Table:
    """Table of the steps that run and why. Unless `full`, steps with stored results share one line."""
    shown = [step for step in plan.steps if full or step.action != "reuse"]
    groups = [[step] for step in shown] if full else list(_alike(shown))
    rows = [step_row(group) for group in groups]
    if len(shown) < len(plan.steps):
        rows.append((f"{len(plan.steps) - len(shown)} stored", "reuse", "", "", "", ""))
    header = ("step", "action", "why", "rows", "bytes", "time")
    return Table("Steps", header, tuple(rows), frozenset({3, 4, 5}))


def _alike(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yields groups of steps: consecutive scores of one source with the same reason together, other steps alone."""
    group: list[Step] = []
    for step in steps:
        if step.op.kind == "filter":
            continue
        if group and not (_score_key(group[-1]) is not None and _score_key(group[-1]) == _score_key(step)):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _score_key(step: Step) -> tuple[str, str, str] | None:
    return (step.op.source.name, step.action, step.reason) if isinstance(step.op, logical.Score) else None


def step_row(group: Sequence[Step]) -> tuple[str, ...]:
    step, cost = group[0], group[0].cost
    duration = sum(one.cost.seconds.value for one in group)

    def marked(text: str, basis: str) -> str:
        return text if basis == "exact" else f"~{text}"

    return (
        step_name(step) if len(group) == 1 else f"score {len(group)} values of {source_name(step)}",
        step.action,
        step.reason,
        marked(count(cost.rows.value), cost.rows.basis),
        marked(size(cost.bytes.value), cost.bytes.basis),
        marked(seconds(duration), cost.seconds.basis),
    )


def source_name(step: Step) -> str:
    return step.op.source.name if isinstance(step.op, logical.Score) else ""


def step_name(step: Step) -> str:
    op = step.op
    match op.kind:
        case "read":
            return f"read {op.source.name}"
        case "score":
            return f"score {op.call.name} of {op.source.name}"
        case "write":
            return f"write {op.output.path}"
        case kind:
            return kind


def conclusion(plan: ExecutionPlan) -> list[str]:
    """The last lines of a plan: the size of the selection, and whether it is exact."""
    selection = plan.selection
    if selection is None:
        return ["nothing has been selected yet"]
    tokens = sum(cell.drawn_tokens for cell in selection.cells)
    documents = sum(cell.drawn_documents for cell in selection.cells)
    copies = sum(cell.drawn_copies for cell in selection.cells)
    mark = "" if plan.exact else "~"
    lines = [f"{mark}{count(documents)} documents in {mark}{count(copies)} copies, {mark}{count(tokens)} tokens"]
    if selection.budget:
        lines[0] += f" of a budget of {count(selection.budget)} ({share(tokens / selection.budget)})"
    if selection.allocated is not None and selection.budget and selection.allocated < selection.budget:
        lines.append(f"shortfall: shrunk to {count(selection.allocated)} tokens")
    lines += left_out(plan.recipe, selection, exact=plan.exact)
    lines += [default_limit(limit) for limit in plan.recipe.repeats if limit.by_default]
    if plan.exact:
        lines.append(f"exact: apply gives these documents, digest {selection.digest[:16]}")
        if plan.recipe.output is not None:
            lines.append(f"seal of the plan, for `verify --expect`: {dataset.planned_seal(plan, selection)[:16]}")
    else:
        lines.append(f"estimated from {plan.sample}; `plan --score` computes the scores first and is exact")
    return lines


def left_out(recipe: Recipe, selection: Selection, *, exact: bool) -> list[str]:
    """The lines that say which rows are unreadable, and which clauses reject nothing, which an estimate cannot say."""
    unreadable, idle = cautions.unreadable(selection), cautions.idle(recipe, selection) if exact else ""
    lines = [f"unreadable: {unreadable}"] if unreadable else []
    return [*lines, f"no document is rejected by {idle}"] if idle else lines


def default_limit(limit: Repeat) -> str:
    """The line that says which repetition limit a recipe has without stating one."""
    copies = f"{limit.most} cop{'y' if limit.most == 1 else 'ies'}"
    return f"repetition: at most {copies} of a document (the default of {STANDARD_LIMIT}; `repeat unlimited` lifts it)"


def parts(plan: ExecutionPlan | PhasedPlan) -> Iterator[tuple[str, ExecutionPlan]]:
    """Yields the plan of each phase, or the one plan, with its title."""
    if isinstance(plan, ExecutionPlan):
        yield plan.recipe.path, plan
        return
    for number, one in enumerate(plan.phases):
        start = one.recipe.before[-1].until if one.recipe.before else 0
        end = start + (one.recipe.budget.tokens if one.recipe.budget else 0)
        yield f"{one.recipe.path}, phase {number + 1}: from {count(start)} to {count(end)} tokens", one


def waiting(plan: ExecutionPlan | PhasedPlan) -> list[str]:
    """The line that says why the next phase cannot be planned yet, if so."""
    if isinstance(plan, ExecutionPlan) or not plan.waiting:
        return []
    return [f"phase {len(plan.phases) + 1} waits: {plan.waiting}"]


def markdown(plan: ExecutionPlan | PhasedPlan, *, full: bool = False) -> str:
    """Renders the plan as Markdown, for a comment on a pull request."""
    lines: list[str] = []
    for title, one in parts(plan):
        path, _, rest = title.partition(", ")
        lines += [f"## recipec plan: `{path}`{f', {rest}' if rest else ''}", ""]
        lines += [*(f"- {line}" for line in conclusion(one)), ""]
        for table in sections(one, full=full):
            lines += [f"### {table.title}", ""]
            lines.append("| " + " | ".join(map(cell_text, table.header)) + " |")
            marks = ("--:" if i in table.numeric else "---" for i in range(len(table.header)))
            lines.append("|" + "|".join(marks) + "|")
            lines += ["| " + " | ".join(map(cell_text, row)) + " |" for row in table.rows]
            lines.append("")
        lines += [*(f"> warning: {warning}" for warning in one.warnings), ""]
    lines += waiting(plan)
    return "\n".join(lines).rstrip() + "\n"


def page(plan: ExecutionPlan | PhasedPlan, *, full: bool = False) -> str:
    """Renders the plan as an HTML page."""
    found = list(parts(plan))
    tables = [table for _, one in found for table in sections(one, full=full)]
    if len(found) > 1:
        tables = [
            replace(table, title=f"{table.title}, {title.partition(', ')[2]}")
            for title, one in found
            for table in sections(one, full=full)
        ]
    lines = [*(line for _, one in found for line in conclusion(one)), *waiting(plan)]
    warnings = [warning for _, one in found for warning in one.warnings]
    return pages.page(f"plan of {found[0][1].recipe.path}", tables, lines, warnings)


def cell_text(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def print_plan(plan: ExecutionPlan | PhasedPlan, *, full: bool) -> None:
    """Prints the plan on stdout."""
    from recipec.cli.console import draw_table, stdout

    console = stdout()
    for number, (title, one) in enumerate(parts(plan)):
        if number:
            console.print()
        console.print("plan" if one.exact else "estimated plan", style="bold", end=" ")
        console.print(f"of {title}, seed {one.recipe.seed}")
        for table in sections(one, full=full):
            draw_table(console, table)
        for line in conclusion(one):
            console.print(line)
    for line in waiting(plan):
        console.print(line)
