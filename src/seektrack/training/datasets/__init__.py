"""Readers of training data, all giving the same few kinds of item.

`Dataset` is a sequence that reads on demand; its items are `ImageText`, `VideoText`,
`RegionPicture`, `MaskClip` or `BoxClip`.
"""

from seektrack.training.datasets.base import BoxClip, Dataset, FrameMasks, ImageText, MaskClip, VideoText
from seektrack.training.datasets.beside import masks_beside
from seektrack.training.datasets.boxes import mot_challenge
from seektrack.training.datasets.captions import coco_captions, flickr30k, middle_frames, msr_vtt
from seektrack.training.datasets.left_out import LeftOut, LeftOuts
from seektrack.training.datasets.masks import davis, mask_folders, youtube_vos
from seektrack.training.datasets.medical import decathlon, scans
from seektrack.training.datasets.mots import mots_challenge
from seektrack.training.datasets.regions import RegionPicture, region_pictures
from seektrack.training.datasets.text_items import PictureOf, TextItem, TextSet
from seektrack.training.datasets.texts import read_texts
from seektrack.training.datasets.tracked import TrackSet, read_tracks
from seektrack.training.datasets.vehicles import kitti_tracking, ua_detrac
from seektrack.training.datasets.world import choose_world, world_boxes, world_masks, world_texts

__all__ = [
    "BoxClip",
    "Dataset",
    "FrameMasks",
    "ImageText",
    "LeftOut",
    "LeftOuts",
    "MaskClip",
    "PictureOf",
    "RegionPicture",
    "TextItem",
    "TextSet",
    "TrackSet",
    "VideoText",
    "choose_world",
    "coco_captions",
    "davis",
    "decathlon",
    "kitti_tracking",
    "flickr30k",
    "mask_folders",
    "masks_beside",
    "middle_frames",
    "mot_challenge",
    "mots_challenge",
    "msr_vtt",
    "read_texts",
    "read_tracks",
    "region_pictures",
    "scans",
    "ua_detrac",
    "world_boxes",
    "world_masks",
    "world_texts",
    "youtube_vos",
]
