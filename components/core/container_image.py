"""The container image that the compiled pipeline names.

KFP fixes a component's image when its module is imported, so the choice is made by an environment
variable that `idxpipe compile --image` sets first.
"""

import os

from idxpipe import __version__

DEFAULT_IMAGE = f"idxpipe:{__version__}-python3.11"
IMAGE = os.environ.get("IDXPIPE_IMAGE", DEFAULT_IMAGE)
