"""One process at a time in a place of a bucket, where no lock of an operating system reaches."""
