"""What tests have in common is made by one process."""

from __future__ import annotations

import pytest

from tests.support.sharing_out import group_of


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("tests/core/test_spec.py::test_a", "tests/core/test_spec.py::test_b[1]", True),
        ("tests/core/test_spec.py::test_a", "tests/core/test_registry.py::test_a", False),
        ("tests/conformance/test_a.py::test_a[sdtv1-T4]", "tests/conformance/test_b.py::T::test_b[sdtv1-T4]", True),
        ("tests/conformance/test_a.py::test_a[spikformer-T4]", "tests/conformance/test_a.py::test_a[sdtv1-T4]", False),
        ("tests/e2e/test_hostile_uploads.py::test_a[fleet]", "tests/e2e/test_hostile_uploads.py::test_b[fleet]", True),
        ("tests/e2e/test_hostile_uploads.py::test_a[fleet]", "tests/e2e/test_hostile_uploads.py::test_a[one]", False),
        ("tests/contract/test_openapi.py::test_a[0]", "tests/contract/test_openapi.py::test_a[1]", False),
    ],
)  # fmt: skip
def test_groups(one: str, other: str, is_shared: bool) -> None:
    assert (group_of(one) == group_of(other)) is is_shared
