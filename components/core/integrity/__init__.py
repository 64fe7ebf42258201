"""Whether bytes are still what was written: documents that check themselves, digests of files."""
