"""The Wafer page: one wafer on its own dies, what both models say of it, why, and flipping dies by hand."""
