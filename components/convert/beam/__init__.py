"""The conversion's Beam graph, its runners, and what their workers install."""
