"""Levels per 20 ms, which tell silence."""

import numpy as np
import pytest

from tests.sounds import context_of
from tiktokd.encoders import sound_level
from tiktokd.encoders.sound_level import CHUNK, STEP


def levels(sound48):
    return sound_level.encode(None, sound_level.items(context_of(audio48=sound48)))[0].db


def tone(seconds, amplitude):
    return amplitude * np.sin(2 * np.pi * 1000.0 * np.arange(round(seconds * 48_000)) / 48_000)


def test_a_sine_has_the_level_of_its_amplitude_over_root_two():
    assert levels(tone(0.5, 0.5)) == pytest.approx(np.full(25, 20 * np.log10(0.5 / np.sqrt(2))), abs=0.01)


def test_the_louder_channel_counts_and_steps_lie_where_the_sound_changes():
    left = np.concatenate([tone(0.1, 0.01), np.zeros(4_800)])
    right = np.concatenate([np.zeros(4_800), tone(0.1, 0.5)])
    found = levels(np.stack([left, right], axis=1))
    assert (found[:5] < -40).all()
    assert (found[5:] > -10).all()


def test_a_long_sound_is_the_same_in_parts_and_what_is_no_whole_step_is_left_out():
    sound = np.concatenate([tone((CHUNK + 3 * STEP) / 48_000, 0.1), tone(0.01, 0.9)])
    found = levels(sound)
    assert len(found) == CHUNK // STEP + 3
    assert np.ptp(found) < 0.01
    assert levels(np.zeros(STEP)).tolist() == [-120.0]
    assert levels(np.full(STEP - 1, 0.5)).tolist() == []
