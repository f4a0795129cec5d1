"""Leases are measured by the watcher's own steady clock."""

from __future__ import annotations

from app.leases import LeaseWatch


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_who_renews_is_never_silent_and_who_does_not_is_after_a_lease() -> None:
    clock = Clock()
    watch = LeaseWatch(30.0, 5.0, clock)
    for number in range(12):
        clock.seconds = 5.0 * number
        silent = watch.silent({"renews": number, "does not": 0})
        assert silent == ({"does not"} if clock.seconds >= 30 else set())


def test_a_renewal_that_goes_back_is_a_renewal() -> None:
    clock = Clock()
    watch = LeaseWatch(30.0, 5.0, clock)
    assert not watch.silent({"w": 100})
    clock.seconds = 14.0
    assert not watch.silent({"w": -86_400})
    clock.seconds = 28.0
    assert not watch.silent({"w": -86_400})
    clock.seconds = 42.0
    assert not watch.silent({"w": -86_400})
    clock.seconds = 44.0
    assert watch.silent({"w": -86_400}) == {"w"}


def test_what_was_not_watched_is_watched_anew() -> None:
    clock = Clock()
    watch = LeaseWatch(30.0, 5.0, clock)
    watch.silent({"w": 0})
    clock.seconds = 1000.0  # the watcher, or the database that it looks into, was away
    assert not watch.silent({"w": 0})
    clock.seconds = 1015.0
    assert not watch.silent({"w": 0})
    clock.seconds = 1030.0
    assert watch.silent({"w": 0}) == {"w"}


def test_who_has_gone_and_come_back_begins_anew() -> None:
    clock = Clock()
    watch = LeaseWatch(30.0, 10.0, clock)
    watch.silent({"w": 0})
    clock.seconds = 20.0
    watch.silent({})
    clock.seconds = 40.0
    assert not watch.silent({"w": 0})
