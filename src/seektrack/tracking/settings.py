"""The settings of the engine and of the identity layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seektrack import defaults
from seektrack.tracking.association import CueWeights
from seektrack.tracking.kalman import KalmanSettings
from seektrack.tracking.likeness import LikenessSettings

if TYPE_CHECKING:
    from seektrack.segmentation import PropagationSettings, RefineSettings


@dataclass(frozen=True)
class EngineSettings:
    """How the segmentation engine makes the masks that are followed.

    Attributes:
        propagation: How masks get from frame to frame; every frame through the network when None.
        refine: Look at every object closer, in source resolution; not when None.
        post: Steps that clean the masks up, as ``close:3,fill:64``; none when empty. By default the largest
            piece is kept, as stray pixels stretch boxes and falsify speeds; small outlines snap to colours.
        mask_threshold: Logit above which a pixel is inside.
        exclusive: Give a pixel claimed by several objects to the surest.
        max_objects_per_batch: Objects computed at once.
        precision: What the network's heavy layers compute in: ``fp32``, ``bf16``, or on a GPU ``fp16``; what
            it was loaded with when None.
    """

    propagation: PropagationSettings | None = None
    refine: RefineSettings | None = None
    post: str = defaults.POST
    mask_threshold: float = 0.0
    exclusive: bool = False
    max_objects_per_batch: int = 32
    precision: str | None = None


@dataclass(frozen=True)
class IdentitySettings:
    """When an identity is kept, questioned, given back and given up.

    Attributes:
        kalman: Noise of the motion model.
        predictor: What tells where hidden objects are: ``"kalman"``, ``"lstm"``, ``"transformer"``, or a
            folder that ``seektrack pocket trajectory`` wrote.
        weights: Weight of mask, box and appearance in matching.
        min_hits: Frames an object is seen on before it counts as active.
        min_object_score: An engine's mask with a lower object score is not believed.
        min_area: Smallest mask in pixels.
        max_hidden_s: Seconds a hidden object's position is predicted.
        max_lost_s: Seconds after which a hidden object is forgotten.
        same_iou: A candidate overlapping a followed mask by this IoU is that object.
        same_cover: A candidate of which this fraction lies inside followed masks, or the other way round,
            is that object, or a part of it.
        revive_cost: Highest matching cost at which a hidden object is recognised.
        revive_similarity: Lowest cosine similarity at which it is recognised by looks.
        max_speed: Fastest an unseen object can have moved, in its own sizes per second.
        appearance_range: Cosines of (different, same) objects of the encoder; stretched to [0, 1]. Where a
            text is followed, its encoder's takes the place of the usual one (`seektrack.tracking.looks`).
        drift_similarity: An engine's mask less similar to its own past than this is suspect.
        drift_confidence: Where its confidence in the text falls below this, it must be as similar as one that
            is recognised.
        drift_strikes: Suspect looks in a row after which the engine is not believed any more.
        partial_area: Of a box smaller than this fraction of the usual, looks are not judged.
        jump_frames: Frames in a row an impossible jump must stay before it is believed.
        merge_iou: Two ids overlapping by this IoU are on the same pixels.
        merge_frames: Frames in a row after which they are one object, if they never lived apart.
        sure_score: Object score from which a mask teaches what its object looks like.
        merge: Whether two ids that never lived apart become one.
        contest_cover: Two that lived apart contest their pixels from this share of the smaller mask on.
        max_contest_s: Seconds after which one that stayed out of sight is no longer in a contest.
        share: Whether a pixel that two claim is shown as one's alone; not for a part beside its whole.
        gallery: Exemplar embeddings kept per object.
        likeness: How cues of looks are read together.
        return_looks: Looks in a row at which something must be like an object that was lost, left or belongs
            to an earlier shot, to be it.
        adopt_s: Seconds after its first sight in which one may turn out to be another that was out of sight.
        max_sought: Objects out of sight that are looked for on a frame, those seen last first.
        seek_all_s: Seconds between two looks over the whole picture for those, where no text is grounded.
    """

    kalman: KalmanSettings = field(default_factory=KalmanSettings)
    predictor: str = defaults.PREDICTOR
    weights: CueWeights = field(default_factory=CueWeights)
    min_hits: int = 2
    min_object_score: float = 0.5
    min_area: int = 12
    max_hidden_s: float = 1.5
    max_lost_s: float = 10.0
    same_iou: float = 0.4
    same_cover: float = 0.7
    revive_cost: float = 0.6
    revive_similarity: float = 0.8
    max_speed: float = 6.0
    appearance_range: tuple[float, float] = (0.4, 1.0)
    drift_similarity: float = 0.5
    drift_confidence: float = 0.05
    drift_strikes: int = 2
    partial_area: float = 0.4
    jump_frames: int = 3
    merge_iou: float = 0.7
    merge_frames: int = 3
    sure_score: float = 0.9
    merge: bool = True
    contest_cover: float = 0.3
    max_contest_s: float = 6.0
    share: bool = True
    gallery: int = 6
    likeness: LikenessSettings = field(default_factory=LikenessSettings)
    return_looks: int = 2
    adopt_s: float = 2.0
    max_sought: int = 8
    seek_all_s: float = 1.0

    def in_range(self, different: float, same: float) -> IdentitySettings:
        """The same for an encoder of another range: every cosine lies where it lay between the two.

        Args:
            different, same: Cosines of crops of two objects, and of the same one, to that encoder.
        """
        low, high = self.appearance_range
        if (different, same) == (low, high):
            return self

        def moved(cosine: float) -> float:
            return different + (cosine - low) / (high - low) * (same - different)

        return replace(
            self,
            appearance_range=(different, same),
            revive_similarity=moved(self.revive_similarity),
            drift_similarity=moved(self.drift_similarity),
            likeness=self.likeness.with_range("clip", different, same),
        )
