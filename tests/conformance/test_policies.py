"""Every policy holds the suite of policies."""

from __future__ import annotations

import pytest

from primesvt_core.policies import POLICIES, PolicySearch
from primesvt_core.testing.policies import PolicySuite


class TestPolicies(PolicySuite):
    @pytest.fixture(params=POLICIES.available())
    def policy_key(self, request: pytest.FixtureRequest) -> str:
        key: str = request.param
        return key

    @pytest.fixture
    def policy(self, policy_key: str) -> PolicySearch:
        return POLICIES.load(policy_key).with_params({})
