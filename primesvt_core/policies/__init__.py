"""Policies: which rate each group gets; one file each, the file's name is its key. Free of torch."""

from primesvt_core.policies._base import POLICIES as POLICIES
from primesvt_core.policies._base import AnyPolicy as AnyPolicy
from primesvt_core.policies._base import Curve as Curve
from primesvt_core.policies._base import CurvePolicy as CurvePolicy
from primesvt_core.policies._base import CurveProblem as CurveProblem
from primesvt_core.policies._base import CurveSearch as CurveSearch
from primesvt_core.policies._base import Evaluate as Evaluate
from primesvt_core.policies._base import IsWithin as IsWithin
from primesvt_core.policies._base import Measure as Measure
from primesvt_core.policies._base import Parameter as Parameter
from primesvt_core.policies._base import Policy as Policy
from primesvt_core.policies._base import PolicyParams as PolicyParams
from primesvt_core.policies._base import PolicySearch as PolicySearch
from primesvt_core.policies._base import Problem as Problem
from primesvt_core.policies._base import policy_parameters as policy_parameters
