"""What may be seen where a sound is heard: AudioSet's sounds and Objects365's things. Pure.

Sounds as in AudioSet's class_labels_indices.csv, which the `id2label` of MIT/ast-finetuned-audioset-10-10-0.4593
repeats; things as in the `id2label` of ustc-community/dfine-small-obj365, in lower case. A test compares both lists.
"""

from collections.abc import Collection, Mapping

HEARD = 0.2
"""Mean score over the clip from which a sound counts as heard: chosen, not calibrated. AudioSet's 527 classes are
scored each by itself and most lie near 0."""
_PERSON = frozenset({"person"})
_ROAD = frozenset({
    "car", "suv", "sports car", "van", "pickup truck", "truck", "heavy truck", "bus", "fire truck", "ambulance",
    "formula 1", "machinery vehicle", "motorcycle",
})  # fmt: skip
_BIRDS = frozenset({"wild bird", "parrot", "pigeon", "duck", "goose", "swan", "chicken", "penguin"})
_BOATS = frozenset({"boat", "sailboat", "ship"})
_KEYS = frozenset({"keyboard", "laptop"})
SOURCES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("Speech", "Conversation", "Singing", "Laughter", "Clapping", "Crying, sobbing", "Baby cry, infant cry",
         "Shout"),
        _PERSON,
    ),
    **dict.fromkeys(("Dog", "Bark", "Bow-wow", "Growling"), frozenset({"dog"})),
    **dict.fromkeys(("Cat", "Meow", "Purr"), frozenset({"cat"})),
    **dict.fromkeys(("Bird", "Bird vocalization, bird call, bird song", "Chirp, tweet"), _BIRDS),
    **dict.fromkeys(("Chicken, rooster", "Crowing, cock-a-doodle-doo"), frozenset({"chicken"})),
    **dict.fromkeys(("Duck", "Quack"), frozenset({"duck"})),
    **dict.fromkeys(("Horse", "Clip-clop", "Neigh, whinny"), frozenset({"horse"})),
    **dict.fromkeys(("Cattle, bovinae", "Moo"), frozenset({"cow", "yak"})),
    **dict.fromkeys(("Sheep", "Bleat"), frozenset({"sheep"})),
    **dict.fromkeys(("Pig", "Oink"), frozenset({"pig"})),
    **dict.fromkeys(("Vehicle", "Car", "Car passing by", "Vehicle horn, car horn, honking", "Truck"), _ROAD),
    "Bus": frozenset({"bus"}),
    "Motorcycle": frozenset({"motorcycle", "scooter"}),
    "Train": frozenset({"train"}),
    "Aircraft": frozenset({"airplane", "helicopter"}),
    "Helicopter": frozenset({"helicopter"}),
    "Boat, Water vehicle": _BOATS,
    "Bicycle": frozenset({"bicycle"}),
    "Skateboard": frozenset({"skateboard"}),
    **dict.fromkeys(("Guitar", "Acoustic guitar", "Electric guitar"), frozenset({"guitar"})),
    "Piano": frozenset({"piano"}),
    **dict.fromkeys(("Drum", "Drum kit", "Snare drum", "Percussion"), frozenset({"drum", "cymbal"})),
    "Violin, fiddle": frozenset({"violin"}),
    "Cello": frozenset({"cello"}),
    "Flute": frozenset({"flute"}),
    "Saxophone": frozenset({"saxophone"}),
    "Trumpet": frozenset({"trumpet"}),
    **dict.fromkeys(("Typing", "Computer keyboard"), _KEYS),
    "Hair dryer": frozenset({"hair dryer"}),
    "Microwave oven": frozenset({"microwave"}),
    "Blender": frozenset({"blender"}),
    "Chainsaw": frozenset({"chainsaw"}),
    "Water tap, faucet": frozenset({"faucet", "sink"}),
    "Basketball bounce": frozenset({"basketball"}),
}  # fmt: skip
"""Sound → things of which one should be seen where it is made before the camera. Sounds without such a thing (music as
a whole, wind, rain) are left out."""


def split(heard: Mapping[str, float], seen: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the sounds whose source is seen and those whose source is not, loudest first.

    Args:
        heard: sound → mean score over the clip, 0..1.
        seen: things in any sampled frame.
    """
    sounds = [name for name in sorted(heard, key=lambda n: (-heard[n], n)) if heard[name] >= HEARD and name in SOURCES]
    there = [name for name in sounds if not SOURCES[name].isdisjoint(seen)]
    return there, [name for name in sounds if name not in there]
