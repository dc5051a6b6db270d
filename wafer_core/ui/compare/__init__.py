"""The Compare page: teacher and students held against each other, and the models of the workspace."""
