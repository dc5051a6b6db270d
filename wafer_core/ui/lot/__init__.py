"""The Lot page: what is in a lot, where it fails, where the models part, and every wafer of it."""
