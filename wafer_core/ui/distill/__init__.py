"""The Distill page: starting a run, watching it, and what came of it beside the students before."""
