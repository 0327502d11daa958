"""When a track counts as wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnomalySettings:
    """When a track counts as wrong. Sizes are √(w·h) of the object's box, looks lie in [0, 1].

    Attributes:
        jump: Sizes from one frame to the next, beyond what its motion says, that what stands cannot jump.
        usual_far: What moves may jump farther, by so many times its usual way from frame to frame.
        jolt: Change of velocity in sizes a frame, at once, that what stands does not make.
        unlike: By how much less than usual it must look like itself to be an outlier.
        unlike_z: So many of its usual deviations must that be as well.
        least_area: Of a mask below this share of the usual, looks are not judged.
        drift_s: Seconds it must go on looking like something else to have drifted.
        lost_s: Seconds without a sight, after which it can count as lost.
        abrupt_area: Share of the usual area up to the last sight of what vanishes of a sudden.
        still_there: Likeness, to what it looked like, of its place after it was lost.
        swap_looks: By how much better two tracks must fit each other's past by looks.
        swap_motion: The same by motion, in sizes.
        window: Sights before and after a frame that are compared.
        blip_s: Seconds up to which a track inside the picture is short.
        no_contrast: How little what lies inside a mask may differ from what lies around it.
        blip_contrast: The same for a short track.
    """

    jump: float = 1.2
    usual_far: float = 2.5
    jolt: float = 1.0
    unlike: float = 0.12
    unlike_z: float = 6.0
    least_area: float = 0.7
    drift_s: float = 0.6
    lost_s: float = 0.5
    abrupt_area: float = 0.6
    still_there: float = 0.8
    swap_looks: float = 0.1
    swap_motion: float = 1.5
    window: int = 6
    blip_s: float = 1.0
    no_contrast: float = 0.1
    blip_contrast: float = 0.25
