"""What a child answers."""

from __future__ import annotations

import io
from pathlib import Path

from primesvt_client.facts import CheckpointFacts
from worker.child import Channel, carry_out
from worker.protocol import ValidateCheckpoint

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_an_uploads_facts_say_what_was_assumed_from_where() -> None:
    told_nobody = io.StringIO()
    facts = carry_out(ValidateCheckpoint(path=EXAMPLES / "spikformer-digits.pth.tar"), Channel(told_nobody))
    assert told_nobody.getvalue() == ""
    assert isinstance(facts, CheckpointFacts)
    assumed = {str(entry["field"]): entry["source"] for entry in facts.assumptions or ()}
    assert assumed.keys() >= {"time_steps", "num_heads", "image_size"}
    assert set(assumed.values()) <= {"checkpoint", "tensors", "default"}
    assert facts.container in (facts.containers or ())
