"""How a video is followed, in words that every door takes: command line, server and client."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from seektrack import defaults
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings as FollowSettings  # noqa: PLC0414 - for who only calls the pipeline

PROPAGATION = ("memory", "hybrid", "flow")
FLOW = ("dis", "farneback", "raft")
REMEMBER = ("seen", "all")
REFINE = ("roi", "progressive", "multiscale", "tiles")
POST = ("close", "open", "smooth", "fill", "specks", "largest", "contour", "spline", "grabcut", "snap")
PREDICTORS = ("kalman", "lstm", "transformer")
PRECISION = ("fp32", "bf16", "fp16")
ANOMALIES = ("repair", "tell", "off")
"""What is done about places where tracks are likely wrong."""


def check_value(option: str, value: str | None, allowed: Iterable[str]) -> None:
    """Refuse a value an option does not know.

    Raises:
        InputError: It is not one of those allowed.
    """
    known = tuple(allowed)
    if value is not None and value not in known:
        raise InputError(f"{option} cannot be {value!r}", hint=f"use one of {', '.join(known)}")


@dataclass(frozen=True, kw_only=True)
class FollowWords:
    """What may be said of how a video is followed; each is an option of ``track`` and a key of a request.

    Attributes:
        propagation: How masks get from frame to frame; the model's own way when None.
        every: With hybrid propagation, the network sees one frame in so many.
        flow: Optical flow.
        remember: Which frames an object is remembered by.
        refine: How every object is looked at closer.
        post: Steps that clean masks up; ``none`` leaves them as they come.
        mask_threshold: Logit above which a pixel is inside.
        min_object_score: A mask of an object less likely to be there is not believed.
        exclusive: Whether a pixel that several objects claim goes to the surest.
        predictor: What tells where hidden objects are: a name, or a folder of a trained one.
        precision: What the segmentation network computes in.
        fuse: Frames on either side whose masks vote on each.
        amodal: Whether the hidden part of objects is estimated.
        anomalies: What is done about places where tracks are likely wrong.
        depth: A folder of depth maps, or ``hf:ID`` of a depth network.
    """

    propagation: str | None = None
    every: int = defaults.EVERY
    flow: str = defaults.FLOW
    remember: str = defaults.REMEMBER
    refine: str | None = None
    post: str = defaults.POST
    mask_threshold: float = 0.0
    min_object_score: float | None = None
    exclusive: bool = False
    predictor: str = defaults.PREDICTOR
    precision: str = "fp32"
    fuse: int = 0
    amodal: bool = False
    anomalies: str = "repair"
    depth: str | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every word."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def said(cls, given: dict[str, Any]) -> FollowWords:
        """The words among what was given; what is missing is as usual."""
        return cls(**{name: given[name] for name in cls.names() if name in given})

    def check(self, spoken: Callable[[str], str] = str) -> None:
        """Refuse what is unknown, before anything that loads for seconds.

        Args:
            spoken: What a word is called where it was said, as ``--post``.

        Raises:
            InputError: A mode, method, step or precision is unknown.
        """
        for name, allowed in (
            ("propagation", PROPAGATION),
            ("flow", FLOW),
            ("remember", REMEMBER),
            ("refine", REFINE),
            ("precision", PRECISION),
            ("anomalies", ANOMALIES),
        ):
            check_value(spoken(name), getattr(self, name), allowed)
        for step in self.post.split(",") if self.post not in ("", "none") else ():
            check_value(f"a step of {spoken('post')}", step.partition(":")[0].strip(), POST)
        if not math.isfinite(self.mask_threshold):
            raise InputError(
                f"{spoken('mask_threshold')} cannot be {self.mask_threshold}", hint="a logit, such as 0.5"
            )

    def settings(
        self, *, device: str | None = None, spoken: Callable[[str], str] = str
    ) -> FollowSettings | None:
        """The settings for following; None where everything is as usual.

        Args:
            device: Where a depth network runs.
            spoken: See `check`.

        Raises:
            InputError: See `check`; or there is no such folder of depth maps.
            ModelError: The flow method cannot be had, or there is no such predictor.
        """
        carries = self.propagation if self.propagation not in (None, "memory") else None
        unheeded: dict[str, Any] = (
            {} if carries else {"propagation": None, "every": defaults.EVERY, "flow": defaults.FLOW}
        )
        if replace(self, **unheeded) == FollowWords():
            return None
        self.check(spoken)
        from seektrack.segmentation import PropagationSettings, RefineSettings, parse_steps
        from seektrack.segmentation.flow import make_flow
        from seektrack.tracking import EngineSettings, FollowSettings, IdentitySettings, load_predictor
        from seektrack.tracking.depth import parse_depth

        mode: Any = self.propagation or "memory"
        chosen: dict[str, Any] = {"every": self.every, "flow": self.flow, "remember": self.remember}
        carried = PropagationSettings(mode=mode, **chosen)
        if mode != "memory":
            make_flow(self.flow)
        post = "" if self.post == "none" else self.post
        if post:
            parse_steps(post)
        closer: dict[str, Any] = {"method": self.refine}
        engine = EngineSettings(
            propagation=carried,
            refine=None if self.refine is None else RefineSettings(**closer),
            post=post,
            mask_threshold=self.mask_threshold,
            exclusive=self.exclusive,
            precision=self.precision,
        )
        load_predictor(self.predictor)
        identity = IdentitySettings(predictor=self.predictor)
        if self.min_object_score is not None:
            identity = replace(identity, min_object_score=self.min_object_score)
        made = FollowSettings(engine=engine, identity=identity, fuse=self.fuse, amodal=self.amodal)
        if self.anomalies != "repair":
            made = replace(made, repair=False)
        if self.anomalies == "off":
            made = replace(made, anomalies=None)
        if self.depth is not None:
            made = replace(made, depth=parse_depth(self.depth, device=device))
        return made

    @classmethod
    def of(cls, settings: FollowSettings) -> FollowWords:
        """The words that mean some settings; a tracker, a grounder and their confidence are said beside.

        Raises:
            InputError: There are no words for something in them.
        """
        from seektrack.pipeline.detections import chosen_settings
        from seektrack.tracking import IdentitySettings
        from seektrack.tracking.depth import spoken_depth

        engine, identity = settings.engine, settings.identity
        carried, score = engine.propagation, identity.min_object_score
        words = cls(
            propagation=None if carried is None else carried.mode,
            every=defaults.EVERY if carried is None else carried.every,
            flow=defaults.FLOW if carried is None else carried.flow,
            remember=defaults.REMEMBER if carried is None else carried.remember,
            refine=None if engine.refine is None else engine.refine.method,
            post=engine.post or "none",
            mask_threshold=engine.mask_threshold,
            min_object_score=None if score == IdentitySettings().min_object_score else score,
            exclusive=engine.exclusive,
            predictor=identity.predictor,
            precision=engine.precision or "fp32",
            fuse=settings.fuse,
            amodal=settings.amodal,
            anomalies="off" if settings.anomalies is None else "repair" if settings.repair else "tell",
        )
        meant = chosen_settings(words.settings(), **cls.said_beside(settings))
        depth = None if settings.depth is None else spoken_depth(settings.depth)
        if depth is not None:
            words, meant = replace(words, depth=depth), replace(meant, depth=settings.depth)
        as_usual: dict[str, Any] = {
            name: None for name in ("propagation", "precision") if getattr(engine, name) is None
        }
        meant = replace(meant, engine=replace(meant.engine, **as_usual))
        if meant != settings:
            raise InputError(
                f"{_differing('settings', settings, meant)} cannot be said to a server",
                hint=f"it takes {', '.join(cls.names())}; or follow on the machine itself",
            )
        return words

    @staticmethod
    def said_beside(settings: FollowSettings) -> dict[str, Any]:
        """What of some settings every door takes by itself: ``tracker``, ``ground_every`` and so on."""
        usual: dict[str, Any] = {"ground_every": 1, "grounder": "proposals", "min_confidence": 0.5}
        said = {name: getattr(settings, name) for name in ("tracker", *usual)}
        return {name: None if value == usual.get(name) else value for name, value in said.items()}


def _differing(name: str, own: Any, said: Any) -> str:
    """The innermost setting that differs, as ``settings.identity.keep_s``."""
    if hasattr(own, "__dataclass_fields__") and type(own) is type(said):
        for field in fields(own):
            a, b = getattr(own, field.name), getattr(said, field.name)
            if a != b:
                return f"{name}.{_differing(field.name, a, b)}"
    return name
