"""The models behind `fixtures/`, one module per genuine Keras version, imported only where that runs."""
