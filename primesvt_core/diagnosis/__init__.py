"""What a machine has and what it lacks: ``primesvt doctor``.

A distribution tells of its part through the entry-point group ``primesvt.diagnoses``: a function without arguments that
gives `Finding`s. It changes nothing that it looks at.
"""

from primesvt_core.diagnosis._base import Finding as Finding
from primesvt_core.diagnosis._base import State as State
