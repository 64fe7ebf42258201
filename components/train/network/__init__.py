"""The networks, and the precision that they compute in."""
