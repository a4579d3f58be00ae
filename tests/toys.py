"""Toy handlers for real worker processes: they do what a video's script says and nothing else.

`$TOY_DIR/<id>.toy` holds one line per stage, `stage: word argument`: `ok`, `fail CLASS`, `kill`, `exit N`, `hang`,
`wait` (until `$TOY_DIR/<id>.<stage>.go` appears), `fill` (write into the attempt's folder until the disk is full).
`kill*1` means: the first time only. A stage without a line is ok.
Each turn first leaves `$TOY_DIR/<id>.<stage>.<n>.pid`, n = 1, 2 …, which says who did it and how often.
"""

import os
import signal
import threading
from pathlib import Path

from tiktokd import errors
from tiktokd.messages import (
    Analyze,
    Analyzed,
    AnalyzerFacts,
    Answer,
    Decode,
    Decoded,
    Download,
    Downloaded,
    Fuse,
    Ready,
    Request,
)
from tiktokd.model import Block, Clip, Envelope, MediaFacts, Metadata
from tiktokd.worker import Handler, WorkerSetup

POLL_S = 0.01
FACTS = MediaFacts(
    duration_s=1.0, size_bytes=1, container="mp4", bitrate_kbps=None, width_px=2, height_px=2, fps=1.0, frame_count=1,
    rotation_deg=0, video_codec="h264", audio_codec=None, audio_rate_hz=None, audio_channels=None,
)  # fmt: skip
ERRORS = {
    "transient": errors.NetworkError,
    "permanent": errors.VideoUnavailable,
    "local": errors.LocalError,
    "resource": errors.GpuOutOfMemory,
    "bug": ValueError,
}


class Toy:
    """Answers every kind of request."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._dir = Path(os.environ["TOY_DIR"])

    def ready(self) -> Ready:
        """Greet with one analyzer per group."""
        if self._setup.name.startswith("download"):
            return Ready(pid=os.getpid())
        facts = [
            AnalyzerFacts(
                name=name, title=name, group="video", level=1, tier="lite", reason=None, encoders=(), lightweight=True
            )
            for name in ("toy_cpu", "toy_gpu", "toy_fuse")
        ]
        return Ready(pid=os.getpid(), versions={"toy": "1"}, analyzers=tuple(facts))

    def handle(self, request: Request) -> Answer:
        """Do what the script says."""
        match request:
            case Download():
                return self._download(request)
            case Decode():
                return self._decode(request)
            case Analyze():
                self._play(request.id, request.group)
                if request.clip.blocks:
                    assert self._setup.region is not None
                    pixel = self._setup.region.arrays(request.clip.slot, request.clip.blocks)["frames"][0]
                    assert pixel == request.clip.generation % 251
                names = {"cpu": ["toy_cpu"], "gpu": ["toy_gpu"], "fallback": ["toy_gpu"]}
                return self._analyzed(request.ticket, names.get(request.group, ["toy_cpu", "toy_gpu"]), request.group)
            case Fuse():
                self._play(request.id, "fuse")
                return self._analyzed(request.ticket, ["toy_fuse"], "fuse")
            case _:
                raise errors.ProtocolError("not for me")

    def close(self) -> None:
        """Leave a trace of an orderly end."""
        (self._dir / f"{self._setup.name}.closed").touch()

    def _download(self, request: Download) -> Downloaded:
        path = Path(request.attempt_dir) / "video.mp4"
        if self._play(request.id, "download") == "fill":
            with path.open("wb") as file:
                while True:
                    file.write(bytes(2**16))
        path.write_text(request.id)
        return Downloaded(
            ticket=request.ticket, path=str(path), sha256="0" * 64, size_bytes=len(request.id),
            metadata=Metadata(title="toy"),
        )  # fmt: skip

    def _decode(self, request: Decode) -> Decoded:
        self._play(request.id, "decode")
        assert self._setup.region is not None
        self._setup.region.view(request.slot)[0] = request.generation % 251
        clip = Clip(
            slot=request.slot, generation=request.generation, facts=FACTS, audio16_covers_s=0.0, audio48_covers_s=0.0,
            blocks={"frames": Block(shape=(1,), dtype="uint8", offset=0)},
        )  # fmt: skip
        return Decoded(ticket=request.ticket, clip=clip, wall_ms=1.0, cpu_ms=1.0)

    def _analyzed(self, ticket: str, names: list[str], where: str) -> Analyzed:
        outputs = {
            name: Envelope(analyzer=name, version="1", status="ok", tier="lite", summary={"where": where})
            for name in names
        }
        return Analyzed(ticket=ticket, outputs=outputs, signals={}, wall_ms=1.0, cpu_ms=1.0)

    def _play(self, video: str, stage: str) -> str:
        turn = 1 + sum(1 for _ in self._dir.glob(f"{video}.{stage}.*.pid"))
        trace = self._dir / f"{video}.{stage}.{turn}.tmp"
        trace.write_text(str(os.getpid()))
        trace.rename(trace.with_suffix(".pid"))
        word, argument, times = script(self._dir / f"{video}.toy", stage)
        if turn > times:
            return "ok"
        match word:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(int(argument))
            case "hang":
                threading.Event().wait()
            case "fail":
                raise ERRORS[argument](f"{stage} of {video} was told to fail")
            case "wait":
                gate = self._dir / f"{video}.{stage}.go"
                while not gate.exists():
                    threading.Event().wait(POLL_S)
        return word


def script(path: Path, stage: str) -> tuple[str, str, int]:
    """Return the word, its argument, and for how many turns it holds."""
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        name, _, text = line.partition(": ")
        if name == stage:
            word, _, argument = text.partition(" ")
            word, _, times = word.partition("*")
            return word, argument, int(times) if times else 1_000_000
    return "ok", "", 0


def start(setup: WorkerSetup) -> Handler:
    """Return a toy; `$TOY_DIR/<kind>.broken` makes it fail to start."""
    if (Path(os.environ["TOY_DIR"]) / f"{setup.name.partition('_')[0]}.broken").exists():
        raise RuntimeError("this worker was told not to start")
    return Toy(setup)
