"""Scripts that print figures: speed and faults on inputs of their own, accuracy and trust on wafers that are named."""
