"""A bot that answers photos in a room with the same photos, faces covered: on Matrix, behind `room.Room`."""
