"""The list of pages that a browser and axe-core go through (tests/e2e/test_dashboard_walk.py) has all of them."""

from __future__ import annotations

from tests.support.dashboard import Dashboard
from tests.support.every_page import NO_PAGES, every_page
from tests.support.routes import routes_of


def test_a_new_page_belongs_in_the_list(board: Dashboard) -> None:
    asked = {route.path for route in routes_of(board) if route.method == "GET" and route.is_page}
    assert {one.route for one in every_page(board)} | {*NO_PAGES} == asked
