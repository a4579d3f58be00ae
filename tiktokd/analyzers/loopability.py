"""How well a video loops: whether its end runs into its start as one step runs into the next.

`loop_score = visual * (0.7 + 0.3 * audio)`; without sound, and with nothing but silence, `loop_score = visual`. With
`s(x, good, bad)` falling in a straight line from 1 at `good` to 0 at `bad`:

    visual = min(frame, 0.5 * structure + 0.25 * hash + 0.25 * motion)
    frame = s(change / max(usual, 4), 1.5, 5)     structure = s(1 - ssim / usual, 0.08, 0.5)
    hash = s(bits - usual, 10, 60)                motion = s(apart, 0.5, 1.5)
    audio = 0.5 * timbre + 0.3 * level + 0.2 * click
    timbre = s(distance / max(usual, 3 dB), 1.5, 4)   level = s(|jump|, 3 dB, 15 dB)   click = s(step / usual, 4, 12)

Where a picture has too little in it to hash, structure takes the place of hash. A video that shows one stretch a whole
number of times loops as it does inside: its visual part is 1.

Full tier: how alike SigLIP2 finds the last and the first sampled picture, beside the score and not part of it, so that
scores compare whether weights are there or not.

A single picture under sound has no seam that is seen, and is skipped (`too_short`).
Bad at: static cameras (look loopable), end cards, fades (the seam is a jump from black), loops that hide the seam in
a cut on purpose (counted as a jump), music cut on the beat (the stroke after the seam is a jump in level, as in a cut
anywhere else; the beats of `music_analysis` tell).

Source: own combination; SSIM (Wang et al. 2004), PDQ, DIS flow; SigLIP2 (arXiv 2502.14786).
"""

from tiktokd.analyzers._few_pictures import too_few
from tiktokd.footage import Seam
from tiktokd.model import Output, Reason, Tier
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import ONLY_SILENCE

SHORTEST_S = 2.0
PERFECT = 0.95
FAR_APART_S = 0.3
"""Motion between pictures further apart is not compared, as in `flow`."""
CHANGE_FLOOR, MEL_FLOOR_DB = 4.0, 3.0
"""What a still picture and steady sound change anyway: encoder noise."""


class Loopability(Output):
    """What happens at the seam."""

    loop_score: float
    """0..1, by the formula above; not a probability."""
    perfect_loop: bool
    """The score is at least 0.95."""
    visual_score: float
    """0..1."""
    audio_score: float | None
    """0..1, 1 where a track with sound is silent at both ends; `None`: no sound to compare, or only silence."""
    seam_ssim: float
    """-1..1, structural similarity of the last and first picture, the motion between them undone."""
    seam_pdq_bits: int | None
    """0..256, distance of their PDQ hashes, the motion undone; `None`: one of them has too little in it to hash."""
    motion_continuity: float | None
    """0..1; `None`: not measured (long videos, or hardly any pictures)."""
    log_mel_distance_db: float | None
    """Root mean square difference of the spectra of the last and first 50 ms, 24 bands, dB. What lies 40 dB under the
    loudest band of the half seconds around the seam counts as 40 dB under it, since it is masked, and what lies 70 dB
    under full scale as that: no difference is above 40. 0 where both 50 ms are silent (under -60 dBFS). `None`: no
    sound to compare."""
    level_jump_db: float | None
    """From the last to the first 50 ms, positive where the start is louder; silence counts as -90 dBFS, and 0 is told
    where both are silent. `None` as above."""
    click: bool | None
    """The waveform steps at the seam; `None` as above."""
    repeat_period_s: float | None
    """The video shows a stretch of this length again and again; `None`: it does not."""
    seam_cosine: float | None
    """-1..1, SigLIP2's cosine of the last and the first of up to 32 sampled pictures; `None`: no model."""
    usual_cosine: float | None
    """The median of the same between neighbouring pictures; the seam of a loop is not below it. `None` as above."""
    unknown: dict[str, str]
    """Field that is null → why: no_audio, truncated (a long video), low_quality (too little to hash; pictures
    far apart), model_missing, cpu_fallback, too_short (under three pictures); `repeat_period_s` is null where nothing
    repeats."""


def analyze(context: Context) -> Result:
    """Score the seam."""
    if context.facts.duration_s < SHORTEST_S:
        return skipped("too_short", f"{context.facts.duration_s:.2f} s; a loop is judged from {SHORTEST_S:g} s on")
    measured = context.signals.get("seam")
    if measured is None:
        return skipped(*(context.lack("seam") or ("no_sources", "the pictures at the seam were not measured")))
    seam = Seam(**measured)
    if seam.blank:
        return skipped("low_quality", "the picture is blank throughout: it has no seam to judge")
    seen = context.signals.get("siglip2")
    ends = (seen or {}).get("ends") or {}
    tier: Tier = "lite" if seen is None else "full"
    motion = None if seam.motion_apart is None else _falling(seam.motion_apart, 0.5, 1.5)
    visual = 1.0 if seam.period_s is not None else _visual(seam, motion)
    audio = _audio(seam)
    score = visual * (0.7 + 0.3 * (1.0 if audio is None else audio))
    output = Loopability(
        loop_score=round(score, 4),
        perfect_loop=score >= PERFECT,
        visual_score=round(visual, 4),
        audio_score=_rounded(audio, 4),
        seam_ssim=round(seam.ssim, 4),
        seam_pdq_bits=seam.bits,
        motion_continuity=_rounded(motion, 4),
        log_mel_distance_db=_rounded(seam.mel_apart, 2),
        level_jump_db=_rounded(seam.level_jump_db, 2),
        click=None if seam.click is None else seam.click > 8.0,
        repeat_period_s=seam.period_s,
        seam_cosine=ends.get("seam_cosine"),
        usual_cosine=ends.get("usual_cosine"),
        unknown={},
    )
    output = output.model_copy(update={"unknown": _unknown(output, context, silent=seam.silent)})
    if audio is None:
        if seam.silent:
            return partial(output, "no_audio", f"{ONLY_SILENCE}: pictures only", calibrated=False, tier=tier)
        if context.facts.has_audio:
            message = "the end of the sound did not fit into memory: pictures only"
            return partial(output, "truncated", message, calibrated=False, tier=tier)
        return partial(output, "no_audio", "the file has no sound track: pictures only", calibrated=False, tier=tier)
    if motion is None:
        return partial(output, *_no_motion(context), calibrated=False, tier=tier)
    return ok(output, calibrated=False, tier=tier)


def _unknown(output: Loopability, context: Context, *, silent: bool) -> dict[str, str]:
    """Return each null field with its reason; nothing that repeats is an answer and has none."""
    no_sound: Reason = "no_audio" if silent or not context.facts.has_audio else "truncated"
    lack = context.lack("siglip2")
    no_model: Reason = lack[0] if lack else "too_short"
    why: dict[str, Reason] = {"seam_pdq_bits": "low_quality", "motion_continuity": _no_motion(context)[0]}
    why |= dict.fromkeys(("audio_score", "log_mel_distance_db", "level_jump_db", "click"), no_sound)
    why |= dict.fromkeys(("seam_cosine", "usual_cosine"), no_model)
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def _no_motion(context: Context) -> tuple[Reason, str]:
    kept = "the pictures at the seam are too far apart to compare motion"
    return too_few(context.facts, FAR_APART_S) or ("truncated", kept)


def _visual(seam: Seam, motion: float | None) -> float:
    frame = _falling(seam.change / max(seam.change_usual, CHANGE_FLOOR), 1.5, 5.0)
    structure = _falling(1.0 - seam.ssim / max(seam.ssim_usual, 0.05), 0.08, 0.5)
    hashed = structure if seam.bits is None else _falling(seam.bits - seam.bits_usual, 10.0, 60.0)
    parts = 0.5 * structure + 0.25 * hashed + 0.25 * (structure if motion is None else motion)
    return min(frame, parts)


def _audio(seam: Seam) -> float | None:
    if seam.mel_apart is None or seam.mel_usual is None or seam.level_jump_db is None or seam.click is None:
        return None
    timbre = _falling(seam.mel_apart / max(seam.mel_usual, MEL_FLOOR_DB), 1.5, 4.0)
    return 0.5 * timbre + 0.3 * _falling(abs(seam.level_jump_db), 3.0, 15.0) + 0.2 * _falling(seam.click, 4.0, 12.0)


def _falling(value: float, good: float, bad: float) -> float:
    return float(min(1.0, max(0.0, (bad - value) / (bad - good))))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


ANALYZER = Analyzer(
    name="loopability",
    title="How well the end runs into the start",
    group="fusion",
    output=Loopability,
    analyze=analyze,
    signals=("seam", "siglip2"),
    needs=frozenset({"video"}),
    version="8",
)
