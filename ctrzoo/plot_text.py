"""Names and values as labels of pictures."""


def plain(texts):
    r"""Return texts that matplotlib draws as they are: dollar signs would open mathematics.

    >>> print(*plain(["price in $"]))
    price in \$
    """
    return [text.replace("$", r"\$") for text in texts]
