"""What a search finds on a real corpus, trained for real: `recipec search` on the text of `corpus.py`.

    python tests/evidence/corpus.py FOLDER
    python tests/evidence/search.py FOLDER [--runs 80]

Criteria are computed by recipec, proxies are Llamas of 1.3M parameters on the CPU. Prints the held-out rank correlation, and
the loss of each target after training on the answer, on the default curve and on natural sampling, three seeds each. Everything
is kept in FOLDER: a run that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

RECIPE = """seed 7
source debian {
  shards "data/*.parquet"
  id doc_id
  text text
  domain domain
}
target databases {
  examples "databases.jsonl"
}
target mathematics {
  examples "mathematics.jsonl"
}
target tools {
  examples "tools.jsonl"
}
where length(text) > 200
criterion distinct = distinct_word_ratio() higher is better
criterion letters = alpha_ratio() higher is better
criterion words = stop_word_share() higher is better
quality {
  weights {
    distinct 1
    letters 1
    words 1
  }
}
sample quadmix
repeat at most 4 times
budget 2M tokens
search {
  omega 0.01..0.5
  runs %d
  proxy {
    hidden 128
    layers 4
    heads 4
    ffn 384
    vocabulary 4096
    context 128
    batch 8
    tokens 327_680 tokens
    rate 0.003
  }
}
output parquet "out"
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=80)
    arguments = parser.parse_args()
    path = arguments.folder / "search.recipe"
    path.write_text(RECIPE % arguments.runs)
    answer = arguments.folder / "search.json"
    search = [sys.executable, "-m", "recipec", "search", str(path), "-o", str(answer)]
    subprocess.run(search, check=True)
    subprocess.run([sys.executable, "-m", "recipec", "show", str(answer)], check=True)


if __name__ == "__main__":
    main()
