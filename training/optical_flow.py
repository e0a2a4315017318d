"""How the mouth rig moves the template's pixels, fitted to optical flow: from there the painter's motion learns."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.painter_boxes import MOVED, REGION
from training.painter_parts import FLOW_CELL_PX

DOUBT_LEVELS: Final = 2.0
"""Error of a moved picture at which its motion is believed by 1/e."""
SMOOTHING_CELLS: Final = 1.5

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


def seeker() -> cv2.DISOpticalFlow:
    """Return dense inverse search (Kroeger et al. 2016), refined down to single pixels."""
    seek = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    seek.setFinestScale(0)
    seek.setVariationalRefinementIterations(10)
    seek.setGradientDescentIterations(30)
    return seek


def evened(grey: Picture) -> Picture:
    """Return a picture of texture alone, equally strong everywhere, so that a change of light is no motion."""
    light = grey - cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 6.0)
    strength = np.sqrt(cv2.GaussianBlur(light * light, (0, 0), 8.0)) + 4.0
    return np.asarray(np.clip(128 + 40 * light / strength, 0, 255), dtype=np.uint8)


def motion(seek: cv2.DISOpticalFlow, picture: Picture, template: Picture) -> Floats:
    """Return from how far away, in px, each cell of ``MOVED`` comes, (height, width, 2), x and y.

    Found on the pictures and on their texture alone; a cell believes what explains it best, or what is found around.
    """
    grey, still = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.cvtColor(template, cv2.COLOR_BGR2GRAY)
    rows, columns = np.indices(grey.shape, dtype=np.float32)
    sums = np.zeros((*MOVED.cells(FLOW_CELL_PX), 3), dtype=np.float32)
    for first, second in ((grey, still), (evened(grey), evened(still))):
        flow = cv2.GaussianBlur(seek.calc(first, second, None), (0, 0), 2.0)
        moved = cv2.remap(template, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)
        error = cv2.GaussianBlur(cv2.absdiff(moved, picture).max(axis=-1).astype(np.float32), (0, 0), 2.0)
        belief = np.exp(-error / DOUBT_LEVELS)[..., None] + 1e-3
        cells = np.dstack([flow * belief, belief])[MOVED.cut(REGION)[2:]]
        sums += cv2.resize(cells, None, fx=1 / FLOW_CELL_PX, fy=1 / FLOW_CELL_PX, interpolation=cv2.INTER_AREA)
    sums = cv2.GaussianBlur(sums, (0, 0), SMOOTHING_CELLS)
    return np.asarray(sums[..., :2] / sums[..., 2:], dtype=np.float32)


def rig_motion(pictures: NDArray[np.uint8], templates: NDArray[np.uint8], rig: Floats) -> Floats:
    """Fit motion as a linear function of the rig.

    Parameters
    ----------
    pictures, templates : ndarray of uint8, shape (N, 208, 320, 3)
        Speaking regions and the template regions they were made from, BGR.
    rig : ndarray of float32, shape (N, 12)
        Rig weights of the pictures, less those of rest.

    Returns
    -------
    ndarray of float32, shape (2, height, width, 12)
        Motion of each rig unit in px, in cells of ``MOVED``. Left and right are made alike, and
        one picture's errors average out over the many.
    """
    seek = seeker()
    motions = np.stack([motion(seek, *pair) for pair in zip(pictures, templates, strict=True)])
    units, *_ = np.linalg.lstsq(rig, motions.reshape(len(rig), -1), rcond=None)
    fitted = units.reshape(-1, *motions.shape[1:]).transpose(3, 1, 2, 0)
    mirrored = fitted[:, :, ::-1] * np.array([-1, 1]).reshape(2, 1, 1, 1)
    return np.ascontiguousarray((fitted + mirrored) / 2, dtype=np.float32)
