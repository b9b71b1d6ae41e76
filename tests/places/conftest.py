"""What the tests of stores share."""

from tests.places.store import address, bucket

__all__ = ["address", "bucket"]
