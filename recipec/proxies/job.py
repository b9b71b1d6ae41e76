"""`python -m recipec.proxies.job FOLDER`: runs a training of `recipec search --export-jobs`; writes its record there.

An interrupted training continues from its last saved state; one that has a record is not run again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from recipec.diagnostics import Failure
from recipec.models import loading, training
from recipec.proxies import jobs


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m recipec.proxies.job", description=(__doc__ or "").strip())
    parser.add_argument("folder", type=Path, help="the folder of a job")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (default: CUDA if available)"
    )
    arguments = parser.parse_args(words)
    try:
        job = jobs.read(arguments.folder.resolve())
        if Path(job.out).is_file():
            return 0
        job = job.model_copy(update={"device": loading.devices(arguments.device)[0]})
        done = 0

        def count(parts: int) -> None:
            nonlocal done
            if (done + parts) * 20 // training.PARTS > done * 20 // training.PARTS:
                sys.stderr.write(f"{job.name}: {(done + parts) / training.PARTS:.0%}\n")
            done += parts

        training.run(job, count)
    except Failure as failure:
        for one in failure.diagnostics:
            sys.stderr.write(f"error[{one.code}]: {one.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
