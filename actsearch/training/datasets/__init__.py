"""`tf.data` data sets as training data: epochs over them, and the seeds of their own randomness."""
