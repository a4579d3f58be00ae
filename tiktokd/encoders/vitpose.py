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
SMOOTHING, SMOOTHING_CELLS, HEAT_MIN = 0.8, 5, 0.001
"""Of a heat map before its peaks are refined: deviation and reach in cells, and the least value that has a logarithm,
as in the checkpoint's processor."""
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
    """Return the window (1, 3, h, w) of a picture, black outside of it.

    The middles of the outer pixels lie on the window's edges, as in training (unbiased data processing, Huang et al.
    2020, arXiv 1911.07524).
    """
    import torch

    left, top, w, h = place
    xs = torch.linspace(left, left + w, model.width_px, device=rgb.device) + 0.5
    ys = torch.linspace(top, top + h, model.height_px, device=rgb.device) + 0.5
    grid = torch.stack(torch.meshgrid(ys / rgb.shape[2] * 2 - 1, xs / rgb.shape[3] * 2 - 1, indexing="ij")[::-1], -1)
    return torch.nn.functional.grid_sample(rgb, grid[None], mode="bilinear", align_corners=False)


def peaks(heat: Array, place: tuple[float, ...], size: tuple[int, int]) -> Array:
    """Return (K, 3) points of one crop: x, y as shares of the picture, score 0..1.

    Args:
        heat: (K, h, w) heat maps.
        place: the crop's left, top, width, height in pixels.
        size: width and height of the picture in pixels.
    """
    count, height, width = heat.shape
    rows, columns = np.divmod(heat.reshape(count, -1).argmax(axis=1), width)
    across, down = _refined(heat, rows, columns)
    points = np.zeros((count, 3), np.float32)
    # As the crop was cut: the middles of the outer cells lie on its edges.
    points[:, 0] = (across / (width - 1) * place[2] + place[0] + 0.5) / size[0]
    points[:, 1] = (down / (height - 1) * place[3] + place[1] + 0.5) / size[1]
    points[:, 2] = heat[np.arange(count), rows, columns].clip(0.0, 1.0)
    return points


def _refined(heat: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Return x and y of each peak between the cells: where a normal distribution through its neighbours has its top.

    Source: Zhang et al. 2020, "DARK", arXiv 1910.06278, with the smoothing of the checkpoint's own processor.
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(heat.astype(np.float64), sigma=SMOOTHING, axes=(1, 2), radius=SMOOTHING_CELLS)
    logs = np.pad(np.log(smooth.clip(HEAT_MIN, None)), ((0, 0), (1, 1), (1, 1)), mode="edge")
    points = np.arange(len(heat))

    def at(down: int, across: int) -> Array:
        return np.asarray(logs[points, rows + 1 + down, columns + 1 + across])

    slope = np.stack([at(0, 1) - at(0, -1), at(1, 0) - at(-1, 0)], axis=1) / 2
    xx, yy = at(0, 1) - 2 * at(0, 0) + at(0, -1), at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    xy = (at(1, 1) - at(0, 1) - at(1, 0) + 2 * at(0, 0) - at(-1, 0) - at(0, -1) + at(-1, -1)) / 2
    curve = np.stack([xx, xy, xy, yy], axis=1).reshape(-1, 2, 2) + np.finfo(np.float32).eps * np.eye(2)
    # A flat or torn map has no top near its peak: then the peak's cell is all there is.
    step = -np.linalg.solve(curve, slope[..., None])[..., 0].clip(-1.0, 1.0)
    return columns + step[:, 0], rows + step[:, 1]


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
