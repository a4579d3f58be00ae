"""Which of D-FINE's classes are things that shops sell. A list, nothing else.

Names as in the `id2label` of ustc-community/dfine-small-obj365, in lower case; a test compares them with all 366.

Left out: people, animals, buildings, street furniture, vehicles on the road, furniture that stands in every room
(chair, desk, bed …), and dishes on a table; they are seen everywhere and say nothing of a product.
"""

PRODUCTS = frozenset({
    "sneakers", "leather shoes", "boots", "slippers", "sandals", "high heels", "other shoes", "hat", "glasses",
    "gloves", "handbag/satchel", "backpack", "luggage", "briefcase", "wallet/purse", "bracelet", "necklace",
    "ring", "watch", "belt", "tie", "bow tie", "umbrella", "mask", "cosmetics", "lipstick",
    "cosmetics brush/eyeliner pencil", "cosmetics mirror", "toiletry", "soap", "toothbrush", "hair dryer", "comb",
    "brush", "towel", "candle", "cell phone", "laptop", "tablet", "keyboard", "mouse", "monitor/tv", "camera",
    "tripod", "head phone", "earphone", "speaker", "microphone", "remote", "printer", "projector", "router/modem",
    "computer box", "telephone", "calculator", "refrigerator", "oven", "microwave", "coffee machine", "blender",
    "toaster", "kettle", "rice cooker", "gas stove", "induction cooker", "washing machine/drying machine",
    "dishwasher", "air conditioner", "fan", "electric drill", "cleaning products", "mop", "broom", "guitar",
    "piano", "violin", "drum", "saxophone", "trumpet", "flute", "cello", "skateboard", "surfboard", "snowboard",
    "skiboard", "hoverboard", "scooter", "bicycle", "stroller", "tent", "tennis racket", "golf club",
    "baseball bat", "baseball glove", "basketball", "soccer", "volleyball", "dumbbell", "barbell", "treadmill",
    "fishing rod", "binoculars", "stuffed toy", "game board", "poker card", "book", "pencil case", "canned",
    "candy", "chips", "cookies", "ice cream", "wine glass", "flask", "tea pot", "lighter",
})  # fmt: skip
