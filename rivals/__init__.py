"""Contemporary methods rebuilt from their published descriptions, and the controls that a claim needs.

All of them, the student's own architecture among them, see the same wafers for the same number of steps. What is
small lies trained in `trained/`, for the table that sets it beside the shipped models, and with it a student in the
making (`docs/recipes.md`).
"""
