"""Others of the delivered memory, for the report."""

from __future__ import annotations

from collections.abc import Sequence

from primesvt_core.method.beside_rivals import Rival
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.repairing import Repairing
from primesvt_core.report.by_disagreement import compared_figures
from primesvt_core.report.compared import BaselineFigures


def baseline_figures(candidates: Candidates, rivals: Sequence[Rival]) -> tuple[BaselineFigures, ...]:
    """Their figures, the delivered candidate first."""
    repair = Repairing(candidates).searching
    return tuple(
        BaselineFigures(
            name=rival.name,
            parameter_bytes=rival.parameter_bytes,
            memory_saving=candidates.saving(rival.parameter_bytes),
            divergence=rival.compared.divergence,
            samples=rival.compared.samples,
            repair=repair,
            **compared_figures(
                rival.compared.accuracy,
                (rival.compared.lost - rival.compared.won) / rival.compared.samples,
                candidates.by_disagreement,
            ),
        )
        for rival in rivals
    )
