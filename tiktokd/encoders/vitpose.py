"""ViTPose++ body keypoints of up to 16 person boxes: 17 points, no face features, nobody is recognised.

Bad at crowds, mannequins, posters, mirrors and bodies cut by the frame.
Source: Xu et al. 2022, "ViTPose++", arXiv 2212.04246; usyd-community/vitpose-plus-small, Apache-2.0. Crops as in
mmpose's top-down pipeline: the box grown by 1.25 to the aspect of the input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiktokd.encoders import _hub, _pixels
from tiktokd.model import ModelUsed
from tiktokd.pictures import FrameDetections, Pose, facing
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

WEIGHTS = Weights(
    hub_id="usyd-community/vitpose-plus-small",
    revision="0c30b6534bb621af0162b481176742577264e36e",
    licence="Apache-2.0",
    size_mib=117,
)
CROPS_MAX = 16
PADDING = 1.25
"""mmpose `GetBBoxCenterScale(padding=1.25)`."""
PERSON = "person"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's channel statistics, as in the checkpoint's preprocessor."""
COCO_EXPERT = 0
"""ViTPose++ has one expert per training set; 0 is COCO's 17 points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One person in one frame."""

    pts_s: float
    picture: Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitpose:
    """The pose model and the size of its input."""

    hub: _hub.HubModel
    height_px: int
    width_px: int

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the keypoints."""
        return self.hub.used


def load(context: LoadContext) -> Vitpose:
    """Return the pose model."""
    hub = _hub.load(WEIGHTS, context, "VitPoseForPoseEstimation")
    height, width = hub.model.config.backbone_config.image_size
    return Vitpose(hub=hub, height_px=height, width_px=width)


def items(context: Context) -> Sequence[Crop]:
    """Return the largest person of each frame with people, then the next largest, up to `CROPS_MAX`."""
    frames, pts = context.arrays.get("frames"), context.arrays.get("frames_pts")
    detections: tuple[FrameDetections, ...] = context.features.get("dfine", ())
    if frames is None or pts is None:
        return []
    ranked = []
    for frame in detections:
        people = sorted((d for d in frame.found if d.label == PERSON), key=lambda d: -d.box[2] * d.box[3])
        picture = frames[int(np.abs(pts - frame.pts_s).argmin())]
        ranked += [(place, Crop(pts_s=frame.pts_s, picture=picture, box=d.box)) for place, d in enumerate(people)]
    ranked.sort(key=lambda pair: (pair[0], pair[1].pts_s))
    return [crop for _place, crop in ranked[:CROPS_MAX]]


def window(box: tuple[float, float, float, float], size: tuple[int, int], aspect: float) -> tuple[float, ...]:
    """Return the crop (left, top, width, height) in pixels: the box grown to `aspect` (width / height) and padded.

    Args:
        box: shares of the picture.
        size: width and height of the picture in pixels.
        aspect: of the model's input.
    """
    width, height = size
    cx, cy = (box[0] + box[2] / 2) * width, (box[1] + box[3] / 2) * height
    w, h = box[2] * width, box[3] * height
    w, h = (w, w / aspect) if w > h * aspect else (h * aspect, h)
    w, h = max(w * PADDING, 2.0), max(h * PADDING, 2.0)
    return cx - w / 2, cy - h / 2, w, h


def encode(model: Vitpose, batch: Sequence[Crop]) -> Sequence[Pose]:
    """Return the keypoints of each crop."""
    import torch

    crops, windows = [], []
    for crop in batch:
        rgb = _pixels.to_rgb([crop.picture], model.hub.device)
        size = (rgb.shape[3], rgb.shape[2])
        windows.append((window(crop.box, size, model.width_px / model.height_px), size))
        crops.append(_cut(rgb, windows[-1][0], model))
    mean, std = (torch.tensor(v, device=model.hub.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    with torch.inference_mode():
        pixels = ((torch.cat(crops) - mean) / std).to(model.hub.dtype)
        expert = torch.full((len(batch),), COCO_EXPERT, device=model.hub.device)
        heat = model.hub.model(pixel_values=pixels, dataset_index=expert).heatmaps.float().cpu().numpy()
    return [
        Pose(pts_s=crop.pts_s, box=crop.box, points=peaks(maps, place, size))
        for crop, maps, (place, size) in zip(batch, heat, windows, strict=True)
    ]


def _cut(rgb: Any, place: tuple[float, ...], model: Vitpose) -> Any:
    """Return the window (1, 3, h, w) of a picture, black outside of it."""
    import torch

    left, top, w, h = place
    xs = (torch.arange(model.width_px, device=rgb.device) + 0.5) / model.width_px * w + left
    ys = (torch.arange(model.height_px, device=rgb.device) + 0.5) / model.height_px * h + top
    grid = torch.stack(torch.meshgrid(ys / rgb.shape[2] * 2 - 1, xs / rgb.shape[3] * 2 - 1, indexing="ij")[::-1], -1)
    return torch.nn.functional.grid_sample(rgb, grid[None], mode="bilinear", align_corners=False)


def peaks(heat: Array, place: tuple[float, ...], size: tuple[int, int]) -> Array:
    """Return (K, 3) points of one crop: x, y as shares of the picture, score 0..1.

    The peak moves a quarter cell towards its higher neighbour (Newell et al. 2016, "Stacked Hourglass", 3.2).

    Args:
        heat: (K, h, w) heat maps.
        place: the crop's left, top, width, height in pixels.
        size: width and height of the picture in pixels.
    """
    count, height, width = heat.shape
    flat = heat.reshape(count, -1).argmax(axis=1)
    points = np.zeros((count, 3), np.float32)
    for k, peak in enumerate(flat):
        y, x = divmod(int(peak), width)
        fx, fy = float(x), float(y)
        if 0 < x < width - 1:
            fx += 0.25 * float(np.sign(heat[k, y, x + 1] - heat[k, y, x - 1]))
        if 0 < y < height - 1:
            fy += 0.25 * float(np.sign(heat[k, y + 1, x] - heat[k, y - 1, x]))
        points[k, 0] = ((fx + 0.5) / width * place[2] + place[0]) / size[0]
        points[k, 1] = ((fy + 0.5) / height * place[3] + place[1]) / size[1]
        points[k, 2] = min(max(float(heat[k, y, x]), 0.0), 1.0)
    return points


def collect(_context: Context, results: Sequence[Pose]) -> tuple[Pose, ...]:
    """Return all poses in the order of time."""
    return tuple(sorted(results, key=lambda pose: pose.pts_s))


def signals(features: Sequence[Pose]) -> dict[str, Any]:
    """Return when people were looked at, whether each faces the camera, and their joints.

    `{"facing": [[s, 0 or 1], …], "poses": [{"pts_s", "box", "points": [x, y, score, x, …]}, …]}`, 6 KiB for 16 people.
    """
    return {
        "facing": [[round(pose.pts_s, 3), int(facing(pose))] for pose in features],
        "poses": [
            {
                "pts_s": round(pose.pts_s, 3),
                "box": [round(v, 4) for v in pose.box],
                "points": [round(float(v), 3) for v in pose.points.ravel()],
            }
            for pose in features
        ],
    }


ENCODER = Encoder(
    name="vitpose",
    title="ViTPose++ keypoints of up to 16 people",
    input="features",
    place="gpu",
    load=load,
    items=items,
    nothing="no_people",
    encode=encode,
    collect=collect,
    signals=signals,
    uses=("dfine",),
    weights=WEIGHTS,
    max_batch=32,
    gflop_per_item=12.7,
)
