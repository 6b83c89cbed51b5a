"""What a trial does: data, augmentation, models, training, and the built-in objective."""

# Registers everything that is built in, so that whoever imports any part of this package finds it.
from winnow.objectives import optimizers as optimizers
from winnow.objectives import schedules as schedules
from winnow.objectives.augmentation import augmentations as augmentations
from winnow.objectives.models import architectures as architectures
from winnow.objectives.models import imported_models as imported_models

# Raised whenever the same configuration on the same data gives other results than before: studies then do not go on
# with other trials than they began with. tests/contract/test_training_version.py says when that is.
TRAINING_VERSION = 3
