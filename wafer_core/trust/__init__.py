"""How far an explanation can be trusted: scored where the truth is known, beside its chance level.

`regions` builds the wafers, `scores` holds the mathematics, `flips` asks the models, `trial` scores
one explained wafer, `tally` pools trials into figures, and `record` keeps those beside the model.
Of a wafer nobody knows the truth about, `altered` and `whereabouts` say what can still be measured.
"""
