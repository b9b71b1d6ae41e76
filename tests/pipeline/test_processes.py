"""`apply` in processes of its own: killed, interrupted, two at once, out of room; the dataset is whole or not there."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import LONG, MIX, Run, rows, wait_for

pytestmark = pytest.mark.slow

APPLY = [sys.executable, "-m", "recipec", "apply", "mix.recipe", "--yes"]


@pytest.fixture
def long(mix: Path) -> Path:
    """A recipe whose run has many steps: text scores, deduplication, several shards in, several out."""
    text = MIX.replace(
        'output parquet "out"\n',
        "where word_count() >= 5\nwhere not duplicate(id)\nwhere duplicate_ngram_ratio(n: 9) <= 1\n"
        'output parquet "out" { shard 1KB, shuffle }\n',
    )
    mix.write_text(text)
    return mix


def files(folder: Path) -> dict[str, bytes]:
    """What must be the same whatever happened on the way."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def grown(folder: Path) -> int:
    """How far a run has come, by the files that it has made so far."""
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.mark.parametrize("seed", range(10 if LONG else 3))
def test_killed_at_random_moments_apply_ends_in_the_same_bytes(long: Path, seed: int) -> None:
    folder = long.parent
    subprocess.run(APPLY, cwd=folder, check=True, capture_output=True)
    whole, digest = files(folder / "out"), json.loads((folder / "out/manifest.json").read_text())["digest"]
    most = grown(folder)
    shutil.rmtree(folder / "out")
    shutil.rmtree(folder / ".recipec")
    moments = random.Random(seed)
    kills = 0
    for _ in range(5):
        process = subprocess.Popen(APPLY, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = moments.uniform(0.0, 0.95) * most
        wait_for(lambda: grown(folder) >= until or process.poll() is not None)  # noqa: B023 - called at once
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        if (folder / "out").exists():
            # What can be seen is whole, at any moment.
            assert files(folder / "out") == whole
    ended = subprocess.run(APPLY, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert kills
    assert files(folder / "out") == whole
    assert json.loads((folder / "out/manifest.json").read_text())["digest"] == digest
    left = {path.name for path in folder.iterdir()}
    assert left == {"data", "mix.recipe", ".recipec", "out"}


@pytest.mark.parametrize("times", [1, 5])
def test_an_interrupt_exits_130_and_leaves_nothing_half_written(long: Path, times: int) -> None:
    """Interrupted in the middle of its many parts, and again while it ends."""
    folder = long.parent
    long.write_text(long.read_text().replace("budget 2K", "budget 12K"))
    process = subprocess.Popen(
        APPLY,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # What runs tests in the background may have it ignored, and a process inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: any(folder.glob(".out.*.partial/data/part-*")) or process.poll() is not None)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert said.count("interrupted") == 1
    assert "Traceback" not in said
    assert not (folder / "out").exists()
    assert subprocess.run(APPLY, cwd=folder, capture_output=True, check=False).returncode == 0


HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom recipec.places import lease\n"
    "with lease.lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def test_two_at_once_the_second_says_who_holds_the_lock(long: Path, run: Run) -> None:
    state = long.parent / ".recipec"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        result = run("apply", long, "--yes")
        assert result.code == 5
        assert "error[R0608]" in result.err
        assert str(holder.pid) in result.err
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    # The lock of a dead process holds nobody up.
    assert run("apply", long, "--yes").code == 0


def test_a_full_disk_is_said_and_the_old_dataset_stays(long: Path) -> None:
    folder = long.parent
    subprocess.run(APPLY, cwd=folder, check=True, capture_output=True)
    before = files(folder / "out")
    long.write_text(long.read_text().replace("budget 2K", "budget 20K").replace("shard 1KB", "shard 1MB"))

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    shutil.rmtree(folder / ".recipec")
    ended = subprocess.run(APPLY, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert ended.returncode == 1
    assert "error[R06" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert files(folder / "out") == before


def test_an_output_that_cannot_be_written(long: Path, run: Run) -> None:
    (long.parent / "taken").write_text("a file")
    long.write_text(long.read_text().replace('"out"', '"taken/out"'))
    result = run("apply", long, "--yes")
    assert result.code == 1
    assert "error[R060" in result.err
    assert (long.parent / "taken").read_text() == "a file"


def test_a_read_only_state_folder(long: Path, run: Run) -> None:
    (long.parent / ".recipec").write_text("a file where the folder would be")
    result = run("plan", long)
    assert result.code == 1
    assert "error[R0603]" in result.err


def test_what_was_stored_is_used_again(long: Path, run: Run) -> None:
    assert run("apply", long, "--yes").code == 0
    steps = {path: path.stat().st_mtime_ns for path in (long.parent / ".recipec/steps").rglob("*.parquet")}
    assert run("plan", long, "--detailed-exitcode").code == 0
    long.write_text(long.read_text().replace("omega 0.3", "omega 0.4"))
    result = run("plan", long, "--detailed-exitcode")
    assert result.code == 2
    assert "omega changed at line" in result.out
    assert all(path.stat().st_mtime_ns == before for path, before in steps.items())
    shown = [line.split()[0] for line in result.out.splitlines() if " run " in line]
    assert shown == ["sample", "write"]


def test_hash_seed_and_locale_change_nothing(long: Path) -> None:
    folder = long.parent
    digests = set()
    for seed, locale in (("0", "C"), ("1", "C.UTF-8"), ("random", "C")):
        shutil.rmtree(folder / ".recipec", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": "Asia/Tokyo"}
        subprocess.run(APPLY, cwd=folder, check=True, capture_output=True, env=environment)
        digests.add(json.loads((folder / "out/manifest.json").read_text())["digest"])
    assert len(digests) == 1
    assert rows(f"SELECT count(*) > 0 FROM '{folder}/out/data/*.parquet'") == [(True,)]
