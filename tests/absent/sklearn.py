"""Stands in the way of scikit-learn, which only tests need, and Keras loads where it is found."""

raise ModuleNotFoundError("not installed where idxpipe is used", name=__name__)
