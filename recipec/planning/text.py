"""Logical plans as text, one named step per line.

s0 := Read[web] columns doc_id, text; where lang == "en"
s1 := Score[s0] mean_word_length()
"""

from __future__ import annotations

from recipec.inputs.facts import needed
from recipec.ir import logical
from recipec.ir.mixing import word
from recipec.numbers import plain


def text(plan: logical.LogicalPlan) -> str:
    """A plan as readable text: `sN := Op[inputs] parameters`."""
    return "\n".join(f"s{index} := {_op(op)}" for index, op in enumerate(plan.ops))


def columns_read(op: logical.Read) -> tuple[str, ...]:
    """The columns of the shard that a `Read` needs, sorted."""
    return tuple(sorted({op.source.text} | needed(op)))


def _op(op: logical.Op) -> str:
    match op:
        case logical.Read():
            words = [f"Read[{op.source.name}] columns {', '.join(columns_read(op))}"]
            words += [f"where {predicate.text}" for predicate in op.predicates]
            words += [f"as {output.name}" for output in op.outputs]
            return "; ".join(words)
        case logical.Filter():
            return f"Filter[s{op.input}] " + "; ".join(predicate.text for predicate in op.predicates)
        case logical.Score():
            return f"Score[s{op.input}] {op.call.name}"
        case logical.Gather():
            words = [f"Gather[{', '.join(f's{number}' for number in op.inputs)}]"]
            words += [criterion.name for criterion in op.criteria]
            words += [clause.text for clause in op.duplicates]
            return " ".join([words[0], "; ".join(words[1:])]).rstrip()
        case logical.Rank():
            return f"Rank[s{op.input}] {_rank(op)}"
        case logical.Sample():
            return f"Sample[s{op.input}] {_sample(op)}"
        case logical.Write():
            return f"Write[s{op.input}] {op.output.format} {op.output.path}"


def _rank(op: logical.Rank) -> str:
    blocks = [
        (f"for {block.domain}: " if block.domain else "")
        + " + ".join(f"{plain(w, 6)} {name}" for name, w in block.weights)
        for block in op.quality.weights
    ]
    ties = ", ties split" if op.quality.ties == "split" else ""
    return f"{op.quality.normalize}, missing {op.quality.missing}{ties}; " + "; ".join(blocks)


def _sample(op: logical.Sample) -> str:
    words = [op.sample.kind, f"mixture {word(op.mixture)}"]
    words += [f"quota {quota.domain}" + (f" where {quota.text}" if quota.text else "") for quota in op.quotas]
    for repeat in op.repeats:
        words.append(f"repeat {repeat.domain or 'all'} {'unlimited' if repeat.unlimited else f'at most {repeat.most}'}")
    if op.tokens is not None:
        words.append(f"{op.tokens:,} tokens")
    words += ["oversize skip"] if op.oversize == "skip" else []
    words += ["allow empty"] if op.allow_empty else []
    return "; ".join(words)
