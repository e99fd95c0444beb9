"""The other direction: a recovered model as a file that tf_keras 2 and the Keras of TensorFlow up to 2.15 load.

    .keras of the recovery ─ readers ─▶ Artifact ─ rules ─▶ Artifact ─ config, order ─▶ JSON ─ files ─▶ .h5 or .keras

All of it is plain data; `tf_keras` orders the stages, and has tf_keras itself, in a process of its own, load what was
written and compute the same.
"""
