"""Pre-labels, what to label next, and labels that look wrong."""
