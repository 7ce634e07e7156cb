"""Texts outside of any task: what a backbone should still be able to read once a prompt is in place.

Written for this purpose, so no model has been trained on them; plain prose on unlike subjects.
"""

TEXTS = (
    "The ferry left the harbour an hour late because a cable had frozen overnight, and nobody on the pier complained.",
    "Granite forms when magma cools slowly beneath the surface, which gives its crystals the time to grow large.",
    "My grandmother kept the letters in a biscuit tin, sorted by year, and read one aloud every Sunday evening.",
    "To prune an old apple tree, first remove the dead wood, then open the crown so that light can reach the middle.",
    "The committee met twice in March and agreed on a smaller budget, although two members asked for more time.",
    "A sailor learns to read the sky before the instruments, since a change of wind announces itself in the clouds.",
    "Bread made with wild yeast takes longer to rise, but it keeps fresh for days and has a deeper taste.",
    "The museum bought the painting at an auction in 1932 and cleaned it only once, some forty years afterwards.",
    "When the river floods, the farmers move their cattle to the hill and wait there until the fields are dry again.",
    "Light from the nearest star needs more than four years to arrive, so we always see it as it was in the past.",
    "He repaired clocks in a narrow shop behind the station and refused to sell any that he had not taken apart.",
    "The children built a bridge of planks across the stream, and it held until the first heavy rain of autumn.",
    "Copper conducts heat better than iron does, which is why good pans often have a layer of it in the bottom.",
    "She had studied law for three years when she noticed that she spent all her evenings drawing maps instead.",
    "The orchestra tuned to the oboe, the lights went down, and a telephone rang somewhere in the upper balcony.",
    "Bees tell each other where flowers are by a dance whose angle and length give the direction and the distance.",
    "The road over the pass is closed from November to May, and in those months the village is reached by train.",
    "An engine that runs too cold wastes fuel, and one that runs too hot wears out its seals long before their time.",
    "In the old part of the town the houses lean towards each other so far that the streets are never quite dry.",
    "The translator left one word as it was, for no single word of her own language had both of its meanings.",
    "Glass is not a liquid that flows over centuries; old panes are thicker at one edge because they were made so.",
    "After the storm the volunteers counted the seals on the sandbank and found eleven more than the year before.",
    "A good knife is sharpened a little and often, at the same angle each time, and never put into a machine.",
    "The last tram of the night carries nurses, bakers and students, and hardly anyone speaks until the terminus.",
)
