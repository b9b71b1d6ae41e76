"""What goes wrong with stores, and what is said of it: one diagnostic each, without a credential."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recipec.places import settings
from tests.conftest import Run
from tests.places.store import SECRET, Bucket, free_port, started

pytestmark = pytest.mark.slow

SOURCE = 'source web {{\n  shards "{place}"\n  id id\n  text text\n  tokens n\n  domain topic\n}}\n'


def told(run: Run, folder: Path, place: str) -> str:
    """What `check` says of a recipe with shards somewhere, without the lines of the recipe."""
    path = folder / "a.recipe"
    path.write_text(SOURCE.format(place=place))
    result = run("check", path)
    assert (result.code, result.out, SECRET in result.err) == (1, "", False)
    lines = [line for line in result.err.splitlines() if line.startswith(("error", "warning", "  = ", " --> "))]
    return "\n".join(lines).replace(f" --> {path}:2:3", "").replace(str(path), "a.recipe").rstrip()


def test_a_bucket_that_is_not_there(bucket: Bucket, run: Run, tmp_path: Path) -> None:
    for place in ("s3://no-such-bucket/*.parquet", "s3://no-such-bucket/a.parquet", "s3://no-such-bucket"):
        assert told(run, tmp_path, place).splitlines() == [
            "error[R0314]: there is no bucket `s3://no-such-bucket`",
            "",
            "  = help: correct the name, or the endpoint of its store",
        ]


def test_names_without_objects(bucket: Bucket, run: Run, tmp_path: Path) -> None:
    bucket.put("web/a.txt", b"text")
    bucket.put("web/empty/", b"")
    for glob in ("web/*.parquet", "web/a.parquet", "none/", "web", "web/empty"):
        assert told(run, tmp_path, f"{bucket.url}/{glob}").splitlines() == [
            f"error[R0301]: no file matches `{bucket.url}/{glob}`",
            "",
            "  = help: the store has no object of that name; upper and lower case are different names",
        ]


def test_no_credentials_and_a_profile_that_is_not_there(
    bucket: Bucket, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = told(run, tmp_path, f"{bucket.url}/a.parquet")
    assert found.startswith("error[R0315]: no credentials: Unable to locate credentials\n")
    assert "AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role" in found
    (tmp_path / "recipec.toml").write_text(f'[places."{bucket.url}"]\nprofile = "nobody"\n')
    found = told(run, tmp_path, f"{bucket.url}/a.parquet")
    assert found.startswith("error[R0315]: no credentials: The config profile (nobody) could not be found\n")


def test_a_key_that_is_refused(bucket: Bucket, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A server that asks for credentials from its first request on.
    server, address = started({"INITIAL_NO_AUTH_ACTION_COUNT": "0"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    try:
        found = told(run, tmp_path, "s3://guarded/*.parquet")
    finally:
        server.kill()
        server.wait()
    assert found.splitlines()[:2] == [
        "error[R0315]: access is refused: The AWS Access Key Id you provided does not exist in our records",
        " --> s3://guarded/",
    ]


def test_a_store_that_does_not_answer(bucket: Bucket, run: Run, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "recipec.toml").write_text(f'[places."{bucket.url}"]\nendpoint = "{nobody}"\n')
    found = told(run, tmp_path, f"{bucket.url}/web/*.parquet")
    assert found.startswith("error[R0316]: the store cannot be reached: Could not connect to the endpoint URL:")
    assert found.endswith("  = help: what is finished is kept: run the same command again")


def test_a_client_that_is_not_installed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, package, extra in (("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs"), ("az", "adlfs", "azure")):
        monkeypatch.setitem(sys.modules, package, None)
        assert told(run, tmp_path, f"{scheme}://bucket-without-client/*.parquet").splitlines() == [
            f"error[R0313]: reading `{scheme}://` needs the package {package}, which is not installed",
            "",
            f"  = help: pip install 'recipec[{extra}]'",
        ]


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        ("places = 1", "`places` is no table of tables", 'write for example `[places."s3://team"]`'),
        ('[places."team"]', "`team` is no beginning of a URL", 'write for example `[places."s3://team"]`'),
        ('[places."s3://b"]\nregoin = "x"', "`s3://b` has no setting `regoin`", "did you mean `region`?"),
        ('[places."s3://b"]\nregion = 1', "`region` of `s3://b` is not a string", ""),
        (
            '[places."s3://b"]\nsecret_key = "hidden"',
            "`secret_key` of `s3://b` may be a credential, which is not read from here",
            "credentials come from the environment of the store's client; `profile` names one of its profiles",
        ),
        ("[places", "the file cannot be read: Expected ']' at the end of a table declaration (at end of document)", ""),
    ],
)
def test_settings_that_cannot_be_used(run: Run, tmp_path: Path, text: str, message: str, help_: str) -> None:
    file = tmp_path / "recipec.toml"
    file.write_text(text)
    found = told(run, tmp_path, "s3://bucket/*.parquet").splitlines()
    assert found[:2] == [f"error[R0317]: {message}", f" --> {file}"]
    assert found[3:] == ([f"  = help: {help_}"] if help_ else [])


def test_settings_are_those_of_the_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / settings.NAME
    file.write_text(
        '[places."s3://b"]\nregion = "x"\n[places."s3://b/deep"]\nregion = "y"\n[places."s3://bu"]\nprofile = "p"\n'
    )
    settings.learn(tmp_path)
    found = [settings.of(f"s3://{rest}") for rest in ("b", "b/a", "b/deep", "b/deep/a", "b/deeper/a", "bucket/a")]
    assert [one.region for one in found] == ["x", "x", "y", "y", "x", ""]
    file.write_text('[places."s3://b"]\nanonymous = true\n')
    settings.learn(tmp_path)
    assert settings.of("s3://b/deep/a") == settings.Place(anonymous=True)
    file.unlink()
    settings.learn(tmp_path)
    assert settings.of("s3://b/deep/a") == settings.Place()


def test_a_recipe_of_this_machine_loads_no_client(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "some text", "n": 2, "topic": "a"}\n')
    (tmp_path / "a.recipe").write_text(SOURCE.format(place="*.jsonl"))
    code = "import sys; from recipec.cli.main import main; main(['plan', 'a.recipe']); "
    code += (
        "print(*{name.split('.')[0] for name in sys.modules} & {'fsspec', 's3fs', 'aiohttp', 'botocore', 'asyncio'})"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == ""


def test_settings_are_not_looked_at_where_no_url_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipec.toml").write_text("[places")
    assert "R0301" in told(run, tmp_path, "*.parquet")
