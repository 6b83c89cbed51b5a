"""What a trial does: data, augmentation, models, training and the objective functions."""
