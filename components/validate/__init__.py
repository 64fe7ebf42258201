"""Stage 1: is this data set what it claims to be?"""
