"""LAMB for paddle."""

from __future__ import annotations

from cadence.optim.rules.lamb import LambRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class Lamb(PaddleMethod):
    """Adam with a step that is in proportion to the size of each layer, for large batches.

    With Adam's bias-corrected moments m and v, for each parameter tensor x:

        r = m / (sqrt(v) + eps) + weight_decay * x
        x = x - lr * |x| / |r| * r        where |x| / |r|, the trust ratio, is 1 if one of the norms is 0

    The defaults are the paper's; every departure from it that is in use has a keyword. Settings may also stand in
    parameter groups: biases and normalisation layers are often kept out by a group with ``adapt=False,
    weight_decay=0.0``.

    The numbers are those of paddle.optimizer.Lamb with ``always_adapt=True``, to single precision; without it, paddle's
    has the trust ratio 1 where the weight decay is 0, which is ``always_adapt=False`` here.

    Args:
        learning_rate: 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        betas: decay of the two moments, each in [0, 1).
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x in the update, 0 or more.
        adapt: False: the trust ratio is 1. What remains is AdamW (`adam` in pytorch-lamb; "adam-like").
        always_adapt: False: only groups whose weight decay is not 0 are adapted, as paddle does without being asked.
        trust_clip: upper bound of the trust ratio, above 0; None: no bound. 1.0 is what timm's ``trust_clip=True``
            does: then no layer steps further than Adam would. Source: Fong et al. 2020, arXiv:2011.13584.
        norm_clip: upper bound of the |x| in the trust ratio, the paper's phi; None: phi is the identity. Some early
            implementations have 10 here, which is not the same as a trust ratio of at most 10.
        ratio_eps: added to |r| in the trust ratio, 0 or more.
        bias_correction: False: m and v as they are, as in the paper's third version and in pytorch-lamb.
        rate_correction: True: lr is divided by 1 - beta1^t, as pytorch_optimizer does beside ``bias_correction=False``.
            As the trust ratio does not depend on the size of m, the first steps are 10 times as long as lr says.
        grad_averaging: False: gradients enter m with weight 1 instead of 1 - beta1.
        eps_root: added to the second moment, under the root; 0 or more.
        decoupled_decay: True: x is first multiplied by 1 - lr * weight_decay, and r has no decay in it; the decay then
            escapes the trust ratio. With ``adapt=False`` it makes no difference.
        independent_decay: True: the same with 1 - weight_decay, whatever the rate.
        max_grad_norm: gradients of all groups together are first scaled down to this norm if theirs is larger; None:
            they are not. apex and timm do it with 1.0, without saying so in the recipe.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", arXiv:1904.00962v5,
        algorithm 2. Its lines ``m = m / (1 - beta1^t)`` are read as Adam's, that is, without changing the m that the
        next step goes on from.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([2], "float32")
        >>> x.set_value(paddle.to_tensor([3.0, 4.0]))
        >>> optimizer = Lamb(0.1, [x], weight_decay=0.0)
        >>> (x * paddle.to_tensor([1.0, -1.0])).sum().backward()
        >>> optimizer.step()  # |x| = 5, r = (1, -1): a step of 0.1 * 5 along it
        >>> [round(value, 4) for value in x.tolist()]
        [2.6464, 4.3536]
    """

    rule = LambRule
