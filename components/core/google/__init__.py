"""Google's credentials, and JSON over REST."""
