"""Token buckets."""

import pytest

from gateway.doors import buckets
from gateway.doors.buckets import Bucket, Buckets


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    bucket = Bucket(capacity=3, per_s=0.5, level=3, updated_s=0)
    assert [bucket.take(0) for _ in range(3)] == [0.0] * 3
    assert bucket.take(0) == 2.0
    assert bucket.take(1) == 1.0
    assert bucket.take(2) == 0.0
    assert bucket.take(2) == 2.0


def test_a_bucket_holds_no_more_than_its_capacity() -> None:
    bucket = Bucket(capacity=2, per_s=1, level=0, updated_s=0)
    assert [bucket.take(1_000) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_what_is_owed_adds_up() -> None:
    bucket = Bucket(capacity=1, per_s=10, level=1, updated_s=0)
    assert [bucket.owe(0) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2])
    assert bucket.owe(0.3) == pytest.approx(0.0)


def test_names_do_not_share_a_bucket() -> None:
    many = Buckets(capacity=1, per_s=1)
    assert (many.take("a", 0), many.take("b", 0), many.take("a", 0)) == (0.0, 0.0, 1.0)


def test_strangers_cost_no_memory_once_their_bucket_is_full_again() -> None:
    many = Buckets(capacity=1, per_s=1)
    for number in range(5_000):
        many.take(f"address:{number}", number * 10)
    assert len(many._buckets) <= buckets.PRUNE_ABOVE + 1
