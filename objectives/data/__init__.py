"""What trainings are given: data sets found, read, split, and held on the device."""
