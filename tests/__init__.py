"""The tests, in the rooms of what they test."""

SHARED = "GOODFIT_TESTS_SHARED"  # names the variable with the folder that all processes of a run share
