"""The frontier of results."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.jobs.frontier import Point, frontier

SMALL = st.integers(min_value=0, max_value=5).map(float)
POINTS = st.lists(st.tuples(SMALL, SMALL), max_size=12).map(
    lambda pairs: [Point(f"job_{number:02}", *pair) for number, pair in enumerate(pairs)]
)


def beats(one: Point, other: Point) -> bool:
    return one.size <= other.size and one.loss <= other.loss and (one.size, one.loss) != (other.size, other.loss)


@given(POINTS)
def test_no_point_beats_one_of_the_frontier_and_every_other_one_is_beaten_or_stood_for(points: list[Point]) -> None:
    found = frontier(points)
    assert found == sorted(found, key=lambda point: point.size)
    assert not any(beats(one, other) for one in points for other in found)
    places = {(point.size, point.loss) for point in found}
    assert len(places) == len(found)
    for point in points:
        assert (point.size, point.loss) in places or any(beats(other, point) for other in found)
    for point in found:  # of equal ones the newest stands for all
        assert point.job_id == max(p.job_id for p in points if (p.size, p.loss) == (point.size, point.loss))
