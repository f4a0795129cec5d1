"""Every policy holds the suite of its kind."""

from __future__ import annotations

import pytest

from primesvt_core.policies import POLICIES, CurvePolicy, CurveSearch, Policy, PolicySearch
from primesvt_core.testing.curve_policies import CurvePolicySuite
from primesvt_core.testing.policies import PolicySuite

EVERY = {key: POLICIES.load(key) for key in POLICIES.available()}
BY_ACCURACY = {key: policy for key, policy in EVERY.items() if isinstance(policy, Policy)}
BY_DIVERGENCE = {key: policy for key, policy in EVERY.items() if isinstance(policy, CurvePolicy)}


def test_every_policy_has_a_suite() -> None:
    assert BY_ACCURACY.keys() | BY_DIVERGENCE.keys() == EVERY.keys()
    assert {"prioritized"} <= BY_ACCURACY.keys()
    assert {"allocate", "uniform", "sensitivity"} <= BY_DIVERGENCE.keys()


class TestPolicies(PolicySuite):
    @pytest.fixture(params=BY_ACCURACY)
    def policy_key(self, request: pytest.FixtureRequest) -> str:
        key: str = request.param
        return key

    @pytest.fixture
    def policy(self, policy_key: str) -> PolicySearch:
        return BY_ACCURACY[policy_key].with_params({})


class TestCurvePolicies(CurvePolicySuite):
    @pytest.fixture(params=BY_DIVERGENCE)
    def policy_key(self, request: pytest.FixtureRequest) -> str:
        key: str = request.param
        return key

    @pytest.fixture
    def policy(self, policy_key: str) -> CurveSearch:
        return BY_DIVERGENCE[policy_key].with_params({})
