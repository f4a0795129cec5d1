"""What a compression can come to at all, and why it would be refused, said before it runs.

From what validation found of a checkpoint and a data set, without the files: free of torch and of numpy. What cannot be
told so is None, and a note says why. A problem is one that the run would refuse for certain, in the run's own words.
"""

from primesvt_core.preflight._base import Inputs as Inputs
from primesvt_core.preflight._base import Problem as Problem
from primesvt_core.preflight.looking_ahead import Preflight as Preflight
from primesvt_core.preflight.looking_ahead import preflight as preflight
from primesvt_core.preflight.without_search import preflight_of_curve as preflight_of_curve
from primesvt_core.preflight.without_search import preflight_of_plan as preflight_of_plan
