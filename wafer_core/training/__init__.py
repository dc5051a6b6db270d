"""Training on labels: the data, the split, and the teacher. The only room that reads labels to learn."""
