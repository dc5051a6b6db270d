"""Lots and a teacher in, a student's model folder out: what both the page and the command line start."""
