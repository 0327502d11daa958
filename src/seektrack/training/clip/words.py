"""The words texts are made of: synonyms, shades, plurals, templates, and nouns the world does not have."""

from __future__ import annotations

from seektrack.world import vocabulary

SYNONYMS: dict[str, tuple[str, ...]] = {
    "car": ("vehicle", "auto", "automobile", "sedan"),
    "truck": ("lorry", "pickup", "van"),
    "bus": ("coach", "minibus"),
    "person": ("man", "woman", "pedestrian", "human", "child", "people"),
    "dog": ("puppy", "hound", "doggy"),
    "bird": ("parrot", "sparrow", "pigeon"),
    "boat": ("ship", "sailboat", "vessel"),
    "ball": ("football", "soccer ball", "beach ball"),
    "robot": ("android", "droid", "machine"),
    "bicycle": ("bike", "cyclist", "cycle"),
    "cup": ("mug", "teacup", "coffee cup"),
    "block": ("cube", "box", "brick", "crate"),
    "bottle": ("flask", "water bottle", "jar"),
    "chair": ("seat", "stool", "armchair"),
    "lamp": ("desk lamp", "lantern", "light"),
    "plane": ("airplane", "aeroplane", "jet"),
    "fish": ("goldfish", "trout", "carp"),
    "horse": ("pony", "mare", "stallion"),
}
SHADES: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet", "ruby"),
    "orange": ("amber", "tangerine"),
    "yellow": ("golden", "lemon"),
    "green": ("emerald", "lime"),
    "blue": ("navy", "azure", "cobalt"),
    "purple": ("violet", "lilac"),
    "pink": ("rose", "magenta"),
    "white": ("ivory", "snowy"),
    "black": ("dark", "ebony"),
}
PLURALS = {
    "person": "people",
    "bus": "buses",
    "man": "men",
    "woman": "women",
    "child": "children",
    "puppy": "puppies",
    "lorry": "lorries",
    "people": "people",
    "doggy": "doggies",
    "box": "boxes",
    "coach": "coaches",
    "minibus": "minibuses",
    "fish": "fish",
    "goldfish": "goldfish",
    "trout": "trout",
    "carp": "carp",
    "pony": "ponies",
}
TEMPLATES = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a video of {}",
    "a video frame showing {}",
    "a frame with {}",
    "{} in the street",
    "{} on the road",
    "{} in a video",
    "there is {}",
    "find {}",
    "show me {}",
    "a close-up of {}",
    "a cropped photo of {}",
    "a blurry photo of {}",
    "a bad photo of {}",
    "a good photo of {}",
    "itap of {}",
    "art of {}",
    "a rendering of {}",
    "a low resolution photo of {}",
    "a scene with {}",
    "{} moving left",
    "{} moving right",
    "{} standing still",
    "{} driving",
    "{} from the side",
    "{} in the scene",
    "a clean origami {}",
    "{} in a video game",
    "a still of {}",
    "{}.",
    "{}!",
    "{} 1",
    "where is {}?",
    "is there {}?",
    "photo no. 42: {}",
)
PLACES_SAID: dict[str, tuple[str, ...]] = {
    "street": ("in the street", "on the road", "in a city"),
    "meadow": ("on the grass", "in a field", "on a lawn"),
    "beach": ("at the beach", "on the sand", "by the sea"),
    "water": ("in the water", "on a lake", "on the sea"),
    "snow field": ("on a snowy field", "on white ground"),
    "room": ("indoors", "inside a house", "in the room"),
    "table": ("on the table", "on a wooden table"),
    "studio": ("on a plain background", "before a plain wall"),
    "pattern": ("in front of a pattern", "on a patterned background"),
}
"""Other ways to say where; the usual ones are :func:`seektrack.world.phrases.where`."""
LIGHTS_SAID: dict[str, tuple[str, ...]] = {
    "dusk": ("in the evening", "at sunset", "at twilight"),
    "night": ("in the dark", "by night"),
}
WEATHERS_SAID: dict[str, tuple[str, ...]] = {
    "rain": ("while it rains", "in rainy weather"),
    "snow": ("while it snows", "in falling snow"),
    "fog": ("in foggy weather", "in the mist"),
}
"""Daylight and clear weather go without saying."""
NUMBERS = ("2", "3", "4", "5", "7", "10", "two", "three", "four", "many", "some")
FILLERS = (
    "small",
    "big",
    "little",
    "large",
    "fast",
    "slow",
    "old",
    "new",
    "shiny",
    "striped",
    "single",
    "moving",
    "plain",
    "tiny",
)
EMPTY = tuple(vocabulary()["background"]) + (
    "background",
    "an empty road",
    "an empty scene",
    "no object",
    "a wall",
    "trees",
    "the ground",
    "texture",
    "a blurry background",
    "clouds",
    "an empty picture",
    "leaves",
    "houses",
    "a pattern",
    "the background",
    "a photo of nothing",
)
_UNKNOWN = """
train motorcycle bench cat sheep cow elephant bear zebra giraffe backpack
handbag tie suitcase frisbee skis snowboard kite bat glove skateboard surfboard racket fork knife
spoon bowl banana apple sandwich broccoli carrot pizza donut cake couch plant bed toilet
television laptop mouse remote keyboard phone microwave oven toaster sink refrigerator book clock vase
scissors drill toothbrush helicopter rocket tractor tank lion tiger monkey shark whale snake spider
butterfly insect rabbit fox wolf deer penguin chicken shoe hat shirt jacket glasses watch ring guitar
piano drum violin camera candle door window bridge castle tower mountain river desert volcano
island moon star rainbow snowman flower mushroom pumpkin tomato potato bread cheese egg hamburger
coffee wine guitarist doctor wheel engine ladder hammer rope flag statue fountain fence tent wallet key
pencil paper envelope coin money dinosaur dragon unicorn ghost
"""
UNKNOWN_NOUNS = tuple(_UNKNOWN.split())
"""What texts that match nothing are about."""

_SYLLABLES = """
ba ker lo min tra ven su pol dri fa gon hi ter nal mo ple qua ris sto ul wex yo zan ch ing er
"""
SYLLABLES = tuple(_SYLLABLES.split())
"""What words nobody knows are made of."""
