"""Going round: labels made by a model for people to correct, what to label next, labels to look at again."""
