"""Stage 5: does the evaluated model pass?"""
