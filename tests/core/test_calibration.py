"""What layers see, against torch's own convolutions and plain sums."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from primesvt_core import calibration
from primesvt_core.calibration import ROWS_A_COLUMN, Calibration, rows
from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import Signal
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseConv2d, PointwiseLinear
from primesvt_core.testing.models import tiny

DRAWN = tiny()
EVERYTHING = 10**9
CONVOLUTION, HIDDEN, HEAD = "patch_embed.proj_conv2", "block.0.mlp.fc2_linear", "head"


class TwoBlocks:
    def __len__(self) -> int:
        return 2

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        return DRAWN.input + index, torch.zeros(len(DRAWN.input), dtype=torch.int64)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(4, 6, (3, 5), padding=(1, 2), groups=2),
        nn.Conv2d(4, 4, 7, padding=3, groups=4),
    ],
    ids=["3x3", "strided", "1x1", "grouped", "depthwise"],
)
def test_a_filter_times_its_rows_is_the_convolution(layer: nn.Conv2d) -> None:
    x = torch.randn(3, 4, 8, 6, generator=chance())
    seen = rows(layer, x, EVERYTHING, chance())
    filters = layer.weight.view(layer.groups, -1, seen.shape[2])
    assert layer.bias is not None
    found = (seen @ filters.transpose(1, 2)).transpose(0, 1).flatten(1) + layer.bias  # (positions, C')
    wanted = layer(x).permute(0, 2, 3, 1).flatten(0, 2)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", [PointwiseLinear, PointwiseConv1d, PointwiseConv2d])
def test_rows_of_tokens_are_their_channels(kind: type[nn.Module]) -> None:
    layer, x = kind(4, 6), torch.randn(3, 4, 5, generator=chance())
    assert torch.equal(rows(layer, x, EVERYTHING, chance())[0], x.transpose(1, 2).reshape(-1, 4))  # type: ignore[arg-type]


def test_rows_of_a_head_are_its_last_axis() -> None:
    x = torch.randn(2, 3, 4, generator=chance())
    assert torch.equal(rows(nn.Linear(4, 2), x, EVERYTHING, chance())[0], x.reshape(-1, 4))


def test_some_positions_are_the_same_ones_every_time_and_none_twice() -> None:
    layer, x = nn.Conv2d(1, 1, 1), torch.arange(60.0).view(1, 1, 6, 10)
    found = rows(layer, x, 20, chance())
    assert torch.equal(found, rows(layer, x, 20, chance()))
    assert len({*found[0].flatten().tolist()}) == 20


def test_inputs_are_what_a_module_is_given() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    found = Calibration(model, TwoBlocks()).inputs([HIDDEN, CONVOLUTION, HEAD], 1)
    seen: dict[str, Tensor] = {}
    for name in found:
        model.get_submodule(name).register_forward_pre_hook(lambda _m, x, name=name: seen.update({name: x[0]}))
    with torch.no_grad():
        model(DRAWN.input + 1)
    assert all(torch.equal(found[name], seen[name]) for name in found)
    assert {*found[HIDDEN].flatten().tolist()} == {0.0, 1.0}


def test_values_are_what_modules_give() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    neuron, seen = Signal("block.0.attn.q_lif"), list[Tensor]()
    for _ in range(2):  # no membrane is left from before
        [found] = Calibration(model, TwoBlocks()).values([neuron], 1).values()
    model.get_submodule(neuron).register_forward_hook(lambda _m, _x, y: seen.append(y))
    with torch.no_grad():
        model(DRAWN.input + 1)
    assert torch.equal(found, seen[0])
    assert {*found.flatten().tolist()} == {0.0, 1.0}


def test_what_is_not_called_is_not_invented() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    with pytest.raises(KeyError):
        Calibration(model, TwoBlocks()).inputs(["block.0.norm1"], 0)
    with pytest.raises(TypeError, match=r"patch_embed\.proj_bn"):
        Calibration(model, TwoBlocks()).moments(["patch_embed.proj_bn"])


@pytest.mark.parametrize("name", [HIDDEN, HEAD])
def test_moments_are_sums_over_all_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primesvt_core.calibration.ROWS_A_COLUMN", EVERYTHING)
    calibration = Calibration(build(DRAWN.family, DRAWN.config, DRAWN.state), TwoBlocks())
    found = calibration.moments([name])[name]
    parts = [calibration.inputs([name], block)[name] for block in range(2)]
    flat = torch.cat([part.movedim(1, -1).flatten(0, -2) for part in parts]).double()
    assert found.count == len(flat)
    assert torch.allclose(found.gram[0], flat.T @ flat)
    assert torch.allclose(found.total[0], flat.sum(0))


def test_no_more_rows_are_taken_than_are_needed() -> None:
    calibration = Calibration(build(DRAWN.family, DRAWN.config, DRAWN.state), TwoBlocks())
    columns = dict(calibration.model.named_parameters())[f"{CONVOLUTION}.weight"][0].numel()
    assert calibration.moments([CONVOLUTION])[CONVOLUTION].count == ROWS_A_COLUMN * columns


def test_moments_of_a_convolution_are_those_of_its_unfolded_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primesvt_core.calibration.ROWS_A_COLUMN", EVERYTHING)
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    calibration = Calibration(model, TwoBlocks())
    found = calibration.moments([CONVOLUTION])[CONVOLUTION]
    seen = [unfold(calibration.inputs([CONVOLUTION], block)[CONVOLUTION], 3, padding=1) for block in range(2)]
    flat = torch.cat([part.transpose(1, 2).flatten(0, 1) for part in seen]).double()
    assert found.count == len(flat)
    assert torch.equal(found.gram[0], flat.T @ flat)  # spikes: exact
    assert torch.allclose(found.mean[0], flat.mean(0))
    assert torch.allclose(found.covariance[0], torch.cov(flat.T, correction=0))


def test_moments_are_gathered_once() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    calibration = Calibration(model, TwoBlocks())
    first = calibration.moments([HIDDEN])
    assert calibration.moments([HIDDEN])[HIDDEN] is first[HIDDEN]
    assert len(calls) == 2
    calibration.moments([HIDDEN, CONVOLUTION])
    assert len(calls) == 4


def test_sums_are_taken_over_the_first_images_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many rows as there would be over all of them."""
    model, seen = build(DRAWN.family, DRAWN.config, DRAWN.state), list[int]()

    class Blocks(TwoBlocks):
        def block(self, index: int) -> tuple[Tensor, Tensor]:
            seen.append(index)
            return super().block(index)

    monkeypatch.setattr(calibration, "MOMENT_IMAGES", 2)
    monkeypatch.setattr(calibration, "ROWS_A_COLUMN", 1)
    found = Calibration(model, Blocks()).moments([CONVOLUTION])[CONVOLUTION]
    assert set(seen) == {0}
    assert found.count == model.get_submodule(CONVOLUTION).weight[0].numel()  # type: ignore[index]


def test_at_least_so_many_rows_are_taken_where_there_are_as_many() -> None:
    found = Calibration(build(DRAWN.family, DRAWN.config, DRAWN.state), TwoBlocks())
    columns = DRAWN.state[f"{HIDDEN}.weight"].shape[1]
    x = torch.zeros(1000, columns, 4)
    assert found.sampling(HIDDEN, 0)(x).shape == (1, ROWS_A_COLUMN * columns / 2, columns)
    assert found.sampling(HIDDEN, 0, 1)(x).shape == (1, ROWS_A_COLUMN * columns, columns)
    assert found.sampling(HIDDEN, 0, least=3000)(x).shape == (1, 1500, columns)
    assert found.sampling(HIDDEN, 0, least=10)(x).shape == (1, ROWS_A_COLUMN * columns / 2, columns)
    assert found.sampling(HIDDEN, 0, least=10_000)(x).shape == (1, 4000, columns)
