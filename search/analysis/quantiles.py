"""Student's t and the normal distribution, for whoever tests; SciPy is imported when it is first asked.

Every command and every worker imports the analyses, few of them test anything, and it takes a tenth of a second.
"""


def normal(p: float) -> float:
    """Return what a standard normal variable lies below with probability `p`."""
    from scipy.special import ndtri

    return float(ndtri(p))


def student(freedom: float, p: float) -> float:
    """Return what Student's t with these degrees of freedom lies below with probability `p`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def below(freedom: float, t: float) -> float:
    """Return the probability that Student's t with these degrees of freedom lies below `t`."""
    from scipy.special import stdtr

    return float(stdtr(freedom, t))
