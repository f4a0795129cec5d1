"""What a child answers."""

from __future__ import annotations

import errno
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primesvt_client.facts import CheckpointFacts, DataSetFacts, read_upload
from primesvt_core.errors import DataError, ScratchFull
from tests.support.commands import primesvt
from worker import child
from worker.child import Channel, carry_out
from worker.protocol import CompressResult, PruneRequest, Sandbox, ValidateCheckpoint, ValidateData

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


@pytest.mark.parametrize("is_labelled", [True, False])
def test_an_upload_may_have_no_labels_which_its_facts_say(is_labelled: bool, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    labels: dict[str, Any] = {"labels": np.arange(6) % 2} if is_labelled else {}
    np.savez(tmp_path / "set.npz", images=images, **labels)
    facts = carry_out(ValidateData(path=tmp_path / "set.npz"), Channel(io.StringIO()))
    assert isinstance(facts, DataSetFacts)
    assert (facts.samples, facts.is_labelled) == (6, is_labelled)
    assert facts.classes == (("0", "1") if is_labelled else ())
    assert ("is_labelled" in facts.document()) is not is_labelled
    assert read_upload(facts.document()) == facts


def test_a_child_carries_out_a_plan_as_the_command_does(tmp_path: Path) -> None:
    checkpoint, rates = EXAMPLES / "spikformer-digits.pth.tar", {"block.*.mlp.*": 0.5}
    spec = {"budget": {"min_memory_saving": 0.0}, "preset": "paper"}
    task = PruneRequest(
        checkpoint=checkpoint, data=None, train_data=None, spec=spec, plan=rates, plan_name="of the request",
        workspace=tmp_path / "workspace", out=tmp_path / "out",
    )  # fmt: skip
    found = carry_out(task, Channel(io.StringIO()))
    assert isinstance(found, CompressResult)
    assert found.verdict == "not_measured"
    assert found.summary.accuracy_drop is None
    assert 0 < (found.summary.memory_saving or 0) < 1
    (tmp_path / "rates.json").write_text(json.dumps(rates))
    done = primesvt("prune", checkpoint, "--plan", tmp_path / "rates.json", "--out", tmp_path / "command")
    assert done.returncode == 0, done.stderr
    ours, theirs = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "command"))
    assert ours == theirs


LIMITED = Sandbox(memory_bytes=1 << 20)


@pytest.mark.parametrize(
    ("error", "sandbox", "code"),
    [
        (MemoryError(), LIMITED, "too_demanding"),
        (MemoryError(), Sandbox(), None),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            LIMITED,
            "too_demanding",
        ),
        (RuntimeError("shape mismatch"), LIMITED, "internal_error"),
        (OSError(errno.ENOSPC, "full"), LIMITED, "scratch_full"),
        (OSError(errno.EFBIG, "beyond the limit of files"), LIMITED, "scratch_full"),
        (OSError(errno.EIO, "broken"), LIMITED, None),
        (ScratchFull("full"), LIMITED, "scratch_full"),
        (DataError("damaged", code="data_undecodable"), LIMITED, "data_undecodable"),
    ],
    ids=repr,
)
def test_what_a_child_tells_of_an_error(error: Exception, sandbox: Sandbox, code: str | None) -> None:
    refusal = child._refusal(error, sandbox)
    assert (refusal.code if refusal else None) == code


def test_a_computing_child_is_advised_to_compute_less() -> None:
    for programs, advice in ((True, "a smaller batch size"), (False, "give a smaller file")):
        refusal = child._refusal(MemoryError(), Sandbox(memory_bytes=7, programs=programs))
        assert refusal is not None
        assert refusal.detail.endswith(advice)
        assert "the 7 bytes of memory" in refusal.detail


def test_a_full_disk_is_told_even_if_nothing_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        refusal = child._refusal(OSError(errno.ENOSPC, "full"), LIMITED)
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
    assert refusal is not None
    assert refusal.code == "scratch_full"
