"""What is taken where nothing is said, at every door that asks for it: the one place these values stand."""

from __future__ import annotations

MODEL = "pocket"
"""Encoder and segmenter: those in the package, which need no network."""
K = 10
"""Most answers of a search."""
WITHIN_S = 30.0
"""Most seconds between two steps of an order of events."""
TOP = 3
"""Most videos of a library in which a text is followed."""
FORMATS = ("json", "mot", "coco", "csv")
"""What tracks are written as."""
SAMPLING = "adaptive"
"""Frames of a video that a library keeps."""
REGIONS = "objects"
"""What of such a frame beside the whole."""
LIVE_SAMPLING = "fps=4"
"""Pictures of a stream that are looked at, at most."""
LIVE_REGIONS = "tiles"
"""What of such a picture beside the whole: the quick kind, as a stream does not wait."""
EVERY = 4
"""Frames from one look of the network to the next, where optical flow carries the masks between."""
FLOW = "dis"
"""How optical flow is computed."""
REMEMBER = "seen"
"""Which frames an object is remembered by."""
PREDICTOR = "transformer"
"""What says where a hidden object is."""
POST = "largest,snap"
"""How masks are cleaned."""
OVERLAP_S = 1.0
"""Seconds that a piece of a video has in common with the next."""
TILE_OVERLAP = 0.25
"""Fraction of its side that a tile of a very large picture has in common with its neighbours."""
X264 = {"preset": "veryfast", "x264-params": "cpu-independent=1:sliced-threads=0:threads=4"}
"""How H.264 is encoded into files, so that the same pictures are the same bytes: x264 else cuts them into
as many slices as there are processors, and some of its AVX-512 gives now one answer, now another."""
