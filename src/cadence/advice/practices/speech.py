"""Models that write down what was said."""

from __future__ import annotations

from cadence.advice.choice import Alternative, paper, practice
from cadence.advice.practices.others import unknown
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

WAV2VEC = paper("Baevski et al. 2020, wav2vec 2.0, arXiv:2006.11477, section 4.3")
FAIRSEQ = practice("facebookresearch/fairseq, examples/wav2vec/config/finetuning/base_100h.yaml")
WHISPER = practice("Hugging Face, fine-tuning Whisper for multilingual speech recognition (whisper-small)")


WORDS = 1_000_000
"""Numbers in embedding tables from which one is of words: a decoder reads what it has written."""


def speech(profile: Profile) -> Practice:
    """Speech recognition, from weights that were trained before."""
    if not profile.fine_tuning:
        return unknown(profile)
    return _with_decoder(profile) if profile.model.embeddings >= WORDS else _marking_frames(profile)


def _marking_frames(profile: Profile) -> Practice:
    """An encoder trained on sound alone, with a new output layer (CTC)."""
    return Practice(
        "fine_tuning_speech",
        Both("an encoder of speech that goes on from published weights", "从已发布权重继续训练的语音编码器"),
        "adamw",
        3e-5,
        {
            "optimizer": Why(Both("Adam with betas 0.9 and 0.98", "Adam，beta 为 0.9 和 0.98"), FAIRSEQ, "high"),
            "batch_scaling": Why(
                Both(
                    "none: the source's updates have about 1,600 seconds of sound; smaller ones want rather less",
                    "不缩放：来源每次更新约 1600 秒音频；批量更小时宜略低",
                ),
                WAV2VEC,
                "low",
            ),
            "learning_rate": Why(
                Both(
                    "0.00003: the source chose between 0.00002 and 0.00003 for up to 100 hours",
                    "0.00003：不超过 100 小时数据时，来源在 0.00002 与 0.00003 之间选择",
                ),
                WAV2VEC,
                "medium",
                (
                    Alternative(
                        1e-4,
                        WAV2VEC,
                        Both("for the base model on 960 hours", "基础模型使用 960 小时数据时"),
                    ),
                ),
                Both("2e-5, 3e-5 and 1e-4, each for a tenth of the run", "2e-5、3e-5、1e-4 各跑全程的十分之一"),
            ),
            "warmup": Why(Both("a tenth of the run", "全程的十分之一"), WAV2VEC, "high"),
            "schedule": Why(
                Both(
                    "held for 40 % of the run, then a straight line down to a twentieth",
                    "保持全程的 40%，然后直线降到二十分之一",
                ),
                FAIRSEQ,
                "high",
            ),
            "weight_decay": Why(Both("none", "不用"), FAIRSEQ, "medium"),
            "groups": Why(
                Both(
                    "one group; the convolutions that read the sound are not trained, and for the first 10,000 updates "
                    "only "
                    "the new output layer is: freeze them in the recipe",
                    "只有一组；读取音频的卷积层不训练，前 10000 次更新只训练新的输出层：请在配方中冻结",
                ),
                WAV2VEC,
                "high",
            ),
            "averaging": Why(Both("none", "不用"), FAIRSEQ, "medium"),
        },
        arguments={"betas": (0.9, 0.98), "eps": 1e-8},
        warmup="10%",
        decay="constant('40%') >> linear(to=0.05)",
        weight_decay=0.0,
        no_decay=False,
    )


def _with_decoder(profile: Profile) -> Practice:
    """Whisper: an encoder and a decoder that was trained to write."""
    return Practice(
        "fine_tuning_transcriber",
        Both("a transcriber of speech that goes on from published weights", "从已发布权重继续训练的语音转写模型"),
        "adamw",
        1e-5,
        {
            "optimizer": Why(Both("AdamW, the Trainer's default", "AdamW，Trainer 的默认"), WHISPER, "medium"),
            "batch_scaling": Why(Both("none: it is stated for 16 rows", "不缩放：该值针对 16 行给出"), WHISPER, "low"),
            "learning_rate": Why(
                Both("0.00001 for the small model; less for larger ones", "小型模型 0.00001；更大的模型应更低"),
                WHISPER,
                "medium" if profile.model.total < 500e6 else "low",
                (),
                Both(
                    "a third, once and three times it, each for a tenth of the run",
                    "三分之一、一倍、三倍各跑全程的十分之一",
                ),
            ),
            "warmup": Why(
                Both("500 updates, or a tenth of a shorter run", "500 次更新，较短的训练取十分之一"), WHISPER, "medium"
            ),
            "schedule": Why(
                Both("a straight line to 0, the Trainer's default", "直线降到 0，Trainer 的默认"), WHISPER, "medium"
            ),
            "weight_decay": Why(Both("none", "不用"), WHISPER, "medium"),
            "groups": Why(
                Both("one group: there is no decay to leave out", "只有一组：没有衰减可免"), WHISPER, "medium"
            ),
            "clip_norm": Why(Both("1.0, the Trainer's default", "1.0，Trainer 的默认"), WHISPER, "medium"),
            "averaging": Why(Both("none", "不用"), WHISPER, "medium"),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup=min(500, max(1, profile.updates // 10)),
        decay="linear()",
        weight_decay=0.0,
        no_decay=False,
        clip_norm=1.0,
    )
