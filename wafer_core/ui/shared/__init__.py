"""What pages share: the address, the models' answers, the lot list, the side bar, and how things are worded."""
