"""The model card: front matter that reads back, and a text in which no name is markup."""

from __future__ import annotations

import re

import pytest
import yaml

from primesvt_core.report.model_card import escaped, model_card
from tests.support.dashboard import sample_report
from tests.support.disagreements import disagreement_report

HOSTILE = (
    "---\nlicense: mit\n---\n# owned",
    "</code><script>alert(1)</script>",
    "[x](javascript:alert(1)) ![y](https://evil.example/a.png)",
    "|a|b|\n|-|-|\n```sh\nrm -rf ~\n```",
    "{{ template }} \u202e \x1b[2J www.evil.example @everyone",
    "'\"!!python/object/apply:os.system ['true'] &a *a : #",
)


def front(card: str) -> tuple[dict[str, object], str]:
    _, matter, text = card.split("---\n", 2)
    return yaml.safe_load(matter), text


def test_it_says_what_was_measured_what_is_promised_and_how_to_load_it() -> None:
    report = sample_report()
    matter, text = front(model_card(report))
    assert (matter["library_name"], matter["primesvt"]["base_model_sha256"]) == ("primesvt", report.checkpoint_sha256)  # type: ignore[index]
    [result] = matter["model-index"][0]["results"]  # type: ignore[index]
    assert result["metrics"][0] == {"type": "accuracy", "value": report.pruned.accuracy}
    assert f"{report.confirmation.samples:,} images" in text
    for told in ("primesvt.load", "## Limits", "confidence", "primesvt compress", "## What is promised"):
        assert told in text


def test_without_labels_no_accuracy_is_claimed() -> None:
    matter, text = front(model_card(disagreement_report()))
    assert "model-index" not in matter
    assert "disagreement with the original is at most" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_strangers_are_text_and_nothing_else(name: str) -> None:
    report = sample_report()
    classes = tuple(
        each.model_copy(update={"name": name, "right_before": each.images, "right_after": 0}) for each in report.classes
    )
    data = report.data.model_copy(update={"name": name, "classes": (name,) * len(report.data.classes)})
    hostile = report.model_copy(
        update={"classes": classes, "data": data, "notes": (name,), "variant": name, "primesvt_version": "1"}
    )
    matter, text = front(model_card(hostile))
    usual, _ = front(model_card(report))
    assert matter.keys() == usual.keys()
    prose = re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$", "", text)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", re.sub(r"`[^`\n]*`", "", prose))
    assert not re.search(r"[<>\[\]*]|https?:|www\.|@", bare)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)
    assert text.count("\n## ") == model_card(report).count("\n## ")
    assert len(re.findall(r"(?m)^`{3,}", text)) == len(re.findall(r"(?m)^`{3,}", model_card(report)))


def test_what_is_escaped_has_no_bare_punctuation() -> None:
    assert escaped("a_b*<c>\n# d") == r"a\_b\*\<c\> \# d"


def test_a_report_of_before_has_a_card() -> None:
    report = sample_report().model_copy(update={"baselines": (), "time_steps": (), "classes": ()})
    assert "Beside others" not in model_card(report)
