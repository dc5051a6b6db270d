"""Contemporary methods rebuilt from their published descriptions, and the controls that a claim needs.

All of them see the same wafers for the same number of steps as the shipped student; none of them ships.
"""
