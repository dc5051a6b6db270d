"""Maps that no fab made: simulated wafers, overlays of real ones, and views of a map.

Whatever knows which patterns it drew has a name that begins with `labelled_`; everything else
returns maps alone, so that distillation can draw from here without ever meeting a label.
"""
