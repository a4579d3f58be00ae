"""Windows decoded again: when, how often, which try is believed, and where the chance comes from."""

import numpy as np
import pytest
import torch

from tiktokd.encoders import _whisper_fallback as fallback
from tiktokd.encoders._whisper_decode import Decoded

FINE, LOOP = "and so my fellow americans ask not what your country can do", "la la la " * 40


def heard(logprob=-0.2, *, no_speech=0.0, token=1, temperature=0.0):
    return Decoded(
        language="en", language_prob=1.0, no_speech_prob=no_speech, tokens=(token,), logprobs=(logprob,), ends_s=None,
        temperature=temperature,
    )  # fmt: skip


def text(one):
    return LOOP if one.tokens == (0,) else FINE


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (heard(), False),
        (heard(-1.2), True),
        (heard(token=0), True),
        (heard(-1.2, no_speech=0.9), False),
        (heard(-0.2, no_speech=0.9), False),
    ],
    ids=["sure", "guess", "loop", "nobody speaks", "sure that it is speech"],
)
def test_loops_and_guesses_are_worth_another_try_and_silence_is_not(one, again):
    assert fallback.is_doubtful(one, text(one)) is again


def settled(first, outcomes):
    """Return the results and which rows were tried at which temperature; `outcomes`: (row, temperature) → Decoded."""
    asked = []

    def again(rows, temperature):
        asked.append((temperature, list(rows)))
        return [outcomes(row, temperature) for row in rows]

    return fallback.settle(first, text, again), asked


def test_only_failing_windows_are_tried_again_and_only_until_one_is_sound():
    first = [heard(), heard(-2.0), heard(token=0)]
    result, asked = settled(
        first, lambda row, t: heard(-0.5, temperature=t) if (row, t) in ((1, 0.2), (2, 0.6)) else heard(-2.0)
    )
    assert asked == [(0.2, [1, 2]), (0.4, [2]), (0.6, [2])]
    assert [one.temperature for one in result] == [0.0, 0.2, 0.6]
    assert result[0] is first[0]


def test_where_no_try_is_sound_the_likeliest_that_does_not_repeat_itself_is_kept():
    tries = {0.2: heard(-1.4, temperature=0.2), 0.4: heard(-1.1, temperature=0.4), 0.6: heard(-3.0, temperature=0.6)}
    result, asked = settled([heard(-0.1, token=0)], lambda _row, t: tries.get(t, heard(-5.0, temperature=t)))
    assert [t for t, _rows in asked] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert result[0].temperature == 0.4


def test_the_chance_depends_on_the_sound_and_the_temperature_alone():
    one, other = np.arange(100, dtype=np.int16), np.arange(1, 101, dtype=np.int16)
    assert fallback.seed(one, 0.2) == fallback.seed(one.copy(), 0.2)
    assert len({fallback.seed(one, 0.2), fallback.seed(one, 0.4), fallback.seed(other, 0.2)}) == 3


def test_greedy_choice_under_the_noise_is_sampling_at_that_temperature():
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf]])
    for temperature in (0.5, 1.0):
        noise = fallback.noise_of([7], temperature)
        drawn = torch.stack([noise(None, logits).argmax() for _ in range(4000)])
        shares = torch.bincount(drawn, minlength=4) / 4000
        expected = (logits[0] / temperature).softmax(dim=0)
        assert shares[3] == 0, "what the rules forbid is never drawn"
        assert torch.allclose(shares, expected, atol=0.025)


def test_rows_draw_from_their_own_seed_whatever_else_is_in_the_batch():
    flat = torch.zeros(3, 50)
    together = fallback.noise_of([1, 2, 3], 1.0)
    alone = fallback.noise_of([2], 1.0)
    for _step in range(3):
        assert torch.equal(together(None, flat)[1], alone(None, flat[:1])[0])
