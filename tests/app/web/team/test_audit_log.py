"""The audit log."""

from __future__ import annotations

from app.teams.scopes import Role
from tests.support.browsing import attributes, get, next_page
from tests.support.dashboard import Dashboard
from tests.support.people import person


def test_the_audit_log_is_filtered_and_goes_on_page_by_page(board: Dashboard) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    for number in range(51):
        board.services.keys.create(admin.id, f"key number {number:02}")
    first = get(board, admin, "/team/audit?action=key.create").text
    assert "key number 50" in first
    assert "key number 00" not in first
    second = get(board, admin, next_page(first)).text
    assert "key number 00" in second
    assert set(attributes(second, "data-action")) == {"key.create"}
    assert attributes(get(board, admin, "/team/audit?action=member.join").text, "data-action") == ["member.join"]
    sheet = get(board, admin, "/api/v1/audit.csv")  # where the page's button leads
    assert sheet.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert sheet.text.count("key.create") == 52
