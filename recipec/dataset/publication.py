"""Datasets in stores: where the current one is, and how a finished one takes its place.

s3://bucket/mix/
    latest.json                    which run is the current one; written last, under the condition that nobody else wrote it
    runs/<seal>/                   the files of a dataset as a folder has them; its manifest.json is written after all others

A run without a manifest is no dataset, and one that `latest.json` does not name is none that anybody finds. What is complete
in a store is not written again, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recipec.dataset import manifest as manifests
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.execution import ExecutionPlan, Manifest
from recipec.ir.selection import Selection
from recipec.places import digests, local, objects, publish, scheme, stores
from recipec.places.remote import Remote
from recipec.progress import Progress

LATEST = "latest.json"
RUNS = "runs"

UPLOADS = "uploads"
"""The folder of the state in which a dataset is built that goes to a store."""

LARGEST = 10_000
"""The most bytes of `latest.json`."""

TOGETHER = 4
"""The number of files that are sent concurrently."""


def current(path: Path) -> Path:
    """The folder of the current dataset of a place: in a store the run that its `latest.json` names, if there is one.

    Raises:
        Failure: the store cannot be asked, or `latest.json` is not one of ours.
    """
    if not isinstance(path, Remote):
        return path
    latest, manifest = path / LATEST, path / manifests.NAME
    objects.look_again([latest.url, manifest.url])
    if not local.exists(latest):
        return path
    found = path / _run(latest)
    objects.look_again([(found / manifests.NAME).url])
    return found


def _run(latest: Remote) -> str:
    """The run that a `latest.json` names, such as `runs/0123456789abcdef`."""
    try:
        value = local.read_json(latest, LARGEST)
        run = value["run"] if isinstance(value, dict) else ""
    except (OSError, ValueError, KeyError):
        run = ""
    if not isinstance(run, str) or not re.fullmatch(rf"{RUNS}/[0-9a-f]{{16,64}}", run):
        raise Failure(Diagnostic("R0607", "the file does not name a dataset", place=latest.url))
    return run


@dataclass(frozen=True, slots=True)
class Publication:
    """A dataset that is to be published in a store.

    Attributes:
        staged: the folder of this machine where it is built.
        before: the `latest.json` that it replaces.
    """

    place: Remote
    staged: Path
    before: objects.Object | None

    @classmethod
    def begin(cls, place: Remote, root: Path) -> Publication:
        """Looks at what is at the place, before anything is made.

        Args:
            root: the state folder.

        Raises:
            Failure: something else is there, or the store cannot be asked.
        """
        scheme.check_writable(place.url)
        latest = place / LATEST
        objects.look_again([latest.url])
        before = latest.facts() if local.exists(latest) else None
        if before is not None:
            _run(latest)
        for one in stores.of(place.url).list(f"{place.url}/", "", deep=True):
            name = one.url.removeprefix(f"{place.url}/")
            if name != LATEST and not name.startswith(f"{RUNS}/"):
                message = f"`{name}` is at the output's place; only a dataset of recipec is replaced"
                helps = ("choose another place, or move what is there",)
                raise Failure(Diagnostic("R0602", message, place=place.url, helps=helps))
            if before is not None:
                break
        return cls(place, root / UPLOADS / digests.sha256_text(place.url)[:16], before)

    def standing(self, plan: ExecutionPlan, selection: Selection) -> Manifest | None:
        """The current dataset, if it is whole and is that of a plan."""
        found = current(self.place)
        if self.before is None or found == self.place:
            return None
        try:
            described = manifests.read_manifest(found)
        except Failure:
            return None
        files = {found / file.path: file.bytes for file in manifests.files_of(described)}
        objects.look_again([path.url for path in files if isinstance(path, Remote)])
        whole = all(local.size(path) == size for path, size in files.items())
        same = described.plan == manifests.plan_digest(plan) and described.digest == selection.digest
        return described if whole and same else None

    def publish(self, described: Manifest, progress: Progress) -> None:
        """Sends the finished dataset, and makes it the current one.

        Raises:
            Failure: another one was published meanwhile, or the store refuses.
        """
        run = f"{RUNS}/{described.seal[:32]}"
        if current(self.place) == self.place / run:
            self._clear()
            return
        files = [*(file.path for file in manifests.files_of(described)), "README.md"]
        self._send(self.place / run, files, progress)
        self._send(self.place / run, [manifests.NAME], progress)
        self._switch(run, described)
        self._clear()

    def _clear(self) -> None:
        if local.is_folder(self.staged):
            publish.remove_ours(self.staged)

    def _send(self, run: Remote, names: Sequence[str], progress: Progress) -> None:
        store = stores.writer(run.url)
        there = {one.url: one.bytes for one in store.list(f"{run.url}/", "", deep=True)}
        sizes = {name: local.stat(self.staged / name).bytes for name in names}
        done = 0

        def send(name: str) -> int:
            url = (run / name).url
            if there.get(url) != sizes[name]:
                store.put(url, self.staged / name)
            return sizes[name]

        with ThreadPoolExecutor(TOGETHER) as pool:
            for sent in pool.map(send, names):
                done += sent
                progress("send dataset", done, sum(sizes.values()), "bytes")

    def _switch(self, run: str, described: Manifest) -> None:
        """Writes `latest.json`, if it is still what it was when the run began."""
        latest = self.place / LATEST
        text = json.dumps({"run": run, "digest": described.digest, "seal": described.seal}, indent=1) + "\n"
        if stores.writer(latest.url).put_if(latest.url, text.encode(), self.before):
            return
        objects.look_again([latest.url])
        if local.exists(latest) and _run(latest) == run:
            return
        message = "another run has published a dataset at the output's place since this one began"
        helps = (f"this one is complete at `{self.place / run}`; apply again to publish it in place of the other",)
        raise Failure(Diagnostic("R0617", message, place=self.place.url, helps=helps))
