"""`s3://bucket/key`, through s3fs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from recipec.diagnostics import Failure
from recipec.places.objects import Object
from recipec.places.settings import Place
from recipec.places.stores import blamed, root

TRIES = 4
"""How often a request is made that fails for a while, before it is given up."""

CONNECT_SECONDS = 10
READ_SECONDS = 60

CONNECTIONS = 32


class S3:
    """The objects of a bucket as Amazon's protocol has them."""

    lists = True
    conditional = True

    def __init__(self, place: Place) -> None:
        import s3fs

        # botocore reads AWS_ENDPOINT_URL and AWS_PROFILE itself, but of the region only its older name.
        region = place.region or os.environ.get("AWS_REGION", "")
        retries = {"mode": "standard", "total_max_attempts": TRIES}
        self._fs: Any = s3fs.S3FileSystem(
            anon=place.anonymous,
            endpoint_url=place.endpoint or None,
            client_kwargs={"region_name": region} if region else {},
            config_kwargs={
                "retries": retries,
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "max_pool_connections": CONNECTIONS,
            },
            use_listings_cache=False,
            skip_instance_cache=True,
            **({"profile": place.profile} if place.profile else {}),
        )
        # Its own repetitions would multiply with those above.
        self._fs.retries = 1

    def list(self, folder: str, prefix: str, *, deep: bool) -> Iterator[Object]:
        start = root(folder)
        bucket, key = _split(folder)
        words: dict[str, str] = {} if deep else {"Delimiter": "/"}
        while True:
            with blamed(folder):
                page = self._fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key + prefix, **words)
            # A name that ends in a slash is what some programs write for a folder.
            yield from (
                _object(f"{start}/{one['Key']}", one["Size"], one)
                for one in page.get("Contents", ())
                if not one["Key"].endswith("/")
            )
            if not page.get("IsTruncated"):
                return
            words["ContinuationToken"] = page["NextContinuationToken"]

    def stat(self, url: str) -> Object:
        bucket, key = _split(url)
        if not key:
            raise FileNotFoundError(2, "there is no such object", url)
        with blamed(url):
            found = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        return _object(url, found["ContentLength"], found)

    def put(self, url: str, path: Path) -> None:
        with blamed(url):
            # In parts where it is large; an object appears only when all of them are there.
            self._fs.put_file(str(path), url)

    def put_if(self, url: str, data: bytes, before: Object | None) -> bool:
        bucket, key = _split(url)
        condition = {"IfNoneMatch": "*"} if before is None else {"IfMatch": _etag(before)}
        try:
            with blamed(url):
                self._fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
        except FileNotFoundError:
            # What was there is gone.
            return False
        except Failure as failure:
            if failure.diagnostics[0].code == "R0304":
                return False
            raise
        return True

    def parts(self, folder: str) -> Iterator[tuple[str, str, float]]:
        bucket, key = _split(folder)
        words: dict[str, str] = {}
        while True:
            with blamed(folder):
                page = self._fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key, **words)
            for one in page.get("Uploads", ()):
                yield f"{root(folder)}/{one['Key']}", one["UploadId"], one["Initiated"].timestamp()
            if not page.get("IsTruncated"):
                return
            words = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def remove(self, url: str, upload: str) -> None:
        bucket, key = _split(url)
        with blamed(url):
            if upload:
                self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
            else:
                self._fs.call_s3("delete_object", Bucket=bucket, Key=key)

    def read(self, one: Object, start: int, end: int) -> bytes:
        bucket, key = _split(one.url)
        wanted = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{end - 1}"}
        wanted["IfMatch"] = _etag(one)
        with blamed(one.url):
            return self._body(wanted)

    def _body(self, wanted: dict[str, str]) -> bytes:
        """The bytes of an answer. A connection that breaks in the middle of it is no failed request to the client."""
        from fsspec.asyn import sync

        last: Exception = OSError("it ended early")
        for number in range(TRIES):
            time.sleep(0.1 * (4**number - 1) / 3)
            answer = self._fs.call_s3("get_object", **wanted)
            try:
                found: bytes = sync(self._fs.loop, _whole, answer["Body"])
            except Exception as error:
                last = error
                continue
            if len(found) == answer["ContentLength"]:
                return found
        raise last


async def _whole(body: Any) -> bytes:
    try:
        found: bytes = await body.read()
        return found
    finally:
        body.close()


def _split(url: str) -> tuple[str, str]:
    """The bucket and the key."""
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key


def _etag(one: Object) -> str:
    return f'"{one.identity.removeprefix("etag ")}"'


def _object(url: str, size: int, said: dict[str, Any]) -> Object:
    changed: datetime = said["LastModified"]
    return Object(url, size, int(changed.timestamp()) * 10**9, f"etag {said['ETag'].strip(chr(34))}")
