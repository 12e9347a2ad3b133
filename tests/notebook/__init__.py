"""What the cells of the notebook call, and the notebook itself."""
