"""`recipec init` on pools with the columns of public corpora: the roles, what is said to be a guess, and that it plans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.quickstart import corpora
from tests.quickstart.reading import settings, statements, todos

pytestmark = pytest.mark.slow

NO_TOKENS = 'no token counts; they are estimated from bytes, or counted with `tokens by "tokenizer.json"`'
NO_ID = "no column is called an id. So documents are called `path#row`, which changes when files do"
AS_ID = (
    "taken as the id: unique and never null in the 120 documents of the sample. If not in all, leave `id` out: "
    "documents are then called `path#row`"
)
ONE_DOMAIN = "all documents are one domain, `pool`; "
SHORTEST = "the fewest characters of a document that is kept"
CURVE = "how much better documents are preferred: from `std.curve.quadmix`"
SMALL = "domains of few documents may get none, or say which with `quota`"
EQUAL = "many documents are equally good, and chance decides between them: "
WEIGHTS = "all criteria weigh the same"
LANGUAGE = (
    "`language_score` is how certain a language is, not a quality; add for example `where language_score >= 0.65`"
)


def by_name(count: int) -> str:
    return f"taken as the domain, because of its name: {count} values in the sample"


CASES: dict[Callable[[int], corpora.Row], tuple[list[str], list[str], list[str]]] = {
    corpora.fineweb: (
        ["id id", "text text", "tokens token_count"],
        [],
        [ONE_DOMAIN + "other candidates: `language` (1 value), `dump` (1 value)", LANGUAGE, SHORTEST],
    ),
    corpora.fineweb_edu: (
        ["id id", "text text", "tokens token_count"],
        ["criterion score = column(score) higher is better"],
        [
            ONE_DOMAIN + "other candidates: `language` (1 value), `dump` (1 value)",
            LANGUAGE,
            SHORTEST,
            "is higher better? The name `score` does not say it",
            EQUAL + "`score`",
            CURVE,
        ],
    ),
    corpora.the_stack: (
        ["id hexsha", "text content", "domain lang"],
        [],
        [AS_ID, by_name(2), NO_TOKENS, SHORTEST],
    ),
    corpora.c4: (
        ["id url", "text text"],
        [],
        [AS_ID, NO_TOKENS, ONE_DOMAIN + "no column is called a domain", SHORTEST],
    ),
    corpora.c4_again: (
        ["text text"],
        [],
        [
            "no id: `url` has 60 values in 120 documents. So documents are called `path#row`, which changes when files do",
            NO_TOKENS,
            ONE_DOMAIN + "no column is called a domain",
            SHORTEST,
        ],
    ),
    corpora.dolma: (
        ["id id", "text text", "domain source"],
        ["criterion metadata_quality_toxicity = column(metadata.quality.toxicity) lower is better"],
        [by_name(3), NO_TOKENS, SHORTEST, EQUAL + "`metadata.quality.toxicity`", CURVE, SMALL],
    ),
    corpora.redpajama_1: (
        ["text text", "domain meta.source"],
        [],
        [by_name(2), "other candidates: `meta.language` (1 value)", NO_ID, NO_TOKENS, SHORTEST],
    ),
    corpora.redpajama_2: (
        ["id doc_id", "text raw_content", "domain language"],
        ["criterion perplexity = column(perplexity) lower is better"],
        [by_name(2), NO_TOKENS, SHORTEST, CURVE, SMALL],
    ),
    corpora.slimpajama: (
        ["text text", "domain meta.redpajama_set_name"],
        [],
        [by_name(2), NO_ID, NO_TOKENS, SHORTEST],
    ),
    corpora.pile: (["text text", "domain meta.pile_set_name"], [], [by_name(3), NO_ID, NO_TOKENS, SHORTEST]),
    corpora.wikipedia: (
        ["id id", "text text"],
        [],
        [NO_TOKENS, ONE_DOMAIN + "no column is called a domain", SHORTEST],
    ),
    corpora.dclm: (
        ["id metadata.`WARC-Record-ID`", "text text"],
        [
            "criterion fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob = "
            "column(fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob) higher is better"
        ],
        [
            AS_ID,
            "others that are unique: `url`",
            NO_TOKENS,
            ONE_DOMAIN + "no column is called a domain",
            SHORTEST,
            "is higher better? The name `fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob` does not say it",
            EQUAL + "`fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob`",
            CURVE,
        ],
    ),
    corpora.scored: (
        ["id id", "text text", 'domain = coalesce(topic, "unknown")'],
        [
            "criterion edu_score = column(edu_score) higher is better",
            "criterion low_quality_score = column(low_quality_score) lower is better",
        ],
        [
            "null in 12 of 120 documents: `unknown`",
            by_name(2),
            "no token counts: `num_tokens` is null or not above zero in some documents; they are estimated from bytes, "
            'or counted with `tokens by "tokenizer.json"`',
            SHORTEST,
            "null or NaN in the sample: `edu_score` in 17%; such documents count as the worst, or `missing drop`",
            EQUAL + "`edu_score`, `low_quality_score`",
            WEIGHTS,
            CURVE,
            "5% of the documents of a sample have no text, and are left out",
            SMALL,
        ],
    ),
    corpora.odd: (
        ["id `Doc.ID`", "text text", "domain `where`.source"],
        [
            "criterion Quality_Score = column(`Quality Score`) higher is better",
            "criterion quality_score_2 = column(`quality score`) higher is better",
        ],
        [
            "other columns that may be the text: `Text`",
            by_name(2),
            NO_TOKENS,
            SHORTEST,
            EQUAL + "`Quality Score`, `quality score`",
            WEIGHTS,
            CURVE,
            SMALL,
        ],
    ),
    corpora.unnamed: (
        ["text Story"],
        [],
        [
            "no column is called a text; this is the longest, 330 characters on average",
            NO_ID,
            NO_TOKENS,
            ONE_DOMAIN + "no column is called a domain",
            SHORTEST,
        ],
    ),
}
"""The roles, criteria and guesses in the recipe of each corpus."""


def started(folder: Path, run: Run, *words: object) -> str:
    """The recipe that `init` writes, which is canonical and can be planned."""
    recipe = folder / "a.recipe"
    result = run("init", *words, "-o", recipe)
    assert (result.code, result.err) == (0, "")
    assert run("fmt", "--check", recipe).code == 0
    planned = run("plan", recipe)
    assert planned.code == 0, planned.err
    return recipe.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".parquet", ".json.gz"])
@pytest.mark.parametrize("corpus", CASES, ids=lambda corpus: corpus.__name__)
def test_the_columns_of_a_public_corpus(
    tmp_path: Path, run: Run, suffix: str, corpus: Callable[[int], corpora.Row]
) -> None:
    for number in range(2):
        corpora.write(tmp_path / f"pool/part-{number}{suffix}", corpora.rows(corpus, number * 60))
    recipe = started(tmp_path, run, tmp_path / "pool")
    roles, criteria, guesses = CASES[corpus]
    assert settings(recipe) == {"pool": [f'shards "pool/*{suffix}"', *roles]}
    assert statements(recipe, "criterion") == criteria
    assert todos(recipe) == guesses


@pytest.mark.parametrize(
    "suffix", [".jsonl", ".ndjson", ".jsonl.zst", ".jsonl.bz2", ".JSONL.xz", ".json", ".jsonl.lz4"]
)
def test_lines_in_all_compressions(tmp_path: Path, run: Run, suffix: str) -> None:
    corpora.write(tmp_path / f"pool/part-0{suffix}", corpora.rows(corpora.wikipedia))
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert settings(recipe) == {"pool": [f'shards "pool/*{suffix}"', "id id", "text text"]}
    # Nothing is left among the data.
    assert [path.name for path in (tmp_path / "pool").iterdir()] == [f"part-0{suffix}"]


def test_scores_that_are_no_numbers(tmp_path: Path, run: Run) -> None:
    documents = [{**corpora.wikipedia(n), "edu": float("nan") if n % 3 else n / 7} for n in range(60)]
    corpora.write(tmp_path / "pool/a.parquet", documents)
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert "null or NaN in the sample: `edu` in 67%; such documents count as the worst, or `missing drop`" in todos(
        recipe
    )
    assert "missing worst" in recipe


def test_short_documents_are_kept(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "pool/a.jsonl", [{"id": n, "text": f"short text {n}"} for n in range(60)])
    assert "where length(text) >= 1\n" in started(tmp_path, run, tmp_path / "pool")


def test_a_token_count_by_a_name_like_others(tmp_path: Path, run: Run) -> None:
    documents = [{**corpora.wikipedia(n), "gpt2_tokens": n + 1, "tokens_llama": n + 2} for n in range(60)]
    corpora.write(tmp_path / "pool/a.jsonl", documents)
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert "tokens gpt2_tokens" in settings(recipe)["pool"]
    assert todos(recipe)[:2] == [
        "taken as the number of tokens, because of its name",
        "others that may be the number of tokens: `tokens_llama`",
    ]


def test_an_id_that_comes_again_in_the_last_shard(tmp_path: Path, run: Run) -> None:
    for number in range(5):
        corpora.write(
            tmp_path / f"pool/{number}.jsonl", corpora.rows(corpora.wikipedia, 0 if number == 4 else number * 60)
        )
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert settings(recipe)["pool"][1:] == ["text text"]
    assert todos(recipe)[0].startswith("no id: `id` has 120 values in 180 documents, `url` has 120 values")


def test_a_domain_of_too_many_values_is_none(tmp_path: Path, run: Run) -> None:
    documents = [{**corpora.wikipedia(n), "domain": f"site-{n}.org"} for n in range(300)]
    corpora.write(tmp_path / "pool/a.parquet", documents)
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert ONE_DOMAIN + "other candidates: `domain` (300 values)" in todos(recipe)


def test_a_domain_of_few_documents_each_is_none(tmp_path: Path, run: Run) -> None:
    documents = [
        {**corpora.wikipedia(n), "source": f"https://example.org/{n // 2 if n < 40 else n}"} for n in range(60)
    ]
    corpora.write(tmp_path / "pool/a.parquet", documents)
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert ONE_DOMAIN + "other candidates: `source` (40 values)" in todos(recipe)


def test_a_code_of_few_letters_is_no_text(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "pool/a.jsonl", [{"code": "en", "story": corpora.prose(n)} for n in range(60)])
    assert "text story" in settings(started(tmp_path, run, tmp_path / "pool"))["pool"]


def test_strange_text_in_names_does_not_leave_a_comment(tmp_path: Path, run: Run) -> None:
    documents = [{**corpora.c4(n), "meta": {"a\nseed 1": {"lang": "x"}}, "sub\x1bset": "y"} for n in range(60)]
    corpora.write(tmp_path / "po\nol/a.jsonl", documents)
    recipe = started(tmp_path, run, tmp_path / "po\nol")
    assert settings(recipe)["po_ol"][0] == r'shards "po\nol/*.jsonl"'
    assert all(char.isprintable() or char == "\n" for char in recipe)
