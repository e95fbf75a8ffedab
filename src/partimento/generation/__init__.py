"""Generation: strategies for drawing music from a model, and editing with given cells."""
