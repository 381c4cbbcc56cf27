"""The shared base of supervised nets: hyperparameters, the loop, metrics, augmentation."""
