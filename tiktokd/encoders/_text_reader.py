"""The two halves of PP-OCR: where lines of text are in a picture, and what one line says.

Knows nothing of clips and time. Models: PP-OCRv6 small, inside the rapidocr wheel.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._onnx_weights import without_tiny
from tiktokd.encoders._text_gate import Band
from tiktokd.encoders._unknown_writing import garbled
from tiktokd.errors import GpuOutOfMemory, ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import LoadContext

log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"
LONGEST_PX = 2000
"""Longer sides are shrunk by the library."""
GRID_PX = 32
"""The detector works in cells of this size: a band is cut along them, or lines would be found a pixel or two elsewhere
than in the whole picture."""
CUT_PX = 2
"""A box this near to the edge of the searched rows goes on beyond it."""
NARROWEST = [3, 48, 48]
"""Channels, height and least width of what is read. The library fills lines up to 320 px, 24 ms for a word of 6; words,
sentences of 7 languages and ghosts get the same letters and scores without."""
TEXT_SCORE = 0.75
"""Textured pictures give ghost lines of 0.52-0.59, true lines score 0.79-0.99 (measured; the library's
default is 0.5)."""
SURE_SCORE = 0.9
"""A line read this surely needs no second sample."""
DETECTION, RECOGNITION = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
FULL = ("Failed to allocate memory", "out of memory", "ALLOC_FAILED")
"""One of these is in what onnxruntime says of a GPU without room: its arena, CUDA, cuBLAS and cuDNN. It has no class of
error for that."""
MAX_LINES_PER_FRAME = 40
"""A page of a book is not on-screen text; the bound keeps one frame from costing seconds."""


@dataclass(slots=True)
class Reader:
    """Each half keeps its own engine because the library's switches stick between calls."""

    detector: Any
    recognizer: Any
    device: str = "cpu"
    """Where it computes, by torch's name."""

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the words."""
        return (ModelUsed(id="PaddlePaddle/PP-OCRv6_small (rapidocr wheel)", dtype="float32", device=self.device),)

    def boxes(self, picture: NDArray[np.uint8], band: Band) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n, 4, 2) corners in pixels of `picture` (H, W, 3 BGR) of the surest lines within `band`, and scores.

        A line that the edge of the band cuts is left out.
        """
        height = len(picture)
        first = int(band.top * height) // GRID_PX * GRID_PX
        after = min(-(-round(band.bottom * height) // GRID_PX) * GRID_PX, height)
        found = self._run(self.detector, picture[first:after], use_det=True, use_rec=False)
        if found.boxes is None:
            return np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32)
        order = np.sort(np.argsort(found.scores, kind="stable")[::-1][:MAX_LINES_PER_FRAME])
        boxes, scores = (np.asarray(every, np.float32)[order] for every in (found.boxes, found.scores))
        top, bottom = boxes[:, :, 1].min(axis=1), boxes[:, :, 1].max(axis=1)
        cut = ((top <= CUT_PX) & (first > 0)) | ((bottom >= after - first - CUT_PX) & (after < height))
        boxes[:, :, 1] += first
        return boxes[~cut], scores[~cut]

    def read(self, crop: NDArray[np.uint8]) -> tuple[str, float]:
        """Return the text of one line and its score 0..1, nothing and 0 where it cannot be read.

        One crop per call, so nothing depends on a batch.
        """
        text, score = self._read_once(crop)
        if not any(char.isalnum() for char in text):
            return "", 0.0
        if TEXT_SCORE <= score < SURE_SCORE and garbled(text, self._read_once(_framed(crop))[0]):
            return "", 0.0
        return text, score

    def _read_once(self, crop: NDArray[np.uint8]) -> tuple[str, float]:
        found = self._run(self.recognizer, crop, use_det=False, use_rec=True)
        if not found.txts:
            return "", 0.0
        return " ".join(found.txts[0].split()), float(found.scores[0])

    def _run(self, half: Any, picture: NDArray[np.uint8], **switches: bool) -> Any:
        """Return what one half finds; raises `GpuOutOfMemory` where it did not fit the GPU."""
        try:
            return half(picture, use_cls=False, **switches)
        except Exception as exc:
            if self.device != "cpu" and any(mark in str(exc) for mark in FULL):
                raise GpuOutOfMemory(f"no room on {self.device} to read text: {str(exc)[-300:]}") from exc
            raise


def load(context: LoadContext) -> Reader:
    """Return the reader; raises `ModelMissing` where the wheel lacks its models."""
    try:
        from omegaconf import flag_override
        from rapidocr import RapidOCR
    except ImportError as exc:
        raise ModelMissing("the package rapidocr is not installed; run: pip install rapidocr onnxruntime") from exc
    models = files("rapidocr") / "models"
    for name in (DETECTION, RECOGNITION):
        if not (models / name).is_file():
            raise ModelMissing(f"the rapidocr package lacks {name}; run: pip install --force-reinstall rapidocr")
    detection, recognition = (_session((models / name).read_bytes(), context) for name in (DETECTION, RECOGNITION))
    settings = {
        "Global.log_level": "error",
        "Global.text_score": 0.0,
        "Global.use_cls": False,
        "Det.limit_type": "max",  # the picture comes in the size in which it is to be searched
        "Det.limit_side_len": LONGEST_PX,
        "Rec.rec_img_shape": NARROWEST,
    }
    detector, recognizer = RapidOCR(params=settings), RapidOCR(params=settings)
    for half, session in ((detector.cfg.Det, detection), (recognizer.cfg.Rec, recognition)):
        with flag_override(half, "allow_objects", True):
            half.session = session
    return Reader(detector=detector, recognizer=recognizer, device=_device((detection, recognition), context.device))


def _session(model: bytes, context: LoadContext) -> Any:
    """Return an onnxruntime session on the device, or on the CPU where onnxruntime cannot use that."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # it would keep the largest picture's memory for ever
    providers: list[Any] = ["CPUExecutionProvider"]
    if context.device != "cpu" and CUDA in onnxruntime.get_available_providers():
        how = {
            "device_id": int(context.device.partition(":")[2] or 0),
            # The default tries every algorithm anew for each size of picture, and lines come in hundreds of sizes.
            "cudnn_conv_algo_search": "HEURISTIC",
            # The default doubles what it takes, beside the memory of torch's models.
            "arena_extend_strategy": "kSameAsRequested",
        }
        providers.insert(0, (CUDA, how))
    return onnxruntime.InferenceSession(without_tiny(model), options, providers=providers)


def _device(sessions: Iterable[Any], wanted: str) -> str:
    """Return where the sessions compute; without CUDA's libraries onnxruntime takes the CPU in silence."""
    if wanted == "cpu":
        return "cpu"
    if not all(CUDA in session.get_providers() for session in sessions):
        log.warning("onnxruntime cannot use %s: text is read on the CPU; see `tiktokctl doctor`", wanted)
        return "cpu"
    log.info("text is read on %s", wanted)
    return wanted


def _framed(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a line with more around it: letters are read the same, what is none is read as something else."""
    import cv2

    height = crop.shape[0]
    y, x = height // 8, height // 4
    return np.asarray(cv2.copyMakeBorder(crop, y, y, x, x, cv2.BORDER_REPLICATE), np.uint8)
