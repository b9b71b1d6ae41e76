"""Requests to a store: few, of few bytes, and repeated when they fail for a while."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from recipec import pipeline
from recipec.database.connection import connect, shared
from recipec.diagnostics import Failure
from recipec.places import globs, objects, settings
from recipec.places.remote import Remote, at
from tests.conftest import Run
from tests.places import proxy
from tests.places.store import Bucket
from tests.places.test_trouble import SOURCE

pytestmark = pytest.mark.slow


def placed(folder: Path, bucket: Bucket, endpoint: str, place: str = "*.parquet") -> Path:
    (folder / "recipec.toml").write_text(f'[places."{bucket.url}"]\nendpoint = "{endpoint}"\n')
    path = folder / "a.recipe"
    path.write_text(SOURCE.format(place=f"{bucket.url}/{place}") + "sample all\n" + 'output parquet "out"\n')
    return path


def shard(folder: Path, rows: int = 100) -> bytes:
    path = folder / "made.parquet"
    with duckdb.connect() as connection:
        query = f"SELECT 'd' || range AS id, 'some text' AS text, 2 AS n, 'a' AS topic FROM range({rows})"
        connection.execute(f"COPY ({query}) TO '{path}'")
    return path.read_bytes()


@pytest.mark.parametrize(
    "faults", [["503", "503"], ["reset", "503"], ["slow", "reset"], ["cut"], ["cut", "503", "cut"]], ids=" ".join
)
@pytest.mark.parametrize("only", ["GET /{}?list", "GET /{}/"])
def test_what_fails_for_a_while_is_asked_again(
    bucket: Bucket, tmp_path: Path, run: Run, faults: list[proxy.Fault], only: str
) -> None:
    bucket.put("a.parquet", shard(tmp_path))
    with proxy.before(bucket.endpoint) as between:
        between.left, between.only = list(faults), only.format(bucket.name)
        result = run("apply", placed(tmp_path, bucket, between.endpoint), "--yes")
        assert (result.code, between.left) == (0, [])
    assert "100 rows" in run("verify", tmp_path / "out").out


@pytest.mark.parametrize("fault", ["503", "reset", "cut"])
def test_what_fails_for_ever_is_one_diagnostic(bucket: Bucket, tmp_path: Path, run: Run, fault: proxy.Fault) -> None:
    bucket.put("a.parquet", shard(tmp_path))
    with proxy.before(bucket.endpoint) as between:
        between.left, between.only = [fault] * 1000, f"GET /{bucket.name}/a.parquet"
        result = run("apply", placed(tmp_path, bucket, between.endpoint), "--yes")
        tries = 1000 - len(between.left)
    assert (result.code, result.err.count("error["), "Traceback" in result.err) == (1, 1, False)
    assert "error[R0316]: the store cannot be reached: " in result.err
    assert f" --> {bucket.url}/a.parquet" in result.err
    assert tries <= 40


def test_credentials_that_expire_in_the_middle(bucket: Bucket, tmp_path: Path, run: Run) -> None:
    for key in ("a.parquet", "b.parquet"):
        bucket.put(key, shard(tmp_path))
    with proxy.before(bucket.endpoint) as between:
        between.left, between.only = ["expired"] * 1000, f"GET /{bucket.name}/b.parquet"
        result = run("plan", placed(tmp_path, bucket, between.endpoint))
        assert len(between.left) > 990
    assert (result.code, result.err.count("error[")) == (1, 1)
    assert "error[R0315]: access is refused: The provided token has expired\n" in result.err


def test_three_columns_of_twelve_move_few_bytes_more_than_theirs(bucket: Bucket, tmp_path: Path) -> None:
    made = tmp_path / "wide.parquet"
    columns = ", ".join(f"md5(range || 'c{number}') || md5('{number}' || range) AS c{number}" for number in range(12))
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {columns} FROM range(120000)) TO '{made}' (ROW_GROUP_SIZE 20000)")
        wanted = ("c1", "c6", "c7")
        own = connection.execute(
            "SELECT sum(total_compressed_size) FROM parquet_metadata($1) WHERE path_in_schema IN ('c1', 'c6', 'c7')",
            [str(made)],
        ).fetchall()[0][0]
    bucket.put("wide.parquet", made.read_bytes())
    with proxy.before(bucket.endpoint) as between:
        placed(tmp_path, bucket, between.endpoint)
        settings.learn(tmp_path)
        url = Remote(f"{bucket.url}/wide.parquet")
        sums = ", ".join(f"bit_xor(hash({name}))" for name in wanted)
        with connect(folders=[url.parent]) as connection, duckdb.connect() as plain:
            found = connection.execute(f"SELECT {sums} FROM read_parquet('{url}')").fetchall()
            assert found == plain.execute(f"SELECT {sums} FROM read_parquet('{made}')").fetchall()
        read = [moved for request, moved in between.asked if request.startswith("GET")]
    assert sum(read) <= 1.3 * own
    assert len(read) <= 40


def test_objects_are_listed_in_pages(bucket: Bucket) -> None:
    for number in range(1001):
        bucket.put(f"web/{number:04}.parquet", b"")
    found = globs.matches([f"{bucket.url}/web/*.parquet"], Path("/"), bool)
    assert [path.name for path in found] == [f"{number:04}.parquet" for number in range(1001)]


def test_queries_reach_only_what_they_were_allowed(bucket: Bucket, tmp_path: Path) -> None:
    for key in ("open/a.parquet", "closed/a.parquet"):
        bucket.put(key, shard(tmp_path))
    one = at(f"{bucket.url}/open/a.parquet", tmp_path)
    with shared([one]) as connection:
        assert connection.execute(f"SELECT count(*) FROM read_parquet('{one}')").fetchall() == [(100,)]
    with connect(folders=[one.parent]) as connection:
        for place in ("closed", "open/../closed"):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"SELECT * FROM read_parquet('{bucket.url}/{place}/a.parquet')")
        with pytest.raises(duckdb.Error):
            connection.execute(f"COPY (SELECT 1) TO '{bucket.url}/open/b.parquet'")


def test_bytes_are_those_of_the_version_that_was_seen(bucket: Bucket) -> None:
    bucket.put("a.txt", b"0123456789")
    one = Remote(f"{bucket.url}/a.txt")
    with one.open("rb") as file:
        assert (file.read(4), file.seek(-2, 2), file.read()) == (b"0123", 8, b"89")
    bucket.put("a.txt", b"abcdefghij")
    for _ in range(2):
        with pytest.raises(Failure) as caught, one.open("rb") as file:
            file.read()
        assert caught.value.diagnostics[0].code == "R0304"
    objects.look_again([one.url])
    with one.open("rb") as file:
        assert file.read() == b"abcdefghij"


def test_a_process_that_listed_nothing_reads_what_was_planned(bucket: Bucket, tmp_path: Path, run: Run) -> None:
    bucket.put("a.parquet", shard(tmp_path))
    path = placed(tmp_path, bucket, bucket.endpoint)
    plan = pipeline.plan(path, {}).plans[0]
    bucket.put("a.parquet", shard(tmp_path, 50))
    code = "import sys, pickle; from pathlib import Path; from recipec.inputs import shards; "
    code += "place = shards.path(pickle.load(sys.stdin.buffer), Path.cwd()); print(place.open('rb').read())"
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, cwd=tmp_path, input=pickle.dumps(plan.shards[0]), capture_output=True)
    assert b"the object changed while it was read" in ended.stderr


PATTERNS = [
    *(
        "*",
        "*.parquet",
        "a/*",
        "**",
        "a/**",
        "**/*.parquet",
        "a/**/x.parquet",
        "a",
        "a/",
        "**/b",
        "*/b",
        "*/b/",
        "[ab]/*",
    ),
    *(
        "a/b/x.parquet",
        "a/{b,c}/*",
        "a/?/x.parquet",
        "a/[!b]/*",
        ".h/*",
        "**/.h/*",
        "a/.x.parquet",
        "_t",
        "k=1",
        "*=*/*",
    ),
    *("a/b/x [1].parquet", "a/b/x [[]1].parquet", "nothing", "**/**", "a/**/", "A/*"),
]


def test_globs_of_stores_are_those_of_folders(bucket: Bucket, tmp_path: Path) -> None:
    names = ["x.parquet", "a/x.parquet", "a/b/x.parquet", "a/b/x [1].parquet", "a/c/x.parquet", "a/c/d/x.parquet"]
    names += ["b/b/x.parquet", "b/b/y.txt", ".h/x.parquet", "a/.x.parquet", "_t/x.parquet", "a/_t/x.parquet"]
    names += ["k=1/x.parquet", "_k=1/x.parquet", "a/_x.parquet"]
    for name in names:
        (tmp_path / "w" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "w" / name).write_bytes(b"x")
    bucket.fill(tmp_path / "w", "w/")

    def kept(name: str) -> bool:
        return name.endswith(".parquet")

    for pattern in PATTERNS:
        here = [str(path.relative_to(tmp_path)) for path in globs.matches([f"w/{pattern}"], tmp_path, kept)]
        there = globs.matches([f"{bucket.url}/w/{pattern}"], tmp_path, kept)
        assert [str(path).removeprefix(f"{bucket.url}/") for path in there] == here, pattern
