"""The report as files: complete, self-contained, and harmless whatever things are called."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from primesvt_client.shares import points_text
from primesvt_client.verdicts import ORIGINAL_IS_DELIVERED, TOO_MANY_OPERATIONS, VERDICTS
from primesvt_core.report import schema as reports
from primesvt_core.report.figures import draw
from primesvt_core.report.publishing import html, layers_csv, write_report
from primesvt_core.report.schema import AssumptionFigures, ComparedFigures, FineTuningFigures, RecoveryFigures, Report
from primesvt_core.spec import Budget
from primesvt_core.types import Verdict
from tests.support.dashboard import sample_report
from tests.support.disagreements import disagreement_report
from tests.support.old_reports import version_1

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def report() -> Report:
    return sample_report()


class Reader(HTMLParser):
    """Remembers tags and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_every_file_is_written_and_the_json_reads_back(report: Report, tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in write_report(report, tmp_path)}
    pictures = {f"figures/{name}.png" for name in ("layers", "robustness", "accuracy_memory", "time_steps")}
    assert written == {"report.json", "report.html", "README.md", "layers.csv"} | pictures
    assert Report.model_validate_json((tmp_path / "report.json").read_text()) == report
    for name in pictures:
        with Image.open(BytesIO((tmp_path / name).read_bytes())) as picture:
            picture.verify()
            assert picture.width > 800


def test_the_page_shows_the_five_classes_that_lose_most_and_every_number_of_time_steps(report: Report) -> None:
    page = html(report, {})
    by_class = page.split("Accuracy by class")[1].split("</table>")[0]
    rows = re.findall(r"<tr><td>(.*?)</td>.*?(\d+)</td><td class=\"n\">([\d.]+ points)</td></tr>", by_class)
    assert rows == [
        ("airplane", "348", "8.00 points"), ("class 1", "352", "7.00 points"), ("class 2", "356", "6.00 points"),
        ("class 3", "360", "5.00 points"), ("class 4", "364", "4.00 points"),
    ]  # fmt: skip
    by_step = page.split("Accuracy after fewer time steps")[1].split("</table>")[0]
    cells = re.findall(r"<tr>" + 4 * r"<td class=\"n\">(.*?)</td>" + "</tr>", by_step)
    assert [row[0] for row in cells] == ["1", "2", "3", "4"]
    assert cells[-1][1:] == ("93.12 %", "91.23 %", "1.89 points")


def test_a_report_without_classes_or_with_one_time_step_has_no_such_parts(report: Report) -> None:
    plain = report.model_copy(update={"classes": (), "time_steps": report.time_steps[-1:]})
    page = html(plain, {})
    assert "Accuracy by class" not in page
    assert "fewer time steps" not in page
    assert "time_steps" not in draw(plain)
    spared = report.model_copy(update={"classes": report.classes[-2:]})
    assert "None of 2 classes loses images." in html(spared, {})


def test_the_json_has_what_scripts_rely_on(report: Report) -> None:
    document = json.loads(report.model_dump_json())
    schema = json.loads(reports.json_schema())
    assert document.keys() == schema["properties"].keys()
    for key in ("verdict", "accuracy_drop", "memory_saving", "layers", "profile", "curve"):
        assert key in document
    assert {"accuracy"} <= document["baseline"].keys() & document["pruned"].keys()


def test_page_and_json_say_what_was_assumed_from_where(report: Report) -> None:
    sources = {"caller": "you", "checkpoint": "the checkpoint", "default": "the family&#39;s default"}
    assumed = tuple(
        AssumptionFigures.model_validate({"field": f"field_{source}", "value": 7, "source": source})
        for source in sources
    )
    document = report.model_copy(update={"assumptions": assumed})
    assert [entry["source"] for entry in json.loads(document.model_dump_json())["assumptions"]] == [*sources]
    page = html(document, {})
    for source, expected in sources.items():
        assert f"<td>field_{source}</td><td>7</td><td>{expected}</td>" in page


@pytest.mark.parametrize("verdict", Verdict)
def test_the_page_needs_nothing_else(report: Report, verdict: Verdict) -> None:
    page = html(report.model_copy(update={"verdict": verdict}), {"layers": b"png"})
    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert all(target.startswith(("data:image/png;base64,", "#")) for target in reader.targets)
    assert report.accuracy_drop is not None
    assert points_text(report.accuracy_drop) in page


def test_computing_is_told_beside_memory(report: Report) -> None:
    page = html(report, {})
    assert "<b>26.68 %</b><span>of the multiply-accumulates saved:<br>3.7300 → 2.7350 billion an image" in page
    assert '<td class="n">3,730,000,000</td><td class="n">2,735,000,000</td>' in page
    assert "Preset <code>paper</code>" in page


def test_inference_is_told_in_a_table_of_its_own(report: Report) -> None:
    page = html(with_budget(report, max_inference_bytes=3 << 20, max_synaptic_operations=50_000_000), {})
    assert "Max. inference memory: 3.00 MiB, by the better schedule, which is stepwise" in page
    assert "<li>Max. synaptic operations: 50,000,000.</li>" in page
    assert '(microcontroller)</td><td class="n">37.4 MiB</td><td class="n">27.9 MiB</td>' in page
    assert '<td class="n">60,000,000</td><td class="n">45,000,000</td>' in page
    assert '<td class="n">58.6 µJ</td><td class="n">45.1 µJ</td>' in page
    assert "4.6 pJ a multiply-accumulate, 0.9 pJ a synaptic operation" in page
    assert "the mean over 64 search images" in page


def test_what_was_measured_above_the_limit_is_the_first_thing_said(report: Report) -> None:
    verdict = report.model_copy(update={"verdict": Verdict.ACCURACY_FLOOR_REACHED})
    assert with_budget(verdict, max_synaptic_operations=44_999_999).meaning == TOO_MANY_OPERATIONS
    assert with_budget(verdict, max_synaptic_operations=45_000_000).meaning == verdict.meaning != TOO_MANY_OPERATIONS


def test_a_report_of_version_1_is_read_and_shown(report: Report) -> None:
    old = Report.model_validate_json(json.dumps(version_1(report)))
    assert (old.schema_version, old.preset, old.pruned.macs) == (1, None, None)
    assert (old.spec.preset, old.spec.policy, old.spec.repair) == ("paper", "prioritized", "none")
    assert old.summary().macs_after is None
    page = html(old, draw(old))
    assert old.accuracy_drop is not None
    assert points_text(old.accuracy_drop) in page
    assert "multiply-accumulates" not in page
    assert "Inference of one image" not in page
    assert json.loads(old.model_dump_json())["schema_version"] == 1


def test_the_limits_of_the_spec_are_told(report: Report) -> None:
    spec = report.spec.model_copy(update={"max_rates": {"embedding": 0.25}, "channel_multiple": 8})
    page = html(with_budget(report.model_copy(update={"spec": spec}), max_macs=1_234_567), {})
    assert "<li>Max. multiply-accumulates: 1,234,567.</li>" in page
    assert "<code>embedding</code>: 25 %" in page
    assert "multiples of 8" in page


def test_names_are_text_whatever_they_hold(report: Report) -> None:
    data = report.data.model_copy(update={"name": HOSTILE, "classes": (HOSTILE, "cat")})
    layers = tuple(layer.model_copy(update={"name": HOSTILE}) for layer in report.layers)
    page = html(report.model_copy(update={"data": data, "layers": layers}), {})
    assert HOSTILE not in page
    assert "1&nbsp;cat" in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_takes_no_name_for_a_formula(report: Report, name: str) -> None:
    layers = (report.layers[0].model_copy(update={"name": name}),)
    [row] = csv.DictReader(layers_csv(report.model_copy(update={"layers": layers})).splitlines())
    assert row["name"] == "'" + name


def test_the_table_of_layers_is_complete(report: Report) -> None:
    rows = [*csv.DictReader(layers_csv(report).splitlines())]
    assert [row["name"] for row in rows] == [layer.name for layer in report.layers]
    assert sum(int(row["parameter_bytes_after"]) for row in rows) == sum(x.parameter_bytes_after for x in report.layers)


def with_budget(report: Report, **budget: float) -> Report:
    return report.model_copy(update={"spec": report.spec.model_copy(update={"budget": Budget.model_validate(budget)})})


def as_original(report: Report) -> Report:
    return report.model_copy(
        update={"pruned": report.baseline, "curve": report.curve[:1], "verdict": Verdict.ACCURACY_FLOOR_REACHED}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report,
        lambda report: report.model_copy(update={"profile": ()}),
        lambda report: report.model_copy(update={"layers": report.layers[:1], "profile": report.profile[:1]}),
        lambda report: report.model_copy(update={"layers": report.layers * 8}),
        lambda report: with_budget(report, max_parameter_bytes=1_000_000),
        as_original,
    ],
)
def test_pictures_of_every_outcome_are_drawn(change: Any, report: Report) -> None:
    for content in draw(change(report)).values():
        with Image.open(BytesIO(content)) as picture:
            grey = np.asarray(picture.convert("L"))
        assert (grey < 128).mean() > 0.001
        edges = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()])
        assert edges.min() > 128, "something is clipped"


def test_the_target_is_drawn_whichever_limit_sets_it(report: Report) -> None:
    of_saving = draw(with_budget(report, min_memory_saving=0.5))["accuracy_memory"]
    of_bytes = draw(with_budget(report, max_parameter_bytes=report.baseline.parameter_bytes // 2))["accuracy_memory"]
    assert of_saving == of_bytes != draw(with_budget(report, max_accuracy_drop=0.1))["accuracy_memory"]


def test_the_same_report_gives_the_same_files(report: Report, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_report(report, tmp_path / name)
    one, other = ([p.read_bytes() for p in sorted((tmp_path / name).rglob("*.*"))] for name in ("a", "b"))
    assert one == other


def test_the_page_says_what_was_learned(report: Report) -> None:
    figures = FineTuningFigures(epochs=2, images=1200, losses=(1.25, 0.75))
    page = html(report.model_copy(update={"fine_tuning": figures}), {})
    assert "2 epochs on 1,200 labelled images; mean loss 1.25 in the first epoch, 0.75 in the last" in page
    assert "Fine-tuning" not in html(report, {})


@pytest.mark.parametrize(("recovered", "told"), [(True, "70.00 %: reached"), (False, "70.00 %: not reached")])
def test_the_page_says_what_was_recovered(recovered: bool, told: str, report: Report) -> None:
    before, after = (
        ComparedFigures(divergence=nats, accuracy=0.7, accuracy_drop=0.0, samples=256) for nats in (0.04, 0.025)
    )
    recovery = RecoveryFigures(
        steps=300, planned_steps=1200, seconds=60.25, labels=False, before=before, after=after, kept=True,
        recover_to=0.7, recovered=recovered, proven=False,
    )  # fmt: skip
    figures = FineTuningFigures(epochs=3, images=1000, losses=(0.25, 0.125), recovery=recovery)
    page = html(report.model_copy(update={"fine_tuning": figures}), {})
    assert "300 of 1,200 steps on 1,000 images without labels" in page
    assert "0.04 before, 0.025 after" in page
    assert told in page


def test_the_page_says_so_where_the_original_is_delivered(report: Report) -> None:
    assert ORIGINAL_IS_DELIVERED[Verdict.ACCURACY_FLOOR_REACHED] in html(as_original(report), {})
    smaller = report.model_copy(update={"verdict": Verdict.ACCURACY_FLOOR_REACHED})
    assert VERDICTS[smaller.verdict].meaning in html(smaller, {})


def with_test_of_the_last(report: Report, drop: float) -> Report:
    """With another drop of the last point of the curve, which is not confirmed."""
    last = report.curve[-1].model_copy(update={"confirmed_drop": drop, "drop_upper_bound": 0.04, "confirmed": False})
    return report.model_copy(update={"curve": (*report.curve[:-1], last)})


@pytest.mark.parametrize(
    ("drop", "outcome"),
    [(0.03, "not proven"), (0.0301, "not confirmed")],
)
def test_only_a_drop_that_is_not_allowed_is_drawn_as_a_failure(report: Report, drop: float, outcome: str) -> None:
    tested = with_test_of_the_last(report, drop)
    assert tested.outcome(tested.curve[-1]) == outcome
    assert [tested.outcome(point) for point in tested.curve[-3:-1]] == ["not tested", "confirmed"]
    assert html(tested, {}).count(f"<td>{outcome}</td>") == 1
    lost = draw(with_test_of_the_last(report, 0.0301))["accuracy_memory"]
    assert (colours(draw(tested)["accuracy_memory"]) == colours(lost)) is (outcome == "not confirmed")


def colours(picture: bytes) -> set[tuple[int, ...]]:
    """Those that cover more than a few pixels."""
    with Image.open(BytesIO(picture)) as image:
        pixels, counts = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(map(int, pixel)) for pixel, count in zip(pixels, counts, strict=True) if count > 30}


@pytest.mark.parametrize("budget", [{"min_accuracy": 0.875}, {"max_parameter_bytes": 3 << 20}])
def test_the_page_repeats_the_budget(budget: dict[str, float], report: Report) -> None:
    page = html(with_budget(report, **budget), {})
    assert ("87.50 %" in page) is ("min_accuracy" in budget)
    assert ("memory: 3.00 MiB" in page) is ("max_parameter_bytes" in budget)


@pytest.mark.parametrize("where", ["family", "variant", "notes", "environment", "assumptions", "groups", "curve"])
def test_no_field_is_markup(where: str, report: Report) -> None:
    changes: dict[str, Any] = {
        "family": HOSTILE,
        "variant": HOSTILE,
        "notes": (HOSTILE,),
        "environment": {HOSTILE: HOSTILE},
        "assumptions": tuple(a.model_copy(update={"value": HOSTILE}) for a in report.assumptions),
        "groups": tuple(group.model_copy(update={"name": HOSTILE}) for group in report.groups),
        "curve": tuple(p.model_copy(update={"group": HOSTILE, "rates": {HOSTILE: 0.5}}) for p in report.curve),
    }
    page = html(report.model_copy(update={where: changes[where]}), {})
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_a_page_without_labels_says_nothing_of_accuracy_that_was_measured() -> None:
    report = disagreement_report()
    page = html(report, draw(report))
    for told in ("1.90 %", "2.46 %", "without labels", "Max. disagreement"):
        assert told in page
    for unknown in ("None", "Accuracy by class", "Numbers of the classes", "newly wrong", "Accuracy and memory"):
        assert unknown not in page
