"""Where trials live: an SQL storage that several workers share, and what they keep beside it.

`storage.open(url)` gives a full Optuna storage; everything else takes that storage's `engine`.
"""

from winnow.storage.opening import open
from winnow.storage.storage import Storage

__all__ = ["Storage", "open"]
