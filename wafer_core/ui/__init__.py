"""What pages are made of: a room for each of the four, and what they share."""
