"""`python -m goodfit.service.cli`: the command line without its script."""

from goodfit.service.cli import main

main()
