"""AdamW for paddle."""

from __future__ import annotations

from cadence.optim.rules.adamw import AdamWRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class AdamW(PaddleMethod):
    """AdamW: Adam, with a decay of the parameters that does not pass through its moments.

    With the moments m and v of the gradient, corrected for their beginning at 0:

        x = (1 - lr * weight_decay) * x - lr * m / (sqrt(v) + eps)

    The numbers are those of paddle.optimizer.AdamW, to single precision; ``independent_decay=True`` is the decay of the
    paper, which does not follow the rate.

    Args:
        learning_rate: 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        betas: decay of the two moments, each in [0, 1).
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x that goes with every update, times the rate; 0 or more.
        amsgrad: True: the largest second moment so far takes the second moment's place.
        independent_decay: True: x is multiplied by 1 - weight_decay, whatever the rate. Then 1e-5 is much: after 70,000
            updates half of x is gone. The multiplier of the paper's decay is a schedule of the weight decay:
            ``cadence.drive(optimizer, cadence.plan({"lr": s, "weight_decay": s}))``.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Loshchilov, Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101, algorithm 2; amsgrad: Reddi,
        Kale, Kumar 2018, "On the convergence of Adam and beyond", arXiv:1904.09237.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(2.0))
        >>> optimizer = AdamW(0.1, [x], weight_decay=0.01, independent_decay=True)
        >>> x.sum().backward()
        >>> optimizer.step()  # 2 * 0.99 - 0.1
        >>> round(x.item(), 4)
        1.88
    """

    rule = AdamWRule
