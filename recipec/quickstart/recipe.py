"""The recipe of the quickstart."""

from __future__ import annotations

RECIPE = """# A first recipe: a prose-leaning mix from the text of a Python installation.
# Try it: change a number, and `recipec plan` shows the effect before anything is written.
use std.repeat.epochs  # at most $epochs copies of a document

param budget = {budget} tokens  # override it for one run: recipec plan … --set budget=1M

seed 42

source python {{
  shards "data/*.parquet"
  id doc_id
  text text  # no column has token counts, so they are estimated, and marked as such
  domain domain
}}

# Documents to exclude. The ledger records which line rejected a document.
where length(text) >= 100 and length(text) <= 20_000
where alpha_ratio() >= 0.6
where duplicate_line_ratio() <= 0.3
where not duplicate(lower(text))

# Quality: criteria that are computed from the text alone, and which direction is better.
criterion prose = stop_word_share() higher is better
criterion repetition = duplicate_ngram_ratio(n: 5) lower is better
criterion words = mean_word_length() lower is better

quality {{
  weights {{
    prose 0.5
    repetition 0.3
    words 0.2
  }}
  # Good code has few stop words.
  weights for code {{
    repetition 0.6
    words 0.4
  }}
}}

# The best 30% of each domain's tokens are drawn, the rest hardly ever (QuaDMix's curve).
sample quadmix {{
  curve {{
    lambda 500
    omega 0.3
    eta 1
    epsilon 0.001
  }}
}}

# Token shares: as the curves give them, corrected by the quotas.
mixture natural

quota language_reference at least 10%
quota docstrings between 20% and 50%
quota code at most 30%
quota licences at most 1%

repeat code at most 1 times

budget $budget

output parquet "out/first" {{
  shard 16MB
  shuffle
}}
"""


def text(budget: int) -> str:
    """The recipe in canonical form, for a budget in tokens."""
    return RECIPE.format(budget=budget)
