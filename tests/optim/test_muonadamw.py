"""Muon for matrices and AdamW for the rest: known values, torch's own Muon, an independent reference, both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

import cadence as cd
from cadence._errors import OptimizerError, StateError

torch = pytest.importorskip("torch")


def reference(x: np.ndarray, grads: list[np.ndarray], lr: float, momentum: float, decay: float) -> np.ndarray:
    """Jordan et al. 2024 and Liu et al. 2025, equation 4, written down anew in float64."""
    m = np.zeros_like(x)
    for g in grads:
        m = momentum * m + (1 - momentum) * g
        u = (momentum * m + (1 - momentum) * g).reshape(len(x), -1)
        flip = u.shape[0] > u.shape[1]
        o = u.T if flip else u
        o = o / (np.sqrt((o * o).sum()) + 1e-7)
        for _ in range(5):
            square = o @ o.T
            o = 3.4445 * o + (-4.7750 * square + 2.0315 * square @ square) @ o
        o = o.T if flip else o
        x = (1 - lr * decay) * x - lr * 0.2 * np.sqrt(max(u.shape)) * o.reshape(x.shape)
    return x


def drawn(*shape: int, n: int = 6) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(7)
    return rng.normal(size=shape), [rng.normal(size=shape) for _ in range(n)]


def stepped(optimizer, parameter, grads) -> np.ndarray:
    for g in grads:
        parameter.grad = torch.tensor(g, dtype=parameter.dtype)
        optimizer.step()
    return parameter.detach().double().numpy()


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 2, 3, 3)])
def test_a_matrix_follows_the_published_formula(shape: tuple[int, ...]) -> None:
    x, grads = drawn(*shape)
    parameter = torch.nn.Parameter(torch.tensor(x))
    optimizer = cd.optimizer("muonadamw", [parameter], lr=0.03, momentum=0.9, weight_decay=0.2)
    assert stepped(optimizer, parameter, grads) == pytest.approx(reference(x, grads, 0.03, 0.9, 0.2), rel=1e-9)


def test_several_matrices_of_one_shape_are_what_each_is_alone() -> None:
    model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(3)]).double()
    alone = [torch.nn.Parameter(layer.weight.detach().clone()) for layer in model]
    together = cd.optimizer("muonadamw", model, lr=0.1)
    for layer, single in zip(model, alone, strict=True):
        layer.weight.grad = torch.randn(8, 8, dtype=torch.double)
        single.grad = layer.weight.grad.clone()
    together.step()
    cd.optimizer("muonadamw", alone[:1], lr=0.1).step()
    assert model[0].weight.detach().numpy() == pytest.approx(alone[0].detach().numpy(), rel=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_rate_may_be_a_tensor_of_one_element_of_any_shape(shape: tuple[int, ...]) -> None:
    ends: list[torch.Tensor] = []
    for lr in (0.1, torch.full(shape, 0.1)):
        torch.manual_seed(0)
        xs = [torch.nn.Parameter(torch.randn(*size)) for size in ((3, 4), (4, 3), (5,))]
        optimizer = cd.optimizer("muonadamw", xs, lr=lr, weight_decay=0.1)
        for _ in range(2):
            for x in xs:
                x.grad = torch.cos(x.detach())
            optimizer.step()
        ends.append(torch.cat([x.detach().flatten() for x in xs]))
    torch.testing.assert_close(*ends)


def test_torchs_own_muon_agrees_as_far_as_its_half_precision_goes() -> None:
    x, grads = drawn(12, 20, n=4)
    ours, theirs = (torch.nn.Parameter(torch.tensor(x, dtype=torch.float32)) for _ in range(2))
    settings = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    peer = torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **settings)
    moved = stepped(peer, theirs, grads) - x
    assert np.abs(stepped(cd.optimizer("muonadamw", [ours], **settings), ours, grads) - x - moved).max() < 0.02 * (
        np.abs(moved).max()
    )


def test_biases_and_groups_that_ask_for_it_take_the_step_of_adamw() -> None:
    torch.manual_seed(0)
    models = [torch.nn.Linear(6, 3).double() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours = cd.optimizer(
        "muonadamw",
        [{"params": models[0].parameters(), "orthogonal": False}],
        lr=0.002,
        weight_decay=0.3,
        adamw_ratio=5.0,
    )
    peer = torch.optim.AdamW(models[1].parameters(), lr=0.01, weight_decay=0.3)
    for _ in range(5):
        batch = torch.randn(4, 6, dtype=torch.double)
        for model, optimizer in zip(models, (ours, peer), strict=True):
            optimizer.zero_grad()
            model(batch).square().sum().backward()
            optimizer.step()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert a.detach().numpy() == pytest.approx(b.detach().numpy(), rel=1e-12)


def test_it_goes_on_from_a_saved_state_to_the_bit() -> None:
    def run(state=None, at=0, n=8):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2))
        optimizer = cd.optimizer("muonadamw", model, lr=0.05, weight_decay=0.1)
        if state is not None:
            model.load_state_dict(state[0])
            optimizer.load_state_dict(state[1])
        for i in range(at, n):
            torch.manual_seed(100 + i)
            optimizer.zero_grad()
            model(torch.randn(4, 5)).square().mean().backward()
            optimizer.step()
        return model.state_dict(), optimizer.state_dict()

    whole, resumed = run(), run(run(n=3), at=3)
    for name, value in whole[0].items():
        assert torch.equal(value, resumed[0][name]), name


def test_a_state_of_another_method_is_refused() -> None:
    model = torch.nn.Linear(2, 2)
    with pytest.raises(StateError, match="this is the state of 'adamw'"):
        cd.optimizer("muonadamw", model, lr=0.1).load_state_dict(
            cd.optimizer("cadence:adamw", model, lr=0.1).state_dict()
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"momentum": 1.0}, r"momentum=1.0 must lie in \[0, 1\)"), ({"orthogonal": 1}, "orthogonal")],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(OptimizerError, match=said):
        cd.optimizer("muonadamw", torch.nn.Linear(2, 2), lr=0.1, **settings)


def test_nothing_is_changed_where_a_gradient_cannot_be_used() -> None:
    matrix, table = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Embedding(3, 2, sparse=True)
    optimizer = cd.optimizer("muonadamw", [matrix, *table.parameters()], lr=0.1)
    (matrix.sum() + table(torch.tensor([0])).sum()).backward()
    with pytest.raises(OptimizerError, match="sparse"):
        optimizer.step()
    assert torch.equal(matrix, torch.ones(2, 2))


def test_paddle_takes_the_same_steps_and_goes_on_from_its_state() -> None:
    paddle = pytest.importorskip("paddle")
    x, grads = drawn(6, 4)
    b, bias_grads = drawn(4)
    weight, bias = torch.nn.Parameter(torch.tensor(x)), torch.nn.Parameter(torch.tensor(b))
    ours = cd.optimizer("muonadamw", [weight, bias], lr=0.03, momentum=0.9, weight_decay=0.2)
    for g, h in zip(grads, bias_grads, strict=True):
        weight.grad, bias.grad = torch.tensor(g), torch.tensor(h)
        ours.step()

    def made(value, name):
        start = paddle.nn.initializer.Assign(value)
        attr = paddle.ParamAttr(name=name)
        return paddle.create_parameter(list(value.shape), "float64", attr=attr, default_initializer=start)

    places = [made(x, "turned_w"), made(b, "turned_b")]
    optimizer = cd.optimizer("muonadamw", places, lr=0.03, momentum=0.9, weight_decay=0.2)
    for i, pair in enumerate(zip(grads, bias_grads, strict=True)):
        if i == 3:  # another optimizer goes on
            state = optimizer.state_dict()
            optimizer = cd.optimizer("muonadamw", places, lr=0.03, momentum=0.9, weight_decay=0.2)
            optimizer.set_state_dict(state)
        sum((place * paddle.to_tensor(g)).sum() for place, g in zip(places, pair, strict=True)).backward()
        optimizer.step()
        optimizer.clear_grad()
    assert places[0].numpy() == pytest.approx(weight.detach().numpy(), rel=1e-9)
    assert places[1].numpy() == pytest.approx(bias.detach().numpy(), rel=1e-9)
