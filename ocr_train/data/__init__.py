"""Labels on disk become a checked, split dataset."""
