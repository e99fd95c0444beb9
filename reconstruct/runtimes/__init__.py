import os

# Without oneDNN, which TensorFlow leaves off on some processors, it cannot convolve channels_first on a CPU. It is read
# when TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
