"""What a model learned about its fields: explanations averaged over a split."""

import ctrzoo.startup  # noqa: F401  (before Keras)

import tensorflow as tf


class MeanExplanations:
    """Average the explanations of a model over all rows of a data set; compiled once.

    Args:
        model: A `CTRModel`.
    """

    def __init__(self, model):
        explainer = model.explainer()

        @tf.function(reduce_retracing=True)
        def sums(features):
            outputs = explainer(features, training=False)
            wide = {name: tf.cast(outputs[name], tf.float32) for name in model.explanation_names}  # sums of many rows
            return {name: tf.reduce_sum(tf.abs(output), axis=0) for name, output in wide.items()}

        self._sums = sums

    def __call__(self, dataset):
        """Return the means over a `tf.data.Dataset` of `(features, labels)` batches, as `mean_explanations`."""
        totals, rows = None, 0
        for features, labels in dataset:
            batch = self._sums(features)
            totals = batch if totals is None else {name: totals[name] + batch[name] for name in batch}
            rows += len(labels)
        if not rows:
            raise ValueError("The data set has no rows to explain.")
        return {name: total.numpy() / rows for name, total in totals.items()}


def mean_explanations(model, dataset):
    """Average the explanations of a model over all rows of a data set.

    Args:
        model: A `CTRModel`.
        dataset: A `tf.data.Dataset` of `(features, labels)` batches.

    Returns:
        A dictionary from the name of each explanation to the mean of its absolute value over rows, a
        NumPy array of the shape of one row's explanation, such as `(fields, fields)`.

    Raises:
        ValueError: If there is no row.
    """
    return MeanExplanations(model)(dataset)
