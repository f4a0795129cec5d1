"""The place in the queue is the one that serving job after job gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.jobs.order import TeamQueue, position

TEAMS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(TeamQueue, running=st.integers(0, 4), waiting=st.integers(1, 6), served_seq=st.integers(0, 5)),
    min_size=1,
)


def served_one_by_one(queues: dict[str, TeamQueue]) -> list[tuple[str, int]]:
    """Who is served, if the rule is followed and nothing ends: team and rank within it."""
    running = {team: queue.running for team, queue in queues.items()}
    last_served = {team: queue.served_seq for team, queue in queues.items()}
    served = dict.fromkeys(queues, 0)
    found, seq = [], 100
    while any(served[team] < queues[team].waiting for team in queues):
        waiting = [team for team in queues if served[team] < queues[team].waiting]
        team = min(waiting, key=lambda team: (running[team], last_served[team], team))
        found.append((team, served[team]))
        served[team], running[team], last_served[team], seq = served[team] + 1, running[team] + 1, seq, seq + 1
    return found


@given(TEAMS)
def test_positions_are_those_of_serving_one_by_one(queues: dict[str, TeamQueue]) -> None:
    order = served_one_by_one(queues)
    assert [position(team, rank, queues) for team, rank in order] == [*range(1, len(order) + 1)]
