"""Well-known data sets from where their publishers keep them."""
