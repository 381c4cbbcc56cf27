"""Pure functions on arrays that judge data: labels, copies, annotators, outliers, drift, what more rows would bring.

Nothing here reads a file or trains a net; probabilities, residuals and scores come in, numbers go out.
"""
